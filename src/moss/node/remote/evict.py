"""Lets objects leave the cache, many at a time. Blocking."""

from collections.abc import Sequence

from moss.errors import BucketNotFound, Conflict, MossError, ObjectNotFound
from moss.naming.bucket import REMOTE_SHARDS_BUCKET, Bucket
from moss.node.remote.attributes import is_from_store
from moss.node.remote.places import Place
from moss.node.remote.shards import LISTED_EXTENSIONS, RemoteShards
from moss.node.storage.engine import Engine
from moss.node.storage.objects import BucketRecord, ObjectRecord
from moss.node.storage.walking import walk

__all__ = ["evict_all", "evict_objects", "forget_shards"]

_WINDOW = 1000


def evict_objects(
    engine: Engine, shards: RemoteShards, place: Place, names: Sequence[str]
) -> list[ObjectRecord | MossError]:
    """Drop cached objects; the store is not asked. The members of a shard can still be found afterwards.

    Returns:
        For each name what was dropped, or why nothing was: ObjectNotFound if it is not in the cache, Conflict if it
        is on this node alone.

    Raises:
        BucketNotFound: the bucket is gone.
    """
    bucket = place.record.bucket
    found: list[ObjectRecord | MossError] = []
    chosen: list[int] = []
    for name, record in zip(names, engine.heads(bucket, list(names)), strict=True):
        if record is None:
            found.append(ObjectNotFound(bucket.cname_of(name)))
        elif not is_from_store(record):
            found.append(Conflict(f"cannot evict {bucket.cname_of(name)}: its store does not have it"))
        else:
            if name.endswith(LISTED_EXTENSIONS):
                shards.keep(place, record)
            chosen.append(len(found))
            found.append(record)
    outcomes = engine.delete_many(bucket, [names[row] for row in chosen]).result()
    for row, outcome in zip(chosen, outcomes, strict=True):
        if isinstance(outcome, MossError):
            found[row] = outcome
    return found


def evict_all(engine: Engine, shards: RemoteShards, place: Place, prefix: str = "") -> None:
    """Drop all cached objects of a bucket that its store has."""
    names: list[str] = []
    try:
        for name, _ in walk(engine, place.record.bucket, prefix):
            names.append(name)
            if len(names) == _WINDOW:
                evict_objects(engine, shards, place, names)
                names = []
        if names:
            evict_objects(engine, shards, place, names)
    except BucketNotFound:
        return


def forget_shards(engine: Engine, record: BucketRecord) -> None:
    """Delete the member tables that were kept for the shards of a bucket that is gone."""
    tables = Bucket(REMOTE_SHARDS_BUCKET)
    try:
        names = [name for name, _ in walk(engine, tables, f"{record.id}/")]
        engine.delete_many(tables, names).result()
    except BucketNotFound:
        return  # none was ever kept
