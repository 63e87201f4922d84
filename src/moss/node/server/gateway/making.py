"""Making buckets of this cluster's own, in the store where new buckets are kept if there is one."""

import asyncio
from typing import Any

import msgspec

from moss.errors import BucketExists
from moss.naming.bucket import Bucket
from moss.node.remote.buckets import evictable, known
from moss.node.remote.places import is_kept_elsewhere
from moss.node.server.gateway.props import default_props
from moss.node.storage.objects import BucketRecord


async def make(node: Any, bucket: Bucket, props: dict[str, Any]) -> BucketRecord:
    """Make a bucket; without a backend of its own it is kept where new buckets are.

    Raises:
        BucketExists: it is there.
        BackendUnavailable, BackendDenied: as the store says.
    """
    store = None if props["backend_bck"]["name"] else node.bucket_store
    if store is not None:
        if known(node.engine, bucket) is not None:
            raise BucketExists(bucket.cname)
        props = evictable(props) | {"store": str(store.address)}
        await store.publish(bucket, msgspec.json.encode(props))
    return await asyncio.to_thread(node.engine.create_bucket, bucket, msgspec.json.encode(props))


async def make_like(node: Any, source: BucketRecord, bucket: Bucket) -> BucketRecord:
    """Make a bucket with the properties of another, but for where that one's objects are kept; raises as `make`."""
    props = msgspec.json.decode(source.props)
    props.pop("store", None)
    if is_kept_elsewhere(source):
        defaults = default_props(node.config.cluster_config())
        # What is about its store, and not about the bucket.
        own = ("backend_bck", "lru", *(("extra", "versioning") if source.bucket.is_remote else ()))
        props |= {key: defaults[key] for key in own}
    return await make(node, bucket, props)
