"""Brings the index up to the segments: their tails after a crash, all of them when the index is gone.

Rules: docs/formats/segment.md, "Serials" and "Reading a segment again". The work is done in many small transactions,
each of which leaves a state from which the next start goes on.
"""

import os
from collections.abc import Callable
from pathlib import Path
from struct import Struct

from xxhash import xxh3_64_intdigest

from moss.errors import BadRecord, Conflict, SegmentGone
from moss.node.storage.bucket_calls import without_finished_header
from moss.node.storage.burial import forget_dead_segments
from moss.node.storage.index import Change
from moss.node.storage.layout import (
    BUCKET_KEY,
    SERIAL_KEY,
    SHORT_NAME_BYTES_MAX,
    STATE_ACTIVE,
    STATE_DEAD,
    STATE_LARGE,
    STATE_SEALED,
    U64,
    SegmentRow,
    long_key,
)
from moss.node.storage.operations import attributes_row
from moss.node.storage.parts import Parts
from moss.node.storage.records import BLOCK_BYTES, FLAG_BLOCKS, SEGMENT_RECORD_BYTES, TAR_END, Record, checksum_blocks
from moss.node.storage.segments import ActiveSegment, Scan, Segment, is_sealed, sync_file

__all__ = ["recover"]

_RECORDS_PER_CHANGE = 10_000
# A group that was being written when the power went is not longer than this.
_TORN_BYTES_MAX = 80 << 20
_NO_SERIAL = (1 << 64) - 1
# Bucket id 0 is never used: changed attributes wait there until their object turns up.
_PENDING = BUCKET_KEY.pack(0)
_PENDING_ROW = Struct("<4Q")  # attributes serial, flags, number of chunks, size of the largest
# Keeps long names apart from short ones.
_LONG = 1 << 31


def recover(parts: Parts, is_alive: Callable[[int], bool]) -> ActiveSegment | None:
    """Make the index right. Nobody else recovers at the same time.

    Args:
        is_alive: whether another process runs as this worker number; its active segment is its own business.

    Returns:
        The segment that this worker can go on appending to.

    Raises:
        Conflict: the index must be made anew, but other workers use it.
    """
    recovery = _Recovery(parts)
    rows = recovery.begin(is_alive)
    active = None
    for number, row in sorted(rows.items()):
        found = recovery.read_segment(number, row, keep=active is None)
        active = found or active
    recovery.finish()
    forget_dead_segments(parts)
    return active


