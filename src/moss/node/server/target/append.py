"""Append: bytes are collected aside and become visible with the flush. Source: spec/rest-data.md 5.7.

A handle says how many pieces it covers. Whoever sends a piece again with the same handle, because the answer was lost,
replaces it; a flush takes the pieces that its handle covers. What the object held when the first piece came is piece 0.
Pieces are not synced: an append is on stable storage when its flush is answered, and a flush that finds a piece
missing or damaged stores nothing.
"""

import asyncio
import base64
import binascii
import re
from dataclasses import dataclass
from typing import Any

from moss.errors import BadRecord, InvalidBody, InvalidRequest, NotFound, ObjectNotFound, SegmentGone
from moss.naming.bucket import Bucket
from moss.node.server.bucket_rules import decode_rules
from moss.node.server.gateway.lookup import UnknownNode
from moss.node.server.http import Request, Response
from moss.node.server.target import attributes, remote_writes
from moss.node.storage.objects import BucketRecord, ObjectRecord
from moss.node.storage.unfinished import Draft, Unfinished, UnfinishedObjects
from moss.units import quote
from moss.wire import headers

_READ_TRIES = 8
_STATE = re.compile(rb"pieces=(\d{1,9})")


class AppendNotFound(NotFound):
    """A handle that was flushed, or abandoned, or whose bucket is gone."""

    code = "append-not-found"

    def __init__(self, node_name: str, cname: str) -> None:
        super().__init__(f"{node_name}: {cname}: the append of this handle does not exist (flushed or expired)")


@dataclass(frozen=True, slots=True)
class _Handle:
    """`<target id>|<append id>|<checksum type>|<base64 of the state>`, opaque to clients."""

    target_id: str
    append_id: str
    checksum_type: str
    pieces: int

    def __str__(self) -> str:
        state = base64.b64encode(b"pieces=%d" % self.pieces).decode()
        return f"{self.target_id}|{self.append_id}|{self.checksum_type}|{state}"


def check_query(node: Any, request: Request) -> None:
    """Refuse a handle that no target has to be asked for; called for a PUT with `append_type`.

    Raises:
        InvalidRequest: not four fields.
        UnknownNode: a node that there is not.
    """
    text = request.query.get("append_handle")
    if not text:
        return
    fields = text.split("|")
    if len(fields) != 4 or not all(fields):
        raise InvalidRequest(f"invalid APPEND handle: {quote(text)}")
    if fields[0] != node.target_id:
        raise UnknownNode(node.gateway_name, "APPEND", fields[0])


def _parse(node: Any, request: Request) -> _Handle | None:
    check_query(node, request)
    text = request.query.get("append_handle")
    if not text:
        return None
    target_id, append_id, kind, state = text.split("|")
    try:
        found = _STATE.fullmatch(base64.b64decode(state, validate=True))
    except (binascii.Error, ValueError):
        found = None
    if found is None:
        raise InvalidRequest(f"invalid APPEND handle: {quote(text)}")
    return _Handle(target_id, append_id, kind, int(found[1]))


async def put_piece(
    node: Any, request: Request, bucket: Bucket, name: str, bucket_record: BucketRecord
) -> tuple[Response, ObjectRecord | None]:
    """Serve a PUT with `append_type`. The record is that of the object when this was a flush.

    Raises:
        InvalidRequest: another type than `append` and `flush`; no handle, or none of ours.
        AppendNotFound: nothing is collected under this handle.
    """
    kind = request.query.get("append_type")
    if kind not in ("append", "flush"):
        raise InvalidRequest(
            f'invalid operation {quote(kind)} (expecting either "append" or "flush") - check "append_type" query'
        )
    handle = _parse(node, request)
    if kind == "flush":
        if handle is None:
            raise InvalidRequest('failed to finalize append-file operation: empty source in the "" handle')
        return Response(200), await _flush(node, request, bucket, name, bucket_record, handle)
    if handle is None:
        place = node.remotes.place(bucket_record)
        if place is not None:
            await remote_writes.fresh(node, place, name)
        work = await asyncio.to_thread(_begin, node, bucket, name, bucket_record)
        checksum_type = decode_rules(bucket_record.props).checksum.type
        handle = _Handle(node.target_id, work.id, checksum_type, 0)
    else:
        work = await asyncio.to_thread(_find, node, bucket, name, bucket_record, handle)
    try:
        await _receive(node, request, bucket, name, work, handle.pieces + 1)
    except BaseException:
        if not handle.pieces:  # nobody has the handle: nothing will go on with it
            await asyncio.to_thread(work.drop)
        raise
    grown = _Handle(handle.target_id, handle.append_id, handle.checksum_type, handle.pieces + 1)
    return Response(200, {headers.APPEND_HANDLE: str(grown)}), None


def unfinished(node: Any) -> UnfinishedObjects:
    """Return the appends of a node that were not flushed yet."""
    return UnfinishedObjects(node.options.data / "appends", sync=False)


def _find(node: Any, bucket: Bucket, name: str, bucket_record: BucketRecord, handle: _Handle) -> Unfinished:
    work = unfinished(node).find(handle.append_id, bucket_record, name)
    if work is None:
        raise AppendNotFound(node.target_name, bucket.cname_of(name))
    return work


def _begin(node: Any, bucket: Bucket, name: str, bucket_record: BucketRecord) -> Unfinished:
    """Begin an append with what the object holds now."""
    work = unfinished(node).begin(bucket_record, name)
    try:
        for attempt in range(_READ_TRIES):
            try:
                record = node.engine.head(bucket, name)
                work.publish_object(0, node.engine, bucket, record)
                return work
            except ObjectNotFound:
                return work
            except (SegmentGone, FileNotFoundError):
                if attempt == _READ_TRIES - 1:
                    raise BadRecord(f"{bucket.cname_of(name)}: its segment is gone") from None
    except BaseException:
        work.drop()
        raise
    raise AssertionError("unreachable")


async def _receive(node: Any, request: Request, bucket: Bucket, name: str, work: Unfinished, number: int) -> None:
    try:
        draft: Draft = await asyncio.to_thread(work.draft)
        try:
            async for chunk in request.body_chunks():
                await asyncio.to_thread(draft.write, chunk)
            if request.content_length is not None and draft.size != request.content_length:
                raise InvalidBody(f"expected {request.content_length} bytes of body, got {draft.size}")
            await asyncio.to_thread(work.publish, number, draft)
        except BaseException:
            draft.close()
            raise
    except FileNotFoundError:
        raise AppendNotFound(node.target_name, bucket.cname_of(name)) from None


async def _flush(
    node: Any, request: Request, bucket: Bucket, name: str, bucket_record: BucketRecord, handle: _Handle
) -> ObjectRecord:
    given = attributes.parse_attributes(request, bucket_record)

    def write() -> ObjectRecord:
        work = _find(node, bucket, name, bucket_record, handle)
        wanted_by = f"flush {handle.pieces}"
        with work.exclusive(wanted_by) as is_ours:
            if not is_ours:
                return node.engine.head(bucket, name)
            parts, _ = work.parts()
            wanted = [number for number in range(handle.pieces + 1) if number in parts or number]
            if any(number not in parts for number in wanted):
                raise AppendNotFound(node.target_name, bucket.cname_of(name))
            chosen = [parts[number] for number in wanted]
            record = node.writes.concat(bucket, name, chosen, attributes=given).result()
            work.end(wanted_by)
            return record

    try:
        return await node.writes.run(write)
    except FileNotFoundError:
        raise AppendNotFound(node.target_name, bucket.cname_of(name)) from None
