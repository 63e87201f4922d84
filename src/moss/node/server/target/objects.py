"""Objects at the target face: store, read, look at, change and delete. Source: spec/rest-data.md 5.

Gateways that serve a request themselves call the same handlers.
"""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
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
from moss.naming.bucket import Bucket, is_valid_object_name, parse_object_uname, plain_object_name
from moss.node.delivery import verified_pieces
from moss.node.jobs.kinds import shard_index
from moss.node.server.answers import MESSAGE_BYTES_MAX, empty_answer, parse_action, read_action
from moss.node.server.bucket_rules import decode_rules
from moss.node.server.gateway.lookup import InvalidObjectName, check_bucket, query_bucket, too_short
from moss.node.server.gateway.remotes import know
from moss.node.server.http import Face, Request, Response
from moss.node.server.target import (
    append,
    attributes,
    blobs,
    member_put,
    members,
    multipart,
    ranges,
    remote_reads,
    remote_writes,
)
from moss.node.storage.objects import BucketRecord, ObjectAttributes, ObjectRecord, make_hasher
from moss.units import quote
from moss.wire import headers

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
    return plain_object_name(request.tail(3))


# -- read -------------------------------------------------------------------------------------------


async def get(node: Any, request: Request) -> Response | None:
    """Serve GET on an object: whole, one range, or members of an archive."""
    begin_ns = time.monotonic_ns()
    bucket, name, bucket_record = object_of(node, request)
    if request.query.get("etl_name"):
        raise Unsupported("cannot transform objects - not implemented yet")
    place = node.remotes.place(bucket_record)
    wants_blob = blobs.check_headers(request, bucket, place)
    try:
        serve = partial(_serve, node, request, bucket, name, bucket_record)
        if place is None:
            answer, size = await serve()
        else:
            answer, size = await remote_reads.get(node, request, place, name, serve, by_blob=wants_blob)
    except ObjectNotFound:
        raise
    except Exception:
        node.metrics.add("err.get.n")
        raise
    spent = time.monotonic_ns() - begin_ns
    node.metrics.add_many({"get.n": 1, "get.size": size, "get.ns.total": spent})
    return answer


async def _serve(
    node: Any, request: Request, bucket: Bucket, name: str, bucket_record: BucketRecord
) -> tuple[Response | None, int]:
    """Read what is on this node; returns the answer, if it is not sent yet, and the bytes of its payload."""
    if members.is_wanted(request):
        return await members.answer(node, request, bucket, name)
    hashes_range = decode_rules(bucket_record.props).checksum.enable_read_range
    return await _get_whole(node, request, bucket, name, hashes_range=hashes_range)


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
            with node.marks.held(bucket, name, is_write=False):
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
    answer = content_headers(record)
    if wanted:
        answer |= {"Accept-Ranges": "bytes", headers.CONTENT_RANGE: f"bytes {start}-{stop - 1}/{record.size}"}
        if hashes_range:
            answer |= _hash_range(node.engine, record, cname, start, stop)
    found = _Found(record, start, stop, answer)
    if stop - start <= SMALL_BODY_BYTES_MAX:
        found.body = b"".join(verified_pieces(node.engine, record.extent, cname, start, stop))
    return found


def content_headers(record: ObjectRecord) -> dict[str, str]:
    """Return the headers that go with the bytes of an object."""
    return attributes.describe(record) | {headers.CONTENT_TYPE: headers.OCTET_STREAM}


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
    bucket, name, bucket_record = object_of(node, request)
    presence = (request.query.signed("presence") if request.query.get("presence") else 0) or 0
    place = node.remotes.place(bucket_record)
    if place is not None:
        record = await remote_reads.head(node, request, place, name, presence)
    else:
        record = await asyncio.to_thread(_head, node, bucket, name)
    if presence == 5 and place is None:
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
    """Serve PUT on an object: copy, part of an upload, file of an archive, appended bytes, or the object's bytes."""
    bucket, name, bucket_record = object_of(node, request)
    if request.query.get("object_to"):
        return await _copy(node, request, bucket, name, bucket_record)
    if request.query.get("uploadId"):
        return await multipart.put_part(node, request, bucket, name, bucket_record)
    if request.query.get("archpath"):
        return await member_put.put_member(node, request, bucket, name, bucket_record)
    with node.marks.held(bucket, name, is_write=True):
        if request.query.get("append_type"):
            return await _append(node, request, bucket, name, bucket_record)
        return await _put_whole(node, request, bucket, name, bucket_record)


async def _append(node: Any, request: Request, bucket: Bucket, name: str, bucket_record: BucketRecord) -> Response:
    try:
        answer, record = await append.put_piece(node, request, bucket, name, bucket_record)
    except ChecksumMismatch as error:
        node.metrics.add("err.put.n")
        raise BadUpload(error) from None
    if record is not None:
        node.metrics.add_many({"put.n": 1, "put.size": record.size})
    return answer


async def _put_whole(node: Any, request: Request, bucket: Bucket, name: str, bucket_record: BucketRecord) -> Response:
    begin_ns = time.monotonic_ns()
    given = attributes.parse_attributes(request, bucket_record)
    make_hasher(given.checksum_type)
    place = node.remotes.place(bucket_record)
    try:
        if place is not None:
            record = await remote_writes.put(node, request, place, name, given)
        else:
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


