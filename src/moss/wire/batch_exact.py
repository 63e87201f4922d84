"""The exact decoder of batch requests: slower than `msgspec`, as lenient as the reference, and never surprised.

`moss.wire.batch.decode_request` comes here with everything that is not in canonical form: keys in other letter case,
nulls, unknown keys, both forms at once, bytes behind the value, bytes that are no UTF-8, and all that is wrong.

Source: spec/getbatch.md 1.9, 3.1-3.3.
"""

import json
import re
from typing import Any, NoReturn

import msgspec

from moss.errors import InvalidBody
from moss.units import quote
from moss.wire.batch_entries import INT64_MAX, INT64_MIN, Entry, decode_opaque

__all__ = ["RawRequest", "decode_entry", "decode_exactly"]

_INTEGER_DIGITS_MAX = 20
_ACTIONS = frozenset({"getbatch", "get-batch"})
_COLOCATION_BITS = 8

_LONE_SURROGATE_NEARBY = re.compile(rb"\\u[dD][89a-fA-F]")
_ESCAPE = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a pair: one character
    r"|\\u[dD][89a-fA-F][0-9a-fA-F]{2}"  # half a pair
    r"|\\.",  # any other escape, so that an escaped backslash is not taken for the begin of one
    re.DOTALL,
)
_LONE_SURROGATE_CHARACTERS = 6


class _NotAnInteger:
    """Stands for a number that is no int64, wherever it is; an error only where an integer is expected."""


_NOT_AN_INTEGER = _NotAnInteger()


class RawRequest(msgspec.Struct):
    """The request object with its options checked and its entries still as they came."""

    entries: list[Any]
    mime: str
    continue_on_error: bool
    omit_bucket: bool
    streaming: bool
    colocation: int


def decode_exactly(body: bytes) -> RawRequest:
    """Decode a request in either form, up to its entries.

    Raises:
        InvalidBody: not JSON, not an object, a value of the wrong type, another action, or `moss: empty input`.
    """
    request = _unwrap(_parse(body))
    entries = request.get("in")
    if entries is not None and type(entries) is not list:
        _refuse_type("in", "array", entries)
    raw = RawRequest(
        entries=entries or [],
        mime=_string(request, "mime"),
        continue_on_error=_boolean(request, "coer"),
        omit_bucket=_boolean(request, "onob"),
        streaming=_boolean(request, "strm"),
        colocation=_integer(request, "coloc"),
    )
    if not 0 <= raw.colocation < 1 << _COLOCATION_BITS:
        raise InvalidBody(f"moss: coloc: {raw.colocation} is out of range")
    if not raw.entries:
        raise InvalidBody("moss: empty input")
    return raw


def decode_entry(value: Any, index: int) -> Entry:
    """Turn one element of `in` into an entry; null is an entry without anything.

    Raises:
        InvalidBody: a value of the wrong type, or opaque that is no base64.
    """
    if value is None:
        return Entry()
    place = f"in[{index}]"
    if type(value) is not dict:
        _refuse_type(place, "object", value)
    place += "."
    return Entry(
        objname=_string(value, "objname", place),
        bucket=_string(value, "bucket", place),
        provider=_string(value, "provider", place),
        uname=_string(value, "uname", place),
        archpath=_string(value, "archpath", place),
        opaque=decode_opaque(_string(value, "opaque", place)),
        start=_integer(value, "start", place),
        length=_integer(value, "length", place),
    )


def _unwrap(top: dict[str, Any]) -> dict[str, Any]:
    """Return the request object of a body: the body itself, or its `value`."""
    if "in" in top or type(top.get("value")) is not dict:
        return top
    action = _string(top, "action")
    if action and action not in _ACTIONS:
        raise InvalidBody(f"invalid action {quote(action)}")
    value: dict[str, Any] = top["value"]
    return value


def _parse(body: bytes) -> dict[str, Any]:
    """Parse the first JSON value of the body; all keys come out in lower case, null as an empty object."""
    text = body.decode("utf-8", "surrogateescape")
    if _LONE_SURROGATE_NEARBY.search(body):
        text = _ESCAPE.sub(_replace_lone_surrogate, text)
    start = len(text) - len(text.lstrip(" \t\r\n"))
    found = text[start : start + 1]
    if found not in ("{", "n"):
        raise InvalidBody(f"moss: expect {{ or n, but found {quote(found) if found else 'nothing'}")
    try:
        value, _ = _decoder.raw_decode(text, start)
    except json.JSONDecodeError as error:
        raise InvalidBody(f"moss: malformed JSON: {error.msg} at character {error.pos}") from None
    except RecursionError:
        raise InvalidBody("moss: malformed JSON: nested too deeply") from None
    return value if value is not None else {}


def _replace_lone_surrogate(match: re.Match[str]) -> str:
    # U+FFFD is what the reference makes of it. Were it kept, it could not be told from the escape of a raw byte.
    return "\\ufffd" if len(match[0]) == _LONE_SURROGATE_CHARACTERS else match[0]


def _build_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Keys match in any letter case, and of a repeated key the last counts.
    return {key.lower(): value for key, value in pairs}


def _parse_integer(text: str) -> int | _NotAnInteger:
    # int() of a million digits takes seconds, or is refused by the interpreter.
    return int(text) if len(text) <= _INTEGER_DIGITS_MAX else _NOT_AN_INTEGER


def _parse_fraction(text: str) -> _NotAnInteger:
    return _NOT_AN_INTEGER


def _refuse_constant(text: str) -> NoReturn:
    raise InvalidBody(f"moss: malformed JSON: {text} is not a JSON number")


_decoder = json.JSONDecoder(
    object_pairs_hook=_build_object,
    parse_int=_parse_integer,
    parse_float=_parse_fraction,
    parse_constant=_refuse_constant,
)


def _string(source: dict[str, Any], key: str, place: str = "") -> str:
    value = source.get(key)
    if type(value) is str:
        return value
    if value is not None:
        _refuse_type(place + key, "string", value)
    return ""


def _boolean(source: dict[str, Any], key: str) -> bool:
    value = source.get(key)
    if value is not None and type(value) is not bool:
        _refuse_type(key, "boolean", value)
    return value is True


def _integer(source: dict[str, Any], key: str, place: str = "") -> int:
    value = source.get(key)
    if value is None:
        return 0
    if type(value) is not int:
        _refuse_type(place + key, "integer", value)
    if not INT64_MIN <= value <= INT64_MAX:
        raise InvalidBody(f"moss: {place}{key}: {value} is out of range")
    return value


_KINDS = {str: "string", int: "integer", bool: "boolean", list: "array", dict: "object", type(None): "null"}


def _refuse_type(place: str, expected: str, value: object) -> NoReturn:
    found = _KINDS.get(type(value), "a number that is no 64-bit integer")
    raise InvalidBody(f"moss: {place}: expected {expected}, found {found}")
