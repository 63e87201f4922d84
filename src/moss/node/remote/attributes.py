"""What a cached object says about its original, and what the original's store keeps of it. Pure.

Custom metadata that a client of this node gave lies in the store as user metadata: each pair whose key and value are
plain as an entry of that name, which every other client of the store sees, and all its keys in one entry
(`moss-custom`, a JSON object) with the values of those that are not plain. Entries that other clients made are shown
as `X-Amz-Meta-<Key>`. The checksum of an object that a node wrote lies beside them, as the reference writes it.
Source: spec/rest-data.md 5.1, 5.4, 8. Format: docs/formats/remote-objects.md.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import format_datetime

from moss.naming.bucket import Provider
from moss.node.backends.base import RemoteObject
from moss.node.storage.layout import Extent
from moss.node.storage.objects import ObjectAttributes, ObjectRecord

__all__ = [
    "cached_attributes", "custom_of", "described", "is_from_store", "is_same", "kept_checksum", "metadata_of",
    "own_custom", "user_custom", "written_attributes",
]  # fmt: skip

USER_PREFIX = "X-Amz-Meta-"
_OWN, _TYPE, _VALUE = "moss-custom", "ais-cksum-type", "ais-cksum-val"
# As the reference names its own entries in S3, and those that it shows as S3's (recorded).
_DOUBLED = "x-amz-meta-"
_RESERVED = frozenset({_OWN, _TYPE, _VALUE})
# What the store says of an object. A client's pair of that name is never kept …
_TOLD = frozenset({"ETag", "LastModified", "Last-Modified", "Content-Type"})
# … or hides what is said.
_HIDEABLE = frozenset({"source", "version", "md5", "crc32c"})
_KINDS = frozenset({"xxhash2", "xxhash", "md5", "sha256", "sha512", "crc32c", "crc32"})
_PLAIN_KEY = re.compile(r"[a-z0-9][a-z0-9._-]*")
_AZURE_KEY = re.compile(r"[a-z_][a-z0-9_]*")
_PLAIN_VALUE = re.compile(r"[!-~](?:[ -~]*[!-~])?")
_NOWHERE: Extent = (0, 0, 0, 0, 0, 0)


# -- what the store keeps ----------------------------------------------------------------------------


def metadata_of(custom: Mapping[str, str], provider: Provider, checksum: tuple[str, str] | None) -> dict[str, str]:
    """Return the user metadata that an object is stored with.

    Args:
        custom: of the object, without what the store says.
        checksum: type and value, None if there is none.
    """
    is_plain = (_AZURE_KEY if provider is Provider.AZURE else _PLAIN_KEY).fullmatch
    found: dict[str, str] = {}
    own: dict[str, str | None] = {}
    for key, value in custom.items():
        entry = key.removeprefix(USER_PREFIX).lower()
        if key.startswith(USER_PREFIX) and is_plain(entry) and _PLAIN_VALUE.fullmatch(value):
            found[entry] = value
    for key, value in custom.items():
        if key in _TOLD or (key.startswith(USER_PREFIX) and key.removeprefix(USER_PREFIX).lower() in found):
            continue
        if is_plain(key) and _PLAIN_VALUE.fullmatch(value) and _bare(key) not in _RESERVED and key not in found:
            found[key], own[key] = value, None
        else:
            own[key] = value
    if own:
        found[_entry(_OWN, provider)] = json.dumps(own, separators=(",", ":"))
    if checksum is not None:
        kind, value = checksum
        prefix = _DOUBLED if provider in (Provider.AWS, Provider.OCI) else ""
        found |= {_entry(prefix + _TYPE, provider): kind, _entry(prefix + _VALUE, provider): value}
    return found


def _entry(name: str, provider: Provider) -> str:
    # Azure takes identifiers only.
    return name.replace("-", "_") if provider is Provider.AZURE else name


def _bare(entry: str) -> str:
    return entry.replace("_", "-").removeprefix(_DOUBLED)


def kept_checksum(about: RemoteObject) -> tuple[str, str] | None:
    """Return type and value of the checksum that a node kept with an object."""
    found = {_bare(entry): value for entry, value in about.custom.items()}
    kind, value = found.get(_TYPE, ""), found.get(_VALUE, "")
    return (kind, value) if kind in _KINDS and value else None


def user_custom(about: RemoteObject) -> dict[str, str]:
    """Return the custom metadata that lies in the store: what clients gave, here or there."""
    foreign = {entry: value for entry, value in about.custom.items() if _bare(entry) not in _RESERVED}
    own: dict[str, str] = {}
    for key, value in _listed(about).items():
        if value is None:
            value = foreign.pop(key, None)
        if isinstance(value, str) and key not in _TOLD:
            own[key] = value
    return {USER_PREFIX + _title(entry): value for entry, value in foreign.items()} | own


def _listed(about: RemoteObject) -> dict[str, str | None]:
    text = next((value for entry, value in about.custom.items() if _bare(entry) == _OWN), "")
    try:
        found = json.loads(text) if text else {}
    except ValueError:
        return {}  # somebody else's entry
    return found if isinstance(found, dict) else {}


def _title(key: str) -> str:
    return "-".join(word.capitalize() for word in key.split("-"))


# -- what the node shows -----------------------------------------------------------------------------


def custom_of(about: RemoteObject, provider: Provider) -> dict[str, str]:
    """Return the custom metadata that a cached object has."""
    custom = {"source": provider.source}
    if about.version:
        custom["version"] = about.version
    if about.etag:
        custom["ETag"] = about.etag
    if about.md5:
        custom["md5"] = about.md5
    if about.modified_ns:
        when = datetime.fromtimestamp(about.modified_ns // 10**9, UTC)
        custom["LastModified"] = when.strftime("%Y-%m-%dT%H:%M:%SZ")
        custom["Last-Modified"] = format_datetime(when, usegmt=True)
    return custom | user_custom(about)


def own_custom(record: ObjectRecord, provider: Provider) -> dict[str, str]:
    """Return of a cached object's custom metadata what clients gave; the opposite of `custom_of`."""
    told = {"source": provider.source, "version": record.version, "md5": record.custom.get("ETag", "")}
    return {
        key: value
        for key, value in record.custom.items()
        if key not in _TOLD and not (key in _HIDEABLE and told.get(key) == value)
    }


