"""Jobs that the generic start call starts: space, caches and metadata."""

from collections.abc import Callable
from typing import Any

import msgspec

from moss.naming.bucket import Bucket
from moss.node.config.values import parse_size_text
from moss.node.jobs.job import Job
from moss.node.jobs.kinds.rechunk import RechunkPlan, rechunk_objects
from moss.node.jobs.selection import parse_selection
from moss.node.remote.eviction import CacheKeeper
from moss.node.remote.places import is_kept_elsewhere

_PAGE = 1000
# Of a bucket that names no size; what new buckets are given.
_CHUNK_BYTES = 1 << 30


def work_of(kind: str, engine: Any, bucket: Bucket | None, cache: CacheKeeper) -> Callable[[Job], None]:
    """Return what a job of this kind does."""
    if kind == "cleanup-store":
        return lambda job: _clean_up(engine, job)
    if kind == "rechunk" and bucket is not None:
        return rechunk_objects(engine, _rechunk_plan(engine, bucket))
    if bucket is not None:
        return lambda job: _walk(engine, bucket, job)
    return lambda job: _evict(cache, job)


def _evict(cache: CacheKeeper, job: Job) -> None:
    """Evict what is above the limits of the cache."""
    evicted = cache.run(check=job.check)
    job.count(evicted.objects, evicted.size)


def _clean_up(engine: Any, job: Job) -> None:
    """Give space back that deleted and overwritten objects hold."""
    job.check()
    engine.compact()


def _rechunk_plan(engine: Any, bucket: Bucket) -> RechunkPlan:
    """Cut objects as the bucket's own properties say."""
    record = engine.get_bucket(bucket)
    props = msgspec.json.decode(record.props or b"{}")
    chunks = props.get("chunks", {})
    return RechunkPlan(
        bucket=bucket,
        selection=parse_selection({}),
        chunk_bytes=parse_size_text(chunks.get("chunk_size", "")) or _CHUNK_BYTES,
        limit_bytes=parse_size_text(chunks.get("objsize_limit", "")),
        # What a store keeps has its store's versions, however it is cut here.
        has_versions=props.get("versioning", {}).get("enabled", True) and not is_kept_elsewhere(record),
    )


def _walk(engine: Any, bucket: Bucket, job: Job) -> None:
    """Read the metadata of every object, which also brings the index into memory."""
    after = ""
    while page := engine.list_objects(bucket, start_after=after, limit=_PAGE):
        job.check()
        job.count(len(page), sum(record.size for record in page))
        after = page[-1].name
