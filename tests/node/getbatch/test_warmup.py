"""Cold data: noticed, and read with the interpreter's lock released. Pages are really dropped here."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from moss.node.getbatch.warmup import Warmup, bring_in, is_cold, is_warm, read_ahead
from moss.node.storage.segments import Segment

PAGE = 4096
SIZE = 4 << 20


def drop(segment: Segment) -> None:
    os.posix_fadvise(segment.fd, 0, 0, os.POSIX_FADV_DONTNEED)


def is_resident(segment: Segment, offset: int) -> bool:
    try:
        return os.preadv(segment.fd, [bytearray(1)], offset, os.RWF_NOWAIT) == 1
    except BlockingIOError:
        return False


@pytest.fixture
def segment(tmp_path: Path) -> Iterator[Segment]:
    path = tmp_path / "1.segment"
    with open(path, "wb") as file:
        file.write(os.urandom(SIZE))
        os.fsync(file.fileno())
    opened = Segment(1, path)
    # Read-ahead of the kernel's own would hide what ours does.
    os.posix_fadvise(opened.fd, 0, 0, os.POSIX_FADV_RANDOM)
    drop(opened)
    try:
        os.preadv(opened.fd, [bytearray(1)], 0, os.RWF_NOWAIT)
    except BlockingIOError:
        yield opened
    except OSError as error:
        pytest.skip(f"this file system cannot tell what is in memory: {error}")
    else:
        pytest.skip("this file system does not drop pages")


def test_dropped_pages_are_noticed_and_brought_back(segment: Segment):
    places = [(1, 512 + i * 64 * 1024, 10_000) for i in range(60)]
    held = {1: segment}
    assert is_cold(places, held)
    assert not is_warm(places, held)
    read_ahead(places, held)
    assert not is_cold(places, held)
    assert is_warm(places, held)


def test_an_entry_of_which_only_the_last_page_is_there_is_not_warm(segment: Segment):
    place = (1, 10 * PAGE, 5 * PAGE)
    os.pread(segment.fd, 1, 15 * PAGE - 1)
    assert not is_warm([place], {1: segment})
    read_ahead([place], {1: segment})
    assert is_warm([place], {1: segment})


def test_the_header_on_the_page_before_is_read_ahead_too(segment: Segment):
    place = (1, 10 * PAGE, PAGE)
    read_ahead([place], {1: segment})
    assert is_resident(segment, 10 * PAGE - 1)


def test_missing_and_empty_entries_are_warm():
    assert is_warm([None, (1, 512, 0)], {})
    assert not is_cold([None, (1, 512, 0)], {})
    assert not is_cold([], {})
    read_ahead([None, (1, 512, 0)], {})


def test_a_piece_of_a_large_object_is_brought_in_with_what_follows(segment: Segment):
    os.posix_fadvise(segment.fd, 0, 0, os.POSIX_FADV_NORMAL)
    bring_in(segment, 512, 256 << 10, 1 << 20)
    assert is_warm([(1, 512, 256 << 10)], {1: segment})
    bring_in(segment, SIZE - 1000, 1000, 0)
    assert is_resident(segment, SIZE - 1)


def test_without_workers_nothing_is_read_ahead():
    warmup = Warmup(0)
    assert warmup.submit(lambda: None) is None
    warmup.close()


def test_work_runs_in_a_worker_and_what_waits_is_dropped_at_the_end():
    warmup = Warmup(1)
    entered, leave, ran = threading.Event(), threading.Event(), []
    warmup.submit(lambda: (entered.set(), leave.wait(10)))
    waiting = warmup.submit(lambda: ran.append(1))
    entered.wait(10)
    threading.Timer(0.05, leave.set).start()
    warmup.close()
    assert waiting.cancelled()
    assert not ran
