"""Parts of unfinished objects: what counts, what is replaced, what is damaged, what expires."""

import os
import threading
import time
from pathlib import Path

import pytest

from moss.errors import ChecksumMismatch, OutOfSpace
from moss.node.storage.unfinished import Unfinished, UnfinishedObjects


@pytest.fixture
def objects(tmp_path):
    return UnfinishedObjects(tmp_path / "uploads", sync=False)


@pytest.fixture
def record(engine, bucket):
    return engine.get_bucket(bucket)


def publish(work: Unfinished, number: int, data: bytes) -> None:
    draft = work.draft()
    draft.write(data)
    work.publish(number, draft)


def contents(work: Unfinished) -> dict[int, bytes]:
    return {number: b"".join(part.read()) for number, part in work.parts()[0].items()}


def test_parts_by_number_the_last_of_each_counts(objects, record):
    work = objects.begin(record, "o")
    for number, data in ((1, b"one"), (2, b"two"), (1, b"ONE"), (3, b"")):
        publish(work, number, data)
    again = objects.find(work.id, record, "o")
    assert contents(again) == {1: b"ONE", 2: b"two", 3: b""}
    assert again.parts()[1] is False


def test_parts_in_order(objects, record):
    work = objects.begin(record, "o")
    assert work.parts() == ({}, True)
    for number in (1, 2, 5):
        publish(work, number, b"x")
    assert work.parts()[1] is True


def test_draft_that_is_closed_was_never_there(objects, record):
    work = objects.begin(record, "o")
    draft = work.draft()
    draft.write(b"half")
    draft.close()
    assert work.parts() == ({}, True)
    assert not draft.path.exists()


def test_torn_line_of_the_journal_does_not_count(objects, record, tmp_path):
    work = objects.begin(record, "o")
    publish(work, 1, b"one")
    publish(work, 2, b"two")
    journal = tmp_path / "uploads" / work.id / "journal"
    whole = journal.read_bytes()
    for cut in range(len(whole)):
        journal.write_bytes(whole[:cut])
        found = contents(work)
        assert found in ({}, {1: b"one"})
    journal.write_bytes(whole[:-1] + b"\0" * 100)
    assert contents(work) == {1: b"one"}


def test_flipped_byte_is_noticed_and_nothing_is_stored(engine, bucket, objects, record):
    work = objects.begin(record, "o")
    publish(work, 1, b"x" * 3_000_000)
    part = work.parts()[0][1]
    with open(part.path, "r+b") as file:
        file.seek(2_500_000)
        file.write(b"y")
    with pytest.raises(ChecksumMismatch):
        engine.concat(bucket, "o", [part])
    assert engine.list_objects(bucket) == []
    os.truncate(part.path, 100)
    with pytest.raises(ChecksumMismatch):
        b"".join(part.read())


@pytest.mark.parametrize("size", [0, 1000, 3_000_000])
def test_object_as_it_is_now_becomes_a_part(engine, bucket, objects, record, size):
    engine.put(bucket, "o", b"o" * size).result()
    work = objects.begin(record, "o")
    work.publish_object(0, engine, bucket, engine.head(bucket, "o"))
    publish(work, 1, b"tail")
    engine.put(bucket, "o", b"something else").result()
    parts = work.parts()[0]
    engine.concat(bucket, "o", [parts[0], parts[1]]).result()
    assert engine.read(bucket, "o") == b"o" * size + b"tail"
    work.drop()
    assert engine.read(bucket, "o") == b"o" * size + b"tail"


def test_found_only_by_its_bucket_and_name(engine, bucket, objects, record):
    work = objects.begin(record, "o")
    assert objects.find(work.id, record, "p") is None
    engine.drop_bucket(bucket)
    assert objects.find(work.id, engine.create_bucket(bucket), "o") is None
    for strange in ("", "..", "../uploads", work.id[:-1], "x" * 18):
        assert objects.find(strange, record, "o") is None


@pytest.mark.parametrize(("wanted", "told"), [("1,2", "done already"), ("1", "gone")])
def test_those_who_wait_are_told_what_became_of_it(objects, record, wanted, told):
    work = objects.begin(record, "o")
    outcomes: list[str] = []
    barrier = threading.Barrier(5)

    def wait() -> None:
        other = objects.find(work.id, record, "o")
        barrier.wait()
        try:
            with other.exclusive(wanted) as is_ours:
                outcomes.append("ours" if is_ours else "done already")
        except FileNotFoundError:
            outcomes.append("gone")

    threads = [threading.Thread(target=wait) for _ in range(4)]
    with work.exclusive("1,2") as is_ours:
        assert is_ours
        for thread in threads:
            thread.start()
        barrier.wait()
        while sum(path.exists() for path in _open_marks(work.id)) < 5:
            pass  # until all of them have the mark open
        work.end("1,2")
    for thread in threads:
        thread.join()
    assert outcomes == [told] * 4


def _open_marks(work_id: str) -> list[Path]:
    found = []
    for fd in Path("/proc/self/fd").iterdir():
        try:
            target = os.readlink(fd)
        except FileNotFoundError:
            continue
        if f"{work_id}/about.json" in target:
            found.append(fd)
    return found


def test_dropped_while_a_part_arrives(objects, record):
    work = objects.begin(record, "o")
    draft = work.draft()
    draft.write(b"late")
    work.drop()
    with pytest.raises(FileNotFoundError):
        work.publish(1, draft)
    with pytest.raises(FileNotFoundError):
        work.parts()
    with pytest.raises(FileNotFoundError):
        work.draft()


def test_what_is_old_or_without_a_bucket_expires(engine, bucket, objects, record, tmp_path):
    old, young, orphan = (objects.begin(record, "o") for _ in range(3))
    past = time.time() - 1000
    for path in (tmp_path / "uploads" / old.id).glob("*"):
        os.utime(path, (past, past))
    os.utime(tmp_path / "uploads" / old.id, (past, past))
    assert objects.expire(500, {record.id}) == 1
    assert objects.find(old.id, record, "o") is None
    assert objects.find(young.id, record, "o") is not None
    engine.drop_bucket(bucket)
    later = engine.create_bucket(bucket)
    fresh = objects.begin(later, "o")
    assert objects.expire(500, {later.id}) == 2
    assert objects.find(orphan.id, record, "o") is None
    assert objects.find(fresh.id, later, "o") is not None
    assert UnfinishedObjects(tmp_path / "none", sync=False).expire(0, {1}) == 0


def test_full_disk_is_said_so(objects, record):
    import resource
    import signal

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    work = objects.begin(record, "o")
    draft = work.draft()
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.raises(OutOfSpace):
            draft.write(b"x" * 10_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
        draft.close()
