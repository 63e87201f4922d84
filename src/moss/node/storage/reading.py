"""Reads a part of one object and checks what it reads."""

from collections.abc import Callable

from xxhash import xxh3_64_intdigest

from moss.errors import BadRecord, ChecksumMismatch, RangeOutOfBounds
from moss.node.storage.objects import BucketRecord, ObjectRecord
from moss.node.storage.records import BLOCK_BYTES, FLAG_BLOCKS, payload_header
from moss.node.storage.segments import Segments

__all__ = ["read_verified"]


def read_verified(
    segments: Segments,
    bucket: BucketRecord,
    record: ObjectRecord,
    block_checksums: Callable[[int], list[int] | None],
    start: int,
    length: int,
) -> bytes:
    """Return bytes of an object; a length of -1 means up to its end.

    Raises:
        RangeOutOfBounds: the range is not inside the object.
        SegmentGone: the object was moved: look it up again.
        ChecksumMismatch, BadRecord: the bytes on disk are not what was written.
    """
    number, offset, size, xxh3, flags, serial = record.extent
    if start < 0 or start > size or (length >= 0 and start + length > size):
        raise RangeOutOfBounds(size=size, start=start, length=length)
    stop = size if length < 0 else start + length
    cname = bucket.bucket.cname_of(record.name)
    view = segments.get(number).view
    if not any(_is_header_of(view, offset, name, record) for name in (bucket.bucket.name, *bucket.former)):
        raise BadRecord(f"{cname}: the index names another object, or its header is damaged")
    payload = view[offset : offset + size]
    blocks = block_checksums(serial) if flags & FLAG_BLOCKS else None
    if blocks is None:
        _check(cname, payload, xxh3, size)
        return bytes(payload[start:stop])
    for block in range(start // BLOCK_BYTES, -(-stop // BLOCK_BYTES)):
        piece = payload[block * BLOCK_BYTES : (block + 1) * BLOCK_BYTES]
        _check(cname, piece, blocks[block], min(BLOCK_BYTES, size - block * BLOCK_BYTES))
    return bytes(payload[start:stop])


def _is_header_of(view: memoryview, offset: int, bucket_name: str, record: ObjectRecord) -> bool:
    header, _, _ = payload_header(bucket_name, record.name, record.size)
    return view[offset - len(header) : offset] == header


def _check(cname: str, payload: memoryview, expected: int, size: int) -> None:
    found = xxh3_64_intdigest(payload)
    if found != expected or len(payload) != size:
        raise ChecksumMismatch(cname, expected=f"{expected:016x}", found=f"{found:016x}")
