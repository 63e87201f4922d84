"""Reads the `value` of an action message, with clear errors for values of the wrong type."""

from typing import Any

from moss.errors import InvalidBody
from moss.node.server.answers import lower_keys

_WORKERS_MAX = 64


def read_fields(value: Any, action: str) -> dict[str, Any]:
    """Return the keys of a message value, in lower case; null and `{}` are alike.

    Raises:
        InvalidBody: it is no JSON object.
    """
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidBody(f"{action}: invalid value, expecting a JSON object")
    return lower_keys(value)


def text_of(fields: dict[str, Any], key: str) -> str:
    """Return a text; "" when it is absent or null."""
    found = fields.get(key)
    if found is not None and not isinstance(found, str):
        raise InvalidBody(f"{key}: expecting a string")
    return found or ""


def flag_of(fields: dict[str, Any], key: str) -> bool:
    """Return a boolean; False when it is absent or null."""
    found = fields.get(key)
    if found is not None and not isinstance(found, bool):
        raise InvalidBody(f"{key}: expecting a boolean")
    return bool(found)


def number_of(fields: dict[str, Any], key: str) -> int:
    """Return an integer; 0 when it is absent or null."""
    found = fields.get(key)
    if found is not None and type(found) is not int:
        raise InvalidBody(f"{key}: expecting an integer")
    return found or 0


def workers_of(fields: dict[str, Any]) -> int:
    """Return the effective number of workers: as asked for, bounded; 0 for automatic and for serial."""
    return max(0, min(number_of(fields, "num-workers"), _WORKERS_MAX))


def texts_of(fields: dict[str, Any], key: str) -> dict[str, str]:
    """Return an object of texts; {} when it is absent or null."""
    found = fields.get(key)
    if found is None:
        return {}
    if not isinstance(found, dict) or not all(isinstance(text, str) for text in found.values()):
        raise InvalidBody(f"{key}: expecting an object of strings")
    return dict(found)
