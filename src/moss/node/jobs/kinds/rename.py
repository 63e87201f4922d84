"""Kind `move-bck`: what is left to do when a bucket has its new name. Source: spec/rest-data.md 3.9."""

import contextlib
from collections.abc import Callable
from typing import Any

from moss.errors import BucketNotFound, ObjectNotFound
from moss.naming.bucket import Bucket
from moss.node.jobs.job import Job
from moss.node.jobs.kinds.shard_index import INDEX_BUCKET, index_name
from moss.node.storage.walking import walk

_PAGE = 1000


def follow_rename(engine: Any, old: Bucket, new: Bucket) -> Callable[[Job], None]:
    """Return the work that counts the objects and lets shard indexes follow; the bucket itself is renamed before."""

    def work(job: Job) -> None:
        _move_indexes(engine, old, new)
        objects = size = 0
        for _, extent in walk(engine, new):
            objects, size = objects + 1, size + extent[2]
            if objects == _PAGE:
                job.check()
                job.count(objects, size)
                objects = size = 0
        job.count(objects, size)

    return work


def _move_indexes(engine: Any, old: Bucket, new: Bucket) -> None:
    with contextlib.suppress(BucketNotFound):
        for name in [name for name, _ in walk(engine, INDEX_BUCKET, old.uname)]:
            with contextlib.suppress(ObjectNotFound):
                shard = name.removeprefix(old.uname).removesuffix(".idx")
                engine.put(INDEX_BUCKET, index_name(new, shard), engine.read(INDEX_BUCKET, name)).result()
                engine.delete(INDEX_BUCKET, name).result()