def cached_attributes(about: RemoteObject, provider: Provider, *, trusts_kept: bool = True) -> ObjectAttributes:
    """Return what a fetched object is cached with: its content must have the checksum that the store tells, if any.

    Args:
        trusts_kept: believe a checksum that a node kept in the user metadata more than the store's MD5.
    """
    kept, told = kept_checksum(about), ("md5", about.md5) if about.md5 else None
    kind, value = (kept or told if trusts_kept else told or kept) or ("xxhash2", "")
    return _attributes(about, provider, kind, value)


def written_attributes(about: RemoteObject, provider: Provider, given: ObjectAttributes) -> ObjectAttributes:
    """Return what an object is cached with that was just written to its store as `about`."""
    attributes = _attributes(about, provider, given.checksum_type, given.checksum_value)
    return replace(attributes, chunks=given.chunks, created_ns=given.created_ns)


def _attributes(about: RemoteObject, provider: Provider, kind: str, value: str) -> ObjectAttributes:
    return ObjectAttributes(
        version=about.version,
        custom=custom_of(about, provider),
        keep_custom=False,
        load_previous=False,
        checksum_type=kind,
        checksum_value=value,
    )


def described(
    about: RemoteObject, name: str, provider: Provider, checksum: tuple[str, str] | None = None
) -> ObjectRecord:
    """Return an object that is not in the cache as if it were; it has no access time and lies nowhere.

    Args:
        name: that it has on this node.
        checksum: if it is known better than the store tells.
    """
    kind, value = checksum or kept_checksum(about) or (("md5", about.md5) if about.md5 else ("none", ""))
    custom = custom_of(about, provider) | ({"Content-Type": about.content_type} if about.content_type else {})
    return ObjectRecord(name, about.size, about.version, kind, value, 0, custom, _NOWHERE)


def is_same(record: ObjectRecord, about: RemoteObject) -> bool:
    """Tell whether a cached object is the version that the store has."""
    if about.version and record.version:
        # Other clusters count from 1 again when an object was deleted.
        tags = about.etag, record.custom.get("ETag", "")
        return about.version == record.version and (not all(tags) or tags[0] == tags[1])
    if about.etag:
        return about.etag == record.custom.get("ETag")
    told = custom_of(about, Provider.AIS).get("LastModified", "")
    return bool(told) and told == record.custom.get("LastModified") and about.size == record.size


def is_from_store(record: ObjectRecord) -> bool:
    """Tell whether a store is known to have had an object; else it is on this node alone, since before its bucket had a
    store behind it."""
    return bool(record.custom.get("ETag") or record.custom.get("LastModified"))
