"""Properties of a bucket: defaults, partial changes, and their document. Pure.

Source: spec/rest-data.md 3.1, 3.5, 3.6.
"""

import copy
from collections.abc import Mapping
from typing import Any

from moss.errors import InvalidBody
from moss.naming.bucket import Bucket
from moss.node.config.schema import CHECKSUM_TYPES
from moss.node.config.values import format_size, parse_duration_ns, parse_size_text
from moss.node.jobs.egress import host_of

_ACCESS_ALL = str(2**64 - 1)
# Feature bits that mean something to a bucket; others are dropped.
_BUCKET_FEATURES = sum(1 << bit for bit in (1, 4, 9, 11, 12, 14, 18, 21, 24))
_COLD_GET_EXCLUSIVE = (1 << 11) | (1 << 12)
_INHERITED = ("checksum", "versioning", "mirror", "ec", "chunks", "lru", "rate_limit", "write_policy")
_EXTRA_KEYS = {
    "aws": ("cloud_region", "endpoint", "profile", "max_pagesize", "multipart_size"),
    "gcp": ("application_creds",),
    "oci": ("region",),
    "http": ("original_url",),
}
_WRITE_POLICIES = ("immediate", "delayed", "never")
_EXTRA_INTS = frozenset({"max_pagesize", "multipart_size"})
_EXTRA_CUSTOM_MAX = 128
_READ_ONLY = frozenset({"provider", "Renamed", "bid", "created", "store"})


