"""Buckets in messages: their identity, and the document of their properties.

Source: spec/rest-data.md 2.2, 3.5, 3.7.
"""

from typing import Any

import msgspec

from moss.errors import MalformedAnswer
from moss.naming.bucket import GLOBAL, Bucket, Namespace, parse_provider, validate_bucket_name

__all__ = ["ACCESS_ALL", "BucketModel", "BucketProps", "NamespaceModel", "decode_bucket_props", "decode_buckets"]

ACCESS_ALL = str((1 << 64) - 1)
"""Every operation allowed; the mask is decimal text."""


class NamespaceModel(msgspec.Struct, frozen=True):
    """A namespace in a message."""

    uuid: str = ""
    name: str = ""


class BucketModel(msgspec.Struct, frozen=True):
    """A bucket in a message; null or absent parts are empty."""

    name: str = ""
    provider: str = ""
    namespace: NamespaceModel | None = NamespaceModel()

    @classmethod
    def of(cls, bucket: Bucket | None) -> "BucketModel":
        """Describe a bucket; None gives the empty one that stands for "no bucket"."""
        if bucket is None:
            return cls()
        namespace = NamespaceModel(bucket.namespace.uuid, bucket.namespace.name)
        return cls(bucket.name, bucket.provider.value, namespace)

    def to_bucket(self) -> Bucket | None:
        """Return the bucket, or None for the empty one; an absent provider is `ais`.

        Raises:
            InvalidName, InvalidProvider: it is no possible bucket.
        """
        if not self.name:
            return None
        validate_bucket_name(self.name)
        space = self.namespace
        namespace = Namespace(space.uuid, space.name) if space is not None and (space.uuid or space.name) else GLOBAL
        return Bucket(self.name, parse_provider(self.provider), namespace)


class _Writes(msgspec.Struct):
    data: str = "immediate"
    md: str = "immediate"


class _Checksum(msgspec.Struct):
    type: str = "xxhash2"
    validate_cold_get: bool = False
    validate_warm_get: bool = False
    validate_obj_move: bool = False
    enable_read_range: bool = False


class _Chunks(msgspec.Struct):
    objsize_limit: str = "0B"
    max_monolithic_size: str = "1TiB"
    chunk_size: str = "1GiB"


class _Mirror(msgspec.Struct):
    copies: int = 2
    burst_buffer: int = 512
    enabled: bool = False


class _ErasureCoding(msgspec.Struct):
    compression: str = "never"
    bundle_multiplier: int = 2
    burst_buffer: int = 512
    objsize_limit: int = 262144
    data_slices: int = 2
    parity_slices: int = 2
    enabled: bool = False
    disk_only: bool = False


class _Eviction(msgspec.Struct):
    dont_evict_time: str = "2h0m"
    capacity_upd_time: str = "10m"
    batch_size: int = 32768
    enabled: bool = False


class _Versioning(msgspec.Struct):
    enabled: bool = True
    validate_warm_get: bool = False
    synchronize: bool = False


def _default_extra() -> dict[str, Any]:
    return {"aws": {}, "gcp": {}, "oci": {}}


def _default_rate_limit() -> dict[str, Any]:
    return {
        "backend": {"interval": "1m", "max_tokens": 1000, "enabled": False, "num_retries": 3},
        "frontend": {"interval": "1m", "max_tokens": 1000, "enabled": False, "burst_size": 375},
    }


class BucketProps(msgspec.Struct, kw_only=True):
    """Properties of a bucket, each at its default. Field order is the order on the wire.

    `access`, `features`, `bid` and `created` are 64-bit numbers in decimal text; times and sizes are text with units.
    """

    backend_bck: BucketModel | None = BucketModel()
    write_policy: _Writes = msgspec.field(default_factory=_Writes)
    provider: str = "ais"
    renamed: str = msgspec.field(default="", name="Renamed")
    checksum: _Checksum = msgspec.field(default_factory=_Checksum)
    extra: dict[str, Any] = msgspec.field(default_factory=_default_extra)
    rate_limit: dict[str, Any] = msgspec.field(default_factory=_default_rate_limit)
    ec: _ErasureCoding = msgspec.field(default_factory=_ErasureCoding)
    chunks: _Chunks = msgspec.field(default_factory=_Chunks)
    mirror: _Mirror = msgspec.field(default_factory=_Mirror)
    lru: _Eviction = msgspec.field(default_factory=_Eviction)
    access: str = ACCESS_ALL
    features: str = "0"
    bid: str = "0"
    created: str = "0"
    versioning: _Versioning = msgspec.field(default_factory=_Versioning)


_props_decoder = msgspec.json.Decoder(BucketProps)
_buckets_decoder = msgspec.json.Decoder(list[BucketModel] | None)
_REFUSED = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def decode_bucket_props(text: str | bytes) -> BucketProps:
    """Read the property document (of the header `Ais-Bucket-Props`); keys that we do not know are ignored.

    Raises:
        MalformedAnswer: not such a document.
    """
    try:
        return _props_decoder.decode(text)
    except _REFUSED as error:
        raise MalformedAnswer(f"not a document of bucket properties: {error}") from None


def decode_buckets(body: bytes | bytearray | memoryview) -> list[Bucket]:
    """Read a list of buckets.

    Raises:
        MalformedAnswer: not such a list.
        InvalidName, InvalidProvider: a bucket in it that cannot be.
    """
    try:
        models = _buckets_decoder.decode(body) or []
    except _REFUSED as error:
        raise MalformedAnswer(f"not a list of buckets: {error}") from None
    return [bucket for model in models if (bucket := model.to_bucket()) is not None]
