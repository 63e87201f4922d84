"""Blob downloads: by headers of a GET, and as a job. Source: spec/rest-data.md 5.3, 5.13."""

import asyncio
from concurrent.futures import CancelledError
from typing import Any

from moss.errors import Aborted, BackendUnavailable, InvalidBody, InvalidRequest, ObjectNotFound
from moss.naming.bucket import Bucket, is_valid_object_name
from moss.node.backends.base import RemoteObject
from moss.node.jobs.job import Job
from moss.node.remote import Place, Uncached
from moss.node.remote.attributes import is_from_store, is_same
from moss.node.remote.blobs import BlobOptions, download
from moss.node.server.answers import ActionMessage, empty_answer, id_answer, lower_keys
from moss.node.server.gateway.lookup import InvalidObjectName
from moss.node.server.http import Request, Response
from moss.node.storage.objects import ObjectRecord
from moss.units import parse_duration, parse_size, quote
from moss.wire import headers
from moss.wire.query import parse_bool

_HEADERS = (
    headers.BLOB_DOWNLOAD,
    headers.BLOB_CHUNK,
    headers.BLOB_WORKERS,
    headers.BLOB_READ_TIMEOUT,
    headers.BLOB_THRESHOLD,
)
_WORKERS_MAX = 128


def check_headers(request: Request, bucket: Bucket, place: Place | None) -> bool:
    """Check what a GET says about a blob download; returns whether it wants one.

    Raises:
        InvalidRequest: a header that is blank or malformed; a bucket of this node alone.
    """
    given = {name: request.headers[name] for name in _HEADERS if name in request.headers}
    if not given:
        return False
    for name, text in given.items():
        try:
            if not text.strip():
                raise ValueError("blank")
            if name == headers.BLOB_WORKERS and not -1 <= int(text) <= _WORKERS_MAX:
                raise ValueError("out of range")
            if name in (headers.BLOB_CHUNK, headers.BLOB_THRESHOLD):
                parse_size(text)
            if name == headers.BLOB_READ_TIMEOUT and headers.BLOB_CHUNK in given:
                parse_duration(text)
        except ValueError as error:
            raise InvalidRequest(f"invalid header {name} {quote(text)}: {error}") from None
    is_wanted = parse_bool(given.get(headers.BLOB_DOWNLOAD, "")) or given.get(headers.BLOB_THRESHOLD, "0") != "0"
    if is_wanted and place is None:
        raise InvalidRequest(f"blob-downloader is not supported for local buckets: {bucket.cname}")
    return is_wanted


async def fetch(node: Any, request: Request, place: Place, name: str) -> ObjectRecord | Uncached:
    """Have an object in the cache as the headers of a GET want it; raises as `download`."""
    about = await node.remote_objects.head(place, name)
    threshold = parse_size(request.headers.get(headers.BLOB_THRESHOLD, "0"))
    if about.size <= threshold:
        return await node.remote_objects.bring(place, name)
    chunk = request.headers.get(headers.BLOB_CHUNK, "")
    timeout = request.headers.get(headers.BLOB_READ_TIMEOUT, "") if chunk else ""
    options = BlobOptions(
        chunk_bytes=parse_size(chunk) if chunk else 0,
        workers=int(request.headers.get(headers.BLOB_WORKERS, "0")),
        timeout_s=parse_duration(timeout) if timeout else 0.0,
    )
    return await _download(node, place, name, about, options)


async def _download(
    node: Any, place: Place, name: str, about: RemoteObject, options: BlobOptions
) -> ObjectRecord | Uncached:
    try:
        return await download(node.engine, node.remote_objects, place, name, about, options)
    except TimeoutError:
        word = place.backend.provider.display_name
        cname = place.record.bucket.cname_of(name)
        raise BackendUnavailable(f"{word} backend failed on {cname}: no answer in time") from None


async def start(node: Any, place: Place, message: ActionMessage) -> Response:
    """Start a job that downloads one object, and answer its id; nothing if the object is here.

    Raises:
        InvalidObjectName, InvalidBody: the message names no object, or says what makes no sense.
        ObjectNotFound, BackendUnavailable, BackendDenied: as the store says.
    """
    name = message.name
    if not is_valid_object_name(name):
        raise InvalidObjectName(f"invalid object name {quote(name)}")
    options, latest = _options(message.value)
    bucket = place.record.bucket
    record = await asyncio.to_thread(node.remote_objects.cached, place, name)
    if record is not None and not (latest and is_from_store(record)):
        return empty_answer()
    try:
        about = await node.remote_objects.head(place, name)
    except ObjectNotFound:
        raise ObjectNotFound(bucket.cname_of(name), node=node.target_name) from None
    if record is not None and is_same(record, about):
        return empty_answer()

    def work(job: Job) -> None:
        future = node.writes.submit(_download(node, place, name, about, options))
        job.on_abort(future.cancel)
        try:
            found = future.result()
        except CancelledError:
            raise Aborted(f"{job.name} was stopped") from None
        if isinstance(found, Uncached):
            job.add_error(f"{bucket.cname_of(name)}: no room in the cache for {about.size} bytes")
        else:
            job.count(1, about.size)

    return id_answer(node.jobs.start("blob-download", work, bucket=bucket, workers=options.in_flight).id)


def _options(value: Any) -> tuple[BlobOptions, bool]:
    fields = lower_keys(value) if isinstance(value, dict) else {}
    if value is not None and not isinstance(value, dict):
        raise InvalidBody("blob-download: expecting a JSON object as value")
    chunk, workers = fields.get("chunk-size") or 0, fields.get("num-workers") or 0
    if type(chunk) is not int or chunk < 0 or type(workers) is not int or not -1 <= workers <= _WORKERS_MAX:
        raise InvalidBody(f"blob-download: invalid chunk-size or num-workers ({chunk}, {workers})")
    return BlobOptions(chunk, workers), bool(fields.get("latest-ver"))
