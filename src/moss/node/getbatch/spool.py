"""Holds an assembled archive until it is sent (buffered answers), within a memory budget that all answers share.

Slices of memory maps cost nothing but the slice; what is bytes of our own counts, and beyond the budget goes to a
temporary file.
"""

import contextlib
import mmap
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from moss.errors import OutOfSpace
from moss.node.storage.index import space_error

Buffer = bytes | bytearray | memoryview

# What the buffered answers of a worker hold in memory, all together.
MEMORY_BYTES_MAX = 128 << 20
_READ_BYTES = 1 << 20
# What a slice itself costs (a memoryview object and its place in the list).
_SLICE_BYTES = 200


class SpoolBudget:
    """Memory that spools share. Thread-safe."""

    def __init__(self, bytes_max: int = MEMORY_BYTES_MAX) -> None:
        self._left = bytes_max
        self._lock = threading.Lock()

    @property
    def bytes_left(self) -> int:
        return self._left

    def take(self, size: int) -> bool:
        """Take so many bytes; False when there are not as many left."""
        with self._lock:
            if size > self._left:
                return False
            self._left -= size
            return True

    def give_back(self, size: int) -> None:
        with self._lock:
            self._left += size


class Spool:
    """An archive in pieces: `add` everything, `seal`, then `windows`. Close it after use."""

    def __init__(self, folder: Path, budget: SpoolBudget) -> None:
        self._folder, self._budget = folder, budget
        self._taken = 0
        self._windows: list[list[Buffer]] = []
        self._file: tempfile._TemporaryFileWrapper | None = None
        self.size = 0

    def add(self, buffers: Sequence[Buffer]) -> None:
        """Append a window.

        Raises:
            OutOfSpace: there is no room for the temporary file.
        """
        self.size += sum(map(len, buffers))
        if self._file is None:
            cost = sum(_SLICE_BYTES if _is_mapped(buffer) else _SLICE_BYTES + len(buffer) for buffer in buffers)
            if self._budget.take(cost):
                self._taken += cost
                self._windows.append(list(buffers))
                return
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(dir=self._folder, prefix="batch-")  # noqa: SIM115 (closed by close)
            for buffer in buffers:
                self._file.write(buffer)
        except OSError as error:
            self._fail(error)

    def seal(self) -> None:
        """Take nothing more; what is read from now on is there.

        Raises:
            OutOfSpace: there is no room for the temporary file.
        """
        if self._file is not None:
            try:
                self._file.flush()
            except OSError as error:
                self._fail(error)

    @staticmethod
    def _fail(error: OSError) -> None:
        if space_error(error):
            raise OutOfSpace("no space left on the node's disk to assemble the answer") from error
        raise error

    def windows(self) -> Iterator[list[Buffer]]:
        """Yield everything in order, letting go of it."""
        for i, window in enumerate(self._windows):
            self._windows[i] = []
            yield window
        if self._file is not None:
            self._file.seek(0)
            while piece := self._file.read(_READ_BYTES):
                yield [piece]

    def close(self) -> None:
        """Let go of everything; calling it twice is fine."""
        self._windows = []
        self._budget.give_back(self._taken)
        self._taken = 0
        if self._file is not None:
            # What could not be written is not tried again.
            with contextlib.suppress(OSError):
                self._file.close()


def _is_mapped(buffer: Buffer) -> bool:
    return isinstance(buffer, memoryview) and isinstance(buffer.obj, mmap.mmap)
