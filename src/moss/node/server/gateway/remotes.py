"""Buckets of clouds that this node has no access to: registered by name only, looked up nowhere.

Source: spec/rest-data.md 3.1, 3.3, 8.
"""

import asyncio
from typing import Any

import msgspec

from moss.errors import BucketNotFound
from moss.naming.bucket import Bucket
from moss.node.remote.buckets import enter, known
from moss.node.server.answers import empty_answer
from moss.node.server.gateway.lookup import check_bucket, query_bucket
from moss.node.server.gateway.props import change_props, default_props
from moss.node.server.http import Request, Response

_DETAILS = "https://github.com/NVIDIA/aistore/blob/main/docs/bucket.md#bucket-lifecycle"


class CannotRegister(BucketNotFound):
    """A cloud bucket that cannot be registered, because nobody can say that it is there."""

    code = "cannot-register"

    def __init__(self, bucket: Bucket) -> None:
        provider = bucket.provider.value
        text = f'{provider} bucket "{bucket.cname}" does not exist (further details at {_DETAILS})'
        super().__init__(bucket.cname, is_remote=True, message=text)


# Values of `presence` that say: only what is known here.
_PRESENCE_HERE = frozenset({"2", "3", "4"})


async def admit(node: Any, request: Request) -> None:
    """Look up a store's bucket that the path of a request names for the first time, and enter it.

    Raises:
        BucketNotFound, BackendUnavailable, BackendDenied: as the store says.
    """
    items = request.items
    name = items[3] if items[1:3] == ["ml", "moss"] and len(items) > 3 else items[2] if len(items) > 2 else ""
    if not name or items[1] not in ("buckets", "objects", "ml"):
        return
    if request.method == "POST" and items[1] == "buckets":
        return  # may be what registers it
    query = request.query
    if query.get("presence") in _PRESENCE_HERE or query.boolean("dont_add_remote_bck_md"):
        return
    await know(node, query_bucket(request, name))


async def know(node: Any, bucket: Bucket) -> None:
    """Look up a store's bucket that is not in the bucket table, and enter it; raises as `admit`."""
    backend = node.remotes.backend(bucket) if bucket.is_remote else None
    if backend is None or known(node.engine, bucket) is not None:
        return
    about = await backend.head_bucket(bucket.name)
    await enter(node.engine, bucket, about, default_props(node.config.cluster_config()))


async def register(node: Any, request: Request, bucket: Bucket, value: Any) -> Response:
    """Create a bucket of a cloud or of another cluster: only without looking it up.

    Raises:
        BackendMissing: a bucket of another cluster.
        CannotRegister: a cloud's bucket that is to be looked up.
        BucketExists: it is registered already.
    """
    if not bucket.is_cloud:
        check_bucket(node, bucket)
    if not request.query.boolean("dont_head_remote_bck"):
        raise CannotRegister(bucket)
    props = change_props(default_props(node.config.cluster_config()), value)
    await asyncio.to_thread(node.engine.create_bucket, bucket, msgspec.json.encode(props))
    return empty_answer()


def find(node: Any, bucket: Bucket) -> Any:
    """Return the record of a registered cloud bucket, or as `check_bucket` for every other one."""
    if bucket.is_cloud:
        try:
            return node.engine.get_bucket(bucket)
        except BucketNotFound:
            pass
    return check_bucket(node, bucket)


async def forget(node: Any, request: Request, bucket: Bucket) -> Response:
    """Evict a bucket of a cloud or of another cluster: forget that it was registered, unless that is to be kept."""
    if not request.query.boolean("keep_bck_md"):
        try:
            await asyncio.to_thread(node.engine.drop_bucket, bucket)
        except BucketNotFound:
            pass  # what was not known is not known afterwards (recorded: 200)
    return empty_answer()
