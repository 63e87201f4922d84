"""Uploads in parts: the uses of the official client's own tests (contract of the data plane, section 10)."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.compat.conftest import Library, names, put, read


def start(bucket: Any, name: str = "o") -> Any:
    return bucket.object(name).multipart_upload().create()


def test_79_parts_come_in_any_order(bucket: Any):
    upload = start(bucket)
    for number, data in ((3, b"three"), (1, b"one "), (2, b"two ")):
        upload.add_part(number).put_content(data)
    assert names(bucket) == []
    upload.complete()
    assert read(bucket, "o") == b"one two three"


def test_79_btr_09_a_part_sent_again_replaces(bucket: Any):
    upload = start(bucket)
    first = upload.add_part(1)
    first.put_content(b"wrong and longer")
    upload.add_part(2).put_content(b" end")
    first.put_content(b"right")
    upload.complete()
    assert read(bucket, "o") == b"right end"
    assert bucket.object("o").head().size == 9


def test_parts_are_sent_at_once(bucket: Any):
    upload = start(bucket)
    writers = [upload.add_part(number) for number in range(1, 21)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda pair: pair[1].put_content(bytes([pair[0]]) * 1000), enumerate(writers, 1)))
    upload.complete()
    assert read(bucket, "o") == b"".join(bytes([number]) * 1000 for number in range(1, 21))


def test_uploads_of_one_object_do_not_mix(bucket: Any):
    first, second = start(bucket), start(bucket)
    first.add_part(1).put_content(b"first")
    second.add_part(1).put_content(b"second")
    second.complete()
    assert read(bucket, "o") == b"second"
    first.complete()
    assert read(bucket, "o") == b"first"


def test_81_parts_are_written_like_files(bucket: Any):
    upload = start(bucket)
    for number in (1, 2):
        with upload.add_part(number).as_file() as writer:
            writer.write(f"part {number} ".encode())
    upload.complete()
    assert read(bucket, "o") == b"part 1 part 2 "


def test_80_what_no_upload_can_do(library: Library, bucket: Any):
    upload = start(bucket)
    with pytest.raises(library.AISError, match="invalid size \\(0\\)"):
        upload.add_part(1).put_content(b"")
    with pytest.raises(library.AISError, match="no chunks"):
        start(bucket, "p").complete()
    for wrong in (0, -1):
        with pytest.raises(ValueError):
            upload.add_part(wrong)
    with pytest.raises(ValueError):
        bucket.object("q").multipart_upload().add_part(1)


def test_79_fewer_parts_than_were_sent(library: Library, bucket: Any):
    upload = start(bucket)
    for number in (1, 2):
        upload.add_part(number).put_content(b"x")
    value = [{"part-number": 1, "etag": ""}]
    with pytest.raises(library.AISError, match="partial completion"):
        bucket.client.request(
            "POST",
            path=f"objects/{bucket.name}/o",
            params={**bucket.qparam, "uploadId": upload.upload_id},
            json={"action": "mpt-complete", "value": value, "name": ""},
        )


def test_80_an_upload_ends_once(library: Library, bucket: Any):
    upload = start(bucket)
    upload.add_part(1).put_content(b"x")
    upload.complete()
    for again in (upload.complete, upload.abort):
        with pytest.raises(library.AISError, match="does not exist"):
            again()
    aborted = start(bucket)
    aborted.add_part(1).put_content(b"y")
    aborted.abort()
    with pytest.raises(library.AISError, match="does not exist"):
        aborted.complete()
    assert read(bucket, "o") == b"x"


def test_83_a_plain_put_replaces_an_upload(bucket: Any):
    upload = start(bucket)
    for number in (1, 2):
        upload.add_part(number).put_content(b"xy")
    upload.complete()
    assert bucket.object("o").head("size,chunked").chunks.chunk_count == 2
    put(bucket, "o", b"plain")
    assert bucket.object("o").head("size,chunked").chunks is None
