"""The objects that a job reads, wherever they are kept; those that are not in the cache are fetched ahead."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from moss.errors import MossError, ObjectNotFound, OutOfSpace
from moss.naming.bucket import Bucket
from moss.node.backends.base import RemoteObject
from moss.node.delivery import verified_pieces
from moss.node.jobs.job import Job
from moss.node.jobs.selection import Selection
from moss.node.jobs.stores import Candidate, Stores, candidates
from moss.node.remote import Place, Uncached
from moss.node.remote.objects import PIECE_BYTES
from moss.node.storage.objects import Buffer, ObjectRecord

__all__ = ["Payload", "Source", "fresh", "open_source"]

# Objects that are fetched at one time before their turn; without a cache they are in memory meanwhile.
_AHEAD = 16


@dataclass(frozen=True, slots=True)
class Payload:
    """One object to read.

    Attributes:
        pieces: yields its bytes, as often as it is called; raises CorruptData, SegmentGone and what a store says.
        error: why it cannot be read, None if it can.
    """

    name: str
    size: int = 0
    pieces: Callable[[], Iterable[Buffer]] = tuple
    error: MossError | None = None


class Source(Protocol):
    """What a selection means in one bucket."""

    def payloads(self) -> Iterator[Payload]:
        """Yield the objects, those that are missing too."""


def open_source(stores: Stores, bucket: Bucket, selection: Selection, job: Job, *, is_recursive: bool = True) -> Source:
    """Return what gives the objects of a selection to a job.

    Raises:
        BucketNotFound: there is no such bucket.
        BackendUnavailable: this node has no access to the store behind it.
    """
    place = stores.place(bucket)
    if place is None:
        return _Here(stores, bucket, selection, is_recursive)
    return _Elsewhere(stores, place, selection, job, is_recursive)


@dataclass(frozen=True, slots=True)
class _Here:
    stores: Stores
    bucket: Bucket
    selection: Selection
    is_recursive: bool

    def payloads(self) -> Iterator[Payload]:
        engine = self.stores.engine
        for name in self.selection.iterate(engine, self.bucket, is_recursive=self.is_recursive):
            try:
                yield _stored(self.stores, self.bucket, engine.head(self.bucket, name))
            except ObjectNotFound as error:
                yield Payload(name, error=error)


def _stored(stores: Stores, bucket: Bucket, record: ObjectRecord) -> Payload:
    def pieces() -> Iterator[Buffer]:
        return verified_pieces(stores.engine, record.extent, bucket.cname_of(record.name))

    return Payload(record.name, record.size, pieces)


@dataclass(frozen=True, slots=True)
class _Elsewhere:
    stores: Stores
    place: Place
    selection: Selection
    job: Job
    is_recursive: bool

    def payloads(self) -> Iterator[Payload]:
        found = candidates(self.place, self.selection, is_recursive=self.is_recursive)
        for window in self.stores.walk(self.job, found):
            rows = iter(window)
            while few := list(islice(rows, _AHEAD)):
                yield from self.stores.run(self.job, self._bring(few))

    async def _bring(self, few: list[Candidate]) -> list[Payload]:
        return list(await asyncio.gather(*(self._bring_one(candidate.name) for candidate in few)))

    async def _bring_one(self, name: str) -> Payload:
        objects, place = self.stores.objects, self.place
        try:
            found: ObjectRecord | Uncached | None = await asyncio.to_thread(objects.cached, place, name)
            if found is None:
                found = await objects.bring(place, name)
        except MossError as error:
            return Payload(name, error=error)
        if isinstance(found, ObjectRecord):
            return _stored(self.stores, place.record.bucket, found)
        if found.content is not None:
            content = found.content
            return Payload(name, len(content), lambda: [content])
        about = found.about
        return Payload(name, about.size, lambda: self._pieces(name, about))

    def _pieces(self, name: str, about: RemoteObject) -> Iterator[Buffer]:
        """Read a large object that the cache has no room for, piece by piece."""
        objects = self.stores.objects
        for at in range(0, about.size, PIECE_BYTES):
            length = min(PIECE_BYTES, about.size - at)
            _, piece = self.stores.run(self.job, objects.read(self.place, name, at, length, etag=about.etag))
            yield piece


async def fresh(stores: Stores, place: Place, name: str) -> ObjectRecord | None:
    """Have the version in the cache that the store has now, to make another one of it; None if there is none.

    Raises:
        OutOfSpace: the cache has no room for it.
        BackendUnavailable, BackendDenied: as the store says.
    """
    objects = stores.objects
    record = await asyncio.to_thread(objects.cached, place, name)
    try:
        if record is not None and await objects.is_current(place, record):
            return record
        found = await objects.bring(place, name)
    except ObjectNotFound:
        return None
    if isinstance(found, Uncached):
        raise OutOfSpace(f"{place.record.bucket.cname_of(name)}: no room in the cache for {found.about.size} bytes")
    return found
