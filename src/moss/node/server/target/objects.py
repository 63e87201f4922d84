"""Objects at the target face: store, read, look at, change and delete. Source: spec/rest-data.md 5.

Gateways that serve a request themselves call the same handlers.
"""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from moss.errors import (
    ChecksumMismatch,
    InvalidBody,
    InvalidRequest,
    NotFound,
    ObjectNotFound,
    SegmentGone,
    Unsupported,
)
from moss.naming.bucket import Bucket, is_valid_object_name, parse_object_uname
from moss.node.delivery import verified_pieces
from moss.node.jobs.kinds import shard_index
from moss.node.jobs.kinds.listrange import CopyPlan, copy_object
from moss.node.jobs.selection import parse_selection
from moss.node.server.answers import MESSAGE_BYTES_MAX, empty_answer, parse_action, read_action
from moss.node.server.bucket_rules import decode_rules
from moss.node.server.gateway.lookup import InvalidObjectName, check_bucket, query_bucket, too_short
from moss.node.server.http import Face, Request, Response
from moss.node.server.target import attributes, members, multipart, ranges
from moss.node.storage.objects import ObjectAttributes, ObjectRecord, make_hasher
from moss.units import quote
from moss.wire import headers
from moss.wire.query import parse_bool

# Bodies up to this size are stored in one piece; larger ones are streamed to disk.
SMALL_BODY_BYTES_MAX = 1 << 20
_READ_TRIES = 3


class NotRedirected(InvalidRequest):
    """A change that came to the target face without a gateway's redirect."""

    code = "not-redirected"

    def __init__(self, node_name: str, method: str) -> None:
        super().__init__(f"{node_name}: {method}(obj) is expected to be redirected")


class BadUpload(ChecksumMismatch):
    """A body that is not what its checksum header announced."""

    code = "bad-upload"

    def __init__(self, error: ChecksumMismatch) -> None:
        super().__init__(f"BAD DATA CHECKSUM: {error.name}", expected=error.expected, found=error.found)


class NothingToDelete(NotFound):
    """Deleting an object that is not there."""

    code = "nothing-to-delete"

    def __init__(self, cname: str) -> None:
        super().__init__(f"{cname} doesn't exist")


def object_of(node: Any, request: Request) -> tuple[Bucket, str, Any]:
    """Return bucket, name and the bucket's record.

    Raises:
        NotRedirected: a change that did not come through a gateway.
        InvalidName, InvalidProvider, BucketNotFound: in this order.
    """
    if request.face is Face.TARGET and request.method not in ("GET", "HEAD") and not request.query.is_redirected:
        raise NotRedirected(node.target_name, request.method)
    bucket, name = query_bucket(request, request.items[2]), object_name(request)
    if not name:
        raise too_short(request, 4)
    if not is_valid_object_name(name.rstrip("/") if request.method in ("HEAD", "POST") else name):
        raise InvalidObjectName(f"invalid object name {quote(name)}")
    return bucket, name, check_bucket(node, bucket)


def object_name(request: Request) -> str:
    """Return the object name of a path; slashes in front of it do not count."""
    return request.tail(3).lstrip("/")


# -- read -------------------------------------------------------------------------------------------


async def get(node: Any, request: Request) -> Response | None:
    """Serve GET on an object: whole, one range, or members of an archive."""
    begin_ns = time.monotonic_ns()
    bucket, name, bucket_record = object_of(node, request)
    _refuse_foreign_reads(request, bucket)
    try:
        if members.is_wanted(request):
            answer, size = await members.answer(node, request, bucket, name)
        else:
            hashes_range = decode_rules(bucket_record.props).checksum.enable_read_range
            answer, size = await _get_whole(node, request, bucket, name, hashes_range=hashes_range)
    except ObjectNotFound:
        raise
    except Exception:
        node.metrics.add("err.get.n")
        raise
    spent = time.monotonic_ns() - begin_ns
    node.metrics.add_many({"get.n": 1, "get.size": size, "get.ns.total": spent})
    return answer


def _refuse_foreign_reads(request: Request, bucket: Bucket) -> None:
    """Refuse reads through transformers and blob downloads, which need what this node has not."""
    if request.query.get("etl_name"):
        raise Unsupported("cannot transform objects - not implemented yet")
    threshold = request.headers.get("Ais-Blob-Threshold") or "0"
    if parse_bool(request.headers.get("Ais-Blob-Download", "")) or threshold != "0":
        raise InvalidRequest(f"blob-downloader is not supported for local buckets: {bucket.cname}")


@dataclass(slots=True)
class _Found:
    """An object that is about to be sent: `body` holds what was asked for when that is small."""

    record: ObjectRecord
    start: int
    stop: int
    headers: dict[str, str]
    body: bytes | None = None


