"""The properties of a bucket that every request on its objects looks at. Source: spec/rest-data.md 1.10, 3.5."""

from functools import lru_cache
from typing import Any

import msgspec

from moss.errors import AccessDenied
from moss.wire.masks import OPERATIONS

_BITS = {name: 1 << number for number, name in enumerate(OPERATIONS)}
_SHOWN = 4
_AIS_BID_BIT = 1 << 63


class _Checksum(msgspec.Struct):
    type: str = "xxhash2"
    enable_read_range: bool = False


class _Versioning(msgspec.Struct):
    enabled: bool = True
    synchronize: bool = False


class BucketRules(msgspec.Struct):
    """What of a bucket's properties matters to its objects."""

    access: str = str(2**64 - 1)
    checksum: _Checksum = msgspec.field(default_factory=_Checksum)
    versioning: _Versioning = msgspec.field(default_factory=_Versioning)
    features: str = "0"


_decoder = msgspec.json.Decoder(BucketRules)


class BucketAccessDenied(AccessDenied):
    """An operation that the access mask of a bucket does not allow."""

    code = "bucket-access-denied"


@lru_cache(maxsize=1024)
def decode_rules(props: bytes) -> BucketRules:
    """Read the stored properties of a bucket; the result is shared and must not be changed."""
    return _decoder.decode(props) if props else BucketRules()


def bucket_id(record: Any) -> int:
    """Return the number of a bucket that clients see; those of this cluster's own buckets have bit 63 set."""
    return record.id if record.bucket.is_remote else record.id | _AIS_BID_BIT


def check_access(record: Any, *operations: str) -> None:
    """Refuse what the access mask of a bucket does not allow.

    Raises:
        BucketAccessDenied: the first operation that is not allowed.
    """
    mask = int(decode_rules(record.props).access)
    for operation in operations:
        if not mask & _BITS[operation]:
            order = ("GET", "HEAD-OBJECT", "HEAD-BUCKET", "LIST-OBJECTS", *OPERATIONS)
            allowed = [name for name in dict.fromkeys(order) if mask & _BITS[name]]
            shown = ",".join(allowed[:_SHOWN]) + (", ..." if len(allowed) > _SHOWN else "")
            place = f"{record.bucket.cname}(0x{bucket_id(record):x})"
            raise BucketAccessDenied(f"bucket {place}: {operation} access denied (allowed: [{shown}])")