class _Recovery:
    def __init__(self, parts: Parts) -> None:
        self._parts, self._index = parts, parts.index
        self._unames: dict[int, str] = {}  # of the buckets that there are, by id
        self._is_complete = True

    def begin(self, is_alive: Callable[[int], bool]) -> dict[int, SegmentRow]:
        """Return the segments that must be read. Files without a row are found while nobody can be making one."""
        parts, index = self._parts, self._index
        files = None
        change = Change(index)
        try:
            self._is_complete = change.txn.get(b"complete", db=index.meta_table) is not None
            if not self._is_complete and any(map(is_alive, _other_workers(parts))):
                raise Conflict("the index must be rebuilt, but other workers use it")
            if not self._is_complete:
                for leftover in parts.paths.derived.iterdir():  # nothing says any more what these belong to
                    leftover.unlink()
            parts.buckets.take_over(change.txn)
            for bucket in parts.buckets.all(change.txn).values():
                self._unames[bucket.id] = bucket.bucket.uname
                change.see_serial(bucket.renamed_serial)
            files = _segment_files(parts)
            rows = index.segment_rows(change.txn)
            todo = {
                number: row
                for number, row in rows.items()
                if number in files and row.state == STATE_ACTIVE and not is_alive(row.worker)
            }
            for number in files.keys() - rows.keys():
                todo[number] = SegmentRow(STATE_ACTIVE, -1 & 0xFFFF, 0, 0, 0, _NO_SERIAL)
                change.set_segment(number, todo[number])
            for number in rows.keys() - files.keys():
                if rows[number].state != STATE_DEAD:
                    change.set_segment(number, None)
            index.set_meta(change.txn, b"segment", max([index.meta(change.txn, b"segment"), *files]))
        except BaseException:
            change.abort()
            raise
        change.finish()
        return todo

    def finish(self) -> None:
        change = Change(self._index)
        change.txn.drop(self._index.deletions, delete=False)
        change.txn.put(b"complete", b"1", db=self._index.meta_table)
        change.finish()

    # -- one segment --

    def read_segment(self, number: int, row: SegmentRow, *, keep: bool) -> ActiveSegment | None:
        """Index what a segment holds beyond its indexed offset; seal it, or return it if this worker may go on."""
        path = self._parts.paths.segment(number)
        try:
            segment = Segment(number, path)
        except BadRecord:  # an empty file: made, but nothing was ever in it
            self._drop(number, path)
            return None
        except SegmentGone:
            return None
        sealed = is_sealed(segment)
        scan = self._scan(segment, row, sealed=sealed)
        is_large = self._apply_all(number, segment, scan)
        is_torn = bool(scan.damage) and scan.damage[-1][1] == scan.data_end and (self._is_complete or not sealed)
        self._parts.lost += [(number, start, stop) for start, stop in scan.damage[: -1 if is_torn else None]]
        if scan.end < SEGMENT_RECORD_BYTES and not scan.damage:
            self._drop(number, path)
            return None
        return self._close_segment(number, segment, scan, sealed=sealed and not is_torn, is_large=is_large, keep=keep)

    def _scan(self, segment: Segment, row: SegmentRow, *, sealed: bool) -> Scan:
        codec = self._parts.codec
        if self._is_complete:
            # Nothing behind the first damage was acknowledged: a group is synced before the next one is written.
            return Scan(codec, segment, row.indexed, verify_from=row.indexed, stop_at_damage=True)
        verify_from = None if sealed else len(segment.view) - _TORN_BYTES_MAX
        return Scan(codec, segment, row.indexed, verify_from=verify_from)

    def _drop(self, number: int, path: Path) -> None:
        path.unlink(missing_ok=True)
        change = Change(self._index)
        change.set_segment(number, None)
        change.finish()

    def _apply_all(self, number: int, segment: Segment, scan: Scan) -> bool:
        """Apply a segment's records. Returns whether it is one large object."""
        is_large = False
        change = Change(self._index)
        try:
            for count, record in enumerate(scan, 1):
                is_large = is_large or bool(record.kind == "object" and record.flags & FLAG_BLOCKS)
                self._apply(change, number, segment, record)
                if not count % _RECORDS_PER_CHANGE:
                    self._note_indexed(change, number, record.stop)
                    change.finish()
                    change = Change(self._index)
            self._note_indexed(change, number, scan.end)
        except BaseException:
            change.abort()
            raise
        change.finish()
        return is_large

    def _note_indexed(self, change: Change, number: int, offset: int) -> None:
        row = change.segment(number)
        assert row is not None
        row.indexed = offset

    def _close_segment(
        self, number: int, segment: Segment, scan: Scan, *, sealed: bool, is_large: bool, keep: bool
    ) -> ActiveSegment | None:
        options, path = self._parts.options, segment.path
        change = Change(self._index)
        row = change.segment(number)
        assert row is not None
        size = len(segment.view)
        active = None
        if is_large:
            row.state, row.capacity = STATE_LARGE, size
        elif sealed:
            row.state, row.capacity = STATE_SEALED, size
        elif keep and row.worker == options.worker and size - scan.end > size // 16:
            active = ActiveSegment(number, path, capacity=size, end=scan.end)
            active.discard()
            row.capacity = size
        else:
            row.state, row.capacity = STATE_SEALED, scan.end + len(TAR_END)
            os.truncate(path, scan.end)
            os.truncate(path, row.capacity)
            if options.sync:
                sync_file(path)
        if is_large and row.live <= 0:
            change.end_segment(number)
        change.finish()
        return active

    # -- one record --

    def _apply(self, change: Change, number: int, segment: Segment, record: Record) -> None:
        if record.kind in ("segment", "blocks") or record.bucket_id not in self._unames:
            change.see_serial(record.serial)
            return
        if record.bucket != self._unames[record.bucket_id]:
            # Whatever its serial: a group that was torn may have one that the renaming got too.
            record.flags = without_finished_header(record.flags)
        change.see_serial(max(record.serial, record.attributes_serial))
        change.add_live(number, 0, record.serial)
        if record.kind == "object":
            self._apply_object(change, number, segment, record)
        elif record.kind == "deletion":
            self._apply_deletion(change, number, record)
        else:
            self._apply_attributes(change, number, record)

    def _apply_object(self, change: Change, number: int, segment: Segment, record: Record) -> None:
        scratch = change.txn.get(_scratch_key(record), db=self._index.deletions)
        if scratch is not None and U64.unpack(scratch)[0] > record.serial:
            return
        previous = change.find(record.bucket_id, record.name)
        if previous is not None and previous[5] >= record.serial:
            # The same version twice is a copy by compaction; either will do, as long as its file is there.
            is_copy = previous[5] == record.serial and previous[0] != number
            if not is_copy or self._parts.paths.segment(previous[0]).exists():
                return
        extent = (number, record.data_offset, record.size, record.xxh3, record.flags, record.serial)
        row = attributes_row(record, record.stop - record.start)
        change.insert(record.bucket_id, record.name, extent, row, previous)
        if record.flags & FLAG_BLOCKS:
            payload = segment.view[record.data_offset : record.data_offset + record.size]
            change.set_blocks(record.serial, self._block_checksums(number, segment, record, payload))
        self._apply_pending(change, record)

    def _block_checksums(self, number: int, segment: Segment, record: Record, payload: memoryview) -> bytes:
        try:
            found = self._parts.codec.parse(number, segment.view, record.stop)
        except BadRecord:
            found = None
        if found is not None and found.kind == "blocks" and found.serial == record.serial:
            return found.blocks
        if xxh3_64_intdigest(payload) == record.xxh3:
            return checksum_blocks(payload)
        # Nothing can be told apart any more: no block is right.
        return bytes(8 * -(-record.size // BLOCK_BYTES))

    def _apply_pending(self, change: Change, record: Record) -> None:
        pending = change.txn.get(_PENDING + SERIAL_KEY.pack(record.serial), db=self._index.deletions)
        if pending is not None:
            self._set_attributes(change, record, *_PENDING_ROW.unpack_from(pending), pending[_PENDING_ROW.size :])

    def _apply_deletion(self, change: Change, number: int, record: Record) -> None:
        key = _scratch_key(record)
        known = change.txn.get(key, db=self._index.deletions)
        if known is None or U64.unpack(known)[0] < record.serial:
            change.txn.put(key, U64.pack(record.serial), db=self._index.deletions)
        change.add_live(number, record.stop - record.start, record.serial)
        previous = change.find(record.bucket_id, record.name)
        if previous is not None and previous[5] < record.serial:
            change.remove(record.bucket_id, record.name, previous)

    def _apply_attributes(self, change: Change, number: int, record: Record) -> None:
        change.add_live(number, record.stop - record.start, record.serial)
        key = _PENDING + SERIAL_KEY.pack(record.serial)
        known = change.txn.get(key, db=self._index.deletions)
        if known is None or U64.unpack_from(known)[0] < record.attributes_serial:
            value = _PENDING_ROW.pack(record.attributes_serial, record.flags, *record.chunks) + record.custom
            change.txn.put(key, value, db=self._index.deletions)
        self._set_attributes(change, record, record.attributes_serial, record.flags, *record.chunks, record.custom)

    def _set_attributes(
        self,
        change: Change,
        record: Record,
        attributes_serial: int,
        flags: int,
        count: int,
        largest: int,
        custom: bytes,
    ) -> None:
        extent = change.find(record.bucket_id, record.name)
        if extent is None or extent[5] != record.serial:
            return
        row = change.attributes_of(extent[5])
        if row.attributes_serial < attributes_serial:
            row.attributes_serial, row.chunks, row.custom = attributes_serial, (count, largest), custom
            change.set_attributes(extent[5], row)
            change.set_extent(record.bucket_id, record.name, (*extent[:4], flags, extent[5]))


def _scratch_key(record: Record) -> bytes:
    if len(record.name) <= SHORT_NAME_BYTES_MAX:
        return BUCKET_KEY.pack(record.bucket_id) + record.name
    return long_key(BUCKET_KEY.pack(record.bucket_id | _LONG), record.name)


def _segment_files(parts: Parts) -> dict[int, Path]:
    return {int(path.stem): path for path in parts.paths.segments.glob("*/*.tar") if path.stem.isdecimal()}


def _other_workers(parts: Parts) -> list[int]:
    numbers = [int(path.stem) for path in parts.paths.worker_lock(0).parent.glob("*.lock")]
    return [number for number in numbers if number != parts.options.worker]
