"""GetBatch at the gateway face: check everything, admit, and redirect to the target (or serve at once).

client ──GET body──► gateway   checks 1–8 of spec/getbatch.md 2.3, admission
client ◄──307──────  gateway   Location names job, work item and number of targets
client ──GET body──► target    `moss.node.server.target.batch`
"""

import asyncio
from typing import Any

from moss.errors import InvalidRequest
from moss.naming.bucket import Bucket
from moss.node.getbatch.admission import WorkItem
from moss.node.getbatch.plan import Batch, build_batch
from moss.node.server.gateway import remotes
from moss.node.server.gateway.lookup import check_bucket, query_bucket
from moss.node.server.http import Request, Response, redirect
from moss.node.server.redirects import target_location
from moss.wire import headers
from moss.wire.batch import decode_request, parse_colocation

# 1,000,000 entries with long names fit; a body is never allocated by its declared size.
BODY_BYTES_MAX = 256 << 20
# Larger bodies are decoded in a thread so that other requests do not wait.
_DECODE_INLINE_BYTES_MAX = 32 << 10
# The number of targets: an embedded node is one.
TARGETS = 1


async def get_batch(node: Any, request: Request) -> Response | None:
    """Serve `GET /v1/ml/moss[/<bucket>]`."""
    if len(request.items) > 4:
        raise InvalidRequest(f"invalid request URI: '{request.method} {request.path}' from {request.remote}")
    parse_colocation(request.query)  # checked; with one target every entry is where it is assembled
    path_bucket = None
    if len(request.items) == 4:
        path_bucket = query_bucket(request, request.items[3])
        check_bucket(node, path_bucket)
    body = await request.read(BODY_BYTES_MAX)
    batch = await decode_batch(node, request, body, path_bucket)
    client = request.remote.rpartition(":")[0]
    item = await node.batches.admit(batch, body, path_bucket, client)
    if node.serves_direct(request):
        await node.batches.serve(item, request)
        return None
    return redirect(_location(node, request, item))


async def decode_batch(node: Any, request: Request, body: bytes, path_bucket: Bucket | None) -> Batch:
    """Decode and check a body, buckets and format included."""
    if len(body) > _DECODE_INLINE_BYTES_MAX:
        decoded = await asyncio.to_thread(decode_request, body, path_bucket)
    else:
        decoded = decode_request(body, path_bucket)
    if node.clusters:
        decoded.buckets = [node.clusters.resolve(bucket) for bucket in decoded.buckets]
    for bucket in decoded.buckets:
        if bucket != path_bucket:  # that one was checked before the body was read
            await remotes.know(node, bucket)
            check_bucket(node, bucket)
    return build_batch(
        decoded,
        report_status=request.headers.get(headers.MOSS_BATCH_STATUS) == "1",
        report_checksum=request.headers.get(headers.MOSS_BATCH_CHECKSUM) == "1",
    )


def _location(node: Any, request: Request, item: WorkItem) -> str:
    path = "/".join(part for part in request.path.split("/") if part)
    return target_location(node, request, f"/{path}/{item.job.id}/{item.wid}/{TARGETS}")


ROUTES = [("GET", ("ml", "moss"), get_batch), ("GET", ("ml", "moss", "**"), get_batch)]
