"""Forms of answers that control and data calls share. Source: spec/rest-control.md 2.2, spec/rest-data.md 1.6."""

from typing import Any

import msgspec

from moss.errors import InvalidBody
from moss.node.server.http import Request, Response
from moss.wire import headers

# A control message is small; listings of a million names to delete still fit.
MESSAGE_BYTES_MAX = 64 << 20


def json_answer(request: Request, value: Any, status: int = 200) -> Response:
    """Answer with compact JSON and a newline; indented for browsers."""
    body = value if isinstance(value, bytes) else msgspec.json.encode(value)
    if request.headers.get("User-Agent", "").startswith("Mozilla/5.0"):
        body = msgspec.json.format(body, indent=4)
    return Response(status, {headers.CONTENT_TYPE: headers.JSON_UTF8}, body + b"\n")


def id_answer(job_id: str, status: int = 200) -> Response:
    """Answer with a job id: plain, no quotes, no newline."""
    return Response(status, {headers.CONTENT_TYPE: headers.TEXT}, job_id.encode())


def empty_answer() -> Response:
    return Response(200)


def lower_keys(value: Any) -> Any:
    """Return a JSON value with the keys of its outermost object in lower case; of equal keys the last counts."""
    return {key.lower(): item for key, item in value.items()} if isinstance(value, dict) else value


def decode_json(body: bytes) -> Any:
    """Decode the first JSON value of a body; what follows it is ignored.

    Raises:
        InvalidBody: it is no JSON, or begins with a byte-order mark.
    """
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        first = _first_value(body)
        if first is None:
            raise InvalidBody(f"failed to decode the request body: {error}") from None
        return first[0]


def _first_value(body: bytes) -> tuple[Any] | None:
    """Decode the first of several JSON values, or give None."""
    import json

    try:
        text = body.decode("utf-8", "surrogateescape").lstrip(" \t\r\n")
        if text.startswith("\ufeff"):
            return None
        return (json.JSONDecoder(parse_constant=_refuse).raw_decode(text)[0],)
    except (ValueError, RecursionError):
        return None


def _refuse(word: str) -> Any:
    raise ValueError(f"invalid number {word}")


class ActionMessage(msgspec.Struct):
    """`{"action", "name", "value"}`, the body of most calls; missing keys and null are alike."""

    action: str = ""
    name: str = ""
    value: Any = None


def parse_action(body: bytes) -> ActionMessage:
    """Decode an action message; keys in any letter case, unknown ones ignored.

    Raises:
        InvalidBody: no JSON object, or a key of the wrong type.
    """
    message = lower_keys(decode_json(body))
    if not isinstance(message, dict):
        raise InvalidBody("invalid action message: expecting a JSON object")
    action, name = message.get("action") or "", message.get("name") or ""
    if not isinstance(action, str) or not isinstance(name, str):
        raise InvalidBody("invalid action message: action and name must be strings")
    return ActionMessage(action, name, message.get("value"))


async def read_action(request: Request) -> ActionMessage:
    """Read and decode the action message of a request."""
    return parse_action(await request.read(MESSAGE_BYTES_MAX))
