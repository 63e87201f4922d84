"""Bodies of answers as streams of bytes."""

from collections.abc import AsyncIterator

from moss.sdk.transport.aio import Response

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

    async def read(self, size: int | None = -1) -> bytes:
        """Read `size` bytes, fewer only at the end; everything when `size` is negative or None.

        Raises:
            ConnectionLost: the body ends before its declared end.
        """
        if size is None or size < 0:
            return await self._response.read()
        buffer = memoryview(bytearray(size))
        position = 0
        while position < size and (count := await self._response.receive_into(buffer[position:])):
            position += count
        return bytes(buffer[:position])

    async def readinto(self, buffer: bytearray | memoryview) -> int:
        """Receive what there is into a buffer; 0 at the end."""
        return await self._response.receive_into(memoryview(buffer))

    async def stream(self, size: int = _PIECE_BYTES) -> AsyncIterator[bytes]:
        """Iterate over the rest in pieces of `size` bytes, the last one shorter."""
        while piece := await self.read(size):
            yield piece

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self.stream()

    @property
    def closed(self) -> bool:
        return self._response.is_complete

    def close(self) -> None:
        """Give the connection up."""
        self._response.close()

    def release_conn(self) -> None:
        self.close()

    async def __aenter__(self) -> "RawStream":
        return self

    async def __aexit__(self, *_error: object) -> None:
        self.close()
