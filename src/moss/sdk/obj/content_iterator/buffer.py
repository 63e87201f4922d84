"""What a parallel download fills."""

import mmap
from typing import Any

from moss.sdk.transport.memory import LARGE_BYTES_MIN

__all__ = ["ParallelBuffer", "make_buffer"]


class ParallelBuffer:
    """The content of an object that was read by several workers. It can be used wherever bytes can, for it has the
    buffer interface: `memoryview(buffer)`, `file.write(buffer)`, `numpy.frombuffer(buffer)`.

    The reference keeps it in shared memory that callers must close; here closing is allowed, and frees the memory now.
    """

    _is_closed = False

    @property
    def buf(self) -> memoryview:
        """The content without a copy.

        Raises:
            ValueError: the buffer was closed.
        """
        if self._is_closed:
            raise ValueError("the buffer was closed")
        return memoryview(self)  # type: ignore[arg-type]

    @property
    def name(self) -> str:
        """Empty: the buffer lives in this process only."""
        return ""

    def tobytes(self) -> bytes:
        """A copy of the content."""
        return self.buf.tobytes()

    def __bytes__(self) -> bytes:
        return self.tobytes()

    def __eq__(self, other: object) -> bool:
        try:
            return self.buf == memoryview(other)  # type: ignore[arg-type]
        except TypeError:
            return NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def close(self) -> None:
        """Free the memory; harmless when done before. Views that are in use keep it until they are released."""
        self._is_closed = True
        try:
            self._free()
        except BufferError:
            pass

    def _free(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> "ParallelBuffer":
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


class _MappedBuffer(ParallelBuffer, mmap.mmap):
    # Anonymous memory: nothing is written to it before the content is, as a bytearray of that size would be.

    def _free(self) -> None:
        mmap.mmap.close(self)


class _EmptyBuffer(ParallelBuffer, bytearray):
    # Memory of no size cannot be mapped.

    def _free(self) -> None:
        self.clear()


def make_buffer(size: int) -> Any:
    """A buffer of `size` bytes."""
    if not size:
        return _EmptyBuffer()
    # Private: shared memory, the default, would come without large pages.
    flags = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_PRIVATE") else {}
    buffer = _MappedBuffer(-1, size, **flags)
    if size >= LARGE_BYTES_MIN and hasattr(mmap, "MADV_HUGEPAGE"):
        try:
            buffer.madvise(mmap.MADV_HUGEPAGE)
        except OSError:  # Only ever a hint, and systems without large pages refuse it.
            pass
    return buffer
