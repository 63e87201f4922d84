"""Kinds `prefetch-listrange`, `evict-listrange` and `delete-listrange` of buckets that are kept elsewhere.

Source: spec/rest-data.md 6, 8.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field
from typing import Any

from moss.errors import Aborted, MossError, ObjectNotFound, OutOfSpace
from moss.node.jobs.job import Job
from moss.node.jobs.kinds.shard_index import forget_index
from moss.node.jobs.selection import Selection
from moss.node.jobs.stores import WORKERS, Candidate, Stores, candidates, each
from moss.node.remote import Place, Uncached
from moss.node.remote.attributes import is_from_store, is_same
from moss.node.remote.blobs import BlobOptions, download
from moss.node.remote.evict import evict_objects
from moss.node.storage.objects import ObjectRecord
from moss.node.storage.walking import walk, walk_level

__all__ = ["PrefetchPlan", "delete_remote", "evict_cached", "prefetch_objects"]

# Objects that come as blobs at one time: each of them in several pieces already.
_BLOBS_MAX = 4


# -- prefetch -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PrefetchPlan:
    """What to fetch, and how.

    Attributes:
        latest: cached objects that the store has in another version now are fetched again.
        blob_bytes: objects of this size and larger come in several pieces at one time; 0 for none.
        continues: what fails is no error, and the others are fetched.
        workers: objects under way at one time.
    """

    place: Place
    selection: Selection
    is_recursive: bool = True
    latest: bool = False
    blob_bytes: int = 0
    blob_options: BlobOptions = field(default_factory=BlobOptions)
    continues: bool = False
    workers: int = WORKERS


def prefetch_objects(
    stores: Stores, plan: PrefetchPlan, start_job: Callable[[str, Callable[[Job], None]], Any]
) -> Callable[[Job], None]:
    """Return the work that has objects in the cache.

    Args:
        start_job: starts a job of a kind, for those who look which objects come as blobs.
    """

    def work(job: Job) -> None:
        stores.run(job, _Prefetch(stores, plan, start_job, job).run())

    return work


class _Prefetch:
    def __init__(self, stores: Stores, plan: PrefetchPlan, start_job: Any, job: Job) -> None:
        self._stores, self._plan, self._start_job, self._job = stores, plan, start_job, job
        self._blobs = asyncio.Semaphore(_BLOBS_MAX)

    async def run(self) -> None:
        await each(self._wanted(), self._one, self._plan.workers)

    async def _wanted(self) -> AsyncIterator[tuple[Candidate, ObjectRecord | None]]:
        """Yield what is not in the cache, and what may be there in an older version."""
        plan, engine = self._plan, self._stores.engine
        bucket = plan.place.record.bucket
        async for window in candidates(plan.place, plan.selection, is_recursive=plan.is_recursive):
            names = [candidate.name for candidate in window]
            if not plan.latest:
                extents = await asyncio.to_thread(engine.locate, bucket, names)
                for candidate, extent in zip(window, extents, strict=True):
                    if extent is None:
                        yield candidate, None
                continue
            records = await asyncio.to_thread(engine.heads, bucket, names)
            for candidate, record in zip(window, records, strict=True):
                if record is None or is_from_store(record):
                    yield candidate, record

    async def _one(self, item: tuple[Candidate, ObjectRecord | None]) -> None:
        candidate, record = item
        plan, objects = self._plan, self._stores.objects
        try:
            if record is not None and await self._is_current(candidate, record):
                return
            size = await self._size(candidate)
            if plan.blob_bytes and size >= plan.blob_bytes:
                found = await self._blob(candidate.name)
            else:
                found = await objects.bring(plan.place, candidate.name)
        except ObjectNotFound as error:
            if plan.selection.is_list and not plan.continues:
                self._job.add_error(error.message)
            return
        except MossError as error:
            if not plan.continues:
                raise
            self._job.add_error(error.message)
            return
        if isinstance(found, Uncached):
            # The next ones would be fetched for nothing.
            cname = plan.place.record.bucket.cname_of(candidate.name)
            raise OutOfSpace(f"{cname}: no room in the cache for {found.about.size} bytes")
        self._job.count(1, found.size)

    async def _is_current(self, candidate: Candidate, record: ObjectRecord) -> bool:
        if candidate.about is not None:
            return is_same(record, candidate.about)
        return await self._stores.objects.is_current(self._plan.place, record)

    async def _size(self, candidate: Candidate) -> int:
        """Return the size of an object where it matters, else 0."""
        if not self._plan.blob_bytes:
            return 0
        about = candidate.about or await self._stores.objects.head(self._plan.place, candidate.name)
        return about.size

    async def _blob(self, name: str) -> ObjectRecord | Uncached:
        """Fetch a large object in pieces; a job of its own says so."""
        shown: Future[int] = Future()
        plan, objects = self._plan, self._stores.objects

        def follow(job: Job) -> None:
            take_back = job.on_abort(lambda: shown.cancel() and None)
            try:
                job.count(1, shown.result())
            except CancelledError:
                job.check()
            finally:
                take_back()

        async with self._blobs:
            self._start_job("blob-download", follow)
            try:
                about = await objects.head(plan.place, name)
                found = await download(self._stores.engine, objects, plan.place, name, about, plan.blob_options)
            except BaseException as error:
                if shown.set_running_or_notify_cancel():
                    shown.set_exception(error if isinstance(error, MossError) else Aborted("its prefetch was stopped"))
                raise
            if shown.set_running_or_notify_cancel():
                shown.set_result(about.size)
            return found


# -- evict --------------------------------------------------------------------------------------------


def evict_cached(
    stores: Stores, place: Place, selection: Selection, *, is_recursive: bool = True, continues: bool = False
) -> Callable[[Job], None]:
    """Return the work that lets the selected objects leave the cache; the store is not asked.

    Args:
        continues: a name of a list that is not in the cache is no error. The others are evicted in either case.
    """
    engine, shards = stores.engine, stores.objects.shards
    bucket = place.record.bucket

    def work(job: Job) -> None:
        for names in selection.windows(engine, bucket, is_recursive=is_recursive):
            job.check()
            for name, found in zip(names, evict_objects(engine, shards, place, names), strict=True):
                if isinstance(found, ObjectRecord):
                    job.count(1, found.size)
                    if name.endswith(".tar"):
                        forget_index(engine, bucket, name)
                elif selection.is_list and not continues:
                    job.add_error(found.message)

    return work


# -- delete -------------------------------------------------------------------------------------------


def delete_remote(
    stores: Stores,
    place: Place,
    selection: Selection,
    *,
    is_recursive: bool = True,
    continues: bool = False,
    workers: int = WORKERS,
) -> Callable[[Job], None]:
    """Return the work that deletes the selected objects in their store, and then in the cache.

    To delete what is not there is no error, as in the stores themselves.

    Args:
        continues: what fails is noted, and the others are deleted.
    """

    async def names() -> AsyncIterator[str]:
        async for window in candidates(place, selection, is_recursive=is_recursive, with_folders=True):
            for candidate in window:
                yield candidate.name
        if selection.is_open:
            # What the store does not have (any more).
            for name in await asyncio.to_thread(_cached_names, stores, place, selection, is_recursive):
                yield name

    def work(job: Job) -> None:
        async def one(name: str) -> None:
            try:
                await stores.objects.delete(place, name)
            except MossError as error:
                if not continues:
                    raise
                job.add_error(error.message)
                return
            job.count(1, 0)
            if name.endswith(".tar"):
                await asyncio.to_thread(forget_index, stores.engine, place.record.bucket, name)

        stores.run(job, each(names(), one, workers))

    return work


def _cached_names(stores: Stores, place: Place, selection: Selection, is_recursive: bool) -> list[str]:
    step = walk if is_recursive else walk_level
    found = step(stores.engine, place.record.bucket, selection.template.prefix)
    return [name for name, extent in found if extent is not None and selection.matches(name)]
