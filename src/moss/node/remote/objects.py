"""Objects of buckets that are kept elsewhere: brought here when they are asked for, written through, deleted there."""

import asyncio
from collections.abc import AsyncIterable, Mapping

from moss.errors import ObjectNotFound, OutOfSpace
from moss.node.backends.base import RemoteObject, RemoteRead
from moss.node.remote.attributes import cached_attributes, is_same
from moss.node.remote.places import Place
from moss.node.storage.engine import Engine
from moss.node.storage.objects import ObjectRecord

# Requests that one node has under way at its stores at one time.
IN_FLIGHT_MAX = 64
# Up to this size an object is taken into memory as a whole; larger ones are written to the cache as they come.
SMALL_BYTES_MAX = 8 << 20


class RemoteObjects:
    """Cold reads, write-through, and the cache between them. For the node's event loop."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._in_flight = asyncio.Semaphore(IN_FLIGHT_MAX)
        # One fetch of an object at a time, however many ask: by bucket id and name.
        self._flights: dict[tuple[int, str], asyncio.Task[ObjectRecord | bytes]] = {}

    async def bring(self, place: Place, name: str) -> ObjectRecord | bytes:
        """Have an object on this node that is not there; each object is fetched once, however many ask for it.

        Returns:
            Its record in the cache; the content itself where the cache's disk has no room for it.

        Raises:
            ObjectNotFound, BackendUnavailable, BackendDenied: as the store says.
            ChecksumMismatch: what came has not the MD5 that the store tells.
        """
        key = (place.record.id, name)
        task = self._flights.get(key)
        if task is None:
            task = asyncio.create_task(self._fetch(place, name))
            self._flights[key] = task
            task.add_done_callback(lambda _: self._flights.pop(key, None))
        return await asyncio.shield(task)

    async def _fetch(self, place: Place, name: str) -> ObjectRecord | bytes:
        async with self._in_flight:
            try:
                answer = await place.backend.get(place.bucket, place.key(name))
            except ObjectNotFound:
                raise ObjectNotFound(place.record.bucket.cname_of(name)) from None
            if answer.stop - answer.start <= SMALL_BYTES_MAX:
                content = await answer.read()
                return await self._keep(place, name, answer.about, content)
            return await self._stream(place, name, answer)

    async def _keep(self, place: Place, name: str, about: RemoteObject, content: bytes) -> ObjectRecord | bytes:
        attributes = cached_attributes(about, place.backend.provider)
        try:
            return await asyncio.wrap_future(
                self._engine.put(place.record.bucket, name, content, attributes=attributes)
            )
        except OutOfSpace:
            return content

    async def _stream(self, place: Place, name: str, answer: RemoteRead) -> ObjectRecord:
        attributes = cached_attributes(answer.about, place.backend.provider)
        upload = await asyncio.to_thread(self._engine.begin_upload, place.record.bucket, name, attributes=attributes)
        try:
            async for chunk in answer.chunks():
                await asyncio.to_thread(upload.write, chunk)
            return await asyncio.wrap_future(await asyncio.to_thread(upload.commit))
        except BaseException:
            upload.abort()
            raise

    async def head(self, place: Place, name: str) -> RemoteObject:
        """Look an object up in its store; raises as `bring`."""
        try:
            return await place.backend.head(place.bucket, place.key(name))
        except ObjectNotFound:
            raise ObjectNotFound(place.record.bucket.cname_of(name)) from None

    async def is_current(self, place: Place, record: ObjectRecord) -> bool:
        """Tell whether a cached object is what the store has; raises as `bring`."""
        return is_same(record.custom, await self.head(place, record.name))

    async def put(
        self, place: Place, name: str, body: bytes | AsyncIterable[bytes], custom: Mapping[str, str], size: int
    ) -> RemoteObject:
        """Write an object to its store; when this returns the store has it. Raises as `bring`."""
        async with self._in_flight:
            return await place.backend.put(place.bucket, place.key(name), body, custom, size)

    async def delete(self, place: Place, name: str) -> None:
        """Delete an object in its store, then in the cache; raises as `bring`, and then the cached one stays."""
        await place.backend.delete(place.bucket, place.key(name))
        try:
            await asyncio.wrap_future(self._engine.delete(place.record.bucket, name))
        except ObjectNotFound:
            pass