async def _copy(node: Any, request: Request, bucket: Bucket, name: str, bucket_record: BucketRecord) -> Response:
    destination, new_name = parse_object_uname(request.query.get("object_to"))
    if destination.is_remote and node.remotes:
        await know(node, destination)
    check_bucket(node, destination)
    place = node.remotes.place(bucket_record)
    if place is not None:
        await remote_reads.refresh(node, request, place, name)
    with node.marks.held(destination, new_name, is_write=True):
        if (destination, new_name) == (bucket, name):
            await asyncio.to_thread(_head, node, bucket, name)
        elif not (node.remotes and await remote_writes.copy(node, (bucket, name), (destination, new_name))):
            await asyncio.to_thread(_copy_one, node, bucket, name, destination, new_name)
    return empty_answer()


def _copy_one(node: Any, bucket: Bucket, name: str, destination: Bucket, new_name: str) -> None:
    for attempt in range(_READ_TRIES):
        record = _head(node, bucket, name)
        if _has_copy(node, record, destination, new_name):
            return
        given = record.attributes_of_copy(record.checksum_type)
        try:
            (outcome,) = node.engine.copy_many(bucket, [record], destination, [new_name], [given]).result()
        except SegmentGone as error:
            outcome = error
        if not isinstance(outcome, Exception):
            return
        if not isinstance(outcome, SegmentGone) or attempt == _READ_TRIES - 1:
            raise outcome


def _has_copy(node: Any, record: ObjectRecord, destination: Bucket, new_name: str) -> bool:
    """Tell whether the destination holds this very version already."""
    try:
        found = node.engine.head(destination, new_name)
    except ObjectNotFound:
        return False
    return bool(record.checksum_value) and all(
        getattr(found, field) == getattr(record, field)
        for field in ("size", "version", "checksum_type", "checksum_value", "custom")
    )


async def delete(node: Any, request: Request) -> Response | None:
    """Serve DELETE on an object."""
    bucket, name, bucket_record = object_of(node, request)
    body = await request.read(MESSAGE_BYTES_MAX)
    action = parse_action(body).action if body else ""
    if action == "mpt-abort":
        return await multipart.abort(node, request, bucket, name, bucket_record)
    if action == "evict-listrange":
        return await _evict(node, bucket, name, bucket_record)
    place = node.remotes.place(bucket_record)
    try:
        if place is not None:
            await node.remote_objects.delete(place, name)
        else:
            await asyncio.wrap_future(await asyncio.to_thread(node.engine.delete, bucket, name))
    except ObjectNotFound:
        raise NothingToDelete(bucket.cname_of(name)) from None
    if name.endswith(".tar"):
        await asyncio.to_thread(shard_index.forget_index, node.engine, bucket, name)
    node.metrics.add("del.n")
    return empty_answer()


async def _evict(node: Any, bucket: Bucket, name: str, bucket_record: BucketRecord) -> Response:
    place = node.remotes.place(bucket_record)
    if place is None:
        raise InvalidRequest(f"evict-remote-bck: expecting remote bucket (have {bucket.cname})")
    try:
        await node.remote_objects.evict(place, name)
    except ObjectNotFound:
        raise NothingToDelete(bucket.cname_of(name)) from None
    return empty_answer()


async def patch(node: Any, request: Request) -> Response | None:
    """Serve PATCH on an object: change its custom metadata."""
    bucket, name, bucket_record = object_of(node, request)
    message = await read_action(request)
    changes = attributes.parse_custom(message.value, bucket.cname_of(name))
    keep = not request.query.boolean("set-new-custom")

    place = node.remotes.place(bucket_record)
    if place is not None:
        await remote_writes.patch(node, place, name, changes, keep=keep)
        return empty_answer()

    def change() -> None:
        _head(node, bucket, name)
        limit = attributes.CUSTOM_TOTAL_BYTES_MAX
        node.engine.update_custom(bucket, name, changes, keep=keep, bytes_max=limit).result()

    await asyncio.to_thread(change)
    return empty_answer()


async def post(node: Any, request: Request) -> Response | None:
    """Serve POST on an object: multipart uploads, rename, and the lock probe."""
    bucket, name, bucket_record = object_of(node, request)
    message = await read_action(request)
    if message.action == "mpt-upload":
        return await multipart.begin(node, name, bucket_record)
    if message.action == "mpt-complete":
        with node.marks.held(bucket, name, is_write=True):
            await multipart.complete(node, request, bucket, name, bucket_record, message.value)
        return empty_answer()
    if message.action == "check-lock":
        return Response(await asyncio.to_thread(node.marks.state, bucket, name))
    if message.action == "rename-obj":
        if node.remotes.place(bucket_record) is not None:
            raise remote_writes.CannotRename(bucket)
        return await _rename(node, bucket, name, message.name)
    raise InvalidBody(f'invalid action "{message.action}"')


async def _rename(node: Any, bucket: Bucket, name: str, new_name: str) -> Response:
    new_name = check_new_name(bucket, name, new_name)

    def rename() -> None:
        _head(node, bucket, name)
        node.engine.rename(bucket, name, new_name)
        if name.endswith(".tar"):
            shard_index.forget_index(node.engine, bucket, name)

    with node.marks.held(bucket, new_name, is_write=True):
        await asyncio.to_thread(rename)
    return empty_answer()


def check_new_name(bucket: Bucket, name: str, new_name: str) -> str:
    """Refuse impossible new names, and the name that the object has; returns the name as it is stored."""
    new_name = plain_object_name(new_name)
    if not is_valid_object_name(new_name):
        raise InvalidObjectName(f"invalid object name {quote(new_name)}")
    if new_name == name:
        raise InvalidRequest(f"cannot rename {bucket.cname_of(name)} to self, nothing to do")
    return new_name


HANDLERS = {"GET": get, "HEAD": head, "PUT": put, "POST": post, "PATCH": patch, "DELETE": delete}

ROUTES = [(method, ("objects", "*", "**"), handler) for method, handler in HANDLERS.items()]
