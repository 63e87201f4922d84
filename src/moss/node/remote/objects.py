"""Objects of buckets that are kept elsewhere: brought here when they are asked for, written through, deleted there."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from moss.errors import (
    BackendUnavailable,
    BucketNotFound,
    ChecksumMismatch,
    Conflict,
    MossError,
    ObjectNotFound,
    OutOfSpace,
)
from moss.node.backends.base import RemoteObject, RemoteRead
from moss.node.remote.attributes import cached_attributes, is_from_store, is_same
from moss.node.remote.budget import ByteBudget
from moss.node.remote.places import Place
from moss.node.remote.shards import RemoteShards
from moss.node.remote.turns import Begun, Key, ObjectTurns
from moss.node.storage.engine import Engine
from moss.node.storage.objects import ObjectAttributes, ObjectRecord

__all__ = ["IN_FLIGHT_MAX", "SMALL_BYTES_MAX", "RemoteObjects", "Uncached"]

# Requests that one node has under way at its stores at one time.
IN_FLIGHT_MAX = 64
# Up to this size an object is taken into memory as a whole; larger ones are written to the cache as they come.
SMALL_BYTES_MAX = 8 << 20
# Shards whose members may lie in them as they are.
_LISTED = (".tar", ".zip")
# What is in memory of all answers at one time.
_HELD_BYTES_MAX = 128 << 20
# Of a store's answer to a single client so much is in memory at one time, twice.
PIECE_BYTES = 4 << 20
Outcome = TypeVar("Outcome")


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
    """What is fetched, looked up and deleted at stores, and the cache before them. For the node's event loop.

    Fetches and changes of one object take turns, in all worker processes: the cache never falls behind the store.

    Args:
        in_flight_max: requests under way at all stores together.

    Attributes:
        shards: member tables of shards that are not here.
        in_flight: held for each request to a store.
        held: bounds what is in memory of the bodies.
        turns: whose turn it is to change an object.
        begun: which cached objects are about to be changed at their stores.
    """

    def __init__(self, engine: Engine, in_flight_max: int = IN_FLIGHT_MAX) -> None:
        self._engine = engine
        self.shards = RemoteShards(engine)
        self.in_flight = asyncio.Semaphore(in_flight_max)
        self.held = ByteBudget(_HELD_BYTES_MAX)
        folder = engine.remote_folder
        self.turns = ObjectTurns(folder / "turns.lock")
        self.begun = Begun(folder / f"begun-{engine.worker}", sync=True)
        self._forget_unfinished()
        # By bucket id and name.
        self._flights: dict[Key, _Flight] = {}
        self._tasks: set[asyncio.Future[Any]] = set()

    # -- reading --

    async def bring(self, place: Place, name: str) -> ObjectRecord | Uncached:
        """Have an object in the cache, in the version that the store has now.

        It is fetched once, however many ask for it at that time; when nobody waits any more, the fetch is given up.

        Raises:
            ObjectNotFound, BackendUnavailable, BackendDenied: as the store says.
            ChecksumMismatch: what came has not the checksum that the store tells.
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

    def _land(self, key: Key, flight: _Flight) -> None:
        # There may be another one by now.
        if self._flights.get(key) is flight:
            del self._flights[key]

    async def _fetch(self, place: Place, name: str) -> ObjectRecord | Uncached:
        async with self.turns.hold((place.record.id, name)) as was_elsewhere:
            if was_elsewhere and (record := await asyncio.to_thread(self.cached, place, name)) is not None:
                return record  # another process has just fetched or written it
            try:
                found = await self._fetch_now(place, name)
            except ChecksumMismatch:
                # Damaged on its way; or somebody wrote it anew and left the checksum with it that a node had kept.
                found = await self._fetch_now(place, name, trusts_kept=False)
            if isinstance(found, Uncached):
                await self.forget(place, name)  # an older version
            return found

    async def _fetch_now(self, place: Place, name: str, *, trusts_kept: bool = True) -> ObjectRecord | Uncached:
        async with AsyncExitStack() as holding:
            async with self.in_flight:
                answer = await self._get(place, name)
                size = answer.stop - answer.start
                attributes = cached_attributes(answer.about, place.backend.provider, trusts_kept=trusts_kept)
                if size > SMALL_BYTES_MAX:
                    return await self._stream(place, name, answer, attributes)
                await holding.enter_async_context(self.held.hold(size))
                content = await answer.read()
            # The next request is under way while this object is written to the disk.
            return await self._keep(place, name, answer.about, content, attributes)

    async def _get(self, place: Place, name: str, start: int = 0, length: int = -1, etag: str = "") -> RemoteRead:
        try:
            return await place.backend.get(place.bucket, place.key(name), start, length, etag=etag)
        except ObjectNotFound:
            raise ObjectNotFound(place.record.bucket.cname_of(name)) from None

    async def _keep(
        self, place: Place, name: str, about: RemoteObject, content: bytes, attributes: ObjectAttributes
    ) -> ObjectRecord | Uncached:
        try:
            return await asyncio.wrap_future(
                self._engine.put(place.record.bucket, name, content, attributes=attributes)
            )
        except (OutOfSpace, BucketNotFound):
            return Uncached(about, content)

    async def _stream(
        self, place: Place, name: str, answer: RemoteRead, attributes: ObjectAttributes
    ) -> ObjectRecord | Uncached:
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
        async with self.in_flight, self.held.hold(length):
            answer = await self._get(place, name, start, length, etag)
            return answer.about, await answer.read()

    async def stream(
        self, place: Place, name: str, about: RemoteObject, start: int, stop: int
    ) -> AsyncGenerator[bytes, None]:
        """Read any number of bytes of one version past the cache, piece by piece; raises as `read`.

        Nothing is held at the store while a piece is waited for; the next one comes meanwhile.
        """
        if not about.etag:
            # The store knows no versions: all has to come in one answer.
            async for chunk in (await self._get(place, name, start, stop - start)).chunks():
                yield chunk
            return
        ahead: asyncio.Task[tuple[RemoteObject, bytes]] | None = None
        try:
            for at in range(start, stop, PIECE_BYTES):
                piece = await (ahead or self._piece(place, name, about.etag, at, stop))
                following = at + PIECE_BYTES
                ahead = self._piece(place, name, about.etag, following, stop) if following < stop else None
                yield piece[1]
        finally:
            if ahead is not None:
                ahead.add_done_callback(_taken_back)
                ahead.cancel()

    def _piece(
        self, place: Place, name: str, etag: str, at: int, stop: int
    ) -> "asyncio.Task[tuple[RemoteObject, bytes]]":
        return asyncio.create_task(self.read(place, name, at, min(PIECE_BYTES, stop - at), etag=etag))

    async def head(self, place: Place, name: str) -> RemoteObject:
        """Look an object up in its store; raises as `bring`."""
        try:
            async with self.in_flight:
                return await place.backend.head(place.bucket, place.key(name))
        except ObjectNotFound:
            raise ObjectNotFound(place.record.bucket.cname_of(name)) from None

    async def is_current(self, place: Place, record: ObjectRecord) -> bool:
        """Tell whether a cached object is what the store has; raises as `bring`."""
        return not is_from_store(record) or is_same(record, await self.head(place, record.name))

    # -- changing --

    async def delete(self, place: Place, name: str) -> None:
        """Delete an object in its store, then in the cache; raises as `bring`, and then the cached one stays."""
        await self.to_the_end(self._delete(place, name))

    async def _delete(self, place: Place, name: str) -> None:
        async with self.changing(place, name):
            async with self.in_flight:
                await place.backend.delete(place.bucket, place.key(name))
            await self.forget(place, name)

    @asynccontextmanager
    async def changing(self, place: Place, name: str) -> AsyncIterator[ObjectRecord | None]:
        """Have one's turn to change an object at its store, and then in the cache; yields the cached one.

        That is noted: if this process ends in the midst of it, nobody knows what the store has, and the cached object
        goes when the worker comes back.
        """
        key = (place.record.id, name)
        async with self.turns.hold(key):
            record = await asyncio.to_thread(self.cached, place, name)
            note = None
            if record is not None and is_from_store(record):
                note = await asyncio.to_thread(self.begun.write, key)
            try:
                yield record
            except asyncio.CancelledError:
                raise
            except BaseException as error:
                if isinstance(error, BackendUnavailable) and error.is_open and note is not None:
                    await self._compare(place, record)
                self.begun.remove(note)
                raise
            self.begun.remove(note)

    async def _compare(self, place: Place, record: ObjectRecord) -> None:
        """Drop a cached object that its store has in another version now; as long as it cannot say, it stays."""
        try:
            if await self.is_current(place, record):
                return
        except (ObjectNotFound, BucketNotFound):
            pass
        except MossError:
            return
        await self.forget(place, record.name)

    async def to_the_end(self, work: Coroutine[Any, Any, Outcome]) -> Outcome:
        """Do what must not be given up half done, when the client goes away for example."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    def _ended(self, task: "asyncio.Future[Any]") -> None:
        self._tasks.discard(task)
        _taken_back(task)  # its caller may be gone

    def cached(self, place: Place, name: str) -> ObjectRecord | None:
        """Look an object up in the cache; may wait for the disk."""
        try:
            return self._engine.head(place.record.bucket, name)
        except (ObjectNotFound, BucketNotFound):
            return None

    async def forget(self, place: Place, name: str) -> None:
        """Have an object in the cache no longer, if it was."""
        try:
            await asyncio.wrap_future(self._engine.delete(place.record.bucket, name))
        except (ObjectNotFound, BucketNotFound):
            pass

    def _forget_unfinished(self) -> None:
        """Drop cached objects of which nobody knows any more whether they are those of the store."""
        buckets = {record.id: record.bucket for record in self._engine.list_buckets()}
        for (number, name), note in self.begun.left():
            if number in buckets:
                try:
                    self._engine.delete(buckets[number], name).result()
                except (ObjectNotFound, BucketNotFound):
                    pass
            note.unlink(missing_ok=True)

    async def evict(self, place: Place, name: str) -> None:
        """Let an object leave the cache; the store is not asked. The members of a shard can still be found afterwards.

        Raises:
            ObjectNotFound: it is not in the cache.
            Conflict: it is on this node alone.
        """
        bucket = place.record.bucket
        record = await asyncio.to_thread(self._engine.head, bucket, name)
        if not is_from_store(record):
            raise Conflict(f"cannot evict {bucket.cname_of(name)}: its store does not have it")
        if name.endswith(_LISTED):
            await asyncio.to_thread(self.shards.keep, place, record)
        await asyncio.wrap_future(self._engine.delete(bucket, name))


def _taken_back(task: "asyncio.Future[Any]") -> None:
    """Have nobody complain that an error was not looked at."""
    if not task.cancelled():
        task.exception()
