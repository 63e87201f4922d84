"""Attributes of objects as headers, both ways. Source: spec/rest-data.md 5.1, 5.4, 5.6."""

import urllib.parse
from email.utils import formatdate
from typing import Any

from moss.errors import InvalidBody, InvalidRequest
from moss.naming.bucket import Bucket
from moss.node.server.bucket_rules import decode_rules
from moss.node.server.http import Request
from moss.node.server.redirects import to_base36
from moss.node.storage.objects import ObjectAttributes, ObjectRecord
from moss.units import quote
from moss.wire import headers

CUSTOM_BYTES_MAX = 2048  # of one request
CUSTOM_TOTAL_BYTES_MAX = 16 << 10  # of one object, whatever is added by and by: it has to fit into headers
_RESERVED = ("\x01", "\udce3/\udcbd")  # the reference keeps these bytes for itself: 01, and e3 2f bd


def describe(record: ObjectRecord) -> dict[str, str]:
    """Return checksum, version, access time and custom metadata as headers."""
    found: dict[str, str] = {}
    if record.checksum_value:
        found[headers.CHECKSUM_TYPE] = record.checksum_type
        found[headers.CHECKSUM_VALUE] = record.checksum_value
    if record.created_ns:
        found[headers.ATIME] = str(record.created_ns)
    if record.version:
        found[headers.VERSION] = record.version
    if record.custom:
        # Clients that see several lines of one header join them so; one line reads the same.
        pairs = (f"{_safe(key)}={_safe(value)}" for key, value in record.custom.items())
        found[headers.CUSTOM_MD] = ", ".join(pairs)
        if "ETag" in record.custom:
            found[headers.ETAG] = _safe(record.custom["ETag"])
    return found


def describe_all(record: ObjectRecord, bucket: Bucket, target_name: str) -> dict[str, str]:
    """Return the headers of HEAD without `props`."""
    found = describe(record) | {
        "Ais-Bucket-Name": bucket.name,
        "Ais-Bucket-Provider": bucket.provider.value,
        "Ais-Name": urllib.parse.quote(record.name.encode("utf-8", "surrogateescape"), safe="/ !$&'()*+,;=:@~"),
        **_where(record, target_name),
    }
    if bucket.namespace.uuid:
        found["Ais-Bucket-Namespace-Uuid"] = bucket.namespace.uuid
    if bucket.namespace.name:
        found["Ais-Bucket-Namespace-Name"] = bucket.namespace.name
    return found


def describe_selected(record: ObjectRecord, props: str, target_name: str) -> dict[str, str]:
    """Return the headers of HEAD with a list of `props`.

    Raises:
        InvalidRequest: an unknown word in the list.
    """
    is_here = bool(record.serial)
    found = {headers.PRESENT: "true" if is_here else "false"}
    known = describe(record)
    lines = {
        "name": (),
        "size": (),
        "checksum": (headers.CHECKSUM_TYPE, headers.CHECKSUM_VALUE),
        "atime": (headers.ATIME,),
        "version": (headers.VERSION,),
        "custom": (headers.CUSTOM_MD,),
    }
    for word in (part.strip() for part in props.split(",")):
        if word in lines:
            found |= {name: known[name] for name in lines[word] if name in known}
        elif word == "last-modified":
            stored = record.custom.get("Last-Modified")
            if stored or is_here:
                found["Last-Modified"] = _safe(stored or formatdate(record.created_ns / 1e9, usegmt=True))
        elif word == "etag":
            found |= _etag(record)
        elif word == "location":
            found |= {"Ais-Location": _location(target_name)} if is_here else {}
        elif word == "copies":
            found |= {"Ais-Mirror-Copies": "1", "Ais-Mirror-Paths": "/moss"} if is_here else {}
        elif word == "chunked" and record.chunks[0]:
            found[headers.CHUNKS_COUNT] = str(record.chunks[0])
            found[headers.CHUNKS_SIZE_MAX] = str(record.chunks[1])
        elif word and word not in ("ec", "chunked"):
            raise InvalidRequest(f"invalid property {quote(word)} in props list")
    return found


