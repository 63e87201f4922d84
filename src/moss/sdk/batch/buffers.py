"""Receive buffers. A buffer is used again as soon as nobody holds a view of it."""

__all__ = ["BufferPool"]

_KEPT_MAX = 4
_KEPT_BYTES_MAX = 64 * 1024 * 1024


class BufferPool:
    """Buffers of at least one size, for one reader at a time (a batch, never two threads).

    Whoever holds a `memoryview` of a buffer keeps it from being handed out again; nobody has to give one back. A fresh
    buffer costs more than a copy of the same size, because the system hands out its pages one by one.
    """

    def __init__(self, size_bytes: int) -> None:
        self.size_bytes = size_bytes
        self._buffers: list[bytearray] = []

    def take(self, size_bytes: int = 0) -> bytearray:
        """Return a buffer of at least `size_bytes` bytes (the pool's size by default) that nobody looks at."""
        for buffer in self._buffers:
            if len(buffer) >= size_bytes and _is_free(buffer):
                return buffer
        if size_bytes > self.size_bytes:
            size_bytes = 1 << (size_bytes - 1).bit_length()
        buffer = bytearray(max(size_bytes, self.size_bytes))
        self._buffers.append(buffer)
        while len(self._buffers) > _KEPT_MAX or sum(map(len, self._buffers)) > _KEPT_BYTES_MAX:
            del self._buffers[0]  # Whoever looks at it keeps it; it is only not handed out again.
        return buffer

    def trim(self) -> None:
        """Forget the buffers that are larger than usual."""
        self._buffers = [buffer for buffer in self._buffers if len(buffer) == self.size_bytes]


def _is_free(buffer: bytearray) -> bool:
    """A bytearray refuses to change its length while views of it exist, and this is the only way to ask it."""
    try:
        last = buffer.pop()
    except BufferError:
        return False
    buffer.append(last)
    return True
