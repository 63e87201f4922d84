"""Changing objects that are kept elsewhere: their store has each change before it is acknowledged.

Source: spec/rest-data.md 5.2, 5.5, 5.6, 5.11, 8.
"""

import asyncio
from dataclasses import replace
from typing import Any

from moss.errors import BucketNotFound, InvalidBody, ObjectNotFound, OutOfSpace, SegmentGone, Unsupported
from moss.naming.bucket import Bucket
from moss.node.remote import Place, Uncached
from moss.node.remote.attributes import own_custom, user_custom
from moss.node.remote.writes import WHOLE_BYTES_MAX
from moss.node.server.http import Request
from moss.node.server.target import attributes
from moss.node.storage.objects import ObjectAttributes, ObjectRecord

_READ_TRIES = 3


class CannotRename(Unsupported):
    """Renaming what a store keeps under its own name."""

    def __init__(self, bucket: Bucket) -> None:
        super().__init__(f'invalid action "rename-obj": not supported for remote buckets ({bucket.cname})')


async def put(node: Any, request: Request, place: Place, name: str, given: ObjectAttributes) -> ObjectRecord:
    """Store the body of a request.

    Raises:
        InvalidBody: it is not as long as announced.
        ChecksumMismatch: it is not what was announced.
        BackendUnavailable, BackendDenied, BucketNotFound: as the store says.
        OutOfSpace: it is of unknown length, and there is no room to receive it.
    """
    writes, size = node.writes.remote, request.content_length
    is_small = size is not None and size <= WHOLE_BYTES_MAX
    if size is not None and not is_small and not await asyncio.to_thread(writes.has_room, size):
        return await writes.pass_on(place, name, request.body_chunks(), size, given)
    upload = writes.begin(place, name, given)
    try:
        async for chunk in request.body_chunks():
            if is_small and upload.size + len(chunk) <= WHOLE_BYTES_MAX:
                upload.write(chunk)  # stays in memory
            else:
                await asyncio.to_thread(upload.write, chunk)
        if size is not None and upload.size != size:
            raise InvalidBody(f"expected {size} bytes of body, got {upload.size}")
    except BaseException:
        upload.abort()
        raise
    return await writes.commit(place, name, upload)


async def patch(node: Any, place: Place, name: str, changes: dict[str, str], *, keep: bool) -> None:
    """Change an object's custom metadata; raises as `RemoteWrites.set_custom`."""
    limit = attributes.CUSTOM_TOTAL_BYTES_MAX
    try:
        await node.writes.remote.set_custom(place, name, changes, keep=keep, bytes_max=limit)
    except ObjectNotFound:
        raise ObjectNotFound(place.record.bucket.cname_of(name), node=node.target_name) from None


async def fresh(node: Any, place: Place, name: str) -> ObjectRecord | None:
    """Have the version in the cache that the store has now, to make another one of it; None if there is none.

    Raises:
        OutOfSpace: the cache has no room for it.
        BackendUnavailable, BackendDenied: as the store says.
    """
    record = await asyncio.to_thread(node.remote_objects.cached, place, name)
    try:
        if record is not None and await node.remote_objects.is_current(place, record):
            return record
        found = await node.remote_objects.bring(place, name)
    except ObjectNotFound:
        if record is not None:
            await node.remote_objects.forget(place, name)
        return None
    if isinstance(found, Uncached):
        raise OutOfSpace(f"{place.record.bucket.cname_of(name)}: no room in the cache for {found.about.size} bytes")
    return found


# -- copies -----------------------------------------------------------------------------------------


async def copy(node: Any, source: tuple[Bucket, str], destination: tuple[Bucket, str]) -> bool:
    """Copy an object from or into a bucket that is kept elsewhere.

    Returns:
        False if it is neither.
    """
    from_place, to_place = (_place(node, bucket) for bucket, _ in (source, destination))
    if from_place is None and to_place is None:
        return False
    for attempt in range(_READ_TRIES):
        if from_place is not None:
            cached = await asyncio.to_thread(node.remote_objects.cached, from_place, source[1])
            found = cached or await node.remote_objects.bring(from_place, source[1])
            if isinstance(found, Uncached):
                await _pass_through(node, from_place, source[1], found, destination)
                break
        try:
            await _copy_cached(node, source, destination)
            break
        except (SegmentGone, ObjectNotFound) as error:
            # Moved, or evicted between the two.
            if attempt == _READ_TRIES - 1 or (from_place is None and isinstance(error, ObjectNotFound)):
                raise
    return True


def _place(node: Any, bucket: Bucket) -> Place | None:
    try:
        return node.writes.place(bucket)
    except BucketNotFound:
        return None


async def _copy_cached(node: Any, source: tuple[Bucket, str], destination: tuple[Bucket, str]) -> None:
    bucket, name = source
    try:
        record = await asyncio.to_thread(node.engine.head, bucket, name)
    except ObjectNotFound:
        raise ObjectNotFound(bucket.cname_of(name), node=node.target_name) from None
    from_place, to_place = _place(node, bucket), _place(node, destination[0])
    # What its store says of an object is not true of the copy.
    custom = own_custom(record, from_place.backend.provider) if from_place is not None else record.custom
    if to_place is not None:
        await node.writes.remote.copy(bucket, record, custom, to_place, destination[1])
        return
    given = replace(record.attributes_of_copy(record.checksum_type), custom=custom)
    copying = await asyncio.to_thread(
        node.engine.copy_many, bucket, [record], destination[0], [destination[1]], [given]
    )
    (outcome,) = await asyncio.wrap_future(copying)
    if isinstance(outcome, Exception):
        raise outcome


async def _pass_through(node: Any, place: Place, name: str, found: Uncached, destination: tuple[Bucket, str]) -> None:
    """Copy an object that the cache has no room for; a destination that is kept elsewhere needs none."""
    bucket, new_name = destination
    given = ObjectAttributes(custom=user_custom(found.about), keep_custom=False)
    to_place, size = _place(node, bucket), found.about.size
    if found.content is None and to_place is not None:
        pieces = node.remote_objects.stream(place, name, found.about, 0, size)
        await node.writes.remote.pass_on(to_place, new_name, pieces, size, given)
        return
    upload = await asyncio.to_thread(node.writes.begin_upload, bucket, new_name, attributes=given)
    try:
        if found.content is not None:
            await asyncio.to_thread(upload.write, found.content)
        else:
            async for piece in node.remote_objects.stream(place, name, found.about, 0, found.about.size):
                await asyncio.to_thread(upload.write, piece)
        await asyncio.wrap_future(await asyncio.to_thread(upload.commit))
    except BaseException:
        upload.abort()
        raise
