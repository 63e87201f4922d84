"""GetBatch at the target face: the second half of a redirected request.

What is served is what was admitted; the second body must be there and be valid, no more (spec/getbatch.md 2.4).
"""

from typing import Any

from xxhash import xxh3_64_intdigest

from moss.errors import AccessDenied, InvalidRequest
from moss.node.server.gateway.batch import BODY_BYTES_MAX, decode_batch
from moss.node.server.http import Request, Response

# /v1/ml/moss[/<bucket>]/<job>/<work item>/<targets>
_ITEMS = (6, 7)


class DirectAccessDenied(AccessDenied):
    """A request at the target face that no gateway has sent."""

    code = "direct-access-denied"

    def __init__(self) -> None:
        super().__init__("direct target access denied")


async def get_batch(node: Any, request: Request) -> Response | None:
    """Serve `GET /v1/ml/moss[/<bucket>]/<xid>/<wid>/<nat>?pid=…&utm=…`."""
    if not (request.query.get("pid") and request.query.get("utm")):
        raise DirectAccessDenied
    if len(request.items) not in _ITEMS:
        raise InvalidRequest(f"invalid request URI: '{request.method} {request.path}' from {request.remote}")
    xid, wid = request.items[-3], request.items[-2]
    item = node.batches.find(xid, wid)
    body = await request.read(BODY_BYTES_MAX)
    if xxh3_64_intdigest(body) != item.body_digest:
        await decode_batch(node, request, body, item.job.bucket)
    await node.batches.serve(item, request)
    return None


async def refuse_post(node: Any, request: Request) -> Response | None:
    """POST is for other nodes only."""
    raise InternalOnly(f"{node.target_name}: expected INTRA-CONTROL request (got PUBLIC)")


class InternalOnly(AccessDenied):
    code = "internal-only"


ROUTES = [
    ("GET", ("ml", "moss"), get_batch),
    ("GET", ("ml", "moss", "**"), get_batch),
    ("POST", ("ml", "moss"), refuse_post),
    ("POST", ("ml", "moss", "**"), refuse_post),
]
