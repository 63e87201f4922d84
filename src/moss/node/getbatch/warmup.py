"""Keeps page faults away from the assembly: cold data is read ahead, with Python's lock released.

Touching a page of a memory map that is not in the page cache stops the thread *with* the interpreter's lock held,
and so every other request. Hence: of each window a few extents are asked for with `RWF_NOWAIT` (a microsecond each).
If they are there, the window is taken for warm and nothing else is done. If one is not, the whole window is read
through `preadv`, and the next windows are read ahead by the node's warmup workers meanwhile.

Source: spec/getbatch.md 14, `get_batch.warmup_workers`.
"""

import errno
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from moss.node.storage.layout import Extent
from moss.node.storage.segments import Segment

# So many extents of a window are asked for.
_SAMPLES = 4
# Of one extent at most so much is read ahead: the rest follows by the kernel's own read-ahead.
READ_AHEAD_BYTES_MAX = 1 << 20


def is_cold(extents: Sequence[Extent | None], segments: dict[int, Segment]) -> bool:
    """Tell whether some of a window is not in the page cache; samples only."""
    return not is_warm(extents[:: max(1, len(extents) // _SAMPLES)], segments)


def is_warm(extents: Sequence[Extent | None], segments: dict[int, Segment]) -> bool:
    """Tell whether the last byte of each extent is in the page cache."""
    probe = [bytearray(1)]
    for extent in extents:
        if extent is None or not extent[2]:
            continue
        try:
            os.preadv(segments[extent[0]].fd, probe, extent[1] + extent[2] - 1, os.RWF_NOWAIT)
        except BlockingIOError:
            return False
        except OSError as error:
            # A file system that cannot tell (some network and memory ones): nothing is known, so nothing is done.
            if error.errno in (errno.EOPNOTSUPP, errno.EINVAL):
                return True
            raise
    return True


def read_ahead(extents: Sequence[Extent | None], segments: dict[int, Segment]) -> None:
    """Bring a window into the page cache."""
    wanted = sorted({(extent[0], extent[1], extent[2]) for extent in extents if extent is not None and extent[2]})
    # First tell the kernel of everything, so that the disk's queue is full; then wait for each.
    for number, offset, size in wanted:
        os.posix_fadvise(segments[number].fd, offset, min(size, READ_AHEAD_BYTES_MAX), os.POSIX_FADV_WILLNEED)
    scratch = bytearray(READ_AHEAD_BYTES_MAX)
    view = memoryview(scratch)
    for number, offset, size in wanted:
        os.preadv(segments[number].fd, [view[: min(size, READ_AHEAD_BYTES_MAX)]], offset)


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