def default_props(cluster_config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the properties of a new bucket, inherited from the cluster's configuration."""
    props: dict[str, Any] = {
        "backend_bck": {"name": "", "provider": "", "namespace": {"uuid": "", "name": ""}},
        "extra": {"aws": {}, "gcp": {}, "oci": {}},
        "access": _ACCESS_ALL,
        "features": "0",
    }
    for section in _INHERITED:
        props[section] = copy.deepcopy(dict(cluster_config[section]))
    for leaf in ("dont_evict_time", "capacity_upd_time"):
        props["lru"].setdefault(leaf, "0s")
    props["lru"]["enabled"] = False
    return props


def change_props(props: Mapping[str, Any], change: Any) -> dict[str, Any]:
    """Apply a partial change: nested objects merge, null leaves are not given.

    Raises:
        InvalidBody: an unknown key at any depth, a value of another JSON type, or one out of range.
    """
    merged = copy.deepcopy(dict(props))
    if change is not None:
        if not isinstance(change, Mapping):
            raise InvalidBody("invalid bucket properties: expecting a JSON object")
        _merge(merged, change, "")
    _check(merged)
    return merged


def props_document(props: Mapping[str, Any], bucket: Bucket, *, bucket_id: int, created_ns: int) -> dict[str, Any]:
    """Return the document of spec/rest-data.md 3.5."""
    return {
        "backend_bck": props["backend_bck"],
        "write_policy": props["write_policy"],
        "provider": bucket.provider.value,
        "Renamed": "",
        "checksum": props["checksum"],
        "extra": props["extra"],
        "rate_limit": props["rate_limit"],
        "ec": props["ec"],
        "chunks": props["chunks"],
        "mirror": props["mirror"],
        "lru": props["lru"],
        "access": props["access"],
        "features": props["features"],
        "bid": str(bucket_id),
        "created": str(created_ns),
        "versioning": props["versioning"],
    }


def _merge(into: dict[str, Any], change: Mapping[str, Any], place: str) -> None:
    for key, value in change.items():
        path = f"{place}{key}"
        if path.startswith("extra."):
            _merge_extra(into, key, value, path)
            continue
        if key not in into or path in _READ_ONLY:
            raise InvalidBody(f'unknown field "{path}"')
        if value is None:
            continue
        if isinstance(into[key], dict):
            if not isinstance(value, Mapping):
                raise InvalidBody(f"invalid {path}: expecting an object")
            _merge(into[key], value, f"{path}.")
        else:
            into[key] = _leaf(path, into[key], value)


def _merge_extra(into: dict[str, Any], key: str, value: Any, path: str) -> None:
    if value is None:
        return
    if path == "extra.custom":
        if not isinstance(value, str):
            raise InvalidBody("invalid extra.custom: expecting a string")
        into[key] = value
        return
    allowed = _EXTRA_KEYS.get(key)
    if allowed is None or not isinstance(value, Mapping):
        raise InvalidBody(f'unknown field "{path}"')
    for leaf, found in value.items():
        if leaf not in allowed:
            raise InvalidBody(f'unknown field "{path}.{leaf}"')
        if type(found) is not (int if leaf in _EXTRA_INTS else str):
            raise InvalidBody(f"invalid {path}.{leaf}")
        into.setdefault(key, {})[leaf] = found


def _leaf(path: str, current: Any, value: Any) -> Any:
    if type(value) is not type(current):
        raise InvalidBody(f"invalid {path}: expecting {type(current).__name__}, got {type(value).__name__}")
    if path == "features":
        return str(_unsigned(path, value) & _BUCKET_FEATURES)
    if path == "access":
        return str(_unsigned(path, value))
    if path.startswith("chunks."):
        parse_size_text(value)
    elif path.endswith((".interval", "_time")):
        parse_duration_ns(value)
    return value


def _unsigned(path: str, text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) >= 2**64:
        raise InvalidBody(f'invalid {path} "{text}": expecting a decimal number')
    return int(text)


def _check(props: Mapping[str, Any]) -> None:
    kind = props["checksum"]["type"]
    if kind not in CHECKSUM_TYPES:
        raise InvalidBody(f'invalid checksum type "{kind}" (expecting [{" ".join(CHECKSUM_TYPES)}])')
    copies = props["mirror"]["copies"]
    if not 2 <= copies <= 32:
        text = "expected value in range [2, 32] or zero for default"
        raise InvalidBody(f"invalid mirror.copies: {copies} ({text})")
    for leaf in ("data_slices", "parity_slices"):
        if not 1 <= props["ec"][leaf] <= 32:
            raise InvalidBody(f"invalid ec.{leaf}: {props['ec'][leaf]} (expected value in range [1, 32])")
    custom = props["extra"].get("custom", "")
    if len(custom) > _EXTRA_CUSTOM_MAX:
        raise InvalidBody(f"invalid extra.custom: too long ({len(custom)} > {_EXTRA_CUSTOM_MAX})")
    url = props["extra"].get("http", {}).get("original_url", "")
    if url and host_of(url) and ("?" in url or "#" in url):
        raise InvalidBody("invalid extra.http.original_url: expecting a URL without a query")
    size = props["chunks"]["chunk_size"]
    chunk_bytes = parse_size_text(size)
    if chunk_bytes and not 1024 <= chunk_bytes <= 5 * 1024**3:
        found = f"{chunk_bytes} ({format_size(chunk_bytes)})"
        raise InvalidBody(f"expecting chunks.chunk_size in the range [1KiB, 5GiB], got {found}")
    if props["mirror"]["enabled"] and parse_size_text(props["chunks"]["objsize_limit"]):
        raise InvalidBody(
            "n-way mirroring and chunking cannot be enabled at the same time on the same bucket"
            " (MPU chunking is still allowed)"
        )
    _check_write_policy(props["write_policy"])
    if int(props["features"]) & _COLD_GET_EXCLUSIVE == _COLD_GET_EXCLUSIVE:
        raise InvalidBody('feature flags "Disable-Cold-GET" and "Streaming-Cold-GET" are mutually exclusive')
    backend = props["backend_bck"]
    if backend["name"] and backend["provider"] in ("", "ais") and not backend["namespace"]["uuid"]:
        raise InvalidBody(f'backend bucket "ais://{backend["name"]}" must be remote')


def _check_write_policy(policies: Mapping[str, str]) -> None:
    for policy in policies.values():
        if policy not in _WRITE_POLICIES:
            raise InvalidBody(f'invalid write policy "{policy}" (expecting one of [{" ".join(_WRITE_POLICIES)}])')
    if policies["data"] == "never":
        raise InvalidBody('invalid write policy for data: "never" not implemented yet')


def check_single_node(props: Mapping[str, Any], bucket: Bucket) -> None:
    """Refuse redundancy that one node with one disk cannot give.

    Raises:
        InvalidBody: mirroring or erasure coding is switched on.
    """
    if props["mirror"]["enabled"]:
        ways = props["mirror"]["copies"]
        raise InvalidBody(f"not enough mountpaths (1) to configure {bucket.cname} as {ways}-way mirror")
    if props["ec"]["enabled"]:
        needed = props["ec"]["data_slices"] + props["ec"]["parity_slices"] + 1
        raise InvalidBody(f"not enough targets: need at least {needed} for erasure coding of {bucket.cname}, have 1")
