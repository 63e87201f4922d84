"""Objects as files, for asyncio: the methods of binary files as coroutines. Twin of `object_file`."""

from collections.abc import AsyncIterator
from io import SEEK_CUR, SEEK_END, SEEK_SET, UnsupportedOperation
from typing import Any

from moss.sdk._async.resumable import ResumableStream

__all__ = ["ObjectFileReader", "ObjectFileWriter"]

_BUFFER_BYTES = 256 * 1024


class ObjectFileReader:
    """An object that is read like a binary file; made by `ObjectReader.as_file`. Errors as in the blocking twin."""

    def __init__(self, stream: ResumableStream, buffer_size: int | None = None) -> None:
        self._stream = stream
        self._buffer = memoryview(bytearray(buffer_size or _BUFFER_BYTES))
        self._ready = self._buffer[:0]
        self.closed = False

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return self._stream.can_seek

    def tell(self) -> int:
        """Position of the next byte that is read."""
        self._check_open()
        return self._stream.position - len(self._ready)

    async def seek(self, offset: int, whence: int = SEEK_SET) -> int:
        """Read on from elsewhere.

        Raises:
            io.UnsupportedOperation: the stream cannot seek.
        """
        self._check_open()
        if not self.seekable():
            raise UnsupportedOperation("this object can only be read from its beginning to its end")
        if whence == SEEK_CUR:
            offset += self.tell()
        elif whence == SEEK_END:
            offset += await self._stream.size()
        if offset < 0:
            raise ValueError(f"negative seek position {offset}")
        if offset != self.tell():
            self._ready = self._buffer[:0]
            self._stream.seek(offset)
        return offset

    async def _fill(self) -> bool:
        if not self._ready:
            self._ready = self._buffer[: await self._stream.receive_into(self._buffer)]
        return bool(self._ready)

    async def read(self, size: int | None = -1) -> bytes:
        """Read `size` bytes, fewer only at the end; the rest when it is negative or None."""
        self._check_open()
        if size is None or size < 0:
            ready, self._ready = bytes(self._ready), self._buffer[:0]
            return ready + await self._stream.read_rest()
        pieces = []
        while size > 0 and await self._fill():
            pieces.append(bytes(self._ready[:size]))
            self._ready = self._ready[len(pieces[-1]) :]
            size -= len(pieces[-1])
        return b"".join(pieces)

    async def readinto(self, buffer: bytearray | memoryview) -> int:
        """Read some bytes into a buffer; 0 at the end."""
        self._check_open()
        view = memoryview(buffer).cast("B")
        if not self._ready:
            return await self._stream.receive_into(view)
        count = min(len(view), len(self._ready))
        view[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count

    async def readline(self) -> bytes:
        """Read up to and including the next line feed."""
        self._check_open()
        pieces = []
        while await self._fill():
            ready = bytes(self._ready)
            end = ready.find(b"\n") + 1
            pieces.append(ready[:end] if end else ready)
            self._ready = self._ready[len(pieces[-1]) :]
            if end:
                break
        return b"".join(pieces)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while line := await self.readline():
            yield line

    def close(self) -> None:
        """Give the connection up."""
        self.closed = True
        self._stream.close()

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError("I/O operation on closed file")

    async def __aenter__(self) -> "ObjectFileReader":
        if self.tell():
            self._stream.restart()
            self._ready = self._buffer[:0]
        return self

    async def __aexit__(self, *_error: object) -> None:
        self.close()


class ObjectFileWriter:
    """An object that is written like a binary file; made by `ObjectWriter.as_file`. Rules as in the blocking twin."""

    def __init__(self, upload: Any, mode: str = "a") -> None:
        self._upload, self.mode = upload, mode
        self.closed = False

    def writable(self) -> bool:
        return True

    async def write(self, data: Any) -> int:
        """Take bytes, or text as UTF-8; returns the number of bytes."""
        self._check_open()
        return await self._upload.write(data)

    async def flush(self) -> None:
        """Make visible what was appended so far; does nothing to a file that replaces its object."""
        self._check_open()
        await self._upload.flush()

    async def close(self) -> None:
        """Make everything visible; harmless when done before."""
        if not self.closed:
            self.closed = True
            try:
                await self._upload.commit()
            except BaseException:
                await self._upload.abort()
                raise

    async def abort(self) -> None:
        """Forget what is not visible yet."""
        self.closed = True
        await self._upload.abort()

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError("I/O operation on closed file")

    async def __aenter__(self) -> "ObjectFileWriter":
        self._check_open()
        return self

    async def __aexit__(self, kind: object, *_error: object) -> None:
        if kind is None:
            await self.close()
        elif not self.closed:
            await self.abort()
