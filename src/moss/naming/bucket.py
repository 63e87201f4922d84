"""Providers, namespaces, buckets, and the rules for names of buckets, objects and members.

Pure. Names are text; bytes that are no UTF-8 are held as surrogate escapes (`os.fsdecode` style, PEP 383), so that
every byte string is a name and `name.encode("utf-8", "surrogateescape")` gives the bytes back.

Source: spec/getbatch.md 1.3-1.7 and 3.3, spec/rest-data.md 2.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from moss.errors import InvalidName, InvalidProvider
from moss.units import quote

__all__ = [
    "BUCKET_NAME_BYTES_MAX",
    "GLOBAL",
    "INVENTORY_BUCKET",
    "REMOTE_SHARDS_BUCKET",
    "SHARD_INDEX_BUCKET",
    "SYSTEM_BUCKET_NAMES",
    "Bucket",
    "Namespace",
    "Provider",
    "find_invalid_member_path",
    "find_invalid_object_name",
    "is_valid_member_path",
    "is_valid_object_name",
    "parse_bucket_uname",
    "parse_namespace",
    "parse_object_uname",
    "parse_provider",
    "plain_object_name",
    "unknown_provider",
    "validate_bucket_name",
    "validate_object_name",
    "validate_prefix",
]

BUCKET_NAME_BYTES_MAX = 64
INVENTORY_BUCKET = ".sys-inventory"
SHARD_INDEX_BUCKET = ".sys-shardidx"
REMOTE_SHARDS_BUCKET = ".sys-remoteidx"
SYSTEM_BUCKET_NAMES = frozenset({INVENTORY_BUCKET, SHARD_INDEX_BUCKET, REMOTE_SHARDS_BUCKET})


class Provider(StrEnum):
    """Who keeps a bucket. The value is the canonical word, used in JSON, unames and `provider=`."""

    AIS = "ais"
    AWS = "aws"
    GCP = "gcp"
    AZURE = "azure"
    OCI = "oci"
    HTTP = "ht"
    """Web servers. Nodes know it only if they are told which hosts they may ask; to others it is no provider."""

    @property
    def scheme(self) -> str:
        """The word before `://` in printed names: `ais`, `s3`, `gs`, `az`, `oc`, `ht`."""
        return _SCHEMES[self]

    @property
    def display_name(self) -> str:
        """The word in messages for people: `AIS`, `AWS`, `GCP`, `Azure`, `OCI`, `HTTP`."""
        return "Azure" if self is Provider.AZURE else self.name

    @property
    def source(self) -> str:
        """The word in the custom metadata of what came from there. Source: spec/rest-data.md 5.1."""
        return "web" if self is Provider.HTTP else self.value

    @property
    def is_cloud(self) -> bool:
        return self is not Provider.AIS


_SCHEMES = {Provider.AIS: "ais", Provider.AWS: "s3", Provider.GCP: "gs", Provider.AZURE: "az", Provider.OCI: "oc"} | {
    Provider.HTTP: "ht"
}
_PROVIDERS = {"": Provider.AIS} | {p.value: p for p in Provider} | {scheme: p for p, scheme in _SCHEMES.items()}


def parse_provider(text: str, *, bucket: str = "") -> Provider:
    """Turn a provider word or alias into a provider; empty means `ais`. Letter case counts.

    Args:
        bucket: printable bucket name to mention in the error, when it is known.

    Raises:
        InvalidProvider: the word is not known.
    """
    provider = _PROVIDERS.get(text)
    if provider is None:
        raise unknown_provider(text, bucket)
    return provider


def unknown_provider(text: str, bucket: str = "") -> InvalidProvider:
    """Build the error for a word that is no provider."""
    place = f" for bucket {bucket}" if bucket else ""
    return InvalidProvider(
        f"invalid backend provider {quote(text)}{place}: must be one of "
        "[ais, aws (s3://), gcp (gs://), azure (az://), oci (oc://)]"
    )


@dataclass(frozen=True, slots=True)
class Namespace:
    """A space of bucket names: of a remote cluster (`uuid`), of this one (`name`), or global (both empty)."""

    uuid: str = ""
    name: str = ""

    @property
    def is_global(self) -> bool:
        return not self.uuid and not self.name

    @property
    def is_remote(self) -> bool:
        return bool(self.uuid)

    @property
    def uname(self) -> str:
        """`@uuid#name`, both marks always present."""
        return f"@{self.uuid}#{self.name}"

    def __str__(self) -> str:
        """The form in printed bucket names: empty, `#name`, `@uuid` or `@uuid#name`."""
        return (f"@{self.uuid}" if self.uuid else "") + (f"#{self.name}" if self.name else "")


GLOBAL = Namespace()
_UUID = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,30}[A-Za-z0-9])?")
_NAME = re.compile(r"[A-Za-z0-9_.-]+")


def parse_namespace(text: str) -> Namespace:
    """Parse `@uuid#name`, `#name`, `@uuid`, `uuid#name` or a bare uuid; empty and `@#` are the global namespace.

    Raises:
        InvalidName: a part is too long or holds other characters than letters, digits, `-` and `_` (and, in the name,
            single dots).
    """
    uuid, _, name = text.removeprefix("@").partition("#")
    if name:
        _validate_name(name, "namespace")
    if uuid and not _UUID.fullmatch(uuid):
        raise InvalidName(
            f"bucket namespace (uuid: {quote(uuid)}, name: {quote(name)}) must be less than 32 characters and may only "
            "contain letters, numbers, dashes (-), underscores (_)"
        )
    return Namespace(uuid, name) if uuid or name else GLOBAL


@dataclass(frozen=True, slots=True)
class Bucket:
    """The identity of a bucket. Whether it exists, and its properties, are known to the node only."""

    name: str
    provider: Provider = Provider.AIS
    namespace: Namespace = GLOBAL

    @property
    def cname(self) -> str:
        """Printable name, `ais://b`, `s3://b`, `ais://@uuid#ns/b`; never with a trailing slash."""
        if self.namespace.is_global:
            return f"{self.provider.scheme}://{self.name}"
        return f"{self.provider.scheme}://{self.namespace}/{self.name}"

    def cname_of(self, object_name: str) -> str:
        """Printable name of an object of this bucket, `ais://b/o`."""
        return f"{self.cname}/{object_name}"

    @property
    def uname(self) -> str:
        """Unique name, `ais/@#/b/`, with the trailing slash."""
        return f"{self.provider.value}/{self.namespace.uname}/{self.name}/"

    def uname_of(self, object_name: str) -> str:
        """Unique name of an object of this bucket; the key that placement hashes."""
        return self.uname + object_name

    @property
    def is_cloud(self) -> bool:
        return self.provider.is_cloud

    @property
    def is_remote(self) -> bool:
        """True for cloud buckets and for buckets of another cluster."""
        return self.provider.is_cloud or self.namespace.is_remote

    @property
    def is_system(self) -> bool:
        return self.name in SYSTEM_BUCKET_NAMES

    def __str__(self) -> str:
        return self.cname


@lru_cache(maxsize=4096)  # A batch names the same few buckets again and again. Exceptions are not cached.
def validate_bucket_name(name: str) -> None:
    """Check the characters and the length (in bytes) of a bucket name.

    Raises:
        InvalidName: with the text of spec/getbatch.md 1.7.
    """
    if not name:
        raise InvalidName("bucket name is missing")
    _validate_name(name, "bucket name")
    if name.startswith(".") and name not in SYSTEM_BUCKET_NAMES:
        raise InvalidName(f"reserved bucket name {quote(name)} (unknown system bucket)")


def _validate_name(name: str, what: str) -> None:
    size = len(name.encode("utf-8", "surrogatepass"))
    if size > BUCKET_NAME_BYTES_MAX:
        raise InvalidName(f"{what} is too long: {size} > {BUCKET_NAME_BYTES_MAX}(max length)")
    if not _NAME.fullmatch(name) or ".." in name:
        raise InvalidName(
            f"{what} is invalid: may only contain letters, numbers, dashes (-), underscores (_), and dots (.)"
        )


@lru_cache(maxsize=4096)
def parse_bucket_uname(text: str) -> Bucket:
    """Parse `<provider>/@<uuid>#<name>/<bucket>/`; the trailing slash is required.

    Raises:
        InvalidName: no bucket in it, an invalid bucket name or namespace, or an object name behind the bucket.
        InvalidProvider: unknown provider.
    """
    bucket, object_name = _split_uname(text)
    if object_name:
        raise InvalidName(
            f"parse-uname {quote(text)}: not expecting object name (got {quote(bucket.cname_of(object_name))})"
        )
    return bucket


def parse_object_uname(text: str) -> tuple[Bucket, str]:
    """Parse `<provider>/@<uuid>#<name>/<bucket>/<object>` as used by `object_to`.

    Raises:
        InvalidName: as `parse_bucket_uname`, and `missing object name in "..."`, and invalid object names.
    """
    bucket, object_name = _split_uname(text)
    object_name = plain_object_name(object_name)
    if not object_name:
        raise InvalidName(f"parse-uname {quote(text)}: missing object name in {quote(bucket.cname)}")
    validate_object_name(object_name)
    return bucket, object_name


def _split_uname(text: str) -> tuple[Bucket, str]:
    parts = text.split("/", 3)
    if len(parts) < 4:
        raise InvalidName("bucket name is missing")
    provider, namespace, name, object_name = parts
    bucket = Bucket(name, parse_provider(provider), parse_namespace(namespace))
    validate_bucket_name(name)
    return bucket, object_name


# --- object names and member paths ---


def is_valid_object_name(name: str) -> bool:
    """Tell whether a name is usable: not empty, no trailing slash, no `.` or `..` component, no leading `~/`."""
    if not name or name[-1] == "/" or name.startswith("~/"):
        return False
    if "." not in name:
        return True
    return not any(component in (".", "..") for component in name.split("/"))


def plain_object_name(name: str) -> str:
    """Return a name as it is stored and listed: slashes in front of it do not count, so `//x` and `/x` are `x`.

    Source: spec/rest-data.md 2.4.
    """
    return name.lstrip("/")


def is_valid_member_path(path: str) -> bool:
    """Tell whether a member path is usable: the rules of object names; empty (the whole object) is fine too.

    A leading slash is allowed. `/` alone is not.
    """
    return not path or is_valid_object_name(path)


def validate_object_name(name: str) -> None:
    """Check an object name.

    Raises:
        InvalidName: `invalid object name "dir/"`.
    """
    if not is_valid_object_name(name):
        raise InvalidName(f"invalid object name {quote(name)}")


def validate_prefix(prefix: str) -> None:
    """Check a prefix of object names: no `.` or `..` component, no leading `~/`; a trailing slash is fine.

    Raises:
        InvalidName: `invalid prefix "../x"`.
    """
    if prefix.startswith("~/") or any(component in (".", "..") for component in prefix.split("/")):
        raise InvalidName(f"invalid prefix {quote(prefix)}")


_BAD_COMPONENT = re.compile(r"/(?:/|\./|\.\./)")


def find_invalid_object_name(names: Sequence[str]) -> int:
    """Return the index of the first invalid object name, or -1.

    Made for whole batches (40 ns a name): the names are joined once and searched once for what a bad name would show;
    names are looked at one by one only when that turns up.
    """
    if not _is_suspicious("/".join(names)):
        return -1
    return next((index for index, name in enumerate(names) if not is_valid_object_name(name)), -1)


def find_invalid_member_path(paths: Sequence[str]) -> int:
    """Return the index of the first invalid member path, or -1; its twin for names explains the speed.

    Empty paths are valid.
    """
    if not _is_suspicious("/".join(filter(None, paths))):
        return -1
    return next((index for index, path in enumerate(paths) if not is_valid_member_path(path)), -1)


def _is_suspicious(joined: str) -> bool:
    """Tell whether any of the names joined by slashes might be invalid. False is certain, True is not.

    Between slashes every component stands alone: an empty name, a trailing slash, `.` and `..` all show as
    `/` + nothing or dots + `/`. Harmless doubled or leading slashes show too, hence the "might".
    """
    bracketed = f"/{joined}/"
    return _BAD_COMPONENT.search(bracketed) is not None or ("~" in bracketed and "/~/" in bracketed)
