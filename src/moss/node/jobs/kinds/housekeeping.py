"""Jobs that the generic start call starts: space, caches and metadata."""

from collections.abc import Callable
from typing import Any

from moss.naming.bucket import Bucket
from moss.node.jobs.job import Job

_PAGE = 1000


def work_of(kind: str, engine: Any, bucket: Bucket | None) -> Callable[[Job], None]:
    """Return what a job of this kind does."""
    if kind == "cleanup-store":
        return lambda job: _clean_up(engine, job)
    if bucket is not None:
        return lambda job: _walk(engine, bucket, job)
    # Nothing is evicted from a store that is not a cache of another one.
    return lambda job: job.check()


def _clean_up(engine: Any, job: Job) -> None:
    """Give space back that deleted and overwritten objects hold."""
    job.check()
    engine.compact()


def _walk(engine: Any, bucket: Bucket, job: Job) -> None:
    """Read the metadata of every object, which also brings the index into memory."""
    after = ""
    while True:
        job.check()
        page = engine.list_objects(bucket, prefix="", start_after=after, limit=_PAGE)
        job.count(len(page), sum(record.size for record in page))
        if len(page) < _PAGE:
            return
        after = page[-1].name
