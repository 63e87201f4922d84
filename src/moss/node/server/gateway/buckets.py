"""Buckets at the gateway face: create, destroy, look at, change and list. Source: spec/rest-data.md 3."""

import asyncio
from typing import Any
from urllib.parse import unquote

import msgspec

from moss.errors import InvalidBody, InvalidRequest
from moss.naming.bucket import Bucket, parse_namespace, parse_provider
from moss.node.remote.buckets import evictable
from moss.node.remote.evict import forget_shards
from moss.node.server.answers import (
    MESSAGE_BYTES_MAX,
    ActionMessage,
    empty_answer,
    json_answer,
    parse_action,
    read_action,
)
from moss.node.server.bucket_rules import bucket_id
from moss.node.server.gateway import archive, bucket_jobs, clusters, listing, multiobject, remotes, shard_index, summary
from moss.node.server.gateway.lookup import BucketUnsupported, check_bucket, query_bucket, too_short
from moss.node.server.gateway.making import make
from moss.node.server.gateway.props import change_props, check_single_node, default_props, props_document
from moss.node.server.http import Request, Response
from moss.units import quote
from moss.wire import headers
from moss.wire.bucket import BucketModel


async def get(node: Any, request: Request) -> Response | None:
    """Serve GET on buckets: lists and summaries, told apart by the message in the body."""
    message = await _read_query(request)
    if message.action == "list":
        if message.value is None:
            return await _list_buckets(node, request, message)
        return await listing.list_objects(node, request, _path_bucket(request), message.value)
    if message.action == "summary-bck":
        return await summary.answer(node, request, message)
    if message.action == "summary-shard":
        await remotes.know(node, _path_bucket(request))
        return await shard_index.summarize(node, request, _path_bucket(request), message.value)
    if message.action == "show-inventory":
        await remotes.know(node, _path_bucket(request))
        check_bucket(node, _path_bucket(request))
        return json_answer(request, {})
    raise _unknown(message.action)


async def post(node: Any, request: Request) -> Response | None:
    """Serve POST on a bucket: create it, or start a job in it."""
    bucket = query_bucket(request, _only_bucket(request))
    message = await read_action(request)
    if message.action == "create-bck":
        if bucket.is_remote and not bucket.is_cloud:
            return await clusters.create_bucket(node, request, bucket, message.value)
        if bucket.is_remote:
            return await remotes.register(node, request, bucket, message.value)
        return await _create(node, bucket, message.value)
    if message.action != "move-bck":
        await remotes.know(node, bucket)
    return await _start_job(node, request, bucket, message)


async def _start_job(node: Any, request: Request, bucket: Bucket, message: ActionMessage) -> Response:
    match message.action:
        case "copy-bck":
            return await bucket_jobs.copy(node, request, bucket, message.value)
        case "copy-listrange":
            return await multiobject.copy(node, bucket, message.value)
        case "move-bck":
            return await bucket_jobs.rename(node, request, bucket)
        case "prefetch-listrange":
            return multiobject.prefetch(node, bucket, message.value)
        case "index-shard":
            return await shard_index.build(node, request, bucket, message.value)
        case "rechunk":
            return bucket_jobs.rechunk(node, bucket, message.value)
        case "make-n-copies":
            return bucket_jobs.make_copies(node, bucket, message.value)
        case "ec-encode":
            return bucket_jobs.encode(node, bucket, message)
        case "create-inventory":
            return bucket_jobs.create_inventory(node, bucket)
        case "etl-bck" | "etl-listrange":
            return multiobject.transform(node, bucket, message.value)
    raise _unknown(message.action)


async def put(node: Any, request: Request) -> Response | None:
    """Serve PUT on a bucket: make an archive of objects."""
    bucket = query_bucket(request, _only_bucket(request))
    message = await read_action(request)
    if message.action != "archive":
        raise _unknown(message.action)
    await remotes.know(node, bucket)
    return await archive.start(node, bucket, message.value)


async def delete(node: Any, request: Request) -> Response | None:
    """Serve DELETE on a bucket: destroy or evict it, or delete many objects."""
    bucket = query_bucket(request, request.tail(2))
    message = await read_action(request)
    if message.action == "destroy-bck":
        return await _destroy(node, bucket)
    if message.action == "evict-remote-bck":
        return await remotes.evict(node, request, bucket)
    await remotes.know(node, bucket)
    if message.action == "delete-listrange":
        return multiobject.delete(node, bucket, message.value)
    if message.action == "evict-listrange":
        return multiobject.evict(node, bucket, message.value)
    if message.action == "destroy-inventory":
        check_bucket(node, bucket)
        return empty_answer()
    raise _unknown(message.action)


