"""Buckets of stores at the gateway face: entered at their first use, created, evicted, listed.

Those of clouds that this node has no access to are registered by name only, and looked up nowhere.
Source: spec/rest-data.md 3.1, 3.3, 3.7, 8.
"""

import asyncio
import contextlib
import logging
from typing import Any

import msgspec

from moss.errors import BackendUnavailable, BucketExists, BucketNotFound, InvalidName, MossError
from moss.naming.bucket import Bucket, Provider, validate_bucket_name
from moss.node.jobs.kinds.shard_index import forget_bucket as forget_indexes
from moss.node.jobs.stores import Stores
from moss.node.remote.buckets import create, enter, evictable, known
from moss.node.remote.evict import evict_all, forget_shards
from moss.node.remote.places import is_kept_elsewhere
from moss.node.server.answers import empty_answer
from moss.node.server.gateway.lookup import NotRemote, check_bucket, query_bucket
from moss.node.server.gateway.props import change_props, default_props
from moss.node.server.http import Request, Response
from moss.node.storage.objects import BucketRecord

log = logging.getLogger("moss.remote")

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
    """Look up a store's bucket that the path of a request on objects names for the first time, and enter it.

    Requests on buckets say in their bodies whether they want that; their handlers call `know`.

    Raises:
        BucketNotFound, BackendUnavailable, BackendDenied: as the store says.
    """
    items = request.items
    if items[1:3] == ["ml", "moss"] and len(items) > 3:
        name = items[3]
    elif items[1] == "objects" and len(items) > 2:
        name = items[2]
    else:
        return
    if not is_here_only(request):
        await know(node, query_bucket(request, name))


def is_here_only(request: Request) -> bool:
    """Tell whether a request asks only for what is known here."""
    query = request.query
    return query.get("presence") in _PRESENCE_HERE or query.boolean("dont_add_remote_bck_md")


async def know(node: Any, bucket: Bucket) -> None:
    """Look up a store's bucket that is not in the bucket table, and enter it; raises as `admit`."""
    backend = node.remotes.backend(bucket) if bucket.is_remote else None
    if backend is None or known(node.engine, bucket) is not None:
        return
    about = await backend.head_bucket(bucket.name)
    await enter(node.engine, bucket, about, store_props(node))


def store_props(node: Any) -> dict[str, Any]:
    """Return the properties of a bucket that is kept elsewhere, when nothing is said about them."""
    return evictable(default_props(node.config.cluster_config()))


def passing_record(node: Any, bucket: Bucket) -> BucketRecord:
    """Return what stands for a store's bucket that is not to be entered; nothing of it is here."""
    return BucketRecord(0, bucket, msgspec.json.encode(store_props(node)), 0)


def stores_of(node: Any) -> Stores:
    """Return what jobs need that work on objects in stores."""
    return Stores(node.engine, node.remote_objects, node.writes)


async def register(node: Any, request: Request, bucket: Bucket, value: Any) -> Response:
    """Enter a bucket of a cloud: looked up at its store, unless that is not wanted.

    Raises:
        BackendMissing: a bucket of another cluster.
        CannotRegister: there is no such bucket at the store, or no store to ask.
        BackendUnavailable, BackendDenied: as the store says.
        BucketExists: it is registered already.
    """
    if not bucket.is_cloud:
        check_bucket(node, bucket)
    if known(node.engine, bucket) is not None:
        raise BucketExists(bucket.cname)
    props = change_props(store_props(node), value)
    if request.query.boolean("dont_head_remote_bck"):
        await asyncio.to_thread(node.engine.create_bucket, bucket, msgspec.json.encode(props))
        return empty_answer()
    try:
        # By the access that its own properties name, if they do.
        place = node.remotes.place(BucketRecord(0, bucket, msgspec.json.encode(props), 0))
    except BackendUnavailable:
        raise CannotRegister(bucket) from None
    try:
        about = await place.backend.head_bucket(place.bucket)
    except BucketNotFound:
        raise CannotRegister(bucket) from None
    await create(node.engine, bucket, about, props)
    return empty_answer()


def find(node: Any, bucket: Bucket) -> Any:
    """Return the record of a registered cloud bucket, or as `check_bucket` for every other one."""
    if bucket.is_cloud:
        try:
            return node.engine.get_bucket(bucket)
        except BucketNotFound:
            pass
    return check_bucket(node, bucket)


async def evict(node: Any, request: Request, bucket: Bucket) -> Response:
    """Evict a bucket: nothing of it stays in the cache, and of a cloud's bucket its entry goes too unless that is to be
    kept. A bucket of this cluster's own stays, whatever it has behind it, as do its objects that no store has.

    Raises:
        NotRemote: it has no store behind it.
    """
    record = known(node.engine, bucket)
    if record is None:
        return empty_answer()  # what was not known is not known afterwards (recorded: 200)
    if not bucket.is_remote and not is_kept_elsewhere(record):
        raise NotRemote("evict-remote-bck", bucket)
    if bucket.is_remote and not request.query.boolean("keep_bck_md"):
        with contextlib.suppress(BucketNotFound):
            await asyncio.to_thread(node.engine.drop_bucket, bucket)
        await asyncio.to_thread(node.jobs.stop_bucket, bucket, f'bucket "{bucket.cname}" was evicted')
        await asyncio.to_thread(forget_shards, node.engine, record)
        await asyncio.to_thread(forget_indexes, node.engine, bucket)
    elif node.remotes.backend(bucket) is not None or not bucket.is_remote:
        place = node.remotes.place(record)
        await asyncio.to_thread(evict_all, node.engine, node.remote_objects.shards, place)
    return empty_answer()


async def names_at_stores(node: Any, provider: Provider | None) -> list[Bucket]:
    """Return the buckets that the stores list; they are not entered.

    Args:
        provider: of these only; None asks all stores, and leaves out those that refuse or cannot be reached.

    Raises:
        BackendUnavailable, BackendDenied: the store that was asked for fails.
    """
    backends = {word: backend for word, backend in node.remotes.backends.items() if provider in (None, word)}
    answers = await asyncio.gather(*(backend.list_buckets() for backend in backends.values()), return_exceptions=True)
    found: list[Bucket] = []
    for word, answer in zip(backends, answers, strict=True):
        if isinstance(answer, BaseException):
            if provider is not None or not isinstance(answer, MossError):
                raise answer
            log.warning("buckets of %s are not listed: %s", word.display_name, answer)
        else:
            found += [Bucket(name, word) for name in answer if is_valid_bucket_name(name)]
    return found


def is_valid_bucket_name(name: str) -> bool:
    try:
        validate_bucket_name(name)
    except InvalidName:
        return False
    return True
