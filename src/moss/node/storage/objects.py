"""Objects and buckets as the rest of the node sees them, and the checksums that clients see. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from moss.errors import ChecksumMismatch
from moss.hashing import make_hasher
from moss.naming.bucket import Bucket
from moss.node.storage.layout import Extent
from moss.node.storage.records import decode_custom

__all__ = ["BucketRecord", "Buffer", "ObjectAttributes", "ObjectRecord", "Patch", "make_hasher"]

Buffer = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True)
class ObjectAttributes:
    """What a writer may say about an object. All of it is optional.

    Attributes:
        version: the version to store as it is; None counts on from the replaced object, from "1".
        previous_version: count on from this instead.
        versioning: False stores no version for a new object and keeps that of a replaced one.
        custom: user metadata.
        keep_custom: metadata of the replaced object survives where `custom` does not override it.
        load_previous: False forgets the replaced object: its version and its metadata.
        checksum_type: `xxhash2`, `xxhash`, `md5`, `sha256`, `sha512`, `crc32c`, `crc32` or `none`.
        checksum_value: lower-case hex; the payload must agree with it. Empty: computed.
        created_ns: ns since 1970; None is now.
        chunks: number of parts that the object is put together from, and size of the largest; zeros if it is not.
        replaces: serial of the version that this one was made from, 0 for none; else `ObjectChanged`. None: any.
    """

    version: str | None = None
    previous_version: str | None = None
    versioning: bool = True
    custom: Mapping[str, str] = field(default_factory=dict)
    keep_custom: bool = True
    load_previous: bool = True
    checksum_type: str = "xxhash2"
    checksum_value: str = ""
    created_ns: int | None = None
    chunks: tuple[int, int] = (0, 0)
    replaces: int | None = None


NO_ATTRIBUTES = ObjectAttributes()


class AttributesRow(msgspec.Struct, array_like=True, gc=False):
    """Row of the index table `attributes`. Format: docs/formats/index.md."""

    format: int
    version: str
    checksum_type: str
    checksum_value: str
    created_ns: int
    custom: bytes
    record_bytes: int
    attributes_serial: int
    chunks: tuple[int, int] = (0, 0)


encode_row = msgspec.msgpack.Encoder().encode
decode_row = msgspec.msgpack.Decoder(AttributesRow).decode


@dataclass(frozen=True, slots=True)
class ObjectRecord:
    """One stored object: its attributes and where its payload is."""

    name: str
    size: int
    version: str
    checksum_type: str
    checksum_value: str
    created_ns: int
    custom: dict[str, str]
    extent: Extent
    chunks: tuple[int, int] = (0, 0)

    @property
    def serial(self) -> int:
        """Unique id of this version of this object."""
        return self.extent[5]

    def attributes_of_copy(self, checksum_type: str) -> ObjectAttributes:
        """Return what a copy of this object is stored with: the same version and metadata. Source: rest-data 3.10."""
        return ObjectAttributes(
            version=self.version, custom=self.custom, keep_custom=False, checksum_type=checksum_type, chunks=self.chunks
        )


@dataclass(frozen=True, slots=True)
class BucketRecord:
    """One bucket. `id` is never used again once the bucket is dropped.

    Attributes:
        former: names that it had before it was renamed, the latest last.
        renamed_serial: versions up to this one were written under a former name.
    """

    id: int
    bucket: Bucket
    props: bytes
    created_ns: int
    former: tuple[str, ...] = ()
    renamed_serial: int = 0


@dataclass(frozen=True, slots=True)
class Patch:
    """A change of an object's attributes that leaves its content alone. None changes nothing.

    Attributes:
        custom: user metadata, in place of what there is.
        keep_custom: metadata that `custom` does not override stays.
        custom_bytes_max: largest size of all keys and values together, 0 for any.
        has_shard_index: whether the object has a shard index.
    """

    custom: Mapping[str, str] | None = None
    keep_custom: bool = False
    custom_bytes_max: int = 0
    has_shard_index: bool | None = None


def object_record(name: str, extent: Extent, row: AttributesRow) -> ObjectRecord:
    return ObjectRecord(
        name,
        extent[2],
        row.version,
        row.checksum_type,
        row.checksum_value,
        row.created_ns,
        decode_custom(row.custom),
        extent,
        row.chunks,
    )


def next_version(attributes: ObjectAttributes, previous: str | None) -> str:
    """Return the version of a new object. `previous` is that of the object it replaces. Source: rest-data 5.1, 5.2."""
    if attributes.version is not None:
        return attributes.version
    if not attributes.versioning:
        return previous or ""
    base = attributes.previous_version if attributes.previous_version is not None else previous
    return str(int(base) + 1) if base and base.isascii() and base.isdigit() else "1"


def client_checksum(name: str, attributes: ObjectAttributes, parts: Iterable[Buffer]) -> str:
    """Compute the checksum that clients see.

    Raises:
        ChecksumMismatch: the writer announced another one.
        InvalidRequest: unknown type.
    """
    hasher = make_hasher(attributes.checksum_type)
    for part in parts:
        hasher.update(part)
    found = hasher.hexdigest()
    check_announced(name, attributes, found)
    return found


def check_announced(name: str, attributes: ObjectAttributes, found: str) -> None:
    expected = attributes.checksum_value
    if expected and attributes.checksum_type != "none" and expected != found:
        raise ChecksumMismatch(name, expected=expected, found=found)


def as_parts(data: Buffer | Sequence[Buffer]) -> list[memoryview]:
    """Return the non-empty parts of a payload as flat views of bytes."""
    parts = [data] if isinstance(data, (bytes, bytearray, memoryview)) else data
    return [view for view in (memoryview(part).cast("B") if len(part) else None for part in parts) if view is not None]
