# Made by scripts/unasync.py from _async/stream.py; change that file instead.
"""Bodies of answers as streams of bytes."""

from collections.abc import Iterator

from moss.sdk.transport.blocking import Response

__all__ = ["RawStream"]

_PIECE_BYTES = 256 * 1024


class RawStream:
    """The undecoded body of an answer. Whoever has it closes it, or reads it to its end.

    Attributes:
        headers: header fields of the answer.
        status: its HTTP status.
    """

    def __init__(self, response: Response) -> None:
        self._response = response
        self.headers, self.status = response.headers, response.status

    def read(self, size: int | None = -1) -> bytes:
        """Read `size` bytes, fewer only at the end; everything when `size` is negative or None.

        Raises:
            ConnectionLost: the body ends before its declared end.
        """
        if size is None or size < 0:
            return self._response.read()
        buffer = memoryview(bytearray(size))
        position = 0
        while position < size and (count := self._response.receive_into(buffer[position:])):
            position += count
        return bytes(buffer[:position])

    def readinto(self, buffer: bytearray | memoryview) -> int:
        """Receive what there is into a buffer; 0 at the end."""
        return self._response.receive_into(memoryview(buffer))

    def stream(self, size: int = _PIECE_BYTES) -> Iterator[bytes]:
        """Iterate over the rest in pieces of `size` bytes, the last one shorter."""
        while piece := self.read(size):
            yield piece

    def __iter__(self) -> Iterator[bytes]:
        return self.stream()

    @property
    def closed(self) -> bool:
        return self._response.is_complete

    def close(self) -> None:
        """Give the connection up."""
        self._response.close()

    def release_conn(self) -> None:
        self.close()

    def __enter__(self) -> "RawStream":
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()
