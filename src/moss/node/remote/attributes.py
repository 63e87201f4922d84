"""What a cached object says about its original. Pure. Source: spec/rest-data.md 5.4, 8."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime

from moss.naming.bucket import Provider
from moss.node.backends.base import RemoteObject
from moss.node.storage.objects import ObjectAttributes

USER_PREFIX = "X-Amz-Meta-"


def custom_of(about: RemoteObject, provider: Provider) -> dict[str, str]:
    """Return the custom metadata that a cached object has."""
    custom = {"source": provider.value}
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
    return custom | {USER_PREFIX + _title(key): value for key, value in about.custom.items()}


def cached_attributes(about: RemoteObject, provider: Provider) -> ObjectAttributes:
    """Return what an object is cached with: its content must have the MD5 that the store tells, if it tells one."""
    return ObjectAttributes(
        version=about.version,
        custom=custom_of(about, provider),
        keep_custom=False,
        load_previous=False,
        checksum_type="md5" if about.md5 else "xxhash2",
        checksum_value=about.md5,
    )


def is_same(custom: Mapping[str, str], about: RemoteObject) -> bool:
    """Tell whether a cached object is the version that the store has."""
    if about.version and custom.get("version"):
        return about.version == custom["version"]
    return bool(about.etag) and about.etag == custom.get("ETag")


def _title(key: str) -> str:
    return "-".join(word.capitalize() for word in key.split("-"))
