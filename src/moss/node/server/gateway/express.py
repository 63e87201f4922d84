"""Plain requests on one object at the gateway face; see `moss.node.server.express`. Source: spec/rest-data.md 1.8."""

from typing import Any

from moss.node.server.express import Pending
from moss.node.server.gateway.objects import COUNTED, check_operation
from moss.node.server.http import Response, redirect
from moss.node.server.plain import PlainRequest
from moss.node.server.redirects import target_location
from moss.node.server.target import express as target

# Bodies up to this size are read to their end after the client was redirected: its connection can be used again.
SKIPPED_BYTES_MAX = 1 << 20


def put_terms(node: Any, request: PlainRequest) -> tuple[int, bool]:
    """Take what is redirected, which needs no body, and small bodies where the gateway serves itself."""
    if request.content_length is None:
        return -1, False
    return (target.BYTES_MAX, True) if node.serves_direct(request) else (SKIPPED_BYTES_MAX, False)


def handle(node: Any, request: PlainRequest, body: memoryview, remote: str) -> Response | Pending | None:
    """Send the client to the target face, or serve it at once where that was asked for."""
    bucket_record = node.engine.warm.bucket(request.bucket)
    if bucket_record is None or (request.bucket.is_remote and node.remotes.backend(request.bucket) is None):
        return None
    check_operation(bucket_record, request.method)
    if node.serves_direct(request):
        answer = target.handle(node, request, body, remote)
    else:
        # A plain name and plain parameters hold nothing that would have to be escaped.
        answer = redirect(target_location(node, request), 301 if request.method == "GET" else 307)
    counter = COUNTED.get(request.method)
    if answer is not None and counter is not None:
        node.metrics.add_at_gateway(counter, request.bucket.cname)
    return answer
