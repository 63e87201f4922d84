"""Buckets of stores become known at their first use. Source: spec/rest-data.md 3.1, 8."""

import asyncio
from typing import Any

import msgspec

from moss.errors import BucketExists, BucketNotFound
from moss.naming.bucket import Bucket, Provider
from moss.node.backends.base import RemoteBucket
from moss.node.storage.engine import Engine
from moss.node.storage.objects import BucketRecord


async def enter(engine: Engine, bucket: Bucket, about: RemoteBucket, props: dict[str, Any]) -> BucketRecord:
    """Enter a bucket into the bucket table; someone else may have done so meanwhile."""
    try:
        return await create(engine, bucket, about, props)
    except BucketExists:
        return engine.get_bucket(bucket)


async def create(engine: Engine, bucket: Bucket, about: RemoteBucket, props: dict[str, Any]) -> BucketRecord:
    """Enter a bucket into the bucket table.

    Raises:
        BucketExists: it is there.
    """
    props = msgspec.json.decode(msgspec.json.encode(props))
    props["versioning"]["enabled"] = about.is_versioned
    if about.region and bucket.provider is Provider.AWS:
        props["extra"]["aws"].setdefault("cloud_region", about.region)
    return await asyncio.to_thread(engine.create_bucket, bucket, msgspec.json.encode(props))


def evictable(props: dict[str, Any]) -> dict[str, Any]:
    """Return properties that let objects leave the cache when it is full: their store has them."""
    return props | {"lru": props["lru"] | {"enabled": True}}


def known(engine: Engine, bucket: Bucket) -> BucketRecord | None:
    """Return the record of a bucket that was used before."""
    try:
        return engine.get_bucket(bucket)
    except BucketNotFound:
        return None
