"""Sending one file: as a whole, or in parts that are sent at the same time. Source: spec/rest-data.md 5.2, 5.8."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import IO, Any

from moss.cli.failures import CommandError
from moss.cli.objects.transfers import CountedFile, Meter
from moss.cli.transport import Transport, bucket_query, path_of
from moss.naming.bucket import Bucket
from moss.wire import headers as names

__all__ = ["PARTS_MAX", "Upload", "object_action", "put_part", "send", "start_upload"]

PARTS_MAX = 9999
PARTS_AT_A_TIME = 4
_BINARY = {names.CONTENT_TYPE: names.OCTET_STREAM}


@dataclass(frozen=True)
class Upload:
    """How objects are sent.

    Attributes:
        query, headers: go with every object.
        chunk_bytes: objects that are larger are sent in parts of so many bytes; 0 sends all of them as a whole.
    """

    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    chunk_bytes: int = 0


def send(
    transport: Transport, bucket: Bucket, name: str, file: IO[bytes], size: int, meter: Meter, how: Upload
) -> None:
    """Send an object.

    Args:
        file: seekable; `size` bytes are read from its start.

    Raises:
        CommandError: it could not be sent; an object that was there is still there.
    """
    if how.chunk_bytes and size > how.chunk_bytes:
        _send_parts(transport, bucket, name, file, size, meter, how)
        return
    body: Any = CountedFile(file, meter, size=size) if size else b""
    transport.request(
        "PUT",
        path_of("objects", bucket.name, name),
        query=bucket_query(bucket) | dict(how.query),
        headers=_BINARY | dict(how.headers),
        body=body,
        length=size,
    ).close()


def _send_parts(
    transport: Transport, bucket: Bucket, name: str, file: IO[bytes], size: int, meter: Meter, how: Upload
) -> None:
    """Send an object in parts, some at a time."""
    from concurrent.futures import ThreadPoolExecutor
    from threading import Lock

    count = -(-size // how.chunk_bytes)
    if count > PARTS_MAX:
        least = -(-size // PARTS_MAX)
        raise CommandError(f"'--chunk-size' would make {count} parts (at most {PARTS_MAX}: use {least} or more)")
    upload_id = start_upload(transport, bucket, name)
    lock = Lock()

    def put(number: int) -> None:
        start = (number - 1) * how.chunk_bytes
        length = min(how.chunk_bytes, size - start)
        part = CountedFile(file, meter, start=start, size=length, lock=lock)
        put_part(transport, bucket, name, upload_id, number, part, length)

    try:
        with ThreadPoolExecutor(min(PARTS_AT_A_TIME, count)) as pool:
            list(pool.map(put, range(1, count + 1)))
        parts = [{"part-number": number, "etag": ""} for number in range(1, count + 1)]
        object_action(transport, "POST", bucket, name, "mpt-complete", parts, {"uploadId": upload_id})
    except BaseException:
        try:
            object_action(transport, "DELETE", bucket, name, "mpt-abort", None, {"uploadId": upload_id})
        except CommandError:
            pass  # the cluster removes it later; what went wrong first is what counts
        raise


def start_upload(transport: Transport, bucket: Bucket, name: str) -> str:
    """Begin an upload in parts; return its id."""
    return object_action(transport, "POST", bucket, name, "mpt-upload").strip().strip('"')


def put_part(
    transport: Transport, bucket: Bucket, name: str, upload_id: str, number: int, body: Any, length: int
) -> None:
    """Send one part of an upload."""
    transport.request(
        "PUT",
        path_of("objects", bucket.name, name),
        query=bucket_query(bucket) | {"uploadId": upload_id, "partNumber": str(number)},
        headers=_BINARY,
        body=body,
        length=length,
    ).close()


def object_action(
    transport: Transport,
    method: str,
    bucket: Bucket,
    name: str,
    action: str,
    value: Any = None,
    query: Mapping[str, str] | None = None,
    *,
    new_name: str = "",
) -> str:
    """Have the cluster do something with an object; return the text of its answer.

    Args:
        new_name: the action's name field.

    Raises:
        ServerError: it refused.
    """
    import msgspec

    body = msgspec.json.encode({"action": action, "name": new_name, "value": value})
    path = path_of("objects", bucket.name, name) if name else path_of("objects", bucket.name)
    all_query = bucket_query(bucket) | dict(query or {})
    headers = {names.CONTENT_TYPE: names.JSON}
    with transport.request(method, path, query=all_query, headers=headers, body=body) as answer:
        return answer.read_all().decode("utf-8", "replace")
