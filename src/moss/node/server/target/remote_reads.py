"""Reading objects that are kept elsewhere: brought into the cache, or passed through. Source: spec/rest-data.md 5.3,
5.4, 8."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from moss.errors import Conflict, InvalidRequest, NotFound, ObjectNotFound
from moss.node.backends.base import RemoteObject
from moss.node.remote import Place, Uncached
from moss.node.remote.attributes import described, is_from_store, is_same
from moss.node.remote.keeping import Keeping
from moss.node.remote.objects import SMALL_BYTES_MAX
from moss.node.server.bucket_rules import decode_rules
from moss.node.server.http import Request, Response
from moss.node.server.target import attributes, blobs, members, ranges, remote_members
from moss.node.storage.objects import ObjectRecord
from moss.wire import headers

# Bits of a bucket's `features`.
_DISABLES_COLD_GET, _STREAMS_COLD_GET = 1 << 11, 1 << 12
_PRESENT_ONLY = (2, 3, 4)
_TRIES = 5


class ColdGetDisabled(NotFound):
    """An object that is not in the cache of a bucket that fetches nothing."""

    code = "cold-get-disabled"

    def __init__(self, cname: str, node_name: str) -> None:
        super().__init__(f"{node_name}: {cname} does not exist (cold GET disabled)")


class DiffersFromStore(Conflict):
    """A cached object that is no longer what the store has."""

    code = "differs-from-store"


class DeletedInStore(NotFound):
    """A cached object that the store does not have any more."""

    code = "deleted-in-store"


class IsPresent(InvalidRequest):
    """An object that is in the cache and was to be looked up elsewhere only."""

    def __init__(self, cname: str) -> None:
        super().__init__(f"{cname} is present (vs requested 'flt-outside'(5))")


Answer = tuple[Response | None, int]


async def get(
    node: Any, request: Request, place: Place, name: str, serve: Callable[[], Awaitable[Answer]], *, by_blob: bool
) -> Answer:
    """Serve GET on an object. Raises as `_pass_by`, and what `serve` raises.

    Args:
        serve: answers from the cache.
        by_blob: have large objects fetched by many ranges at once.

    Returns:
        The answer, if it is not sent yet, and the bytes of its payload.
    """
    for _ in range(_TRIES):
        answer = await _pass_by(node, request, place, name, by_blob)
        if answer is not None:
            return answer
        try:
            return await serve()
        except ObjectNotFound:
            if request.writer.is_started:
                raise
            # Evicted between the two.
    # It does not stay for long enough to be read.
    return await _pass(node, request, place, name, Uncached(await node.remote_objects.head(place, name)))


async def _pass_by(node: Any, request: Request, place: Place, name: str, by_blob: bool) -> Answer | None:
    """Have an object in the cache that a GET asks for, or answer past the cache.

    Returns:
        None if it is in the cache now; else the answer, if it is not sent yet, and the bytes of its payload.

    Raises:
        ObjectNotFound, BackendUnavailable, BackendDenied: as the store says.
        ColdGetDisabled: the bucket fetches nothing.
    """
    objects = node.remote_objects
    record = await asyncio.to_thread(objects.cached, place, name)
    rules = decode_rules(place.record.props)
    try:
        if record is not None:
            if not (place.validates or request.query.boolean("latest-ver")):
                return None
            if await is_current(node, place, record):
                return None
        elif int(rules.features) & _DISABLES_COLD_GET:
            raise ColdGetDisabled(place.record.bucket.cname_of(name), node.target_name)
        if members.is_wanted(request):
            members.check_query(request, name)
            if headers.RANGE in request.headers:
                raise members.RangeOfArchive(request.headers[headers.RANGE])
            answer = await remote_members.get(node, request, place, name) if record is None else None
            if answer is not None:
                return answer
        elif by_blob:
            pass
        elif headers.RANGE in request.headers:
            return await _range(node, request, place, name)
        elif int(rules.features) & _STREAMS_COLD_GET:
            return await _stream_and_keep(node, request, place, name)
        with node.marks.held(place.record.bucket, name, is_write=True):
            found = await (blobs.fetch(node, request, place, name) if by_blob else objects.bring(place, name))
    except ObjectNotFound:
        raise ObjectNotFound(place.record.bucket.cname_of(name), node=node.target_name) from None
    if not isinstance(found, Uncached):
        return None
    return await _pass(node, request, place, name, found)


async def refresh(node: Any, request: Request, place: Place, name: str) -> None:
    """Have the store's version of an object in the cache if a request, or its bucket, wants the latest; of one that is
    not in the cache nothing is done.

    Raises:
        ObjectNotFound: the store has none any more; with `synchronize` neither has the cache then.
    """
    synchronizes = request.query.boolean("synchronize")
    record = await asyncio.to_thread(node.remote_objects.cached, place, name)
    if record is None or not (place.validates or synchronizes or request.query.boolean("latest-ver")):
        return
    try:
        if not await is_current(node, place, record):
            await node.remote_objects.bring(place, name)
    except ObjectNotFound:
        if synchronizes:
            await node.remote_objects.forget(place, name)
        raise ObjectNotFound(place.record.bucket.cname_of(name), node=node.target_name) from None


async def is_current(node: Any, place: Place, record: ObjectRecord) -> bool:
    """Tell whether a cached object is what the store has now.

    Raises:
        ObjectNotFound: the store has none; a bucket that synchronizes has it in the cache no longer then.
    """
    try:
        return await node.remote_objects.is_current(place, record)
    except ObjectNotFound:
        if decode_rules(place.record.props).versioning.synchronize:
            await node.remote_objects.forget(place, record.name)
        raise


# -- past the cache -----------------------------------------------------------------------------------


async def _range(node: Any, request: Request, place: Place, name: str) -> Answer | None:
    """Read a range of a large object from the store; a small object is brought as a whole."""
    about = await node.remote_objects.head(place, name)
    ranges.resolve(request.headers[headers.RANGE], about.size, place.record.bucket.cname_of(name))
    found: ObjectRecord | Uncached = Uncached(about)
    if about.size <= SMALL_BYTES_MAX:
        found = await node.remote_objects.bring(place, name)
    return await _pass(node, request, place, name, found) if isinstance(found, Uncached) else None


async def _pass(node: Any, request: Request, place: Place, name: str, found: Uncached) -> Answer:
    about, cname = found.about, place.record.bucket.cname_of(name)
    if members.is_wanted(request):
        raise members.no_room(cname, about.size)
    wanted = request.headers.get(headers.RANGE)
    start, stop = ranges.resolve(wanted, about.size, cname) if wanted else (0, about.size)
    answer = _content_headers(place, name, about)
    if wanted:
        answer |= {"Accept-Ranges": "bytes", headers.CONTENT_RANGE: f"bytes {start}-{stop - 1}/{about.size}"}
    status = 206 if wanted else 200
    if found.content is not None:
        return Response(status, answer, found.content[start:stop]), stop - start
    await _send(node, request, place, name, about, (start, stop), status, answer)
    return None, stop - start


def _content_headers(place: Place, name: str, about: RemoteObject) -> dict[str, str]:
    record = described(about, name, place.backend.provider)
    record.custom.pop("Content-Type", None)
    return attributes.describe(record) | {headers.CONTENT_TYPE: headers.OCTET_STREAM}


async def _send(
    node: Any,
    request: Request,
    place: Place,
    name: str,
    about: RemoteObject,
    span: tuple[int, int],
    status: int,
    answer: dict[str, str],
    keeping: Keeping | None = None,
) -> None:
    """Send bytes of one version as they come; an error before the first piece is an answer, later it breaks the
    connection."""
    start, stop = span
    writer, sent = request.writer, start
    pieces = node.remote_objects.stream(place, name, about, start, stop)
    try:
        with node.marks.held(place.record.bucket, name, is_write=keeping is not None):
            piece = await anext(pieces, b"")
            await writer.start(status, answer, stop - start)
            while piece:
                sent += len(piece)
                if keeping is not None:
                    # Who has all of it finds it in the cache.
                    await keeping.add(piece, is_last=sent == stop)
                await writer.write([piece])
                piece = await anext(pieces, b"")
            await writer.finish()
    finally:
        await pieces.aclose()


async def _stream_and_keep(node: Any, request: Request, place: Place, name: str) -> Answer | None:
    """Send an object while it comes, and have it in the cache once all of it was read; None if it is there already."""
    about = await node.remote_objects.head(place, name)
    if not about.size:
        return None if isinstance(await node.remote_objects.bring(place, name), ObjectRecord) else (Response(200), 0)
    answer = _content_headers(place, name, about)
    for header in (headers.CHECKSUM_TYPE, headers.CHECKSUM_VALUE):
        answer.pop(header, None)
    keeping = await asyncio.to_thread(Keeping.begin, node.engine, node.remote_objects, place, name, about)
    try:
        await _send(node, request, place, name, about, (0, about.size), 200, answer, keeping)
    finally:
        await keeping.close()
    return None, about.size


# -- HEAD ---------------------------------------------------------------------------------------------


async def head(node: Any, request: Request, place: Place, name: str, presence: int) -> ObjectRecord:
    """Look up an object in the cache or, where that is not asked for alone, in its store.

    Raises:
        ObjectNotFound: it is not there.
        DiffersFromStore, DeletedInStore: the cached one is to be the latest, and is not.
        IsPresent: it is in the cache, and only what is not is asked for.
    """
    cname = place.record.bucket.cname_of(name)
    record = await asyncio.to_thread(node.remote_objects.cached, place, name)
    if record is None and presence in _PRESENT_ONLY:
        raise ObjectNotFound(cname, node=node.target_name)
    if record is not None and presence == 5:
        raise IsPresent(cname)
    if record is not None and not (request.query.boolean("latest-ver") and is_from_store(record)):
        return record
    try:
        about = await node.remote_objects.head(place, name)
    except ObjectNotFound:
        if record is not None:
            raise DeletedInStore(f"{node.target_name}: {cname} does not exist in its store any more") from None
        raise ObjectNotFound(cname, node=node.target_name) from None
    if record is None:
        return described(about, name, place.backend.provider)
    if not is_same(record, about):
        raise DiffersFromStore(f"metadata mismatch: {_difference(record, about)}")
    return record


def _difference(record: ObjectRecord, about: RemoteObject) -> str:
    if record.size != about.size:
        return f"size {record.size} != {about.size} remote"
    if record.version or about.version:
        return f"version-md {record.version} != {about.version} remote"
    return f"version-md {record.custom.get('ETag', '')} != {about.etag} remote"
