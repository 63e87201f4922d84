"""Keeps page faults away from the assembly: cold data is read ahead, with Python's lock released.

Touching a page of a memory map that is not in the page cache stops the thread *with* the interpreter's lock held,
and so every other request. Hence: of each run a few entries are asked for with `RWF_NOWAIT` (a microsecond each).
If they are there, the run is taken for warm and nothing else is done. If one is not, the whole run is read
through `preadv`, and the next ones are read ahead by the node's warmup workers meanwhile.

Source: spec/getbatch.md 14, `get_batch.warmup_workers`.
"""

import errno
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from moss.node.storage.segments import Segment

# So many extents of a run are asked for.
_SAMPLES = 4
# Of one extent at most so much is read ahead; what is larger is read block by block (`bring_in`).
READ_AHEAD_BYTES_MAX = 1 << 20
_PROBE_BYTES = 64 << 10
# In a segment, the header of an entry precedes its data.
_HEADER_BYTES = 512

# (segment number, data offset, size, …): where an object, or a member of a shard, is.
Place = tuple[int, ...]


def is_cold(places: Sequence[Place | None], segments: Mapping[int, Segment]) -> bool:
    """Tell whether some of a run is not in the page cache; asks for the last byte of a few entries only."""
    probe = memoryview(bytearray(1))
    sample = places[:: max(1, len(places) // _SAMPLES)]
    return not all(
        _is_resident(segments[place[0]].fd, place[1] + place[2] - 1, 1, probe) for place in sample if place and place[2]
    )


def is_warm(places: Sequence[Place | None], segments: Mapping[int, Segment]) -> bool:
    """Tell whether every byte, headers included, is in the page cache. Costs a copy; for little data."""
    probe = memoryview(bytearray(_PROBE_BYTES))
    return all(
        _is_resident(segments[place[0]].fd, place[1] - _HEADER_BYTES, place[2] + _HEADER_BYTES, probe)
        for place in places
        if place and place[2]
    )


def _is_resident(fd: int, offset: int, size: int, probe: memoryview) -> bool:
    end = offset + size
    while offset < end:
        want = min(end - offset, len(probe))
        try:
            if os.preadv(fd, [probe[:want]], offset, os.RWF_NOWAIT) < want:
                return False
        except BlockingIOError:
            return False
        except OSError as error:
            # A file system that cannot tell (some network and memory ones): nothing is known, so nothing is done.
            if error.errno in (errno.EOPNOTSUPP, errno.EINVAL):
                return True
            raise
        offset += want
    return True


def read_ahead(places: Sequence[Place | None], segments: Mapping[int, Segment]) -> None:
    """Bring a run into the page cache, headers included."""
    wanted = sorted(
        {(place[0], place[1] - _HEADER_BYTES, place[2] + _HEADER_BYTES) for place in places if place and place[2]}
    )
    # First tell the kernel of everything, so that the disk's queue is full; then wait for each.
    for number, offset, size in wanted:
        os.posix_fadvise(segments[number].fd, offset, min(size, READ_AHEAD_BYTES_MAX), os.POSIX_FADV_WILLNEED)
    scratch = memoryview(bytearray(min(READ_AHEAD_BYTES_MAX, max((size for _, _, size in wanted), default=0))))
    for number, offset, size in wanted:
        os.preadv(segments[number].fd, [scratch[:size]], offset)


def bring_in(segment: Segment, offset: int, size: int, ahead: int) -> None:
    """Bring a piece of a large object into the page cache if it is not there, and have the next `ahead` bytes read."""
    probe = memoryview(bytearray(1))
    if not _is_resident(segment.fd, offset + size - 1, 1, probe):
        os.posix_fadvise(segment.fd, offset, size + ahead, os.POSIX_FADV_WILLNEED)
        os.preadv(segment.fd, [bytearray(size)], offset)


class Warmup:
    """The warmup workers of a node.

    Args:
        workers: how many; 0 or less turns reading ahead of later windows off.
    """

    def __init__(self, workers: int) -> None:
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="moss-warmup") if workers > 0 else None

    def submit(self, work: Callable[[], None]) -> "Future[None] | None":
        """Run `work` in a worker; None when there are no workers."""
        return self._pool.submit(work) if self._pool is not None else None

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
