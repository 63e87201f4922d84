"""One object, read in several ranges at once."""

from collections import deque
from collections.abc import AsyncIterator, Iterator
from typing import Any

from moss.sdk._async.object_client import ObjectClient
from moss.sdk.const import MIB
from moss.sdk.errors import TransportError
from moss.sdk.obj.content_iterator.buffer import ParallelBuffer, make_buffer
from moss.sdk.obj.content_iterator.workers_aio import Workers
from moss.sdk.obj.obj_file.errors import ObjectChanged
from moss.sdk.obj.object_attributes import ObjectAttributes
from moss.sdk.transport.http1 import Headers, lost

__all__ = ["ParallelContentIterProvider", "ParallelResponse"]

_SIZE_PROPS = "chunked"
_CHUNK_BYTES = 8 * MIB
_TRIES_MAX = 5


class ParallelContentIterProvider:
    """Reads an object with several workers. Nothing is sent before the first read; no thread outlives its read.

    Args:
        client: the requests of the object.
        chunk_size: bytes of a range; None takes the largest chunk that the cluster stores the object in, then 8 MiB.
        num_workers: ranges that are fetched at the same time.
    """

    def __init__(self, client: ObjectClient, chunk_size: int | None = None, num_workers: int = 4) -> None:
        self._client, self._chunk_size, self._num_workers = client, chunk_size, num_workers

    @property
    def num_workers(self) -> int:
        return self._num_workers

    @property
    def can_start_at_offset(self) -> bool:
        return True

    @property
    def is_range(self) -> bool:
        return False

    async def head(self) -> ObjectAttributes:
        return await self._client.head()

    async def read_all(self) -> ParallelBuffer:
        """Read the whole object.

        Raises:
            ErrObjNotFound: it does not exist.
            ObjectChanged: it was replaced in the meantime.
            ConnectionLost: a range broke off again and again, or has a wrong length.
        """
        attributes = await self._client.head(_SIZE_PROPS)
        content = make_buffer(attributes.size)
        workers = Workers(self._num_workers)
        try:
            await self._fill(workers, memoryview(content), attributes)
        finally:
            await workers.close()
        return content

    async def _fill(self, workers: Any, view: memoryview, attributes: ObjectAttributes) -> None:
        identity = {"size": str(len(view))}
        jobs = [
            workers.submit(self._fetch, start, view[start:end], identity) for start, end in self._parts(attributes, 0)
        ]
        for job in jobs:
            await workers.result(job)

    async def open(self, offset: int = 0) -> "ParallelResponse":
        """Begin to read from a byte on; what is returned has the attributes and methods of an answer."""
        attributes = await self._client.head(_SIZE_PROPS)
        status = 206 if offset else 200
        return ParallelResponse(self._pieces(attributes, offset), attributes, attributes.size - offset, status)

    async def create_iter(self, offset: int = 0) -> AsyncIterator[bytes]:
        """Iterate over the content from a byte on, a range of `chunk_size` bytes at a time."""
        attributes = await self._client.head(_SIZE_PROPS)
        async for piece in self._pieces(attributes, offset):
            yield piece

    async def _pieces(self, attributes: ObjectAttributes, offset: int) -> AsyncIterator[bytes]:
        identity = {"size": str(attributes.size)}
        parts = self._parts(attributes, offset)
        pending: deque[Any] = deque()
        workers = Workers(self._num_workers)
        try:
            while True:
                while len(pending) < self._num_workers and (part := next(parts, None)):
                    pending.append(workers.submit(self._fetch, part[0], bytearray(part[1] - part[0]), identity))
                if not pending:
                    return
                yield bytes(await workers.result(pending.popleft()))
        finally:
            await workers.close()

    def _parts(self, attributes: ObjectAttributes, offset: int) -> Iterator[tuple[int, int]]:
        chunks = attributes.chunks
        step = self._chunk_size or (chunks.max_chunk_size if chunks is not None else 0) or _CHUNK_BYTES
        for start in range(offset, attributes.size, step):
            yield start, min(start + step, attributes.size)

    async def _fetch(self, start: int, buffer: Any, identity: dict[str, str]) -> Any:
        """Fill a buffer from byte `start` on. `identity` holds what all answers must agree on."""
        view = memoryview(buffer)
        filled = failures = 0
        while True:
            response = await self._client.get_chunk(start + filled, start + len(view))
            _check(response, start + filled, len(view) - filled, identity)
            try:
                while filled < len(view) and (count := await response.receive_into(view[filled:])):
                    filled += count
            except TransportError:
                response.close()
                failures += 1
                if failures >= _TRIES_MAX:
                    raise
                continue
            excess = await response.receive_into(memoryview(bytearray(1))) if filled == len(view) else 0
            response.close()
            if filled < len(view) or excess:
                raise lost(f"a range of {len(view)} bytes came with {'more' if excess else 'only'} {filled} bytes")
            return buffer


def _check(response: Any, start: int, length: int, identity: dict[str, str]) -> None:
    """Raise unless an answer holds the range that was asked for, of the content that the first answer was of."""
    if (response.length is not None and response.length != length) or (start and response.status != 206):
        response.close()
        raise lost(f"a range of {length} bytes from {start} on came as {response.length} bytes, {response.status}")
    found = {name: response.headers.get(name, "") for name in ("ais-version", "etag")}
    found["size"] = response.headers.get("content-range", "").rpartition("/")[2].strip("*")
    for name, value in found.items():
        if value and identity.setdefault(name, value) != value:
            response.close()
            raise ObjectChanged(f"its {name.removeprefix('ais-')} was {identity[name]} and is {value} now")


class ParallelResponse:
    """The pieces of a parallel download in the form of an answer."""

    def __init__(self, pieces: AsyncIterator[bytes], attributes: ObjectAttributes, length: int, status: int) -> None:
        self._pieces: Any = pieces
        self._pending = memoryview(b"")
        self._remaining = length
        self.headers, self.length, self.status = Headers(dict(attributes)), length, status

    @property
    def is_complete(self) -> bool:
        return not self._remaining

    async def receive_into(self, view: memoryview) -> int:
        """Receive some bytes; 0 only at the end."""
        if not self._pending:
            self._pending = memoryview(await anext(self._pieces, b""))
        count = min(len(self._pending), len(view))
        view[:count] = self._pending[:count]
        self._pending = self._pending[count:]
        self._remaining -= count
        return count

    async def read(self) -> bytes:
        """Receive the rest."""
        pieces = [bytes(self._pending)]
        async for piece in self._pieces:
            pieces.append(piece)
        self._remaining = 0
        return b"".join(pieces)

    async def finish(self) -> None:
        """Stop the download."""
        await self._pieces.aclose()

    def close(self) -> None:
        """Forget the download; its workers end with the ranges that they are at."""
        self._pieces, self._remaining = _nothing(), 0


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield b""
