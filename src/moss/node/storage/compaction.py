"""Reclaims dead space: copies what is still needed out of a mostly dead segment, then deletes the segment.

Readers are not disturbed: whoever holds the segment can go on reading it, whoever looks an object up finds the copy.
"""

from collections.abc import Callable
from dataclasses import dataclass

from moss.archive.tar import PADDINGS
from moss.errors import OutOfSpace
from moss.naming.bucket import Bucket
from moss.node.storage.bucket_calls import without_finished_header
from moss.node.storage.committer import Committer
from moss.node.storage.index import Change
from moss.node.storage.layout import STATE_ACTIVE, STATE_SEALED, SegmentRow, decode_name
from moss.node.storage.operations import Appender, Operation, append_attributes
from moss.node.storage.parts import Parts
from moss.node.storage.records import Record, encode_owner, payload_header
from moss.node.storage.segments import Scan, Segment

__all__ = ["CompactionReport", "Compactor"]

_BATCH_BYTES = 4 << 20
# Less dead space than this is not worth a segment's rewriting.
_DEAD_BYTES_MIN = 64 << 10


@dataclass(slots=True)
class CompactionReport:
    """What one run did.

    Attributes:
        segments: segments deleted.
        freed_bytes: their size less what was copied.
        skipped: segments that could not be emptied because parts of them are damaged.
    """

    segments: int = 0
    copied_bytes: int = 0
    freed_bytes: int = 0
    skipped: int = 0


class Compactor:
    """Compacts the segments of one store. Not for two threads at once.

    Args:
        stop: asked between batches; True ends the run early.
    """

    def __init__(self, parts: Parts, committer: Committer, stop: Callable[[], bool]) -> None:
        self._parts, self._committer, self._stop = parts, committer, stop

    def run(self, dead_ratio_min: float) -> CompactionReport:
        """Compact all segments of which at least this share is dead, the deadest first.

        Raises:
            OutOfSpace: there is no room for a copy, and nothing was freed.
        """
        report = CompactionReport()
        for number, row in self._candidates(dead_ratio_min):
            if self._stop():
                break
            try:
                self._compact(number, row, report)
            except OutOfSpace:
                if not report.segments:
                    raise
                break
        return report

    def _candidates(self, dead_ratio_min: float) -> list[tuple[int, SegmentRow]]:
        with self._parts.index.env.begin() as txn:
            rows = self._parts.index.segment_rows(txn)
        own = self._committer.active_number
        found = []
        for number, row in rows.items():
            if row.state == STATE_SEALED or (number == own and row.state == STATE_ACTIVE):
                dead = row.indexed - row.live
                if dead >= _DEAD_BYTES_MIN and dead >= dead_ratio_min * row.indexed:
                    found.append((row.live / row.indexed, number, row))
        return [(number, row) for _, number, row in sorted(found, key=lambda entry: entry[:2])]

    def _compact(self, number: int, row: SegmentRow, report: CompactionReport) -> None:
        if row.state == STATE_ACTIVE:
            self._committer.seal(number)
        segment = self._parts.segments.get(number)
        batch, batch_bytes = [], 0
        scan = Scan(self._parts.codec, segment, 0, verify_from=None)
        for record in scan:
            if record.start >= row.indexed:
                break
            batch.append(record)
            batch_bytes += record.stop - record.start
            if batch_bytes >= _BATCH_BYTES:
                self._move(segment, batch, batch_bytes, report)
                batch, batch_bytes = [], 0
                if self._stop():
                    return
        if batch:
            self._move(segment, batch, batch_bytes, report)
        size = len(segment.view)
        del segment, scan, batch
        if self._submit(_DropSegment(number)):
            report.segments += 1
            report.freed_bytes += size
        else:
            report.skipped += 1

    def _move(self, segment: Segment, records: list[Record], size: int, report: CompactionReport) -> None:
        moved = self._submit(_MoveRecords(segment, records, size))
        report.copied_bytes += moved
        report.freed_bytes -= moved

    def _submit(self, operation: Operation) -> int:
        self._committer.submit(operation)
        return operation.future.result()


