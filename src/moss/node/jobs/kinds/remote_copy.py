"""Kinds `copy-bck` and `copy-listrange` where the source, the destination or both are kept elsewhere.

What is in the cache is copied from there; what is not passes through, without a trace in the source's cache. A copy is
done when the destination's store has it. Source: spec/rest-data.md 3.10, 6, 8.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass

from moss.errors import (
    BucketNotFound,
    ChecksumMismatch,
    InvalidName,
    MossError,
    ObjectChanged,
    ObjectNotFound,
    SegmentGone,
)
from moss.hashing import make_hasher
from moss.naming.bucket import is_valid_object_name
from moss.naming.template import Template
from moss.node.backends.base import RemoteObject
from moss.node.jobs.job import Job
from moss.node.jobs.kinds.listrange import CopyPlan
from moss.node.jobs.selection import WINDOW, Selection
from moss.node.jobs.stores import WORKERS, Candidate, Stores, candidates, each
from moss.node.remote import Place
from moss.node.remote.attributes import cached_attributes, is_from_store, own_custom, user_custom
from moss.node.remote.objects import PIECE_BYTES
from moss.node.storage.objects import ObjectAttributes, ObjectRecord
from moss.node.storage.walking import walk, walk_level
from moss.units import quote

__all__ = ["copy_remote"]

_TRIES = 8


def copy_remote(
    stores: Stores, plan: CopyPlan, *, only_cached: bool = False, latest: bool = False, workers: int = WORKERS
) -> Callable[[Job], None]:
    """Return the work that copies the selected objects.

    Args:
        only_cached: of a source that is kept elsewhere only what is in the cache.
        latest: cached objects of the source are brought up to date first.
    """

    def work(job: Job) -> None:
        copying = _Copying(stores, plan, job, only_cached=only_cached, latest=latest or plan.synchronizes)
        stores.run(job, copying.run(workers))

    return work


@dataclass(frozen=True, slots=True)
class _Cold:
    """An object to copy that is not in the cache, in one version."""

    about: RemoteObject
    content: bytes | None


class _Copying:
    def __init__(self, stores: Stores, plan: CopyPlan, job: Job, *, only_cached: bool, latest: bool) -> None:
        self._stores, self._plan, self._job = stores, plan, job
        self._only_cached, self._latest = only_cached, latest
        self._from, self._to = stores.place(plan.source), self._destination()

    def _destination(self) -> Place | None:
        try:
            return self._stores.place(self._plan.destination)
        except BucketNotFound:
            if self._plan.is_dry_run:
                return None
            raise

    async def run(self, workers: int) -> None:
        names = self._names()
        if self._plan.source == self._plan.destination and not self._plan.selection.is_list:
            # Otherwise the copies would be found too, and copied in their turn.
            names = _again([candidate async for candidate in names])
        await each(names, self._one, workers)
        if self._plan.synchronizes and not self._plan.is_dry_run:
            await each(self._destination_names(), self._delete_orphan, workers)

    # -- which --

    async def _names(self) -> AsyncIterator[Candidate]:
        plan = self._plan
        if self._from is not None and not self._only_cached:
            async for window in candidates(self._from, plan.selection, is_recursive=plan.is_recursive):
                for candidate in window:
                    if candidate.name.startswith(plan.prefix):
                        yield candidate
            return
        windows = plan.selection.windows(self._stores.engine, plan.source, is_recursive=plan.is_recursive)
        while names := await asyncio.to_thread(next, windows, None):
            for name in names:
                if name.startswith(plan.prefix):
                    yield Candidate(name)

    # -- one object --

    async def _one(self, candidate: Candidate) -> None:
        plan, job = self._plan, self._job
        try:
            new_name = plan.new_name(candidate.name)
            if not is_valid_object_name(new_name):
                raise InvalidName(f"invalid object name {quote(new_name)}")
            job.count(1, await self._copy(candidate, new_name))
        except ObjectNotFound as error:
            if plan.selection.is_list and not plan.continues:
                job.add_error(error.message)
        except BucketNotFound:
            raise
        except MossError as error:
            if not plan.continues:
                raise
            job.add_error(error.message)

    async def _copy(self, candidate: Candidate, new_name: str) -> int:
        """Copy one object; returns its size."""
        for attempt in range(_TRIES):
            try:
                record = await self._cached(candidate.name)
                if self._plan.is_dry_run:
                    return record.size if record else await self._size(candidate)
                if record is not None:
                    return await self._copy_cached(record, new_name)
                return await self._pass(await self._read(candidate, is_fresh=attempt > 0), candidate.name, new_name)
            except (SegmentGone, ObjectChanged):
                # Moved, evicted or written anew since it was looked up.
                if attempt == _TRIES - 1:
                    raise
        raise AssertionError("unreachable")

    async def _cached(self, name: str) -> ObjectRecord | None:
        """Return the record of an object that is on this node, None if it is to be read from its store.

        Raises:
            ObjectNotFound: it is nowhere; or it is to be the latest, and the store has none.
        """
        try:
            record = await asyncio.to_thread(self._stores.engine.head, self._plan.source, name)
        except ObjectNotFound:
            if self._from is None or self._only_cached:
                raise
            return None
        if self._from is None or not (self._latest or self._from.validates) or not is_from_store(record):
            return record
        if await self._stores.objects.is_current(self._from, record):
            return record
        found = await self._stores.objects.bring(self._from, name)
        return found if isinstance(found, ObjectRecord) else None

    async def _size(self, candidate: Candidate) -> int:
        assert self._from is not None
        about = candidate.about or await self._stores.objects.head(self._from, candidate.name)
        return about.size

    async def _copy_cached(self, record: ObjectRecord, new_name: str) -> int:
        plan = self._plan
        # What its store says of an object is not true of the copy.
        custom: Mapping[str, str] = record.custom
        if self._from is not None:
            custom = own_custom(record, self._from.backend.provider)
        if self._to is not None:
            await self._stores.writes.remote.copy(plan.source, record, custom, self._to, new_name)
            return record.size
        given = record.attributes_of_copy(plan.checksum_type)
        given = ObjectAttributes(
            version=given.version, custom=custom, keep_custom=False, checksum_type=given.checksum_type,
            chunks=given.chunks,
        )  # fmt: skip
        copying = await asyncio.to_thread(
            self._stores.engine.copy_many, plan.source, [record], plan.destination, [new_name], [given]
        )
        (outcome,) = await asyncio.wrap_future(copying)
        if isinstance(outcome, MossError):
            raise outcome
        return record.size

    # -- past the cache --

    async def _read(self, candidate: Candidate, *, is_fresh: bool) -> _Cold:
        """Begin to read an object that is not in the cache; small ones come as a whole.

        Args:
            is_fresh: the listing that named it is out of date.
        """
        assert self._from is not None
        objects, place, about = self._stores.objects, self._from, None if is_fresh else candidate.about
        if about is None or not about.etag or not 0 < about.size <= PIECE_BYTES:
            about = await objects.head(place, candidate.name)
        if not about.size:
            return _Cold(about, b"")
        if about.size > PIECE_BYTES:
            return _Cold(about, None)
        about, content = await objects.read(place, candidate.name, 0, about.size, etag=about.etag)
        return _Cold(about, content)

    async def _pass(self, cold: _Cold, name: str, new_name: str) -> int:
        assert self._from is not None
        plan, about, writes = self._plan, cold.about, self._stores.writes
        told = cached_attributes(about, self._from.backend.provider)
        is_known = told.checksum_type == plan.checksum_type
        given = ObjectAttributes(
            version=None if self._to is not None else about.version,
            custom=user_custom(about),
            keep_custom=False,
            checksum_type=plan.checksum_type,
            checksum_value=told.checksum_value if is_known else "",
        )
        hasher = None if is_known or not told.checksum_value else make_hasher(told.checksum_type)
        upload = await writes.run(lambda: writes.begin_upload(plan.destination, new_name, attributes=given))
        try:
            async for piece in self._pieces(cold, name):
                if hasher is not None:
                    hasher.update(piece)
                await asyncio.to_thread(upload.write, piece)
            if hasher is not None and hasher.hexdigest() != told.checksum_value:
                cname = plan.source.cname_of(name)
                raise ChecksumMismatch(cname, expected=told.checksum_value, found=hasher.hexdigest())
            await asyncio.wrap_future(await asyncio.to_thread(upload.commit))
        except BaseException:
            upload.abort()
            raise
        return about.size

    async def _pieces(self, cold: _Cold, name: str) -> AsyncIterator[bytes]:
        assert self._from is not None
        if cold.content is not None:
            yield cold.content
            return
        async for piece in self._stores.objects.stream(self._from, name, cold.about, 0, cold.about.size):
            yield piece

    # -- synchronizing --

    async def _destination_names(self) -> AsyncIterator[str]:
        """Yield what lies in the destination where copies go."""
        plan = self._plan
        if self._to is None:
            step = walk if plan.is_recursive else walk_level
            rows = step(self._stores.engine, plan.destination, plan.prefix)
            while window := await asyncio.to_thread(lambda: list(itertools.islice(rows, WINDOW))):
                for name, extent in window:
                    if extent is not None:
                        yield name
            return
        everything = Selection(None, Template(plan.prefix, plan.prefix))
        async for listed in candidates(self._to, everything, is_recursive=plan.is_recursive):
            for candidate in listed:
                yield candidate.name

    async def _delete_orphan(self, name: str) -> None:
        """Delete what is the copy of nothing."""
        for source in self._plan.possible_sources(name):
            if await self._exists(source):
                return
        try:
            if self._to is not None:
                await self._stores.objects.delete(self._to, name)
            else:
                await asyncio.wrap_future(self._stores.engine.delete(self._plan.destination, name))
        except ObjectNotFound:
            return

    async def _exists(self, name: str) -> bool:
        try:
            if self._from is not None:
                await self._stores.objects.head(self._from, name)
            else:
                await asyncio.to_thread(self._stores.engine.head, self._plan.source, name)
        except ObjectNotFound:
            return False
        return True


async def _again(found: Iterable[Candidate]) -> AsyncIterator[Candidate]:
    for candidate in found:
        yield candidate
