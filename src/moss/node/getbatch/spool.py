"""Holds an assembled archive until it is sent (buffered answers), within a memory budget.

Slices of memory maps cost nothing but the slice; what is bytes of our own counts, and beyond the budget goes to a
temporary file.
"""

import mmap
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

Buffer = bytes | bytearray | memoryview

MEMORY_BYTES_MAX = 64 << 20
_READ_BYTES = 1 << 20
# What a slice itself costs (a memoryview object and its place in the list).
_SLICE_BYTES = 200


class Spool:
    """An archive in pieces. Close it after use."""

    def __init__(self, folder: Path, memory_bytes_max: int = MEMORY_BYTES_MAX) -> None:
        self._folder, self._budget = folder, memory_bytes_max
        self._windows: list[list[Buffer]] = []
        self._file: tempfile._TemporaryFileWrapper | None = None
        self.size = 0

    def add(self, buffers: Sequence[Buffer]) -> None:
        """Append a window.

        Raises:
            OSError: the temporary file cannot be written.
        """
        self.size += sum(map(len, buffers))
        if self._file is None:
            self._budget -= sum(_SLICE_BYTES if _is_mapped(buffer) else len(buffer) for buffer in buffers)
            if self._budget >= 0:
                self._windows.append(list(buffers))
                return
            self._file = tempfile.TemporaryFile(dir=self._folder, prefix="batch-")  # noqa: SIM115 (closed by close)
        for buffer in buffers:
            self._file.write(buffer)

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
        self._windows = []
        if self._file is not None:
            self._file.close()


def _is_mapped(buffer: Buffer) -> bool:
    return isinstance(buffer, memoryview) and isinstance(buffer.obj, mmap.mmap)
