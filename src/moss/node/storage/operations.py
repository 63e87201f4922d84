"""Changes of objects: each says what to append to the active segment and what to change in the index.

An operation is staged inside the write transaction of its group, where it sees what the operations before it did.
"""

import contextlib
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

from xxhash import xxh3_64, xxh3_64_intdigest

from moss.archive.tar import PADDINGS
from moss.errors import BadRecord, InvalidRequest, ObjectChanged, ObjectNotFound
from moss.naming.bucket import Bucket
from moss.node.storage.index import Change
from moss.node.storage.layout import Extent, decode_name, encode_name
from moss.node.storage.objects import (
    AttributesRow,
    Buffer,
    ObjectAttributes,
    ObjectRecord,
    Patch,
    as_parts,
    client_checksum,
    next_version,
    object_record,
)
from moss.node.storage.parts import Parts
from moss.node.storage.records import (
    FLAG_CHUNKED,
    FLAG_FINISHED_HEADER,
    FLAG_SHARD_INDEX,
    FRAME_CHECK_MASK,
    FRAME_CHECK_SHIFT,
    TAR_BLOCK,
    Record,
    decode_custom,
    encode_custom,
    encode_owner,
    payload_header,
)

__all__ = ["Appender", "Delete", "ObjectOperation", "Operation", "PatchAttributes", "Put"]

# More than any record without name, custom metadata and payload needs.
_RECORD_BYTES = 8 * TAR_BLOCK


class Appender:
    """Collects what a group appends to the active segment."""

    __slots__ = ("buffers", "offset", "segment")

    def __init__(self, segment: int, offset: int) -> None:
        self.segment, self.offset = segment, offset
        self.buffers: list[Buffer] = []

    def add(self, *buffers: Buffer) -> None:
        for buffer in buffers:
            self.buffers.append(buffer)
            self.offset += len(buffer)


class Operation(ABC):
    """One change that somebody waits for.

    Attributes:
        record_bytes_max: room that it may need in a segment.
        needs_space: whether it is refused when the disk is nearly full.
    """

    needs_space = True

    def __init__(self, record_bytes_max: int) -> None:
        self.record_bytes_max = record_bytes_max
        self.future: Future[Any] = Future()
        # What is queued is done, though nobody may wait for it any more: it cannot be cancelled.
        self.future.set_running_or_notify_cancel()

    @abstractmethod
    def stage(self, parts: Parts, change: Change, appender: Appender) -> Any:
        """Do it; returns the result for whoever waits.

        Raises:
            MossError: this operation cannot be done; nothing was changed.
        """

    def rollback(self) -> None:
        """Take back what `stage` did to files; it may be staged again."""
        return

    def undo(self) -> None:
        """Take back what was done before `stage`: the operation has failed for good."""
        return


class ObjectOperation(Operation):
    """A change of one object."""

    def __init__(self, bucket: Bucket, name: str) -> None:
        self.bucket, self.name, self.raw = bucket, name, encode_name(name)
        super().__init__(_RECORD_BYTES + 4 * len(self.raw))

    def _require(self, parts: Parts, change: Change) -> tuple[int, Extent]:
        bucket_id = parts.buckets.require_in(change, self.bucket).id
        extent = change.find(bucket_id, self.raw)
        if extent is None:
            raise ObjectNotFound(self.bucket.cname_of(self.name))
        return bucket_id, extent


def describe_new(
    parts: Parts, change: Change, bucket: Bucket, raw: bytes, attributes: ObjectAttributes
) -> tuple[Record, Extent | None]:
    """Start the record of a new version: bucket, serial, version, time, metadata. Also returns what it replaces.

    Raises:
        BucketNotFound: there is no such bucket.
        ObjectChanged: another version than the one that this was made from is there now.
    """
    bucket_id = parts.buckets.require_in(change, bucket).id
    previous = change.find(bucket_id, raw)
    if attributes.replaces is not None and attributes.replaces != (previous[5] if previous else 0):
        raise ObjectChanged(bucket.cname_of(decode_name(raw)))
    old, custom = None, dict(attributes.custom)
    if previous is not None and attributes.load_previous:
        with contextlib.suppress(BadRecord):  # what is damaged can still be replaced
            old = change.attributes_of(previous[5])
            if old.custom and attributes.keep_custom:
                custom = decode_custom(old.custom) | custom
    record = Record("object", 0, 0, bucket.uname, bucket_id, raw)
    record.version = next_version(attributes, old.version if old else None)
    record.custom = encode_custom(custom)
    # A shard's index that has become stale is still known to be there.
    record.flags = previous[4] & FLAG_SHARD_INDEX if previous is not None else 0
    record.created_ns = attributes.created_ns if attributes.created_ns is not None else time.time_ns()
    record.checksum_type = attributes.checksum_type
    record.chunks = attributes.chunks
    if record.chunks[0]:
        record.flags |= FLAG_CHUNKED
    record.serial = change.next_serial()
    return record, previous


def attributes_row(record: Record, record_bytes: int) -> AttributesRow:
    return AttributesRow(
        1,
        record.version,
        record.checksum_type,
        record.checksum_value,
        record.created_ns,
        record.custom,
        record_bytes,
        record.attributes_serial,
        record.chunks,
    )


