"""Entries of a batch whose objects are not on this node: fetched from their stores, ahead of their turn.

The thread that assembles the batch announces windows and waits for them; the node's event loop fetches. Whole objects
go into the cache and are looked up there again, like every other object. Ranges of large objects, and members of
shards whose table is known, are read past it: those bytes only, neighbours in one request, all of one version.
"""

import asyncio
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from typing import Any, TypeVar

from xxhash import xxh3_64, xxh3_64_intdigest

from moss.errors import (
    Aborted,
    ChecksumMismatch,
    MemberNotFound,
    MossError,
    ObjectChanged,
    ObjectNotFound,
    Unavailable,
)
from moss.node.backends import RemoteObject
from moss.node.getbatch.payloads import Payload, StreamedPayload
from moss.node.getbatch.plan import Batch
from moss.node.remote import Place, RemoteObjects, Uncached
from moss.node.remote.objects import IN_FLIGHT_MAX, SMALL_BYTES_MAX
from moss.node.storage.engine import Engine
from moss.node.storage.layout import Extent
from moss.node.storage.member_table import MemberColumns, MemberTable, member_key

# Ranges of one object that are so close to each other (neighbours in a TAR) are read in one request …
GAP_BYTES_MAX = 2 << 10
# … of so many bytes at most.
REQUEST_BYTES_MAX = 4 << 20
# Objects that one batch asks for at one time: those under way at stores, and as many that are on their way to the disk.
OBJECTS_AT_ONCE = 2 * IN_FLIGHT_MAX
# So much of a window is read ahead past the cache; the rest comes when it is its turn.
AHEAD_BYTES_MAX = 32 << 20

Found = dict[int, Payload]
Outcome = TypeVar("Outcome")


@dataclass(slots=True)
class _Span:
    """A stretch of a remote object that one entry asks for.

    Attributes:
        check: XXH3-64 that it must have, None where nobody knows it.
    """

    row: int
    start: int
    size: int
    check: int | None = None


