"""Reading one object."""

from collections.abc import AsyncIterator
from typing import Any

from moss.sdk._async.object_client import ObjectClient
from moss.sdk._async.parallel import ParallelContentIterProvider
from moss.sdk._async.resumable import ResumableStream
from moss.sdk._async.stream import RawStream
from moss.sdk.const import DEFAULT_CHUNK_SIZE
from moss.sdk.errors import ConnectionLost, compatible
from moss.sdk.obj.content_iterator.buffer import ParallelBuffer
from moss.sdk.obj.obj_file.aio import ObjectFileReader
from moss.sdk.obj.object_attributes import ObjectAttributes

__all__ = ["ObjectReader"]


class ObjectReader:
    """Reads one object, as often as wanted; nothing is sent before the first read.

    Args:
        object_client: the requests of the object.
        chunk_size: bytes of the pieces of an iteration; 32 KiB without one.
        num_workers: read so many ranges at the same time; None reads one stream.
    """

    def __init__(
        self, object_client: ObjectClient, chunk_size: int | None = None, num_workers: int | None = None
    ) -> None:
        self._client, self._chunk_size = object_client, chunk_size or DEFAULT_CHUNK_SIZE
        self._parallel = None
        if num_workers is not None:
            self._parallel = ParallelContentIterProvider(object_client, chunk_size, num_workers)
        self._response: Any = None
        self._attributes: ObjectAttributes | None = None

    async def head(self) -> ObjectAttributes:
        """Ask for the attributes, always anew."""
        self._attributes = await self._client.head()
        return self._attributes

    @property
    async def attributes(self) -> ObjectAttributes:
        """The attributes: of the last answer if there was one, else asked for."""
        return self._attributes if self._attributes is not None else await self.head()

    async def _open(self) -> Any:
        response, self._response = self._response, None
        if response is None:
            response = await (self._client if self._parallel is None else self._parallel).open()
        self._attributes = ObjectAttributes(response.headers)
        return response

    async def start(self) -> None:
        """Send the request now; the answer is used by the next read."""
        if self._response is None:
            self._response = await self._open()

    async def read_all(self, *, verify_checksum: bool = False) -> bytes | ParallelBuffer:
        """Read the whole object (or member, or range).

        Args:
            verify_checksum: compare the bytes with the checksum of the answer, where there is one of a known type.

        Returns:
            Bytes; with `num_workers` a `ParallelBuffer`, which can be used like bytes.

        Raises:
            ErrObjNotFound: it does not exist.
            ConnectionLost: fewer bytes than declared were received.
            ChecksumMismatch: with `verify_checksum`.
        """
        if self._parallel is not None:
            content = await self._parallel.read_all()
            if verify_checksum:
                _verify(await self.head(), content, self._client.path)
            return content
        response = await self._open()
        content = await response.read()
        if verify_checksum and response.status == 200:
            _verify(response.headers, content, response.url)
        return content

    async def readinto(self, buffer: bytearray | memoryview) -> int:
        """Read the object into a buffer that is large enough; returns its size in bytes.

        Raises:
            ValueError: the object is larger than the buffer.
        """
        view, position = memoryview(buffer).cast("B"), 0
        response = await self._open()
        if response.length is not None and response.length > len(view):
            response.close()
            raise ValueError(f"the object has {response.length} bytes, the buffer only {len(view)}")
        while position < len(view) and (count := await response.receive_into(view[position:])):
            position += count
        await response.finish()
        if response.length is not None and position != response.length:
            raise compatible(ConnectionLost)(f"received {position} of {response.length} bytes")
        return position

    async def raw(self) -> RawStream:
        """Open the undecoded stream; the caller closes it."""
        return RawStream(await self._open())

    def as_file(self, buffer_size: int | None = None, max_resume: int = 5) -> ObjectFileReader:
        """Read the object like a file. Nothing is sent before its first read.

        Broken connections are resumed where they broke. The file can seek, by ranges, unless it is a selection of
        members, the result of a transformation, or a range that counts from the end.

        Args:
            buffer_size: bytes that are received ahead.
            max_resume: how often reading may be resumed in one pass over the object.

        Raises:
            ValueError: `max_resume` is negative.
        """
        if max_resume < 0:
            raise ValueError(f"max_resume must not be negative, found {max_resume}")
        response, self._response = self._response, None
        source = self._client if self._parallel is None else self._parallel
        return ObjectFileReader(ResumableStream(source, max_resume, response), buffer_size)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Iterate over the content in pieces of `chunk_size` bytes; every iteration is a new GET."""
        stream = await self.raw()
        try:
            while piece := await stream.read(self._chunk_size):
                yield piece
        finally:
            stream.close()


def _verify(headers: Any, content: bytes | bytearray, name: str) -> None:
    from moss.sdk.checksums import verify

    verify(headers, content, name)
