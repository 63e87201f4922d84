"""Remote clusters at the gateway face: attached, detached, shown; their buckets created and destroyed. And what has to
be known of a request before anybody looks at its buckets: whose aliases it holds, which web server it means.

Source: spec/rest-control.md 8.2, spec/rest-data.md 2.2, 3.1, 3.2, 3.7, 8.
"""

import asyncio
from typing import Any

import msgspec

from moss.errors import BucketExists, BucketNotFound, InvalidRequest, MossError, Unsupported
from moss.naming.bucket import Bucket, Namespace, Provider, parse_namespace, parse_provider, unknown_provider
from moss.node.backends.http import base_url, split_object_url
from moss.node.cluster.attached import Attached
from moss.node.remote.buckets import create, known
from moss.node.remote.evict import forget_shards
from moss.node.server.answers import empty_answer, json_answer
from moss.node.server.gateway import remotes
from moss.node.server.gateway.lookup import check_bucket, query_bucket
from moss.node.server.gateway.props import change_props
from moss.node.server.http import Request, Response
from moss.node.storage.objects import BucketRecord
from moss.wire import headers
from moss.wire.query import encode_query

# A cluster that does not answer in this time is shown without its map.
_ASK_S_MAX = 5.0
_UNAMES = ("bck_to", "object_to")


# -- before a request is served -------------------------------------------------------------------------


async def admit(node: Any, request: Request) -> None:
    """Prepare a request whose query names a provider or a namespace: aliases become uuids, stores' buckets known.

    Raises:
        InvalidProvider: `ht`, on a node that may ask no web server.
        InvalidRequest: an `original_url` that is not that of the object.
        BucketNotFound, BackendUnavailable, BackendDenied, AccessDenied: as the store says.
    """
    query = request.query
    if query.get("provider") == Provider.HTTP:
        if Provider.HTTP not in node.remotes.backends:
            raise unknown_provider(Provider.HTTP)
        if query.get("original_url") and request.items[1:2] == ["objects"] and len(request.items) > 3:
            await _register_url(node, request, query.get("original_url"))
    if node.clusters:
        pairs = query.items()
        resolved = [(name, _resolved(node, name, value)) for name, value in pairs]
        if resolved != pairs:
            request.readdress(request.path, encode_query(resolved))
    if node.remotes:
        await remotes.admit(node, request)


def _resolved(node: Any, name: str, value: str) -> str:
    if name == "namespace":
        return _space_resolved(node, value)
    parts = value.split("/", 2)
    if name in _UNAMES and len(parts) == 3:
        parts[1] = _space_resolved(node, parts[1])
        return "/".join(parts)
    return value


def _space_resolved(node: Any, text: str) -> str:
    space = parse_namespace(text)
    found = node.clusters.find(space.uuid) if space.is_remote else None
    return Namespace(found.uuid, space.name).uname if found is not None and found.uuid != space.uuid else text


async def _register_url(node: Any, request: Request, url: str) -> None:
    """Enter the bucket of an object that is named by its URL."""
    bucket = query_bucket(request, request.items[2])
    base = split_object_url(url, request.tail(3))
    record = known(node.engine, bucket)
    if record is None:
        about = await node.remotes.backend(bucket).head_bucket(base)
        props = change_props(remotes.store_props(node), {"extra": {"http": {"original_url": base}}})
        try:
            record = await create(node.engine, bucket, about, props)
        except BucketExists:
            record = node.engine.get_bucket(bucket)
    found = base_url(node.remotes.place(record).bucket)
    if found != base:
        raise InvalidRequest(f"{bucket.cname} stands for {found}: original_url is elsewhere")


# -- buckets of other clusters ----------------------------------------------------------------------------


async def create_bucket(node: Any, request: Request, bucket: Bucket, value: Any) -> Response:
    """Create a bucket in another cluster, and enter it.

    Raises:
        BackendMissing: the cluster is not attached.
        Unsupported: the bucket is not to be looked up.
        BucketExists: it is there.
    """
    backend = node.remotes.backend(bucket)
    if backend is None:
        check_bucket(node, bucket)
    if request.query.boolean("dont_head_remote_bck"):
        text = f"cannot skip lookup for the {bucket.provider.scheme}:// bucket - operation not supported"
        raise Unsupported(text)
    await backend.create_bucket(bucket.name, value)
    await remotes.know(node, bucket)
    return empty_answer()


