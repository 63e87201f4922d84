"""Readers and file objects: the uses of the official client's own tests (contract of the data plane, section 10)."""

import random
import threading
from typing import Any

import pytest

from tests.compat.conftest import Library, put, read

CHUNK = 32 << 10


def test_objects_are_read_in_chunks(bucket: Any):
    data = random.Random(1).randbytes(2 * CHUNK)
    item = put(bucket, "o", data)
    chunks = list(item.get_reader(chunk_size=CHUNK))
    assert [len(chunk) for chunk in chunks] == [CHUNK, CHUNK]
    assert b"".join(chunks) == data


def test_a_reader_and_an_object_know_the_same(bucket: Any):
    item = put(bucket, "o", b"content")
    assert item.get_reader().head().checksum_value == item.props.checksum_value
    assert item.get_reader().attributes.obj_version == "1"


def test_readers_work_at_once(bucket: Any):
    data = random.Random(2).randbytes(300_000)
    item, found = put(bucket, "o", data), []
    threads = [threading.Thread(target=lambda: found.append(item.get_reader().read_all() == data)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert found == [True] * 8


def test_an_object_is_a_file(bucket: Any):
    data = random.Random(3).randbytes(3 * CHUNK + 17)
    with put(bucket, "o", data).get_reader(chunk_size=CHUNK).as_file() as file:
        assert file.readable()
        pieces = [file.read(1), file.read(CHUNK - 1), file.read(CHUNK), file.read(CHUNK + 5), file.read()]
        assert file.read() == b""
    assert [len(piece) for piece in pieces] == [1, CHUNK - 1, CHUNK, CHUNK + 5, 12]
    assert b"".join(pieces) == data


@pytest.mark.parametrize("asked, start, end", [("bytes=5-", 5, None), ("bytes=-7", -7, None), ("bytes=2-9", 2, 10)])
def test_a_range_of_an_object_is_a_file(bucket: Any, asked: str, start: int, end: int | None):
    data = random.Random(4).randbytes(CHUNK)
    with put(bucket, "o", data).get_reader(byte_range=asked).as_file() as file:
        assert file.read() == data[start:end]


@pytest.mark.parametrize("exists", [False, True])
@pytest.mark.parametrize("mode", ["w", "a"])
def test_objects_are_written_like_files(bucket: Any, mode: str, exists: bool):
    if exists:
        put(bucket, "o", b"old ")
    with bucket.object("o").get_writer().as_file(mode=mode) as file:
        file.write(b"one ")
        file.flush()
        file.write(b"two")
    assert read(bucket, "o") == (b"old " if exists and mode == "a" else b"") + b"one two"


def test_there_is_no_third_mode(bucket: Any):
    with pytest.raises(ValueError):
        bucket.object("o").get_writer().as_file(mode="x")


def test_a_closed_file_takes_nothing(bucket: Any):
    file = bucket.object("o").get_writer().as_file(mode="w")
    file.write(b"x")
    file.close()
    with pytest.raises(ValueError):
        file.write(b"y")


def test_an_empty_object_in_parallel(library: Library, bucket: Any):
    item = put(bucket, "o", b"")
    if library.is_official:
        with pytest.raises(ValueError):
            item.get_reader(num_workers=2).read_all()
    else:
        assert len(item.get_reader(num_workers=2).read_all()) == 0