async def _get_whole(
    node: Any, request: Request, bucket: Bucket, name: str, *, hashes_range: bool
) -> tuple[Response | None, int]:
    wanted = request.headers.get(headers.RANGE)
    status = 206 if wanted else 200
    for attempt in range(_READ_TRIES):
        try:
            found = await asyncio.to_thread(_find, node, bucket, name, wanted, hashes_range)
            if found.body is not None:
                return Response(status, found.headers, found.body), len(found.body)
            pieces = _windows(node.engine, found.record, bucket.cname_of(name), found.start, found.stop)
            await request.writer.stream(status, found.headers, pieces, found.stop - found.start)
            return None, found.stop - found.start
        except SegmentGone:
            # The object was moved between lookup and reading; nothing is sent yet.
            if attempt == _READ_TRIES - 1 or request.writer.is_started:
                raise
    raise AssertionError("unreachable")


def _find(node: Any, bucket: Bucket, name: str, wanted: str | None, hashes_range: bool) -> _Found:
    """Look an object up and read it if that is little; may wait for the disk."""
    record = _head(node, bucket, name)
    cname = bucket.cname_of(name)
    start, stop = ranges.resolve(wanted, record.size, cname) if wanted else (0, record.size)
    answer = attributes.describe(record) | {headers.CONTENT_TYPE: headers.OCTET_STREAM}
    if wanted:
        answer |= {"Accept-Ranges": "bytes", headers.CONTENT_RANGE: f"bytes {start}-{stop - 1}/{record.size}"}
        if hashes_range:
            answer |= _hash_range(node.engine, record, cname, start, stop)
    found = _Found(record, start, stop, answer)
    if stop - start <= SMALL_BODY_BYTES_MAX:
        found.body = b"".join(verified_pieces(node.engine, record.extent, cname, start, stop))
    return found


def _head(node: Any, bucket: Bucket, name: str) -> ObjectRecord:
    try:
        return node.engine.head(bucket, name)
    except ObjectNotFound:
        raise ObjectNotFound(bucket.cname_of(name), node=node.target_name) from None


def _hash_range(engine: Any, record: ObjectRecord, cname: str, start: int, stop: int) -> dict[str, str]:
    hasher = make_hasher(record.checksum_type)
    for piece in verified_pieces(engine, record.extent, cname, start, stop):
        hasher.update(piece)
    return {headers.CHECKSUM_VALUE: hasher.hexdigest()} if record.checksum_value else {}


def _windows(engine: Any, record: ObjectRecord, cname: str, start: int, stop: int) -> Iterator[list[memoryview]]:
    for piece in verified_pieces(engine, record.extent, cname, start, stop):
        yield [piece]


async def head(node: Any, request: Request) -> Response | None:
    """Serve HEAD on an object: all attributes, or with `props` those that are listed."""
    begin_ns = time.monotonic_ns()
    bucket, name, _ = object_of(node, request)
    presence = (request.query.signed("presence") if request.query.get("presence") else 0) or 0
    record = await asyncio.to_thread(_head, node, bucket, name)
    if presence == 5:
        raise InvalidRequest(f"{bucket.cname_of(name)} is present in the cluster")
    node.metrics.add_many({"head.n": 1, "head.ns.total": time.monotonic_ns() - begin_ns})
    if presence in (1, 3):
        return Response(200)
    props = request.query.get("props")
    if props:
        answer = attributes.describe_selected(record, props, node.target_name)
    else:
        answer = attributes.describe_all(record, bucket, node.target_name)
    return Response(200, answer | {headers.CONTENT_LENGTH: str(record.size)})


# -- write ------------------------------------------------------------------------------------------


async def put(node: Any, request: Request) -> Response | None:
    """Serve PUT on an object: copy, part of an upload, or the object's bytes."""
    begin_ns = time.monotonic_ns()
    bucket, name, bucket_record = object_of(node, request)
    if request.query.get("object_to"):
        return await _copy(node, bucket, name, request.query.get("object_to"))
    if request.query.get("uploadId"):
        return await multipart.put_part(node, request, bucket, name)
    for parameter, what in (("archpath", "write into archives"), ("append_type", "append to objects")):
        if request.query.get(parameter):
            raise Unsupported(f"cannot {what} - not implemented yet")
    given = attributes.parse_attributes(request, bucket_record)
    make_hasher(given.checksum_type)
    try:
        same = await asyncio.to_thread(_same_object, node, bucket, name, given) if given.checksum_value else None
        if same is not None:
            await _read_and_compare(request, bucket.cname_of(name), given)
            return Response(200, attributes.describe(same))
        record = await _store(node, request, bucket, name, given)
    except ChecksumMismatch as error:
        node.metrics.add("err.put.n")
        raise BadUpload(error) from None
    except Exception:
        node.metrics.add("err.put.n")
        raise
    spent = time.monotonic_ns() - begin_ns
    node.metrics.add_many({"put.n": 1, "put.size": record.size, "put.ns.total": spent})
    return Response(200, attributes.describe(record))


def _same_object(node: Any, bucket: Bucket, name: str, given: ObjectAttributes) -> ObjectRecord | None:
    """Return the stored object if it has the checksum that the writer announces."""
    try:
        record = node.engine.head(bucket, name)
    except ObjectNotFound:
        return None
    announced = (given.checksum_type, given.checksum_value)
    return record if (record.checksum_type, record.checksum_value) == announced else None


