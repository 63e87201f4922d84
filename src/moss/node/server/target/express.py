"""Plain requests on one object at the target face; see `moss.node.server.express`. Nothing here waits for a disk.

Source: spec/rest-data.md 5.
"""

import logging
import time
from concurrent.futures import Future
from functools import partial
from typing import Any

from moss.errors import MossError
from moss.node.server import errors
from moss.node.server.express import Pending
from moss.node.server.http import Face, Request, Response
from moss.node.server.plain import PlainRequest
from moss.node.server.target import attributes, objects
from moss.wire import headers

log = logging.getLogger("moss.server")

# Larger objects are read, checked and stored by threads: so much takes about 50 µs.
BYTES_MAX = 128 << 10


def put_terms(node: Any, request: PlainRequest) -> tuple[int, bool]:
    """Take changes from clients that a gateway sent, if they are small and say so."""
    return BYTES_MAX if request.is_redirected and request.content_length is not None else -1, True


def handle(node: Any, request: PlainRequest, body: memoryview, remote: str) -> Response | Pending | None:
    """Serve GET, HEAD or PUT of one object; None leaves it to the ordinary way."""
    if request.bucket.is_remote and node.remotes.backend(request.bucket) is None:
        return None
    if request.method == "GET":
        return _get(node, request)
    if request.method == "PUT":
        return _put(node, request, body, remote)
    return _head(node, request)


def _get(node: Any, request: PlainRequest) -> Response | None:
    begin_ns = time.monotonic_ns()
    warm = node.engine.warm
    record = warm.find(request.bucket, request.name)
    if record is None or (node.remotes and _is_validated(node, request)) or record.size > BYTES_MAX:
        return None
    payload = warm.read(record)
    if payload is None:
        return None
    spent = time.monotonic_ns() - begin_ns
    node.metrics.add_many({"get.n": 1, "get.size": record.size, "get.ns.total": spent})
    return Response(200, objects.content_headers(record), payload)


def _is_validated(node: Any, request: PlainRequest) -> bool:
    """Tell whether a cached object is compared with that of its store first."""
    bucket_record = node.engine.warm.bucket(request.bucket)
    place = node.remotes.place(bucket_record) if bucket_record is not None else None
    return place is not None and place.validates


def _head(node: Any, request: PlainRequest) -> Response | None:
    begin_ns = time.monotonic_ns()
    record = node.engine.warm.find(request.bucket, request.name)
    if record is None:
        return None
    node.metrics.add_many({"head.n": 1, "head.ns.total": time.monotonic_ns() - begin_ns})
    answer = attributes.describe_all(record, request.bucket, node.target_name)
    return Response(200, answer | {headers.CONTENT_LENGTH: str(record.size)})


def _put(node: Any, request: PlainRequest, body: memoryview, remote: str) -> Pending | None:
    begin_ns = time.monotonic_ns()
    full = Request(
        method="PUT",
        raw_path=request.raw_path,
        headers=request.headers,
        remote=remote,
        face=Face.TARGET,
        content_length=request.content_length,
        body=None,
        writer=None,
    )
    bucket_record = node.engine.warm.bucket(request.bucket)
    if bucket_record is None or node.remotes.place(bucket_record) is not None:
        return None
    given = attributes.parse_attributes(full, bucket_record)
    future = node.engine.put(request.bucket, request.name, body, attributes=given)
    return Pending(future, partial(_put_answer, node, full, begin_ns))


def _put_answer(node: Any, request: Request, begin_ns: int, future: "Future[Any]") -> Response:
    try:
        record = future.result()
    except Exception as error:
        node.metrics.add("err.put.n")
        if not isinstance(error, MossError):
            log.error("PUT %s failed", ascii(request.path), exc_info=error)
        return errors.error_response(error, request, node.target_name)
    spent = time.monotonic_ns() - begin_ns
    node.metrics.add_many({"put.n": 1, "put.size": record.size, "put.ns.total": spent})
    return Response(200, attributes.describe(record))