class ColdEntries:
    """The entries of one batch that are kept elsewhere.

    Args:
        places: where the objects of a bucket are kept, by the bucket's number in the batch; only of those that are
            kept elsewhere.
        loop: the node's event loop.
    """

    def __init__(
        self,
        engine: Engine,
        remote: RemoteObjects,
        batch: Batch,
        places: Mapping[int, Place],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._engine, self._remote, self._shards = engine, remote, remote.shards
        self._batch, self._places, self._loop = batch, places, loop
        self._validates = any(place.validates for place in places.values())
        self._windows: dict[int, Future[Found]] = {}
        # Windows are begun in their order; few tasks at one time, since each costs the garbage collector time.
        self._turn, self._slots = asyncio.Lock(), asyncio.Semaphore(OBJECTS_AT_ONCE)
        self._is_closed = False

    # -- for the thread that assembles --

    def is_elsewhere(self, index: int) -> bool:
        """Tell whether the store behind an entry's bucket may have what is not here."""
        return self._batch.bucket_number(index) in self._places

    def lacks(self, start: int, extents: Sequence[Extent | None]) -> bool:
        """Tell whether anything has to be asked of a store for a window."""
        return self._validates or (None in extents and bool(self._rows(start, extents)))

    def _rows(self, start: int, extents: Sequence[Extent | None]) -> list[int]:
        rows = []
        for row, extent in enumerate(extents, start):
            place = self._places.get(self._batch.bucket_number(row))
            if place is not None and (extent is None or place.validates):
                rows.append(row)
        return rows

    def announce(self, start: int, extents: Sequence[Extent | None]) -> bool:
        """Begin to fetch what a window lacks; return whether that is anything."""
        rows = self._rows(start, extents) if None in extents or self._validates else []
        if rows:
            self._windows[start] = asyncio.run_coroutine_threadsafe(self._fetch(rows), self._loop)
        return bool(rows)

    def settle(self, start: int) -> Found:
        """Wait for a window that was announced.

        Returns:
            For each entry that is not to be had from the cache: its payload, or what went wrong.

        Raises:
            Aborted: `close` was called meanwhile.
        """
        try:
            return self._windows.pop(start).result()
        except (CancelledError, KeyError):
            raise Aborted("the batch was given up") from None

    def fetch(self, rows: Sequence[int], *, is_kept: bool) -> Found:
        """Fetch entries now, whatever was announced.

        Args:
            is_kept: objects go into the cache; otherwise they are read past it.

        Returns:
            As `settle`; with `is_kept` false, something for each entry.
        """
        return asyncio.run_coroutine_threadsafe(self._fetch(rows, is_kept=is_kept), self._loop).result()

    def close(self) -> None:
        """Fetch nothing more for this batch; what others wait for too goes on."""
        self._is_closed = True
        for window in list(self._windows.values()):
            window.cancel()

    # -- on the event loop --

    async def _fetch(self, rows: Sequence[int], *, is_kept: bool = True) -> Found:
        wanted: dict[tuple[int, str], list[int]] = {}
        for row in rows:
            wanted.setdefault((self._batch.bucket_number(row), self._batch.names[row]), []).append(row)
        found: Found = {}
        ahead = _Ahead()
        get = self._object if is_kept else self._past_the_cache
        async with asyncio.TaskGroup() as group, self._turn:
            for (number, name), same in wanted.items():
                await self._slots.acquire()
                task = group.create_task(get(self._places[number], name, same, found, ahead))
                task.add_done_callback(lambda _: self._slots.release())
        return found

    async def _past_the_cache(self, place: Place, name: str, rows: list[int], found: Found, ahead: "_Ahead") -> None:
        """Have all entries of an object that does not stay in the cache long enough to be read."""
        try:
            if all(map(self._is_part, rows)) and await self._parts(place, name, rows, found, ahead):
                return
            answer = Uncached(await self._remote.head(place, name))
            found.update({row: self._passed_through(place, row, answer) for row in rows})
        except MossError as error:
            found.update(dict.fromkeys(rows, error))

    async def _object(self, place: Place, name: str, rows: list[int], found: Found, ahead: "_Ahead") -> None:
        """Have all entries of one object; what is not in the cache then is in `found`."""
        try:
            if place.validates and await self._is_here(place, name):
                return
            if all(map(self._is_part, rows)) and await self._parts(place, name, rows, found, ahead):
                return
            answer = await self._remote.bring(place, name)
            if isinstance(answer, Uncached):
                found.update({row: self._passed_through(place, row, answer) for row in rows})
        except MossError as error:
            found.update(dict.fromkeys(rows, error))

    async def _is_here(self, place: Place, name: str) -> bool:
        """Tell whether the cache has the version that the store has; raises as `RemoteObjects.head`."""
        try:
            record = await asyncio.to_thread(self._engine.head, place.record.bucket, name)
        except ObjectNotFound:
            return False
        return await self._remote.is_current(place, record)

    def _is_part(self, row: int) -> bool:
        batch = self._batch
        return bool(batch.members and batch.members[row]) or bool(
            batch.starts and (batch.starts[row] or batch.lengths[row] > 0)
        )

    async def _parts(self, place: Place, name: str, rows: list[int], found: Found, ahead: "_Ahead") -> bool:
        """Read only what entries ask for of a large object; False: it has to come as a whole."""
        batch = self._batch
        members = [bool(batch.members and batch.members[row]) for row in rows]
        if all(members):
            return await self._members(place, name, rows, found, ahead)
        if any(members):
            return False
        about = await self._remote.head(place, name)
        if about.size <= SMALL_BYTES_MAX:
            return False
        spans = []
        for row in rows:
            span = batch.span(row, about.size)
            if isinstance(span, MossError):
                found[row] = span
            else:
                spans.append(_Span(row, *span))
        await self._read(place, name, about, spans, found, ahead)
        return True

    async def _members(self, place: Place, name: str, rows: list[int], found: Found, ahead: "_Ahead") -> bool:
        shard = await asyncio.to_thread(self._shards.find, place, name)
        if shard is None or shard.table.failure is not None:
            return False
        listed, parts = self._listed(place, name, shard.table, rows)
        if not listed:
            found.update(parts)
            return True
        columns = shard.table.select([member_key(self._batch.members[row]) for row in listed], 0)
        if columns is None:
            return False
        about = RemoteObject(name, shard.size, etag=shard.etag)
        await self._read(place, name, about, self._spans(listed, columns, parts), parts, ahead)
        if any(isinstance(payload, ObjectChanged) for payload in parts.values()):
            # The store has another version now, with members of its own.
            await asyncio.to_thread(self._shards.drop, place, name)
            return False
        found.update(parts)
        return True

    def _listed(self, place: Place, name: str, table: MemberTable, rows: list[int]) -> tuple[list[int], Found]:
        """Return the rows whose members a shard has, and the errors of the others."""
        listed: list[int] = []
        errors: Found = {}
        cname = place.record.bucket.cname_of(name)
        for row in rows:
            key = member_key(self._batch.members[row])
            if key in table.rows:
                listed.append(row)
            else:
                errors[row] = MemberNotFound(key, cname)
        return listed, errors

    def _spans(self, rows: list[int], columns: MemberColumns, found: Found) -> list[_Span]:
        spans = []
        for row, offset, size, check in zip(rows, columns.offsets, columns.sizes, columns.checks, strict=True):
            span = self._batch.span(row, size)
            if isinstance(span, MossError):
                found[row] = span
            else:
                spans.append(_Span(row, offset + span[0], span[1], check if span == (0, size) else None))
        return spans

    async def _read(
        self, place: Place, name: str, about: RemoteObject, spans: list[_Span], found: Found, ahead: "_Ahead"
    ) -> None:
        """Read stretches of one version; those that are too much to be held come when it is their turn."""
        now = []
        for span in spans:
            if span.size <= REQUEST_BYTES_MAX and ahead.take(span.size):
                now.append(span)
            else:
                found[span.row] = RemotePayload(self, place, name, about, span)
        async with asyncio.TaskGroup() as group:
            for request in coalesce(now):
                group.create_task(self._request(place, name, about.etag, request, found))

    async def _request(self, place: Place, name: str, etag: str, spans: list[_Span], found: Found) -> None:
        start, stop = spans[0].start, max(span.start + span.size for span in spans)
        try:
            content = memoryview(b"")
            if stop > start:
                _, answer = await self._remote.read(place, name, start, stop - start, etag=etag)
                content = memoryview(answer)
            for span in spans:
                payload = content[span.start - start : span.start - start + span.size]
                found[span.row] = self._checked(place, name, span, payload)
        except MossError as error:
            found.update({span.row: error for span in spans})

    def _checked(self, place: Place, name: str, span: _Span, payload: memoryview) -> Payload:
        if span.check is None or (digest := xxh3_64_intdigest(payload)) == span.check:
            return payload
        return self._mismatch(place, name, span, digest)

    def _mismatch(self, place: Place, name: str, span: _Span, digest: int) -> ChecksumMismatch:
        member = f"{self._batch.members[span.row]} in " if self._batch.members else ""
        cname = member + place.record.bucket.cname_of(name)
        return ChecksumMismatch(cname, expected=f"{span.check:016x}", found=f"{digest:016x}")

    def _passed_through(self, place: Place, row: int, answer: Uncached) -> Payload:
        """Return an entry of an object that the cache has no room for."""
        if self._batch.members and self._batch.members[row]:
            cname = place.record.bucket.cname_of(answer.about.name)
            return Unavailable(f"{cname}: no room in the cache for a shard of {answer.about.size} bytes")
        span = self._batch.span(row, answer.about.size)
        if isinstance(span, MossError):
            return span
        start, size = span
        if answer.content is not None:
            return memoryview(answer.content)[start : start + size]
        return RemotePayload(self, place, self._batch.names[row], answer.about, _Span(row, start, size))

    # -- payloads that come when it is their turn --

    def stream(self, place: Place, name: str, about: RemoteObject, span: _Span) -> Iterator[bytes]:
        """Read a stretch in pieces, all of one version; for the thread that assembles."""
        digest = xxh3_64()
        pieces = self._remote.stream(place, name, about, span.start, span.start + span.size)

        async def following() -> bytes:
            return await anext(pieces, b"")

        try:
            while piece := self._wait(following()):
                if self._is_closed:
                    raise Aborted("the batch was given up")
                digest.update(piece)
                yield piece
        finally:
            self._wait(pieces.aclose())
        if span.check is not None and digest.intdigest() != span.check:
            raise self._mismatch(place, name, span, digest.intdigest())

    def _wait(self, work: Coroutine[Any, Any, Outcome]) -> Outcome:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


@dataclass(slots=True)
class RemotePayload(StreamedPayload):
    """A stretch of a remote object that is read when it is its turn."""

    cold: ColdEntries
    place: Place
    name: str
    about: RemoteObject
    span: _Span

    @property
    def size(self) -> int:  # type: ignore[override]
        return self.span.size

    def pieces(self) -> Iterator[bytes]:
        return self.cold.stream(self.place, self.name, self.about, self.span)


class _Ahead:
    """What may still be read ahead of a window's turn."""

    def __init__(self) -> None:
        self._left = AHEAD_BYTES_MAX

    def take(self, size: int) -> bool:
        if size > self._left:
            return False
        self._left -= size
        return True


def coalesce(spans: Sequence[_Span]) -> list[list[_Span]]:
    """Group stretches of one object into requests: neighbours with small gaps between them. Pure."""
    requests: list[list[_Span]] = []
    begin = end = 0
    for span in sorted(spans, key=lambda span: (span.start, span.size)):
        stop = span.start + span.size
        if requests and span.start - end <= GAP_BYTES_MAX and max(stop, end) - begin <= REQUEST_BYTES_MAX:
            requests[-1].append(span)
            end = max(end, stop)
        else:
            requests.append([span])
            begin, end = span.start, stop
    return requests