async def destroy_bucket(node: Any, bucket: Bucket) -> Response:
    """Forget a bucket of another cluster, and destroy it there; raises as `create_bucket`, and BucketNotFound."""
    backend = node.remotes.backend(bucket)
    if backend is None:
        check_bucket(node, bucket)
    record = known(node.engine, bucket)
    if record is not None:
        await _forget(node, record, "destroyed")
    await backend.destroy_bucket(bucket.name)
    return empty_answer()


async def _forget(node: Any, record: BucketRecord, what: str) -> None:
    bucket = record.bucket
    try:
        await asyncio.to_thread(node.engine.drop_bucket, bucket)
    except BucketNotFound:
        return
    await asyncio.to_thread(forget_shards, node.engine, record)
    await asyncio.to_thread(node.jobs.stop_bucket, bucket, f'bucket "{bucket.cname}" was {what}')


async def names_at_clusters(node: Any, provider: str, namespace: str) -> list[Bucket]:
    """Return the buckets that attached clusters list; they are not entered.

    Args:
        provider, namespace: of the query. `@` means all clusters; one that cannot be asked is left out then.

    Raises:
        BackendUnavailable, BackendDenied: the cluster that was asked for fails.
    """
    is_any = namespace == "@"
    space = Namespace() if is_any or not namespace else parse_namespace(namespace)
    is_wanted = is_any or space.is_remote
    if not is_wanted or not node.clusters or (provider and parse_provider(provider) is not Provider.AIS):
        return []
    spaces = [Namespace(found.uuid) for found in node.clusters.all()] if is_any else [space]
    found = []
    for asked, answer in zip(spaces, await asyncio.gather(*(_names(node, one) for one in spaces)), strict=True):
        if isinstance(answer, MossError):
            if not is_any:
                raise answer
            continue
        found += [Bucket(name, Provider.AIS, asked) for name in answer if remotes.is_valid_bucket_name(name)]
    return found


async def _names(node: Any, space: Namespace) -> list[str] | MossError:
    backend = node.clusters.backend(space)
    try:
        return await backend.list_buckets() if backend is not None else []
    except MossError as error:
        return error


# -- attaching ----------------------------------------------------------------------------------------


async def change(node: Any, request: Request, action: str) -> Response:
    """Serve `PUT /v1/cluster/attach?what=remote` and `…/detach?what=remote`.

    What is cached of the buckets of a cluster that is detached is dropped.

    Raises:
        InvalidRequest, AccessDenied, BackendUnavailable: as `AttachedClusters.attach` and `detach`.
    """
    if request.query.get("what") != "remote":
        raise InvalidRequest(f"cannot {action}: expecting what=remote")
    alias = request.headers.get(headers.REMOTE_AIS_ALIAS, "").strip()
    if action == "attach":
        await node.clusters.attach(alias, request.headers.get(headers.REMOTE_AIS_URL, "").strip())
        return empty_answer()
    detached = await node.clusters.detach(alias)
    for record in node.engine.list_buckets():
        if record.bucket.namespace.uuid == detached.uuid:
            await _forget(node, record, "detached")
    return empty_answer()


async def show(node: Any, request: Request) -> Response:
    """Serve `GET /v1/cluster?what=remote`: the attached clusters, those that answer with their maps."""
    rows = await asyncio.gather(*(_row(node, attached) for attached in node.clusters.all()))
    return json_answer(request, {"a": rows, "ver": node.clusters.version})


async def _row(node: Any, attached: Attached) -> dict[str, Any]:
    row = attached.document
    try:
        async with asyncio.timeout(_ASK_S_MAX):
            found, row["uptime"] = await node.clusters.ask(attached)
            row["smap"] = msgspec.to_builtins(found)
    except (MossError, TimeoutError):
        pass  # it is down: what is known of it is shown
    return row