class _MoveRecords(Operation):
    """Copies those records of a segment that are still needed. The result is the number of bytes copied."""

    needs_space = False

    def __init__(self, segment: Segment, records: list[Record], size: int) -> None:
        # Records grow by attributes that were changed since.
        super().__init__(size + 4096 * len(records))
        self._segment, self._records = segment, records

    def stage(self, parts: Parts, change: Change, appender: Appender) -> int:
        before = appender.offset
        buckets = {record.id: record.bucket for record in parts.buckets.all(change.txn).values()}
        serial_min = self._serial_min_elsewhere(parts, change)
        for record in self._records:
            bucket = buckets.get(record.bucket_id)
            if bucket is None:
                continue
            if record.kind == "object":
                self._move_object(parts, change, appender, bucket, record)
            elif record.kind == "deletion":
                self._move_deletion(parts, change, appender, bucket, record, serial_min)
            elif record.kind == "attributes":
                self._move_attributes(parts, change, appender, bucket, record)
        return appender.offset - before

    def _serial_min_elsewhere(self, parts: Parts, change: Change) -> int:
        """Deletions older than everything elsewhere have nothing left to hide."""
        if all(record.kind != "deletion" for record in self._records):
            return 0
        rows = parts.index.segment_rows(change.txn)
        return min((row.serial_min for number, row in rows.items() if number != self._segment.number), default=0)

    def _move_object(self, parts: Parts, change: Change, appender: Appender, bucket: Bucket, record: Record) -> None:
        extent = change.find(record.bucket_id, record.name)
        if extent is None or extent[:2] != (self._segment.number, record.data_offset):
            return
        _, offset, size, xxh3, flags, serial = extent
        row = change.attributes_of(serial)
        header, extra, _ = payload_header(bucket.name, decode_name(record.name), size)
        if record.bucket != bucket.uname:  # renamed since: its header had the old name
            flags = without_finished_header(flags)
        copy = Record("object", 0, 0, bucket.uname, record.bucket_id, record.name, serial)
        copy.size, copy.xxh3, copy.flags, copy.created_ns = size, xxh3, flags, row.created_ns
        copy.version, copy.checksum_type, copy.checksum_value = row.version, row.checksum_type, row.checksum_value
        copy.attributes_serial, copy.custom, copy.chunks = row.attributes_serial, row.custom, row.chunks
        owner = encode_owner(bucket.uname, record.bucket_id, record.name)
        start = appender.offset
        head = parts.codec.encode_object(appender.segment, start, owner, copy, header, extra)
        # The payload goes as it is, right or wrong: its checksums go with it.
        appender.add(head, self._segment.view[offset : offset + size], PADDINGS[-size & 511])
        old_bytes, row.record_bytes = row.record_bytes, appender.offset - start
        new = (appender.segment, start + len(head), size, xxh3, flags, serial)
        change.move(record.bucket_id, record.name, extent, new, row, old_bytes)

    def _move_deletion(
        self, parts: Parts, change: Change, appender: Appender, bucket: Bucket, record: Record, serial_min: int
    ) -> None:
        change.drop_live(self._segment.number, record.stop - record.start)
        if serial_min > record.serial:
            return
        owner = encode_owner(bucket.uname, record.bucket_id, record.name)
        encoded = parts.codec.encode_deletion(appender.segment, appender.offset, owner, bucket.name, record.serial)
        change.add_live(appender.segment, len(encoded), record.serial)
        appender.add(encoded)

    def _move_attributes(
        self, parts: Parts, change: Change, appender: Appender, bucket: Bucket, record: Record
    ) -> None:
        change.drop_live(self._segment.number, record.stop - record.start)
        extent = change.find(record.bucket_id, record.name)
        if extent is None or extent[5] != record.serial:
            return
        row = change.attributes_of(record.serial)
        if row.attributes_serial == record.attributes_serial:
            append_attributes(parts, change, appender, bucket, record.bucket_id, record.name, extent, row)


class _DropSegment(Operation):
    """Deletes an emptied segment. The result is whether it was empty."""

    needs_space = False

    def __init__(self, number: int) -> None:
        super().__init__(0)
        self._number = number

    def stage(self, parts: Parts, change: Change, appender: Appender) -> bool:
        row = change.segment(self._number)
        if row is None or row.live > 0:
            return False
        change.end_segment(self._number)
        return True
