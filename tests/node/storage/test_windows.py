"""Many objects at once: listed without attributes, looked up, deleted and copied."""

import hashlib
import os
from random import Random

import pytest

from moss.errors import BucketNotFound, ChecksumMismatch, ObjectNotFound, SegmentGone
from moss.naming.bucket import Bucket
from moss.node.storage import copying
from moss.node.storage.objects import ObjectAttributes
from moss.node.storage.walking import walk, walk_level

OTHER = Bucket("other")


@pytest.fixture
def pair(engine, bucket):
    engine.create_bucket(OTHER)
    return engine


def copy_all(engine, source, destination, *, checksum_type="xxhash2", prefix=""):
    records = engine.list_objects(source, prefix)
    names = [record.name for record in records]
    attributes = [record.attributes_of_copy(checksum_type) for record in records]
    return engine.copy_many(source, records, destination, names, attributes).result()


def test_names_come_as_in_a_listing_with_attributes(engine, bucket):
    for name in ("b", "a/1", "a", "z" * 700, "größe", "caf\udcff"):
        engine.put(bucket, name, name.encode("utf-8", "surrogateescape")).result()
    records = engine.list_objects(bucket)
    assert engine.list_extents(bucket) == [(record.name, record.extent) for record in records]
    assert [name for name, _ in engine.list_extents(bucket, "a", "a", 1)] == ["a/1"]
    assert engine.heads(bucket, ["b", "nope", "a"]) == [records[2], None, records[0]]


def test_deleting_a_window_says_what_became_of_each(engine, bucket):
    for name in "abc":
        engine.put(bucket, name, b"x").result()
    done, missing, twice = engine.delete_many(bucket, ["a", "nope", "a"]).result()
    assert done is None
    assert isinstance(missing, ObjectNotFound)
    assert isinstance(twice, ObjectNotFound)
    assert [name for name, _ in engine.list_extents(bucket)] == ["b", "c"]


@pytest.mark.parametrize("checksum_type", ["xxhash2", "md5", "none"])
def test_copies_have_content_version_and_metadata(pair, bucket, open_store, checksum_type):
    payloads = {f"o{n}": Random(n).randbytes(n * 1000) for n in range(40)} | {"large": os.urandom(3_000_001)}
    for name, data in payloads.items():
        pair.put(bucket, name, b"first").result()
        pair.put(bucket, name, data, attributes=ObjectAttributes(custom={"name": name})).result()
    copies = copy_all(pair, bucket, OTHER, checksum_type=checksum_type)
    assert len(copies) == 41
    pair.close()
    again = open_store()
    for name, data in payloads.items():
        record = again.head(OTHER, name)
        assert again.read(OTHER, name) == data == again.read(bucket, name)
        assert (record.version, record.custom, record.checksum_type) == ("2", {"name": name}, checksum_type)
        if checksum_type == "md5":
            assert record.checksum_value == hashlib.md5(data).hexdigest()
    assert again.scrub().damaged == []


def test_large_copies_without_help_of_the_file_system(pair, bucket, monkeypatch):
    """Not every file system can copy from file to file."""
    data = os.urandom(2_500_000)
    pair.put(bucket, "large", data).result()

    def refuse(*_: object) -> int:
        raise OSError(18, "cross-device link")

    monkeypatch.setattr(copying.os, "copy_file_range", refuse)
    copy_all(pair, bucket, OTHER)
    assert pair.read(OTHER, "large") == data


@pytest.mark.parametrize("size", [1000, 2_000_000])
def test_damaged_objects_are_not_copied(pair, bucket, root, size):
    pair.put(bucket, "bad", os.urandom(size)).result()
    pair.put(bucket, "good", b"fine").result()
    number, offset = pair.head(bucket, "bad").extent[:2]
    with open(pair._parts.paths.segment(number), "r+b") as file:
        file.seek(offset + 10)
        byte = file.read(1)
        file.seek(offset + 10)
        file.write(bytes([byte[0] ^ 1]))
    bad, good = copy_all(pair, bucket, OTHER)
    assert isinstance(bad, ChecksumMismatch)
    assert "ais://b/bad" in bad.message
    assert good.name == "good"
    assert [name for name, _ in pair.list_extents(OTHER)] == ["good"]
    assert list((root / "incoming").iterdir()) == []


def test_what_is_gone_is_said_one_by_one(pair, bucket, root):
    pair.put(bucket, "large", os.urandom(2_000_000)).result()
    pair.put(bucket, "small", b"x").result()
    records = pair.list_objects(bucket)
    pair.delete(bucket, "large").result()
    attributes = [record.attributes_of_copy("xxhash2") for record in records]
    gone, copied = pair.copy_many(bucket, records, OTHER, ["large", "small"], attributes).result()
    assert isinstance(gone, SegmentGone)
    assert copied.size == 1
    pair.drop_bucket(OTHER)
    pair.put(bucket, "large", os.urandom(2_000_000)).result()
    results = copy_all(pair, bucket, OTHER)
    assert [type(result) for result in results] == [BucketNotFound, BucketNotFound]
    assert list((root / "incoming").iterdir()) == [], "what was copied for nothing is removed"


def test_walking_a_level_skips_what_lies_in_folders(engine, bucket):
    names = ["a", "b/", "b/1", "b/2/x", "b-", "c", "d/x", "d0", "e/f/g"]
    for name in ["a", "b/1", "b/2/x", "b-", "c", "d/x", "d0", "e/f/g"]:
        engine.put(bucket, name, b"x").result()
    for n in range(2500):  # more than two pages
        engine.put(bucket, f"big/{n:05}", b"")
    engine.put(bucket, "bigger", b"").result()
    level = [(name, extent is None) for name, extent in walk_level(engine, bucket)]
    folders = {"b/", "big/", "d/", "e/"}
    expected = sorted({*(n for n in names if "/" not in n), *folders, "bigger"}, key=str.encode)
    assert level == [(name, name in folders) for name in expected]
    assert [name for name, _ in walk_level(engine, bucket, "b/")] == ["b/1", "b/2/"]
    assert [name for name, _ in walk_level(engine, bucket, "b")] == ["b-", "b/", "big/", "bigger"]
    assert sum(1 for _ in walk(engine, bucket, "big/")) == 2500