class Put(ObjectOperation):
    """Stores a small object in the active segment. Checksums are computed where it is made, in the writer's thread.

    Raises:
        ChecksumMismatch: the payload is not what the writer announced.
    """

    def __init__(
        self, bucket: Bucket, name: str, data: Buffer | Sequence[Buffer], attributes: ObjectAttributes
    ) -> None:
        super().__init__(bucket, name)
        self._parts = as_parts(data)
        self._size = sum(map(len, self._parts))
        self._attributes = attributes
        self._checksum = client_checksum(bucket.cname_of(name), attributes, self._parts)
        self._header, self._extra, is_finished = payload_header(bucket.name, name, self._size)
        self._padding = PADDINGS[-self._size & 511]
        self._xxh3, self._flags = self._hashed()
        if not is_finished:
            self._flags = 0
        custom_bytes = 4 * sum(len(key) + len(value) + 8 for key, value in attributes.custom.items())
        # Metadata of a replaced object may survive; it was bounded by the same rule when it came in.
        self.record_bytes_max += self._size + TAR_BLOCK + custom_bytes + len(self._extra)

    @property
    def xxh3(self) -> int:
        """XXH3-64 of the payload."""
        return self._xxh3

    def _hashed(self) -> tuple[int, int]:
        if len(self._parts) == 1:
            xxh3 = xxh3_64_intdigest(self._parts[0])
        else:
            hasher = xxh3_64()
            for part in self._parts:
                hasher.update(part)
            xxh3 = hasher.intdigest()
        frame = xxh3_64(self._header)
        for part in self._parts:
            frame.update(part)
        frame.update(self._padding)
        return xxh3, FLAG_FINISHED_HEADER | (frame.intdigest() & FRAME_CHECK_MASK) << FRAME_CHECK_SHIFT

    def stage(self, parts: Parts, change: Change, appender: Appender) -> ObjectRecord:
        record, previous = describe_new(parts, change, self.bucket, self.raw, self._attributes)
        record.size, record.xxh3, record.checksum_value = self._size, self._xxh3, self._checksum
        owner = encode_owner(record.bucket, record.bucket_id, self.raw)
        record.flags |= self._flags
        head = parts.codec.encode_object(appender.segment, appender.offset, owner, record, self._header, self._extra)
        start, data_offset = appender.offset, appender.offset + len(head)
        appender.add(head, *self._parts, self._padding)
        extent = (appender.segment, data_offset, self._size, self._xxh3, record.flags, record.serial)
        row = attributes_row(record, appender.offset - start)
        change.insert(record.bucket_id, self.raw, extent, row, previous)
        return object_record(self.name, extent, row)


class Delete(ObjectOperation):
    """Removes an object."""

    needs_space = False

    def stage(self, parts: Parts, change: Change, appender: Appender) -> None:
        bucket_id, extent = self._require(parts, change)
        serial = change.next_serial()
        owner = encode_owner(self.bucket.uname, bucket_id, self.raw)
        record = parts.codec.encode_deletion(appender.segment, appender.offset, owner, self.bucket.name, serial)
        change.add_live(appender.segment, len(record), serial)
        appender.add(record)
        change.remove(bucket_id, self.raw, extent)


class PatchAttributes(ObjectOperation):
    """Changes an object's attributes and leaves its payload where it is."""

    def __init__(self, bucket: Bucket, name: str, patch: Patch) -> None:
        super().__init__(bucket, name)
        self._patch = patch
        self._custom = encode_custom(patch.custom) if patch.custom is not None else None
        self.record_bytes_max += 2 * len(self._custom or b"") + 64 * TAR_BLOCK

    def stage(self, parts: Parts, change: Change, appender: Appender) -> ObjectRecord:
        bucket_id, extent = self._require(parts, change)
        row = change.attributes_of(extent[5])
        if self._custom is not None:
            row.custom = self._merged(row.custom)
        number, offset, size, xxh3, flags, serial = extent
        if self._patch.has_shard_index is not None:
            flags = flags | FLAG_SHARD_INDEX if self._patch.has_shard_index else flags & ~FLAG_SHARD_INDEX
        row.attributes_serial = change.next_serial()
        extent = (number, offset, size, xxh3, flags, serial)
        append_attributes(parts, change, appender, self.bucket, bucket_id, self.raw, extent, row)
        change.set_extent(bucket_id, self.raw, extent)
        change.set_attributes(serial, row)
        return object_record(self.name, extent, row)

    def _merged(self, before: bytes) -> bytes:
        """Return the new metadata. Made here, where no other change comes between reading and writing."""
        assert self._custom is not None and self._patch.custom is not None
        if not self._patch.keep_custom or not before:
            return self._custom
        custom = decode_custom(before) | dict(self._patch.custom)
        size = sum(len(text.encode("utf-8", "surrogateescape")) for pair in custom.items() for text in pair)
        limit = self._patch.custom_bytes_max
        if limit and size > limit:
            place = self.bucket.cname_of(self.name)
            raise InvalidRequest(f"{place}: custom metadata: total size {size} exceeds max {limit} bytes")
        return encode_custom(custom)


def append_attributes(
    parts: Parts,
    change: Change,
    appender: Appender,
    bucket: Bucket,
    bucket_id: int,
    raw: bytes,
    extent: Extent,
    row: AttributesRow,
) -> None:
    """Append an attributes record that says what the index says about an object."""
    record = Record("attributes", 0, 0, bucket.uname, bucket_id, raw, serial=extent[5])
    record.attributes_serial, record.custom, record.chunks = row.attributes_serial, row.custom, row.chunks
    record.flags = extent[4]
    owner = encode_owner(bucket.uname, bucket_id, raw)
    encoded = parts.codec.encode_attributes(appender.segment, appender.offset, owner, bucket.name, record)
    change.add_live(appender.segment, len(encoded), extent[5])
    appender.add(encoded)
