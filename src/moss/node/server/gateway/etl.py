"""ETL at the gateway face of a node that runs no transformers: lists are empty, lookups say so, starting is refused.

Messages are checked first, so that a client learns of its own mistakes. Source: spec/rest-control.md 10.1-10.3.
"""

import re
from typing import Any

from moss.errors import InvalidBody, InvalidRequest, NotFound, Unsupported
from moss.node.server.answers import MESSAGE_BYTES_MAX, decode_json, json_answer, lower_keys
from moss.node.server.http import Request, Response
from moss.units import parse_duration, quote

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{4,30}[a-z0-9]\Z")
_COMMUNICATIONS = ("hpush://", "hpull://", "ws://")


class EtlNotFound(NotFound):
    """A transformer that is not there; clients look for the words `etl job`."""

    code = "etl-not-found"

    def __init__(self, node_name: str, name: str) -> None:
        super().__init__(f"{node_name}: etl job {quote(name)[1:-1]} does not exist")


async def init(node: Any, request: Request) -> Response | None:
    """Check a transformer's definition, and refuse to run it."""
    del node
    fields = lower_keys(decode_json(await request.read(MESSAGE_BYTES_MAX)))
    if not isinstance(fields, dict):
        raise InvalidBody("invalid etl message: expecting a JSON object")
    name, communication = _text(fields, "name") or _text(fields, "id"), _text(fields, "communication") or "hpush://"
    if not _NAME.match(name):
        raise InvalidBody(f"invalid etl name {quote(name)}: expecting 6 to 32 characters, lower case, digits, dashes")
    if communication not in _COMMUNICATIONS:
        known = ", ".join(_COMMUNICATIONS)
        raise InvalidBody(f"unknown communication type {quote(communication)} (expecting one of: {known})")
    if communication == "ws://" and not fields.get("support_direct_put"):
        raise InvalidBody("communication type ws:// requires support_direct_put")
    for key in ("init_timeout", "obj_timeout"):
        try:
            parse_duration(_text(fields, key) or "0")
        except ValueError as error:
            raise InvalidBody(f"invalid {key}: {error}") from None
    runtime = fields.get("runtime")
    has_image = isinstance(runtime, dict) and bool(runtime.get("image"))
    if not has_image and not fields.get("spec") and not fields.get("code"):
        raise InvalidBody("invalid etl message: expecting a runtime image, a spec, or code")
    raise Unsupported("cannot use ETL on a node without ETL support - operation not supported")


def _text(fields: dict[str, Any], key: str) -> str:
    found = fields.get(key)
    if found is not None and not isinstance(found, str):
        raise InvalidBody(f"invalid etl message: {key} must be a string")
    return found or ""


async def get_all(node: Any, request: Request) -> Response | None:
    """Answer the list of transformers: there are none."""
    del node
    return json_answer(request, [])


async def get_one(node: Any, request: Request) -> Response | None:
    """Say that a transformer is not there, whatever was to be done with it."""
    raise EtlNotFound(node.gateway_name, request.items[2])


async def post(node: Any, request: Request) -> Response | None:
    """Serve starting and stopping of a transformer, which is not there."""
    if len(request.items) < 4:
        raise InvalidRequest(f"URL '{request.path.lstrip('/')}' is too short: expected 4 items, got 3")
    if request.items[3] not in ("start", "stop"):
        raise InvalidRequest(f"invalid request URI: '{request.method} {request.path}' from {request.remote}")
    return await get_one(node, request)


async def no_name(node: Any, request: Request) -> Response | None:
    """Refuse a call that names no transformer."""
    del node
    raise InvalidRequest(f"URL '{request.path.lstrip('/')}' is too short: expected 3 items, got 2")


ROUTES = [
    ("PUT", ("etl",), init),
    ("GET", ("etl",), get_all),
    ("POST", ("etl",), no_name),
    ("DELETE", ("etl",), no_name),
    ("GET", ("etl", "**"), get_one),
    ("POST", ("etl", "**"), post),
    ("DELETE", ("etl", "**"), get_one),
]
