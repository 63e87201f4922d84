"""What jobs need that work on objects in stores: the event loop's work from their threads, and names from stores."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from typing import Any, TypeVar

from moss.naming.bucket import Bucket
from moss.node.backends.base import RemoteObject
from moss.node.jobs.job import Job
from moss.node.jobs.selection import Selection
from moss.node.remote import Place, RemoteObjects, WriteThrough
from moss.node.remote.listing import pages
from moss.node.storage.engine import Engine

__all__ = ["WORKERS", "Candidate", "Stores", "candidates", "each"]

# Objects that a job has under way at one time, if it is not told otherwise; others use the stores too.
WORKERS = 32
Outcome = TypeVar("Outcome")
Item = TypeVar("Item")
_END: Any = object()


@dataclass(frozen=True, slots=True)
class Candidate:
    """An object that a selection means.

    Attributes:
        about: as the store listed it, None if nobody asked.
    """

    name: str
    about: RemoteObject | None = None


@dataclass(frozen=True, slots=True)
class Stores:
    """A node's access to stores, for the threads of jobs."""

    engine: Engine
    objects: RemoteObjects
    writes: WriteThrough

    def place(self, bucket: Bucket) -> Place | None:
        """Return where a bucket's objects are kept, None if on this node alone; raises as `WriteThrough.place`."""
        return self.writes.place(bucket)

    def run(self, job: Job, work: Coroutine[Any, Any, Outcome]) -> Outcome:
        """Have the event loop do something and wait for it; a job that is stopped ends it.

        Raises:
            Aborted: the job was stopped.
        """
        future: Future[Outcome] = self.writes.submit(work)
        take_back = job.on_abort(future.cancel)
        try:
            return future.result()
        except CancelledError:
            job.check()
            raise
        finally:
            take_back()

    def walk(self, job: Job, found: AsyncIterator[Item]) -> Iterator[Item]:
        """Yield what an iterator of the event loop yields."""

        async def following() -> Item:
            return await anext(found, _END)

        while (item := self.run(job, following())) is not _END:
            yield item


async def candidates(
    place: Place, selection: Selection, *, is_recursive: bool = True, with_folders: bool = False
) -> AsyncIterator[list[Candidate]]:
    """Yield what a selection means in a bucket that is kept elsewhere, in windows.

    Those of an open selection exist in the store; the others need not.

    Args:
        with_folders: names that end with a slash too, by which some programs note folders.

    Raises:
        BackendUnavailable, BackendDenied, BucketNotFound: as the store says.
    """
    if not selection.is_open:
        for names in selection.expand():
            yield [Candidate(name) for name in names]
        return
    async for page in pages(place, selection.template.prefix, one_level=not is_recursive):
        found = [row for row in page.objects if selection.matches(row.name)]
        if not with_folders:
            found = [row for row in found if not row.name.endswith("/")]
        if found:
            yield [Candidate(row.name, row) for row in found]


async def each(items: AsyncIterator[Item], work: Callable[[Item], Awaitable[None]], limit: int = WORKERS) -> None:
    """Do something with each item, `limit` of them at one time.

    After an error nothing more is begun; what is under way ends first, so that a job that has ended changes nothing any
    more. Then the first error is raised.
    """
    turn = asyncio.Lock()
    has_failed = False

    async def worker() -> None:
        nonlocal has_failed
        while not has_failed:
            async with turn:
                item = await anext(items, _END)
            if item is _END:
                return
            try:
                await work(item)
            except BaseException:
                has_failed = True
                raise

    workers = [asyncio.create_task(worker()) for _ in range(limit)]
    try:
        outcomes = await asyncio.gather(*workers, return_exceptions=True)
    finally:
        for task in workers:
            task.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
