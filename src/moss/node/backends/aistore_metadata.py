"""What other clusters tell of objects, and how custom metadata is kept there. Pure."""

import json
from collections.abc import Mapping
from datetime import datetime

from moss.node.backends.base import RemoteObject
from moss.sdk.obj.object_attributes import ObjectAttributes

__all__ = ["CHECKSUM_TYPE", "CHECKSUM_VALUE", "custom_of", "describe", "etag_of", "given_of", "pairs_of", "written"]

# How user metadata of any store is written down. Source: docs/formats/remote-objects.md.
_OWN, CHECKSUM_TYPE, CHECKSUM_VALUE = "moss-custom", "ais-cksum-type", "ais-cksum-val"
# What clusters say of objects that they have from stores. Source: spec/rest-data.md 5.1.
_TOLD = frozenset({"source", "version", "ETag", "md5", "crc32c", "LastModified", "Last-Modified"})


def etag_of(version: str, size: int, checksum: str) -> str:
    """Return what makes one version of an object different from all others."""
    # With a dash: nobody takes it for an MD5.
    return f"v{version or 0}-{size}-{checksum}"


def describe(name: str, attributes: ObjectAttributes, size: int) -> RemoteObject:
    """Describe an object.

    Args:
        attributes: of any answer about it.
        size: of the whole object, bytes.
    """
    value, version = attributes.checksum_value, attributes.obj_version
    told = custom_of(attributes)
    custom = _read(given_of(told))
    kept = {_OWN: json.dumps(custom)} if custom else {}
    if attributes.checksum_type and value:
        kept |= {CHECKSUM_TYPE: attributes.checksum_type, CHECKSUM_VALUE: value}
    etag = etag_of(version, size, value)
    return RemoteObject(name, size, etag=etag, version=version, modified_ns=_modified_ns(told), custom=kept)


def custom_of(attributes: ObjectAttributes) -> dict[str, str]:
    """Return the custom metadata; a part of the joined header that is no pair belongs to the value before it."""
    found: dict[str, str] = {}
    last = ""
    for part in filter(None, attributes.get("ais-custom-md", "").split(", ")):
        key, mark, value = part.partition("=")
        if mark:
            found[key], last = value, key
        elif last:
            found[last] += f", {part}"
    return found


def given_of(custom: Mapping[str, str]) -> dict[str, str]:
    """Return custom metadata without what a cluster says of an object that it has from a store of its own."""
    return {key: value for key, value in custom.items() if "source" not in custom or key not in _TOLD}


def _modified_ns(custom: Mapping[str, str]) -> int:
    try:
        return int(datetime.fromisoformat(custom["LastModified"]).timestamp()) * 10**9
    except (KeyError, ValueError):
        return 0


def written(custom: Mapping[str, str]) -> dict[str, str]:
    """Return custom metadata as it is kept there: what the header of an answer cannot hold goes into one JSON text."""
    found = {key: value for key, value in custom.items() if _fits(key, value)}
    rest = {key: value for key, value in custom.items() if key not in found}
    if rest:
        found[_OWN] = json.dumps(rest, separators=(",", ":")).replace(", ", r",\u0020")
    return found


def _read(custom: Mapping[str, str]) -> dict[str, str]:
    """Return custom metadata; the opposite of `written`."""
    try:
        rest = json.loads(custom.get(_OWN, "{}"))
    except ValueError:
        rest = None
    if not isinstance(rest, dict) or not all(isinstance(value, str) for value in rest.values()):
        return dict(custom)  # somebody else's
    return {key: value for key, value in custom.items() if key != _OWN} | rest


def _fits(key: str, value: str) -> bool:
    text = f"{key}={value}"
    is_plain = text.isprintable() and text.strip() == text and value.strip() == value
    return is_plain and key != _OWN and "=" not in key and ", " not in text


def pairs_of(custom: Mapping[str, str]) -> dict[str, str]:
    """Return the custom metadata that user metadata of a store stands for."""
    own = json.loads(custom.get(_OWN, "{}"))
    found = {key: value for key, value in custom.items() if key not in (_OWN, CHECKSUM_TYPE, CHECKSUM_VALUE)}
    return found | {key: value for key, value in own.items() if value is not None}