def _etag(record: ObjectRecord) -> dict[str, str]:
    if "ETag" in record.custom:
        value = record.custom["ETag"]
    elif record.checksum_type == "md5" and not record.chunks[0]:
        value = record.checksum_value
    elif record.checksum_value:
        value = f"v1-{record.checksum_value}-{to_base36(record.created_ns)}"
    else:
        return {}
    return {headers.ETAG: f'"{_safe(value)}"'}


def _where(record: ObjectRecord, target_name: str) -> dict[str, str]:
    if not record.serial:
        return {headers.PRESENT: "false"}
    return {
        "Ais-Location": _location(target_name),
        "Ais-Mirror-Copies": "1",
        "Ais-Mirror-Paths": "[/moss]",
        headers.PRESENT: "true",
    }


def _location(target_name: str) -> str:
    return f"{target_name}:mp[/moss]"


def parse_attributes(request: Request, bucket_record: Any) -> ObjectAttributes:
    """Read what a PUT says about its object, under the properties of the bucket.

    Raises:
        InvalidRequest: custom metadata that cannot be stored, an unknown checksum type.
    """
    rules = decode_rules(bucket_record.props)
    kind = request.headers.get(headers.CHECKSUM_TYPE, "")
    value = request.headers.get(headers.CHECKSUM_VALUE, "")
    announced = bool(kind and value and kind != "none")
    version = request.headers.get(headers.VERSION)
    return ObjectAttributes(
        previous_version=version or None,
        versioning=rules.versioning.enabled,
        custom=_given_custom(request),
        load_previous=not request.query.boolean("skip_vc"),
        checksum_type=kind if announced else rules.checksum.type,
        checksum_value=value if announced else "",
    )


def _given_custom(request: Request) -> dict[str, str]:
    custom: dict[str, str] = {}
    lines = request.headers.getall(headers.CUSTOM_MD, []) if hasattr(request.headers, "getall") else []
    for line in lines:
        key, mark, value = line.partition("=")
        if not mark:
            raise InvalidRequest(f"custom metadata: invalid format {quote(line)} (expecting key=value)")
        if not key:
            raise InvalidRequest(f"custom metadata: empty key (value={quote(value)})")
        custom[key] = value
    check_custom_size(custom)
    return custom


def parse_custom(value: Any, cname: str) -> dict[str, str]:
    """Read the metadata of a PATCH; null is the empty string.

    Raises:
        InvalidBody: no object, an empty key, or a value that is no string.
    """
    if not isinstance(value, dict):
        raise InvalidBody(f"{cname}: custom metadata: expecting a JSON object")
    custom = {}
    for key, found in value.items():
        if not key:
            raise InvalidBody(f"{cname}: custom metadata: empty key (value={quote(str(found))})")
        if found is not None and not isinstance(found, str):
            raise InvalidBody(f"{cname}: custom metadata: {quote(key)} must be a string")
        custom[key] = found or ""
    check_custom_size(custom, f"{cname}: ")
    return custom


def check_custom_size(custom: dict[str, str], place: str = "", limit: int = CUSTOM_BYTES_MAX) -> None:
    """Refuse metadata that is too large or holds reserved bytes.

    Raises:
        InvalidRequest: more than `limit` bytes in keys and values together.
    """
    size = sum(len(text.encode("utf-8", "surrogateescape")) for pair in custom.items() for text in pair)
    if size > limit:
        raise InvalidRequest(f"{place}custom metadata: total size {size} exceeds max {limit} bytes")
    if any(mark in text for pair in custom.items() for text in pair for mark in _RESERVED):
        raise InvalidRequest(f"{place}custom metadata: reserved bytes")


def _safe(text: str) -> str:
    """Make a value fit for a header: control characters become blanks."""
    return "".join(character if character >= " " and character != "\x7f" else " " for character in text)
