"""Multipart uploads: parts are kept aside until the upload is completed. Source: spec/rest-data.md 5.8.

A part that is sent again replaces the earlier one; the last that arrived whole wins. Parts that were acknowledged are
on stable storage, and an upload survives a restart of the node.
"""

import asyncio
import re
from typing import Any

from moss.errors import InvalidBody, InvalidRequest, NotFound
from moss.naming.bucket import Bucket
from moss.node.server.answers import empty_answer, id_answer, lower_keys
from moss.node.server.bucket_rules import decode_rules
from moss.node.server.http import Request, Response
from moss.node.storage.objects import BucketRecord, ObjectAttributes, ObjectRecord
from moss.node.storage.unfinished import Part, Unfinished, UnfinishedObjects
from moss.units import quote

_PART_NUMBER_MAX = 9999
_POSSIBLE_ID = re.compile(r"[!-.0-\[\]-~]{8,128}\Z")


class UploadNotFound(NotFound):
    """An upload that was completed, aborted, or never begun."""

    code = "upload-not-found"

    def __init__(self, node_name: str, cname: str, upload_id: str) -> None:
        super().__init__(f"{node_name}: {cname}: {upload_id} does not exist")


def unfinished(node: Any) -> UnfinishedObjects:
    """Return the uploads of a node that were not completed yet."""
    return UnfinishedObjects(node.options.data / "uploads", sync=node.options.sync)


def _find(node: Any, bucket: Bucket, name: str, record: BucketRecord, upload_id: str) -> Unfinished:
    """Return an upload of this very object.

    Raises:
        UploadNotFound: there is none.
    """
    upload = unfinished(node).find(upload_id, record, name)
    if upload is None:
        raise UploadNotFound(node.target_name, bucket.cname_of(name), upload_id)
    return upload


async def begin(node: Any, name: str, record: BucketRecord) -> Response:
    """Begin an upload and answer its id."""
    upload = await asyncio.to_thread(unfinished(node).begin, record, name)
    return id_answer(upload.id)


async def put_part(node: Any, request: Request, bucket: Bucket, name: str, record: BucketRecord) -> Response:
    """Store one part."""
    upload_id = request.query.get("uploadId")
    number = _part_number(request.query.get("partNumber"), upload_id, bucket.cname_of(name))
    upload = await asyncio.to_thread(_find, node, bucket, name, record, upload_id)
    size = request.content_length
    if size is None:
        raise InvalidRequest(f"{bucket.cname_of(name)}: part {number}: Content-Length is required")
    if size == 0:
        raise InvalidRequest(f"{bucket.cname_of(name)}: part {number}: invalid size (0)")
    try:
        draft = await asyncio.to_thread(upload.draft)
        try:
            async for chunk in request.body_chunks():
                await asyncio.to_thread(draft.write, chunk)
            if draft.size != size:
                raise InvalidBody(f"expected {size} bytes of body, got {draft.size}")
            await asyncio.to_thread(upload.publish, number, draft)
        except BaseException:
            draft.close()
            raise
    except FileNotFoundError:
        raise UploadNotFound(node.target_name, bucket.cname_of(name), upload_id) from None
    return empty_answer()


def _part_number(text: str, upload_id: str, cname: str) -> int:
    digits = text[1:] if text[:1] in ("-", "+") else text
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 9:
        raise InvalidRequest(f'{cname}: invalid part number "{text}" for uploadID "{upload_id}"')
    number = int(text)
    if number <= 0:
        raise InvalidRequest(f"{cname}: invalid chunk number ({number})")
    if number > _PART_NUMBER_MAX:
        raise InvalidRequest(f"{cname}: chunk number ({number}) exceeds the maximum allowed ({_PART_NUMBER_MAX})")
    return number


async def complete(
    node: Any, request: Request, bucket: Bucket, name: str, record: BucketRecord, value: Any
) -> ObjectRecord:
    """Put the parts together; the object appears whole, and the upload is gone.

    The version counts on from the object that is replaced; its metadata goes.

    Raises:
        UploadNotFound: there is no such upload.
        InvalidRequest: the list does not name the parts that were stored.
        ChecksumMismatch: a part is damaged; nothing is stored, and the upload stays.
    """
    upload_id = request.query.get("uploadId")
    listed = _listed(value)
    rules = decode_rules(record.props)

    def write() -> ObjectRecord:
        upload = _find(node, bucket, name, record, upload_id)
        wanted = ",".join(map(str, sorted(listed)))
        with upload.exclusive(wanted) as is_ours:
            if not is_ours:
                return node.engine.head(bucket, name)
            found, in_order = upload.parts()
            parts = _chosen(listed, found, bucket.cname_of(name), upload_id)
            kind = rules.checksum.type
            given = ObjectAttributes(
                versioning=rules.versioning.enabled,
                keep_custom=False,
                checksum_type=kind if in_order and kind != "none" else "crc32c",
                chunks=(len(parts), max(part.size for part in parts)),
            )
            stored = node.writes.concat(bucket, name, parts, attributes=given).result()
            upload.end(wanted)
            return stored

    try:
        stored = await node.writes.run(write)
    except FileNotFoundError:
        raise UploadNotFound(node.target_name, bucket.cname_of(name), upload_id) from None
    node.metrics.add_many({"put.n": 1, "put.size": stored.size})
    return stored


def _chosen(listed: list[int], found: dict[int, Part], cname: str, upload_id: str) -> list[Part]:
    """Return the parts in the order of their numbers.

    Raises:
        InvalidRequest: not all of them, and only them, are listed.
    """
    if not found:
        raise InvalidRequest(f"{cname}: upload {upload_id} has no chunks")
    if len(listed) != len(found):
        raise InvalidRequest(f"partial completion is not allowed: requested {len(listed)} parts, have {len(found)}")
    for position, number in enumerate(sorted(listed)):
        if number != position + 1 or number not in found:
            raise InvalidRequest(f"parts must be exactly 1..{len(found)}: got {number} at position {position}")
    return [found[number] for number in sorted(listed)]


def _listed(value: Any) -> list[int]:
    """Read the part numbers of a complete message."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise InvalidBody("mpt-complete: expecting a list of parts")
    numbers = [lower_keys(part).get("part-number") if isinstance(part, dict) else None for part in value]
    if not all(type(number) is int for number in numbers):
        raise InvalidBody("mpt-complete: every part needs a part-number")
    return numbers  # type: ignore[return-value]


async def abort(node: Any, request: Request, bucket: Bucket, name: str, record: BucketRecord) -> Response:
    """Drop an upload and its parts."""
    upload_id = request.query.get("uploadId")
    if not _POSSIBLE_ID.match(upload_id):
        raise InvalidRequest(f"{bucket.cname_of(name)}: invalid uploadId {quote(upload_id)}")
    upload = await asyncio.to_thread(_find, node, bucket, name, record, upload_id)
    await asyncio.to_thread(upload.drop)
    return empty_answer()


ROUTES: list[Any] = []
