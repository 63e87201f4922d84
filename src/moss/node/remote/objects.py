"""Objects of buckets that are kept elsewhere: brought here when they are asked for, written through, deleted there."""

import asyncio
from collections.abc import AsyncIterable, Mapping
from dataclasses import dataclass

from moss.errors import ObjectNotFound, OutOfSpace
from moss.node.backends.base import RemoteObject, RemoteRead
from moss.node.remote.attributes import cached_attributes, is_same
from moss.node.remote.budget import ByteBudget
from moss.node.remote.places import Place
from moss.node.remote.shards import RemoteShards
from moss.node.storage.engine import Engine
from moss.node.storage.objects import ObjectRecord

__all__ = ["IN_FLIGHT_MAX", "SMALL_BYTES_MAX", "RemoteObjects", "Uncached"]

# Requests that one node has under way at its stores at one time.
IN_FLIGHT_MAX = 64
# Up to this size an object is taken into memory as a whole; larger ones are written to the cache as they come.
SMALL_BYTES_MAX = 8 << 20
# Shards whose members may lie in them as they are.
_LISTED = (".tar", ".zip")
# What is in memory of all answers at one time.
_HELD_BYTES_MAX = 128 << 20


@dataclass(frozen=True, slots=True)
class Uncached:
    """An object that the cache has no room for.

    Attributes:
        content: all of it, None if it is too large to be held.
    """

    about: RemoteObject
    content: bytes | None = None


@dataclass(slots=True)
class _Flight:
    """One fetch that is under way, and how many wait for it."""

    task: "asyncio.Task[ObjectRecord | Uncached]"
    waiting: int = 0


class RemoteObjects:
    """Cold reads, write-through, and the cache between them. For the node's event loop.

    Args:
        in_flight_max: requests under way at all stores together.

    Attributes:
        shards: member tables of shards that are not here.
    """

    def __init__(self, engine: Engine, in_flight_max: int = IN_FLIGHT_MAX) -> None:
        self._engine = engine
        self.shards = RemoteShards(engine)
        self._in_flight = asyncio.Semaphore(in_flight_max)
        self._held = ByteBudget(_HELD_BYTES_MAX)
        # By bucket id and name.
        self._flights: dict[tuple[int, str], _Flight] = {}

    # -- reading --

    async def bring(self, place: Place, name: str) -> ObjectRecord | Uncached:
        """Have an object in the cache, in the version that the store has now.

        It is fetched once, however many ask for it at that time; when nobody waits any more, the fetch is given up.

        Raises:
            ObjectNotFound, BackendUnavailable, BackendDenied: as the store says.
            ChecksumMismatch: what came has not the MD5 that the store tells.
        """
        key = (place.record.id, name)
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = _Flight(asyncio.create_task(self._fetch(place, name)))
            flight.task.add_done_callback(lambda _: self._land(key, flight))
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.waiting -= 1
            if not flight.waiting and not flight.task.done():
                flight.task.cancel()
                self._land(key, flight)

    def _land(self, key: tuple[int, str], flight: _Flight) -> None:
        # There may be another one by now.
        if self._flights.get(key) is flight:
            del self._flights[key]

    async def _fetch(self, place: Place, name: str) -> ObjectRecord | Uncached:
        async with self._in_flight:
            answer = await self._get(place, name)
            size = answer.stop - answer.start
            if size > SMALL_BYTES_MAX:
                return await self._stream(place, name, answer)
            async with self._held.hold(size):
                content = await answer.read()
                return await self._keep(place, name, answer.about, content)

    async def _get(self, place: Place, name: str, start: int = 0, length: int = -1, etag: str = "") -> RemoteRead:
        try:
            return await place.backend.get(place.bucket, place.key(name), start, length, etag=etag)
        except ObjectNotFound:
            raise ObjectNotFound(place.record.bucket.cname_of(name)) from None

    async def _keep(self, place: Place, name: str, about: RemoteObject, content: bytes) -> ObjectRecord | Uncached:
        attributes = cached_attributes(about, place.backend.provider)
        try:
            return await asyncio.wrap_future(
                self._engine.put(place.record.bucket, name, content, attributes=attributes)
            )
        except OutOfSpace:
            return Uncached(about, content)

    async def _stream(self, place: Place, name: str, answer: RemoteRead) -> ObjectRecord | Uncached:
        attributes = cached_attributes(answer.about, place.backend.provider)
        bucket = place.record.bucket
        upload = await asyncio.to_thread(self._engine.begin_upload, bucket, name, attributes=attributes)
        try:
            async for chunk in answer.chunks():
                await asyncio.to_thread(upload.write, chunk)
            return await asyncio.wrap_future(await asyncio.to_thread(upload.commit))
        except OutOfSpace:
            upload.abort()
            return Uncached(answer.about)
        except BaseException:
            upload.abort()
            raise

    async def read(
        self, place: Place, name: str, start: int, length: int, *, etag: str = ""
    ) -> tuple[RemoteObject, bytes]:
        """Read a range past the cache; raises as `bring`, and as `Backend.get`.

        Args:
            length: bytes, at most a few MiB.
            etag: of this version only.
        """
        async with self._in_flight, self._held.hold(length):
            answer = await self._get(place, name, start, length, etag)
            return answer.about, await answer.read()

    async def head(self, place: Place, name: str) -> RemoteObject:
        """Look an object up in its store; raises as `bring`."""
        try:
            async with self._in_flight:
                return await place.backend.head(place.bucket, place.key(name))
        except ObjectNotFound:
            raise ObjectNotFound(place.record.bucket.cname_of(name)) from None

    async def is_current(self, place: Place, record: ObjectRecord) -> bool:
        """Tell whether a cached object is what the store has; raises as `bring`."""
        return is_same(record.custom, await self.head(place, record.name))

    # -- changing --

    async def put(
        self, place: Place, name: str, body: bytes | AsyncIterable[bytes], custom: Mapping[str, str], size: int
    ) -> RemoteObject:
        """Write an object to its store; when this returns the store has it. Raises as `bring`."""
        async with self._in_flight:
            return await place.backend.put(place.bucket, place.key(name), body, custom, size)

    async def delete(self, place: Place, name: str) -> None:
        """Delete an object in its store, then in the cache; raises as `bring`, and then the cached one stays."""
        async with self._in_flight:
            await place.backend.delete(place.bucket, place.key(name))
        try:
            await asyncio.wrap_future(self._engine.delete(place.record.bucket, name))
        except ObjectNotFound:
            pass

    async def evict(self, place: Place, name: str) -> None:
        """Let an object leave the cache; the store is not asked. The members of a shard can still be found afterwards.

        Raises:
            ObjectNotFound: it is not in the cache.
        """
        bucket = place.record.bucket
        record = await asyncio.to_thread(self._engine.head, bucket, name)
        if name.endswith(_LISTED):
            await asyncio.to_thread(self.shards.keep, place, record)
        await asyncio.wrap_future(self._engine.delete(bucket, name))
