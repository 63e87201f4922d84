"""Objects at the gateway face: check bucket, name and access, then redirect to the target face, or serve at once.

Source: spec/rest-data.md 1.8, 1.10.
"""

import urllib.parse
from typing import Any

from moss.errors import InvalidBody, Unsupported
from moss.naming.bucket import Bucket, is_valid_object_name
from moss.node.server.answers import ActionMessage, parse_action, read_action
from moss.node.server.bucket_rules import check_access
from moss.node.server.gateway.lookup import (
    InvalidObjectName,
    NotRemote,
    check_bucket,
    check_escapes,
    query_bucket,
    too_short,
)
from moss.node.server.http import Request, Response, redirect
from moss.node.server.redirects import target_location
from moss.node.server.target import append, blobs, member_put, members, promote
from moss.node.server.target import objects as target
from moss.units import quote

# A redirect's address holds printable ASCII only: what a client sent otherwise is escaped, its own escapes stay.
_URL_SAFE = "".join(map(chr, range(0x21, 0x7F)))
COUNTED = {"GET": "get.n", "PUT": "put.n", "DELETE": "del.n"}
_NEEDED = {"PUT": "PUT", "DELETE": "DELETE-OBJECT", "PATCH": "UPDATE-OBJECT"}
_POST_NEEDED = {"rename-obj": "MOVE-OBJECT", "mpt-upload": "PUT", "mpt-complete": "PUT", "mpt-abort": "PUT"}
_POST_ACTIONS = frozenset({*_POST_NEEDED, "check-lock"})
_SMALL_BODY_BYTES_MAX = 16 << 20


async def handle(node: Any, request: Request) -> Response | None:
    """Serve any method on an object."""
    check_escapes(request)
    bucket, name = query_bucket(request, request.items[2]), target.object_name(request)
    message = None
    if request.method == "POST" and not node.serves_direct(request):
        message = parse_action(await request.read(_SMALL_BODY_BYTES_MAX))
    _check_name(request, name, message)
    _check_request(node, request, bucket, name, check_bucket(node, bucket), message)
    counter = COUNTED.get(request.method)
    if counter is not None:
        node.metrics.add_at_gateway(counter, bucket.cname)
    if node.serves_direct(request):
        return await target.HANDLERS[request.method](node, request)
    if request.method in ("GET", "DELETE") and request.content_length and "Expect" not in request.headers:
        # Read the small body that some clients send, so that the connection can be used again.
        await request.read(_SMALL_BODY_BYTES_MAX)
    location = urllib.parse.quote(target_location(node, request), safe=_URL_SAFE)
    return redirect(location, 301 if request.method == "GET" else 307)


def _check_name(request: Request, name: str, message: ActionMessage | None) -> None:
    if not name:
        raise too_short(request, 4)
    # HEAD leaves the judgement to the target, and a lock may be asked of any name.
    is_lenient = request.method == "HEAD" or (message is not None and message.action == "check-lock")
    if not is_lenient and not is_valid_object_name(name):
        raise InvalidObjectName(f"invalid object name {quote(name)}")


def _check_request(
    node: Any, request: Request, bucket: Bucket, name: str, record: Any, message: ActionMessage | None
) -> None:
    """Refuse what no target has to be asked for."""
    if message is not None:
        if message.action not in _POST_ACTIONS:
            raise InvalidBody(f"invalid action {quote(message.action)}")
        if message.action == "rename-obj":
            target.check_new_name(bucket, name, message.name)
        if message.action in _POST_NEEDED:
            check_access(record, _POST_NEEDED[message.action])
        return
    if request.method == "GET":
        members.check_query(request, name)
    elif request.method == "PUT" and request.query.get("etl_name"):
        raise Unsupported("cannot transform objects - not implemented yet")
    elif request.method == "PUT" and not (request.query.get("object_to") or request.query.get("uploadId")):
        member_put.check_query(request, name)
        if request.query.get("append_type") and not request.query.get("archpath"):
            append.check_query(node, request)
    check_operation(record, request.method, is_append=bool(request.query.get("append_type")))


def check_operation(record: Any, method: str, *, is_append: bool = False) -> None:
    """Refuse a method that the access mask of the bucket does not allow on its objects."""
    operation = _NEEDED.get(method)
    if operation is not None:
        check_access(record, "APPEND" if is_append else operation)


async def post_bucket(node: Any, request: Request) -> Response | None:
    """Serve POST on a bucket's object path: jobs of one object, or of the files of a node."""
    bucket = query_bucket(request, request.items[2])
    record = check_bucket(node, bucket)
    message = await read_action(request)
    if message.action == "promote":
        check_access(record, "PROMOTE")
        return await promote.start(node, bucket, record, message)
    if message.action == "blob-download":
        place = node.remotes.place(record)
        if place is None:
            raise NotRemote("blob-download", bucket)
        return await blobs.start(node, place, message)
    raise InvalidBody(f"invalid action {quote(message.action)}")


async def refuse_short(node: Any, request: Request) -> Response | None:
    """Refuse a path that names no object."""
    del node
    raise too_short(request, 4)


_METHODS = ("GET", "HEAD", "PUT", "POST", "PATCH", "DELETE")

ROUTES = [
    *((method, ("objects", "*", "**"), handle) for method in _METHODS),
    ("POST", ("objects", "*"), post_bucket),
    *((method, ("objects", "*"), refuse_short) for method in _METHODS if method != "POST"),
    *((method, ("objects",), refuse_short) for method in _METHODS),
]