async def head(node: Any, request: Request) -> Response | None:
    """Serve HEAD on a bucket: its properties, and with `bsumm_remote` a summary in two steps."""
    name, _, prefix = request.tail(2).partition("/")
    if request.query.get("presence"):
        request.query.signed("presence")
    bucket = query_bucket(request, name)
    if not remotes.is_here_only(request):
        await remotes.know(node, bucket)
    record = remotes.find(node, bucket)
    wants_summary = bool(request.query.get("bsumm_remote"))
    if "/" in request.tail(2) and not wants_summary:
        url = request.path
        raise InvalidRequest(f"invalid URL '{url}': expecting just the bucket name, got '{name}' and '{prefix}'")
    document = document_of(record)
    answer = {headers.BUCKET_PROPS: msgspec.json.encode(document).decode()}
    if wants_summary:
        return await summary.answer_info(node, request, bucket, prefix, answer)
    return Response(200, answer)


async def patch(node: Any, request: Request) -> Response | None:
    """Serve PATCH on a bucket: change or reset its properties."""
    bucket = query_bucket(request, request.tail(2))
    await remotes.know(node, bucket)
    record = check_bucket(node, bucket)
    message = await read_action(request)
    if message.action == "set-bprops":
        props = change_props(_props(record), message.value)
        props = _with_eviction(props, message.value, _props(record)["backend_bck"])
        if "store" in props and props["backend_bck"]["name"]:
            raise InvalidBody(f"{bucket.cname} keeps its objects in {props['store']}: there can be no other backend")
    elif message.action == "reset-bprops":
        props = default_props(node.config.cluster_config())
        if bucket.is_remote:
            props = evictable(props)
        if "store" in _props(record):  # where its objects are is not a matter of taste
            props |= {"store": _props(record)["store"], "lru": props["lru"] | {"enabled": True}}
    else:
        raise InvalidBody(f'invalid action "{message.action}" (expected one of [set-bprops reset-bprops])')
    check_single_node(props, bucket)
    await _check_backend(node, props)
    store = node.remotes.bucket_store(record)
    if store is not None:
        await store.publish(bucket, msgspec.json.encode(props))
    await asyncio.to_thread(node.engine.set_bucket_props, bucket, msgspec.json.encode(props))
    return empty_answer()


# -- create, destroy, list --------------------------------------------------------------------------


async def _create(node: Any, bucket: Bucket, value: Any) -> Response:
    if bucket.is_system:
        raise InvalidRequest(f'reserved bucket name "{bucket.name}"')
    props = change_props(default_props(node.config.cluster_config()), value)
    check_single_node(props, bucket)
    await _check_backend(node, props)
    await make(node, bucket, _with_eviction(props, value, None))
    return empty_answer()


async def _destroy(node: Any, bucket: Bucket) -> Response:
    if bucket.is_cloud:
        raise _cannot("destroy cloud", bucket)
    if bucket.is_remote:
        return await clusters.destroy_bucket(node, bucket)
    record = check_bucket(node, bucket)
    store = node.remotes.bucket_store(record)
    if store is not None:
        await store.destroy(bucket)
    await asyncio.to_thread(node.engine.drop_bucket, bucket)
    await asyncio.to_thread(forget_shards, node.engine, record)
    await asyncio.to_thread(node.jobs.stop_bucket, bucket, f'bucket "{bucket.cname}" was destroyed')
    await shard_index.forget_bucket(node, bucket)
    return empty_answer()