async def _read_and_compare(request: Request, cname: str, given: ObjectAttributes) -> None:
    """Read a body that need not be stored; it still has to be what it says."""
    hasher = make_hasher(given.checksum_type)
    async for chunk in request.body_chunks():
        hasher.update(chunk)
    if hasher.hexdigest() != given.checksum_value:
        raise ChecksumMismatch(cname, expected=given.checksum_value, found=hasher.hexdigest())


async def _store(node: Any, request: Request, bucket: Bucket, name: str, given: ObjectAttributes) -> ObjectRecord:
    if request.content_length is not None and request.content_length <= SMALL_BODY_BYTES_MAX:
        body = await request.read(SMALL_BODY_BYTES_MAX)
        if len(body) != request.content_length:
            raise InvalidBody(f"expected {request.content_length} bytes of body, got {len(body)}")
        future = await asyncio.to_thread(node.engine.put, bucket, name, body, attributes=given)
        return await asyncio.wrap_future(future)
    upload = await asyncio.to_thread(node.engine.begin_upload, bucket, name, attributes=given)
    try:
        received = 0
        async for chunk in request.body_chunks():
            await asyncio.to_thread(upload.write, chunk)
            received += len(chunk)
        if request.content_length is not None and received != request.content_length:
            raise InvalidBody(f"expected {request.content_length} bytes of body, got {received}")
        return await asyncio.wrap_future(await asyncio.to_thread(upload.commit))
    except BaseException:
        upload.abort()
        raise


async def _copy(node: Any, bucket: Bucket, name: str, uname: str) -> Response:
    destination, new_name = parse_object_uname(uname)
    check_bucket(node, destination)
    if (destination, new_name) == (bucket, name):
        await asyncio.to_thread(_head, node, bucket, name)
        return empty_answer()
    await asyncio.to_thread(_copy_one, node, bucket, name, destination, new_name)
    return empty_answer()


def _copy_one(node: Any, bucket: Bucket, name: str, destination: Bucket, new_name: str) -> None:
    _head(node, bucket, name)
    plan = CopyPlan(bucket, destination, parse_selection({}), renames={name: new_name})
    copy_object(node.engine, plan, name)


async def delete(node: Any, request: Request) -> Response | None:
    """Serve DELETE on an object."""
    bucket, name, _ = object_of(node, request)
    body = await request.read(MESSAGE_BYTES_MAX)
    action = parse_action(body).action if body else ""
    if action == "mpt-abort":
        return await multipart.abort(node, request, bucket, name)
    if action == "evict-listrange":
        raise InvalidRequest(f"evict-remote-bck: expecting remote bucket (have {bucket.cname})")
    try:
        await asyncio.wrap_future(await asyncio.to_thread(node.engine.delete, bucket, name))
    except ObjectNotFound:
        raise NothingToDelete(bucket.cname_of(name)) from None
    if name.endswith(".tar"):
        await asyncio.to_thread(shard_index.forget_index, node.engine, bucket, name)
    node.metrics.add("del.n")
    return empty_answer()


async def patch(node: Any, request: Request) -> Response | None:
    """Serve PATCH on an object: change its custom metadata."""
    bucket, name, _ = object_of(node, request)
    message = await read_action(request)
    changes = attributes.parse_custom(message.value, bucket.cname_of(name))
    record = await asyncio.to_thread(_head, node, bucket, name)
    custom = changes if request.query.boolean("set-new-custom") else record.custom | changes
    attributes.check_custom_size(custom, f"{bucket.cname_of(name)}: ", attributes.CUSTOM_TOTAL_BYTES_MAX)
    await asyncio.wrap_future(await asyncio.to_thread(node.engine.update_custom, bucket, name, custom))
    return empty_answer()


async def post(node: Any, request: Request) -> Response | None:
    """Serve POST on an object: multipart uploads, rename, and the lock probe."""
    bucket, name, _ = object_of(node, request)
    message = await read_action(request)
    if message.action == "mpt-upload":
        return await multipart.begin(node, bucket, name)
    if message.action == "mpt-complete":
        return await multipart.complete(node, request, bucket, name, message.value)
    if message.action == "check-lock":
        return empty_answer()
    if message.action == "rename-obj":
        return await _rename(node, bucket, name, message.name)
    raise InvalidBody(f'invalid action "{message.action}"')


async def _rename(node: Any, bucket: Bucket, name: str, new_name: str) -> Response:
    check_new_name(bucket, name, new_name)
    await asyncio.to_thread(_copy_one, node, bucket, name, bucket, new_name)
    await asyncio.wrap_future(await asyncio.to_thread(node.engine.delete, bucket, name))
    return empty_answer()


def check_new_name(bucket: Bucket, name: str, new_name: str) -> None:
    """Refuse impossible new names, and the name that the object has."""
    if not is_valid_object_name(new_name):
        raise InvalidObjectName(f"invalid object name {quote(new_name)}")
    if new_name == name:
        raise InvalidRequest(f"cannot rename {bucket.cname_of(name)} to self, nothing to do")


HANDLERS = {"GET": get, "HEAD": head, "PUT": put, "POST": post, "PATCH": patch, "DELETE": delete}

ROUTES = [(method, ("objects", "*", "**"), handler) for method, handler in HANDLERS.items()]
