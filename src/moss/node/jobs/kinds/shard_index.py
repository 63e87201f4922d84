"""Kinds `index-shard` and `summary-shard`: the documented index objects of TAR shards, and counts of them.

The node itself finds members by tables of its own; these objects are for those who read them.
Source: spec/getbatch.md 10.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from moss.archive.index import ShardIndex, build_shard_index, pack_shard_index, unpack_shard_index
from moss.errors import BadArchive, BadShardIndex, BucketExists, BucketNotFound, ObjectNotFound
from moss.naming.bucket import SHARD_INDEX_BUCKET, Bucket
from moss.node.delivery import verified_pieces
from moss.node.jobs.job import Job

INDEX_BUCKET = Bucket(SHARD_INDEX_BUCKET)
_PAGE = 1000


@dataclass(slots=True)
class ShardCounts:
    """What a summary has found; sizes in bytes."""

    tar_objects: int = 0
    tar_size: int = 0
    shards: int = 0
    shard_size: int = 0
    archived_objects: int = 0
    stale_indexes: int = 0
    invalid_indexes: int = 0

    def document(self) -> dict[str, str]:
        """Return the wire form: counters are text."""
        return {
            "tar-objs": str(self.tar_objects),
            "tar-size": str(self.tar_size),
            "shards": str(self.shards),
            "shard-size": str(self.shard_size),
            "archived-objs": str(self.archived_objects),
            "stale-indexes": str(self.stale_indexes),
            "invalid-indexes": str(self.invalid_indexes),
        }


def index_name(bucket: Bucket, name: str) -> str:
    """Return the name of a shard's index in the system bucket."""
    return f"{bucket.uname_of(name)}.idx"


def build_indexes(
    engine: Any, bucket: Bucket, prefix: str, *, skip_verify: bool, system_props: bytes
) -> Callable[[Job], None]:
    """Return the work of one `index-shard` job: build what is missing, stale or invalid."""

    def work(job: Job) -> None:
        with contextlib.suppress(BucketExists):
            engine.create_bucket(INDEX_BUCKET, system_props)
        counts = dict.fromkeys(("skip-nontar", "skip-indexed", "index", "re-stale", "errs"), 0)
        for record in _records(engine, bucket, prefix):
            job.check()
            if not record.name.endswith(".tar"):
                counts["skip-nontar"] += 1
                continue
            state = _index_state(engine, bucket, record)
            if isinstance(state, ShardIndex) and not _is_stale(state, record):
                counts["skip-indexed"] += 1
                continue
            try:
                _build_one(engine, bucket, record)
            except (BadArchive, BadShardIndex) as error:
                counts["errs"] += 1
                job.add_error(f"{bucket.cname_of(record.name)}: {error.message}")
                continue
            counts["re-stale" if state is not None else "index"] += 1
            job.count(1, record.size)
            job.control_text = _describe(prefix, skip_verify, counts)
        job.control_text = _describe(prefix, skip_verify, counts)

    return work


def count_shards(engine: Any, bucket: Bucket, prefix: str) -> Callable[[Job], None]:
    """Return the work of one `summary-shard` job; the job's result holds the counts as they grow."""

    def work(job: Job) -> None:
        counts = ShardCounts()
        for record in _records(engine, bucket, prefix):
            job.check()
            if not record.name.endswith(".tar"):
                continue
            counts.tar_objects += 1
            counts.tar_size += record.size
            job.count(1, record.size)
            job.result = counts.document()
            state = _index_state(engine, bucket, record)
            if state is None:
                continue
            if not isinstance(state, ShardIndex):
                counts.invalid_indexes += 1
            elif _is_stale(state, record):
                counts.stale_indexes += 1
            else:
                counts.shards += 1
                counts.shard_size += record.size
                counts.archived_objects += len(state.entries)
        job.result = counts.document()

    return work


def forget_index(engine: Any, bucket: Bucket, name: str) -> None:
    """Delete the index of a shard that is gone; does nothing when there is none."""
    with contextlib.suppress(ObjectNotFound, BucketNotFound):
        engine.delete(INDEX_BUCKET, index_name(bucket, name)).result()


def forget_bucket(engine: Any, bucket: Bucket) -> None:
    """Delete all indexes of a bucket that is gone."""
    with contextlib.suppress(BucketNotFound):
        for record in list(_records(engine, INDEX_BUCKET, bucket.uname)):
            with contextlib.suppress(ObjectNotFound):
                engine.delete(INDEX_BUCKET, record.name).result()


def _records(engine: Any, bucket: Bucket, prefix: str) -> Iterator[Any]:
    after = ""
    while True:
        page = engine.list_objects(bucket, prefix=prefix, start_after=after, limit=_PAGE)
        yield from page
        if len(page) < _PAGE:
            return
        after = page[-1].name


def _index_state(engine: Any, bucket: Bucket, record: Any) -> ShardIndex | BadShardIndex | None:
    """Return the index of a shard, why it cannot be read, or None when there is none."""
    try:
        return unpack_shard_index(engine.read(INDEX_BUCKET, index_name(bucket, record.name)))
    except (ObjectNotFound, BucketNotFound):
        return None
    except BadShardIndex as error:
        return error


def _is_stale(index: ShardIndex, record: Any) -> bool:
    return index.is_stale(size=record.size, checksum_type=record.checksum_type, checksum_value=record.checksum_value)


def _build_one(engine: Any, bucket: Bucket, record: Any) -> None:
    # Checks every piece first; the index is then built from the mapping, without a copy.
    for _ in verified_pieces(engine, record.extent, bucket.cname_of(record.name)):
        pass
    number, offset, size = record.extent[:3]
    shard = engine.segment(number).view[offset : offset + size]
    index = build_shard_index(shard, checksum_type=record.checksum_type or "none", checksum_value=record.checksum_value)
    engine.put(INDEX_BUCKET, index_name(bucket, record.name), pack_shard_index(index)).result()
    with contextlib.suppress(ObjectNotFound):
        engine.set_shard_flag(bucket, record.name, True)


def _describe(prefix: str, skip_verify: bool, counts: dict[str, int]) -> str:
    parts = [f"prefix:{prefix}"] if prefix else []
    if skip_verify:
        parts.append("skip-verify:true")
    return ", ".join(parts + [f"{word}:{count}" for word, count in counts.items() if count])
