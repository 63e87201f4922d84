"""Reading configuration values from query text and from JSON, and writing them back in normal form. Pure.

Source: spec/rest-control.md 7.1, 7.3; spec/getbatch.md 11.
"""

import re
from typing import Any

from moss import units
from moss.errors import InvalidConfig
from moss.node.config.schema import Kind, Scalar, Setting

_TRUE = frozenset({"1", "t", "true", "y", "yes", "on"})
_FALSE = frozenset({"", "0", "f", "false", "n", "no", "off"})
_INT = re.compile(r"[+-]?[0-9]+\Z")
_DIGITS = re.compile(r"[0-9]+\Z")
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)([kmgtpe]?)(?:i?b)?\Z", re.IGNORECASE)
_UINT64_MAX = 2**64 - 1
_IEC = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def parse_bool_text(text: str) -> bool:
    """Read a boolean strictly: anything that is neither true nor false is refused.

    Raises:
        InvalidConfig: neither.
    """
    word = text.lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise InvalidConfig(f'strconv.ParseBool: parsing "{text}": invalid syntax', tcode="NumError")


def parse_int_text(text: str) -> int:
    """Read a decimal integer of 64 bits with the reference's error texts."""
    if not _INT.match(text):
        raise InvalidConfig(f'strconv.ParseInt: parsing "{text}": invalid syntax', tcode="NumError")
    number = int(text)
    if not -(2**63) <= number < 2**63:
        raise InvalidConfig(f'strconv.ParseInt: parsing "{text}": value out of range', tcode="NumError")
    return number


def parse_duration_ns(text: str) -> int:
    """Read a Go duration as nanoseconds, with the reference's error texts."""
    try:
        return units.parse_duration_ns(text)
    except ValueError as error:
        raise InvalidConfig(str(error), tcode="parseDurationError") from None


def format_duration_ns(ns: int) -> str:
    """Write a duration as Go does, with a trailing `0s` behind minutes dropped (`1h0m`, `1m30s`)."""
    text = units.format_duration(ns)
    return text[:-2] if text.endswith("m0s") else text


def parse_size_text(text: str) -> int:
    """Read a size in any letter case, `MB` meaning `MiB`; empty is zero."""
    found = _SIZE.match(text) if text else None
    if text and found is None:
        raise InvalidConfig(f'invalid size "{text}"', tcode="NumError")
    if found is None:
        return 0
    exponent = " kmgtpe".index(found.group(2).lower() or " ")
    number = found.group(1)
    return round(float(number) * 1024**exponent) if "." in number else int(number) << (10 * exponent)


def format_size(size: int) -> str:
    """Write a size in IEC units, rounded half up to whole units (`2MiB` for one and a half)."""
    rank = 0
    while rank + 1 < len(_IEC) and size >= 1024 ** (rank + 1):
        rank += 1
    unit = 1024**rank
    return f"{(size + unit // 2) // unit}{_IEC[rank]}"


def from_text(setting: Setting, text: str) -> Scalar:
    """Read a value given in a query.

    Raises:
        InvalidConfig: the text does not fit the kind of the setting.
    """
    match setting.kind:
        case Kind.BOOL:
            return parse_bool_text(text)
        case Kind.INT:
            return parse_int_text(text)
        case Kind.DURATION:
            return format_duration_ns(parse_duration_ns(text))
        case Kind.SIZE:
            return _size_or_default(setting, parse_size_text(text))
        case Kind.DIGITS:
            return _digits(text)
        case _:
            return text


def from_json(setting: Setting, value: Any) -> Scalar:
    """Read a value given in a message: no conversion between JSON types.

    Raises:
        InvalidConfig: the JSON type or the text does not fit.
    """
    expected = {Kind.BOOL: bool, Kind.INT: int}.get(setting.kind, str)
    if type(value) is not expected:
        raise InvalidConfig(f"invalid {setting.key}: expecting {expected.__name__}, got {type(value).__name__}")
    if isinstance(value, str):
        return from_text(setting, value)
    if setting.kind is Kind.INT and not -(2**63) <= value < 2**63:
        raise InvalidConfig(f"invalid {setting.key}: value out of range")
    return value


def _digits(text: str) -> str:
    if not _DIGITS.match(text) or int(text) > _UINT64_MAX:
        raise InvalidConfig(f'strconv.ParseUint: parsing "{text}": invalid syntax', tcode="NumError")
    return str(int(text))


def _size_or_default(setting: Setting, size: int) -> str:
    if size == 0 and setting.key != "chunks.objsize_limit":
        return str(setting.default)
    return format_size(size)