async def _list_buckets(node: Any, request: Request, message: ActionMessage) -> Response:
    wanted = request.query.get("provider")
    provider = parse_provider(wanted) if wanted else None
    presence = (request.query.signed("presence") if request.query.get("presence") else 0) or 0
    namespace_text = request.query.get("namespace")
    is_here_only = presence in (2, 3, 4)
    if provider is not None and provider.is_cloud and not is_here_only and provider not in node.remotes.backends:
        raise InvalidRequest(f"{provider.display_name} backend is missing in the cluster configuration")
    if len(request.items) > 2 and message.name != request.items[2]:
        raise InvalidRequest(
            f'bad list-buckets request: "{request.items[2]}" in the URL, "{message.name}" in the message'
        )
    namespace = parse_namespace(namespace_text) if namespace_text and namespace_text != "@" else None
    buckets = {record.bucket for record in node.engine.list_buckets()}
    if not is_here_only and node.remotes:
        buckets |= set(await remotes.names_at_stores(node, provider))
        buckets |= set(await clusters.names_at_clusters(node, wanted, namespace_text))
    found = [
        bucket
        for bucket in buckets
        if (provider is None or bucket.provider is provider)
        and (namespace is None or bucket.namespace == namespace)
        and (not message.name or bucket.name == message.name)
        and (not bucket.is_system or request.query.boolean("sys"))
        and (namespace_text != "@" or bucket.namespace.is_remote)
    ]
    found.sort(key=lambda bucket: (bucket.provider.value, bucket.namespace.uname, bucket.name))
    return json_answer(request, [BucketModel.of(bucket) for bucket in found])


# -- small things -----------------------------------------------------------------------------------


async def _read_query(request: Request) -> ActionMessage:
    is_json = request.headers.get("Content-Type", "").startswith(headers.JSON)
    if not request.content_length and not is_json and "Transfer-Encoding" not in request.headers:
        return ActionMessage("list", "", {} if len(request.items) > 2 else None)
    return parse_action(await request.read(MESSAGE_BYTES_MAX))


def _path_bucket(request: Request) -> Bucket:
    if len(request.items) < 3:
        raise InvalidRequest('bad list-objects request: "" is not a bucket (is a bucket query?)')
    return query_bucket(request, request.items[2])


def _only_bucket(request: Request) -> str:
    if len(request.items) != 3 or "/" in request.items[2]:
        path = unquote(request.path, errors="surrogateescape")
        raise InvalidRequest(f"invalid request URI {quote(path)}")
    return request.items[2]


def _props(record: Any) -> dict[str, Any]:
    return msgspec.json.decode(record.props)


def document_of(record: Any) -> dict[str, Any]:
    """Return the properties document of a bucket's record."""
    return props_document(_props(record), record.bucket, bucket_id=bucket_id(record), created_ns=record.created_ns)


async def _check_backend(node: Any, props: dict[str, Any]) -> None:
    """Look up the bucket behind a bucket."""
    backend = props["backend_bck"]
    if backend["name"]:
        space = backend["namespace"]
        namespace = parse_namespace(f"@{space['uuid']}#{space['name']}")
        behind = Bucket(backend["name"], parse_provider(backend["provider"]), namespace)
        if node.clusters:
            behind = node.clusters.resolve(behind)
            space["uuid"] = behind.namespace.uuid
        await remotes.know(node, behind)
        check_bucket(node, behind)


def _with_eviction(props: dict[str, Any], given: Any, former: Any) -> dict[str, Any]:
    """Let objects leave the cache once there is a store behind their bucket, unless the request says otherwise.

    Args:
        given: the change that led to `props`.
        former: the bucket behind it before, None if it is new.
    """
    backend = props["backend_bck"]
    lru = given.get("lru") if isinstance(given, dict) else None
    is_said = isinstance(lru, dict) and lru.get("enabled") is not None
    return evictable(props) if backend["name"] and backend != former and not is_said else props


def _cannot(what: str, bucket: Bucket) -> BucketUnsupported:
    return BucketUnsupported(f"cannot {what} bucket {bucket.cname} - operation not supported")


def _unknown(action: str) -> InvalidBody:
    return InvalidBody(f'invalid action "{action}"')


async def refuse_short(node: Any, request: Request) -> Response | None:
    """Refuse a path that names no bucket."""
    del node
    raise too_short(request, 3)


ROUTES = [
    ("GET", ("buckets",), get),
    *((method, ("buckets",), refuse_short) for method in ("POST", "PUT", "DELETE", "HEAD", "PATCH")),
    ("GET", ("buckets", "**"), get),
    ("POST", ("buckets", "**"), post),
    ("PUT", ("buckets", "**"), put),
    ("DELETE", ("buckets", "**"), delete),
    ("HEAD", ("buckets", "**"), head),
    ("PATCH", ("buckets", "**"), patch),
]
