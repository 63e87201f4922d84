"""Entries of a batch request: their model, the rules that one must obey, and the buckets that they mean.

Part of `moss.wire.batch`; import from there. Source: spec/getbatch.md 1.3, 3.3, 9.
"""

import base64
import re
from typing import Annotated, ClassVar

import msgspec

from moss.errors import InvalidBody, InvalidName, InvalidRange
from moss.naming.bucket import (
    Bucket,
    is_valid_member_path,
    is_valid_object_name,
    parse_bucket_uname,
    parse_provider,
    validate_bucket_name,
)
from moss.units import quote

__all__ = [
    "INT64_MAX",
    "INT64_MIN",
    "BucketResolver",
    "Entry",
    "ObjectEntry",
    "PlacedEntry",
    "decode_opaque",
    "is_valid_range",
    "validate_entry",
]

INT64_MAX = (1 << 63) - 1
INT64_MIN = -(1 << 63)

_Int64 = Annotated[int, msgspec.Meta(ge=INT64_MIN, le=INT64_MAX)]


class Entry(msgspec.Struct, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """One thing asked for: an object, a file inside a shard, or a byte range of either.

    The fields have their wire names, in wire order; a field at its default is not sent. Unknown keys are ignored by
    `decode_request`; they are forbidden here only to send such requests to its exact path.
    """

    objname: str = ""
    bucket: str = ""
    """Bucket name without provider; empty means the bucket of the request's path."""
    provider: str = ""
    """Provider word or alias of `bucket`; without `bucket` it means nothing."""
    uname: str = ""
    """Unique name of a bucket; wins over `bucket` and `provider`."""
    archpath: str = ""
    """Member path inside the shard; one leading slash does not count. Empty means the whole object."""
    opaque: bytes | None = None
    """Returned with the entry's report as it came (base64 on the wire)."""
    start: _Int64 = 0
    """First byte wanted."""
    length: _Int64 = 0
    """Bytes wanted; -1 to the end; 0 (with start 0) everything."""

    @property
    def has_range(self) -> bool:
        return self.start != 0 or self.length != 0

    @property
    def member_path(self) -> str:
        """The member path without its leading slash."""
        return self.archpath.removeprefix("/")


class ObjectEntry(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """An entry that names an object and nothing else: a quarter of the memory, half the time to decode.

    Reads like an `Entry`. Most requests are of such entries only.
    """

    objname: str = ""
    bucket: ClassVar[str] = ""
    provider: ClassVar[str] = ""
    uname: ClassVar[str] = ""
    archpath: ClassVar[str] = ""
    opaque: ClassVar[None] = None
    start: ClassVar[int] = 0
    length: ClassVar[int] = 0
    has_range: ClassVar[bool] = False
    member_path: ClassVar[str] = ""


class PlacedEntry(ObjectEntry, gc=False, forbid_unknown_fields=True):
    """An entry that names an object and its bucket, as SDKs write it."""

    bucket: str = ""
    provider: str = ""


def validate_entry(entry: Entry) -> None:
    """Check names and range of one entry.

    Raises:
        InvalidName: `invalid object name "dir/"`, `invalid archpath "../x" (oname: "s.tar")`.
        InvalidRange: `not satisfiable range [start=5,length=0 (oname: "o")]`.
    """
    if not is_valid_object_name(entry.objname):
        raise InvalidName(f"invalid object name {quote(entry.objname)}")
    if entry.archpath and not is_valid_member_path(entry.archpath):
        raise InvalidName(f"invalid archpath {quote(entry.archpath)} (oname: {quote(entry.objname)})")
    if not is_valid_range(entry.start, entry.length):
        span = f"start={entry.start}" if entry.length == -1 else f"start={entry.start},length={entry.length}"
        raise InvalidRange(f"not satisfiable range [{span} (oname: {quote(entry.objname)})]")


def is_valid_range(start: int, length: int) -> bool:
    """Tell whether a range can be satisfied by some object: (0, 0), (N, -1) or (N, L) with L > 0."""
    return start >= 0 and (length > 0 or length == -1 or (length == 0 and start == 0))


_NOT_BASE64 = re.compile(r"[^A-Za-z0-9+/_-]")
_TO_STANDARD = str.maketrans("-_", "+/")


def decode_opaque(text: str) -> bytes | None:
    """Decode base64 of either alphabet, with or without padding; None for empty text (nothing was given).

    Raises:
        InvalidBody: `illegal base64 data at input byte N`.
    """
    padding = len(text) - len(text.rstrip("="))
    digits = text[: len(text) - padding]
    bad = _NOT_BASE64.search(digits)
    if bad is not None or padding > 2 or len(digits) % 4 == 1:
        raise InvalidBody(f"illegal base64 data at input byte {bad.start() if bad is not None else len(digits)}")
    return base64.b64decode(digits.translate(_TO_STANDARD) + "=" * (-len(digits) % 4)) or None


class BucketResolver:
    """Finds the bucket that each entry means, and numbers the distinct ones in order of first use.

    Attributes:
        default: bucket of the request's path, or None.
        buckets: the distinct buckets found so far.
    """

    def __init__(self, default: Bucket | None) -> None:
        self.default = default
        self.buckets: list[Bucket] = []
        self._index_of_bucket: dict[Bucket, int] = {}
        self._index_of_spec: dict[tuple[str, str, str], int] = {}

    def index_of(self, entry: Entry) -> int:
        """Return the index in `buckets` of the bucket that the entry means.

        Raises:
            InvalidName, InvalidProvider: malformed uname, bucket name or provider; or no bucket from anywhere
                (`missing bucket specification for object "o"`).
        """
        spec = (entry.uname, entry.bucket, entry.provider)
        index = self._index_of_spec.get(spec)
        if index is None:
            found = self._resolve(*spec)
            if found is None:
                raise InvalidName(f"missing bucket specification for object {quote(entry.objname)}")
            index = self._index_of_bucket.setdefault(found, len(self.buckets))
            if index == len(self.buckets):
                self.buckets.append(found)
            self._index_of_spec[spec] = index
        return index

    def _resolve(self, uname: str, bucket: str, provider: str) -> Bucket | None:
        if uname:
            return parse_bucket_uname(uname)
        if not bucket:
            return self.default
        validate_bucket_name(bucket)
        found = Bucket(bucket, parse_provider(provider))
        # Clients copy name and provider of the path bucket into every entry, but not its namespace.
        default = self.default
        if default is not None and default.name == found.name and default.provider is found.provider:
            return default
        return found
