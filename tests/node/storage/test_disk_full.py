"""No space: puts fail, reads and deletes go on, puts work again once there is space. Reliability row 4."""

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from moss.errors import OutOfSpace
from moss.node.storage.objects import ObjectAttributes
from tests.node.storage import fill_disk

KIB = 1 << 10


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """No file of this process may grow beyond a size."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.slow
def test_small_disk_is_filled_and_emptied(tmp_path):
    """On a tmpfs of 64 MiB, in a mount namespace of its own (no root needed)."""
    disk = tmp_path / "disk"
    disk.mkdir()
    namespace = ["--mount"] if os.geteuid() == 0 else ["--user", "--map-root-user", "--mount"]
    script = 'mount -t tmpfs -o size=64m tmpfs "$1" && exec "$2" "$3" "$1"'
    command = ["unshare", *namespace, "sh", "-c", script, "sh", str(disk), sys.executable, fill_disk.__file__]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr


def test_a_write_that_fails_halfway_leaves_nothing(engine, bucket, open_store):
    engine.put(bucket, "o", b"before" * KIB).result()
    end = engine._committer._active.end
    with file_size_limit(end + 100 * KIB):
        assert engine.put(bucket, "small", b"fits").result().size == 4
        with pytest.raises(OutOfSpace):
            engine.put(bucket, "o", bytes(300 * KIB)).result()
        assert engine.read(bucket, "o") == b"before" * KIB
        assert engine.locate(bucket, ["small"]) != [None]
        engine.delete(bucket, "small").result()
    record = engine.put(bucket, "o", b"after" * 60 * KIB).result()
    assert record.version == "2"
    engine.close()
    again = open_store()
    assert again.read(bucket, "o") == b"after" * 60 * KIB
    assert again.locate(bucket, ["small"]) == [None]
    assert again.stats()["lost_records"] == 0


def test_in_a_group_only_those_fail_that_do_not_fit(engine, bucket):
    engine.put(bucket, "o", b"x").result()
    with file_size_limit(engine._committer._active.end + 200 * KIB):
        futures = [engine.put(bucket, f"{n}", bytes(50 * KIB if n % 4 else 500 * KIB)) for n in range(8)]
        sizes = [future.result().size if future.exception() is None else None for future in futures]
    assert sizes[0] is None and sizes[4] is None
    assert sizes.count(50 * KIB) >= 2
    for n, size in enumerate(sizes):
        assert (engine.locate(bucket, [f"{n}"]) == [None]) == (size is None)


def test_large_object_that_does_not_fit(engine, bucket, root):
    engine.put(bucket, "large", b"old").result()
    with file_size_limit(2 << 20):
        upload = engine.begin_upload(bucket, "large")
        with pytest.raises(OutOfSpace):
            for _ in range(4):
                upload.write(bytes(1 << 20))
        with pytest.raises(OutOfSpace):
            engine.put(bucket, "large", bytes(4 << 20))
    assert not list((root / "incoming").iterdir())
    assert engine.read(bucket, "large") == b"old"


def test_full_index(bucket, open_store):
    engine = open_store(index_bytes_max=256 * KIB)
    engine.create_bucket(bucket)
    custom = ObjectAttributes(custom={"k": "v" * 3000})
    stored = []
    with pytest.raises(OutOfSpace):
        for n in range(1000):
            engine.put(bucket, f"{n}", b"x", attributes=custom).result()
            stored.append(f"{n}")
    assert len(stored) > 10
    for name in stored:
        assert engine.read(bucket, name) == b"x"
    engine.close()
    larger = open_store(index_bytes_max=64 << 20)
    assert {record.name for record in larger.list_objects(bucket)} == set(stored)
    larger.put(bucket, "more", b"y").result()


def test_puts_are_refused_before_the_disk_is_really_full(bucket, open_store):
    engine = open_store(headroom_bytes=1 << 60)
    engine.create_bucket(bucket)
    with pytest.raises(OutOfSpace):
        engine.put(bucket, "o", b"x").result()
    engine.close()
    engine = open_store()
    engine.put(bucket, "o", b"x").result()
    engine.close()
    engine = open_store(headroom_bytes=1 << 60)
    engine.delete(bucket, "o").result()
