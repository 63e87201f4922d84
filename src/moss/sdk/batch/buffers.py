"""Receive buffers. A buffer is used again as soon as nobody holds a view of it."""

__all__ = ["BufferPool"]

_IDLE_MAX = 4


class BufferPool:
    """Buffers of one size, for one reader at a time (a batch, never two threads).

    Whoever holds a `memoryview` of a buffer keeps it from being handed out again; nobody has to give one back.
    """

    def __init__(self, size_bytes: int) -> None:
        self.size_bytes = size_bytes
        self._buffers: list[bytearray] = []

    def take(self, size_bytes: int = 0) -> bytearray:
        """Return a buffer of at least `size_bytes` bytes (the pool's size by default) that nobody looks at."""
        if size_bytes <= self.size_bytes:
            for buffer in self._buffers:
                if _is_free(buffer):
                    return buffer
        buffer = bytearray(max(size_bytes, self.size_bytes))
        if len(buffer) == self.size_bytes and len(self._buffers) < _IDLE_MAX:
            self._buffers.append(buffer)
        return buffer


def _is_free(buffer: bytearray) -> bool:
    """A bytearray refuses to change its length while views of it exist, and this is the only way to ask it."""
    try:
        last = buffer.pop()
    except BufferError:
        return False
    buffer.append(last)
    return True
