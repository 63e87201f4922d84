"""Objects at the gateway face: check the bucket and the name, then redirect to the target face, or serve at once.

Source: spec/rest-data.md 1.8.
"""

import urllib.parse
from typing import Any

from moss.errors import InvalidBody, InvalidName, InvalidRequest, Unsupported
from moss.naming.bucket import Bucket, is_valid_object_name
from moss.node.server.answers import read_action
from moss.node.server.gateway.lookup import check_bucket, query_bucket
from moss.node.server.http import Request, Response, redirect
from moss.node.server.redirects import target_location
from moss.node.server.target import objects as target
from moss.units import quote

# A redirect's address holds printable ASCII only: what a client sent otherwise is escaped, its own escapes stay.
_URL_SAFE = "".join(map(chr, range(0x21, 0x7F)))
_COUNTED = {"GET": "get.n", "PUT": "put.n", "DELETE": "del.n"}


class InvalidObjectName(InvalidName):
    """An object name with `.` or `..` components, a trailing slash, or a leading `~/`."""

    code = "invalid-object-name"


def object_of(node: Any, request: Request) -> tuple[Bucket, str]:
    """Return bucket and name that an object path means.

    Raises:
        InvalidName, InvalidProvider, BucketNotFound: in this order.
    """
    bucket = query_bucket(request, request.items[2])
    name = request.tail(3)
    if not name:
        path = "/".join(request.items)
        raise InvalidRequest(f"URL '{path}' is too short: expected 4 items, got {len(request.items)}")
    checked = name.rstrip("/") if request.method == "HEAD" else name
    if not is_valid_object_name(checked):
        raise InvalidObjectName(f"invalid object name {quote(name)}")
    check_bucket(node, bucket)
    return bucket, name


async def handle(node: Any, request: Request) -> Response | None:
    """Serve any method on an object."""
    bucket, _ = object_of(node, request)
    counter = _COUNTED.get(request.method)
    if counter is not None:
        node.metrics.add_at_gateway(counter, bucket.cname)
    if node.serves_direct(request):
        return await target.HANDLERS[request.method](node, request)
    if request.method == "GET" and "Expect" not in request.headers:
        await _drop_body(request)
    location = urllib.parse.quote(target_location(node, request), safe=_URL_SAFE)
    return redirect(location, 301 if request.method == "GET" else 307)


async def _drop_body(request: Request) -> None:
    """Read the small body that some clients send with every GET, so that the connection can be used again."""
    if request.content_length:
        await request.read(1 << 20)


async def post_bucket(node: Any, request: Request) -> Response | None:
    """Serve POST on a bucket's object path: jobs of one object or of a server's folder, which are not offered yet."""
    check_bucket(node, query_bucket(request, request.items[2]))
    message = await read_action(request)
    if message.action in ("promote", "blob-download"):
        raise Unsupported(f"cannot {message.action} - not implemented yet")
    raise InvalidBody(f'invalid action "{message.action}"')


ROUTES = [
    *((method, ("objects", "*", "**"), handle) for method in ("GET", "HEAD", "PUT", "POST", "PATCH", "DELETE")),
    ("POST", ("objects", "*"), post_bucket),
]
