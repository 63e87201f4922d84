"""Objects that are staged: read again before they become visible, under attributes that are known late."""

import hashlib
import random
from pathlib import Path

import pytest

from moss.errors import ChecksumMismatch, ObjectNotFound
from moss.naming.bucket import Bucket
from moss.node.storage.engine import Engine
from moss.node.storage.objects import ObjectAttributes

BUCKET = Bucket("b")


@pytest.mark.parametrize("size", [0, 10, 1 << 20, (1 << 20) + 1, 5_000_000])
def test_what_was_written_is_read_again_and_committed_under_other_attributes(tmp_path: Path, size: int):
    content = random.Random(size).randbytes(size)
    with Engine.open(tmp_path) as engine:
        engine.create_bucket(BUCKET)
        given = ObjectAttributes(checksum_type="md5")
        upload = engine.begin_upload(BUCKET, "o", attributes=given, is_staged=True)
        for at in range(0, size, 300_000):
            upload.write(content[at : at + 300_000])
        assert upload.checksum() == hashlib.md5(content).hexdigest()
        assert b"".join(upload.pieces()) == content
        with pytest.raises(ObjectNotFound):
            engine.head(BUCKET, "o")
        custom = {f"key{number}": "\x01" * 100 for number in range(100)}
        late = ObjectAttributes(version="v7", custom=custom, checksum_type="md5", keep_custom=False)
        record = upload.commit(late).result()
        assert (record.version, record.custom, record.size) == ("v7", custom, size)
        assert engine.read(BUCKET, "o") == content
    with Engine.open(tmp_path) as engine:
        assert engine.head(BUCKET, "o").custom == custom


@pytest.mark.parametrize("size", [10, 5_000_000])
def test_bytes_that_were_not_announced_are_noticed_before_they_are_committed(tmp_path: Path, size: int):
    with Engine.open(tmp_path) as engine:
        engine.create_bucket(BUCKET)
        given = ObjectAttributes(checksum_value="0" * 16)
        upload = engine.begin_upload(BUCKET, "o", attributes=given, is_staged=True)
        upload.write(bytes(size))
        with pytest.raises(ChecksumMismatch):
            upload.checksum()
        upload.abort()
        assert not list((tmp_path / "incoming").iterdir())
