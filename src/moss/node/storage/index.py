"""The index: LMDB tables of objects, their attributes and the segments. Format: docs/formats/index.md."""

import errno
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

import lmdb
import msgspec

from moss.errors import BadRecord, OutOfSpace, Unsupported
from moss.naming.bucket import Bucket
from moss.node.storage import objects
from moss.node.storage.layout import (
    BUCKET_KEY,
    EXTENT,
    FORMAT,
    LONG_PREFIX_BYTES,
    SERIAL_KEY,
    SHORT_NAME_BYTES_MAX,
    STATE_DEAD,
    STATE_LARGE,
    U64,
    Extent,
    SegmentRow,
    long_key,
    unpack_extents,
)
from moss.node.storage.objects import BucketRecord
from moss.node.storage.records import FLAG_BLOCKS

__all__ = ["Change", "Index", "space_error"]

# Address space, not disk: the file grows as it is needed.
MAP_BYTES = 1 << 40
_MAP_BYTES_MIN = 1 << 30
_READERS_MAX = 2048
_TABLES = ("objects", "long_objects", "attributes", "blocks", "derived", "segments", "buckets", "meta", "deletions")


def space_error(error: Exception) -> bool:
    """Whether an error of LMDB or of the operating system means that there is no room."""
    if isinstance(error, (lmdb.MapFullError, lmdb.TxnFullError)):
        return True
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    # py-lmdb gives the text of errno, not its number.
    return isinstance(error, lmdb.Error) and any(
        text in str(error) for text in ("No space left", "quota exceeded", "File too large")
    )


class Index:
    """One open LMDB environment. There is one for each data directory and process."""

    def __init__(self, path: Path, *, map_bytes: int = MAP_BYTES, sync: bool = True) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self.env = _open(path, map_bytes, sync)
        self.env.reader_check()  # readers that were killed must not keep pages from being used again
        try:
            with self.env.begin(write=True) as txn:
                tables = {name: self.env.open_db(name.encode(), txn=txn) for name in _TABLES}
                self._accept_format(txn, tables["meta"])
        except lmdb.Error as error:
            self.env.close()
            if space_error(error):
                raise OutOfSpace("no space left for the index") from error
            raise
        self.objects, self.long_objects = tables["objects"], tables["long_objects"]
        self.attributes, self.blocks, self.derived = tables["attributes"], tables["blocks"], tables["derived"]
        self.segments, self.buckets = tables["segments"], tables["buckets"]
        self.meta_table, self.deletions = tables["meta"], tables["deletions"]

    def _accept_format(self, txn: lmdb.Transaction, meta: object) -> None:
        row = txn.get(b"format", db=meta)
        if row is None:
            txn.put(b"format", U64.pack(FORMAT), db=meta)
        elif U64.unpack(row)[0] != FORMAT:
            raise Unsupported(f"index of format {U64.unpack(row)[0]}, this program knows {FORMAT}")

    def close(self) -> None:
        self.env.close()

    def sync(self) -> None:
        self.env.sync(True)

    # -- small values --

    def meta(self, txn: lmdb.Transaction, name: bytes) -> int:
        row = txn.get(name, db=self.meta_table)
        return U64.unpack(row)[0] if row is not None else 0

    def set_meta(self, txn: lmdb.Transaction, name: bytes, value: int) -> None:
        txn.put(name, U64.pack(value), db=self.meta_table)

    # -- objects --

    def find(self, txn: lmdb.Transaction, bucket_id: int, name: bytes) -> Extent | None:
        prefix = BUCKET_KEY.pack(bucket_id)
        if len(name) <= SHORT_NAME_BYTES_MAX:
            row = txn.get(prefix + name, db=self.objects)
            return EXTENT.unpack(row) if row is not None else None
        row = txn.get(long_key(prefix, name), db=self.long_objects)
        if row is None or row[EXTENT.size :] != name:
            return None
        return EXTENT.unpack_from(row)

    def find_many(self, txn: lmdb.Transaction, keys: Sequence[bytes]) -> list[Extent | None]:
        """Look up many keys (bucket id and name). Long names are found too, a little slower.

        Args:
            txn: with `objects` as its default table.
        """
        if keys and max(map(len, keys)) > SHORT_NAME_BYTES_MAX + BUCKET_KEY.size:
            size = BUCKET_KEY.size
            return [self.find(txn, BUCKET_KEY.unpack_from(key)[0], key[size:]) for key in keys]
        # Faster than a cursor's `getmulti`, which searches from the root for each key as well.
        rows = list(map(txn.get, keys))
        if None not in rows:
            return list(unpack_extents(b"".join(rows)))
        unpack = EXTENT.unpack
        return [None if row is None else unpack(row) for row in rows]

    def has_all(self, txn: lmdb.Transaction, keys: Sequence[bytes]) -> bool:
        """Tell whether all keys are there, in half the time of `find_many`. With a long name among them: False."""
        try:
            return all(map(txn.cursor(self.objects).set_key, keys))
        except lmdb.BadValsizeError:
            return False

    def attributes_of(self, txn: lmdb.Transaction, serial: int) -> "objects.AttributesRow":
        """Return the attributes of one version.

        Raises:
            BadRecord: the index is damaged.
        """
        row = txn.get(SERIAL_KEY.pack(serial), db=self.attributes)
        try:
            return objects.decode_row(row if row is not None else b"")
        except (msgspec.MsgspecError, ValueError) as error:
            raise BadRecord(f"damaged attributes of object version {serial}") from error

    def scan(
        self, txn: lmdb.Transaction, bucket_id: int, prefix: bytes, after: bytes
    ) -> Iterator[tuple[bytes, Extent]]:
        """Yield (name, extent) in byte order: names that begin with `prefix` and are larger than `after`."""
        bucket = BUCKET_KEY.pack(bucket_id)
        short = self._scan_short(txn, bucket, prefix, after)
        if not txn.stat(self.long_objects)["entries"]:
            yield from short
            return
        yield from _merge(short, self._scan_long(txn, bucket, prefix, after))

    def _scan_short(
        self, txn: lmdb.Transaction, bucket: bytes, prefix: bytes, after: bytes
    ) -> Iterator[tuple[bytes, Extent]]:
        cursor = txn.cursor(self.objects)
        first = (bucket + max(prefix, after))[: SHORT_NAME_BYTES_MAX + len(bucket)]
        if not cursor.set_range(first):
            return
        start, skip = bucket + prefix, len(bucket)
        for key, row in cursor.iternext():
            if not key.startswith(start):
                return
            name = key[skip:]
            if name > after:
                yield name, EXTENT.unpack(row)

    def _scan_long(
        self, txn: lmdb.Transaction, bucket: bytes, prefix: bytes, after: bytes
    ) -> Iterator[tuple[bytes, Extent]]:
        """Rows with the same first 440 bytes are in no order: they are sorted, group by group."""
        cursor = txn.cursor(self.long_objects)
        if not cursor.set_range(bucket + max(prefix, after)[:LONG_PREFIX_BYTES]):
            return
        skip, start = len(bucket), bucket + prefix[:LONG_PREFIX_BYTES]
        group: list[tuple[bytes, Extent]] = []
        head = None
        for key, row in cursor.iternext():
            if not key.startswith(start):
                break
            if key[: skip + LONG_PREFIX_BYTES] != head:
                yield from sorted(group)
                group, head = [], key[: skip + LONG_PREFIX_BYTES]
            name = row[EXTENT.size :]
            if name.startswith(prefix) and name > after:
                group.append((name, EXTENT.unpack_from(row)))
        yield from sorted(group)

    def bucket_ids(self, txn: lmdb.Transaction) -> set[int]:
        """Return the ids of all buckets that have objects, dropped ones included."""
        found = set()
        for table in (self.objects, self.long_objects):
            cursor = txn.cursor(table)
            more = cursor.first()
            while more:
                number = BUCKET_KEY.unpack_from(cursor.key())[0]
                found.add(number)
                more = cursor.set_range(BUCKET_KEY.pack(number + 1))
        return found

    # -- segments --

    def segment_rows(self, txn: lmdb.Transaction) -> dict[int, SegmentRow]:
        return {SERIAL_KEY.unpack(key)[0]: SegmentRow.unpack(row) for key, row in txn.cursor(self.segments)}

    def segment_row(self, txn: lmdb.Transaction, number: int) -> SegmentRow | None:
        row = txn.get(SERIAL_KEY.pack(number), db=self.segments)
        return SegmentRow.unpack(row) if row is not None else None

    def block_checksums(self, txn: lmdb.Transaction, serial: int) -> list[int] | None:
        row = txn.get(SERIAL_KEY.pack(serial), db=self.blocks)
        return list(struct.unpack(f"<{len(row) // 8}Q", row)) if row is not None else None


def _merge(
    left: Iterator[tuple[bytes, Extent]], right: Iterator[tuple[bytes, Extent]]
) -> Iterator[tuple[bytes, Extent]]:
    one, other = next(left, None), next(right, None)
    while one is not None and other is not None:
        if one[0] < other[0]:
            yield one
            one = next(left, None)
        else:
            yield other
            other = next(right, None)
    if one is not None:
        yield one
        yield from left
    if other is not None:
        yield other
        yield from right


def _open(path: Path, map_bytes: int, sync: bool) -> lmdb.Environment:
    while True:
        try:
            return lmdb.open(
                str(path),
                map_size=map_bytes,
                max_dbs=len(_TABLES) + 4,
                max_readers=_READERS_MAX,
                sync=sync,
                metasync=False,
                readahead=False,
                meminit=False,
                max_spare_txns=16,
            )
        except (MemoryError, lmdb.MemoryError):
            # A limit on address space. Smaller maps can still be grown by a restart.
            map_bytes //= 2
            if map_bytes < _MAP_BYTES_MIN:
                raise


class Change:
    """One write transaction. Changes of segment rows are collected and written by `finish`.

    Holds LMDB's writer lock, which all worker processes share, from construction to `finish` or `abort`.
    """

    def __init__(self, index: Index) -> None:
        self.index = index
        self.txn = index.env.begin(write=True)
        self._serial = self._serial_before = index.meta(self.txn, b"serial")
        self._rows: dict[int, SegmentRow | None] = {}
        self.buckets: dict[Bucket, BucketRecord] | None = None  # filled by `BucketTable.require_in`
        self._has_derived = bool(self.txn.stat(index.derived)["entries"])
        self.orphans: list[tuple[int, bytes]] = []  # derived data (serial, kind) of versions that went away
        self.dead: list[int] = []  # segments that nothing needs once this is committed

    def next_serial(self) -> int:
        self._serial += 1
        return self._serial

    def see_serial(self, serial: int) -> None:
        """Make sure that no later version gets a serial that is in use."""
        self._serial = max(self._serial, serial)

    def new_segment(self) -> int:
        number = self.index.meta(self.txn, b"segment") + 1
        self.index.set_meta(self.txn, b"segment", number)
        return number

    def segment(self, number: int) -> SegmentRow | None:
        if number not in self._rows:
            self._rows[number] = self.index.segment_row(self.txn, number)
        return self._rows[number]

    def set_segment(self, number: int, row: SegmentRow | None) -> None:
        """Set a segment's row; None removes it."""
        self._rows[number] = row

    def add_live(self, number: int, record_bytes: int, serial: int) -> None:
        row = self.segment(number)
        if row is not None:
            row.live += record_bytes
            row.serial_min = min(row.serial_min, serial)

    def move(
        self, bucket_id: int, name: bytes, old: Extent, extent: Extent, row: "objects.AttributesRow", old_bytes: int
    ) -> None:
        """Note that an object's record is now somewhere else. `old_bytes`: size of the record that it leaves."""
        self.drop_live(old[0], old_bytes)
        self.set_extent(bucket_id, name, extent)
        self.set_attributes(extent[5], row)
        self.add_live(extent[0], row.record_bytes, extent[5])

    def drop_live(self, number: int, record_bytes: int) -> None:
        row = self.segment(number)
        if row is None:
            return
        row.live -= record_bytes
        if row.state == STATE_LARGE:
            self.end_segment(number)

    def end_segment(self, number: int) -> None:
        """Note that nothing needs a segment any more; `dead` says whose file goes once this is committed."""
        row = self.segment(number)
        if row is not None:
            row.state, row.live, row.indexed = STATE_DEAD, 0, 0
            self.dead.append(number)

    def find(self, bucket_id: int, name: bytes) -> Extent | None:
        return self.index.find(self.txn, bucket_id, name)

    def attributes_of(self, serial: int) -> "objects.AttributesRow":
        return self.index.attributes_of(self.txn, serial)

    def set_extent(self, bucket_id: int, name: bytes, extent: Extent) -> None:
        prefix = BUCKET_KEY.pack(bucket_id)
        if len(name) <= SHORT_NAME_BYTES_MAX:
            self.txn.put(prefix + name, EXTENT.pack(*extent), db=self.index.objects)
        else:
            self.txn.put(long_key(prefix, name), EXTENT.pack(*extent) + name, db=self.index.long_objects)

    def set_attributes(self, serial: int, row: "objects.AttributesRow") -> None:
        self.txn.put(SERIAL_KEY.pack(serial), objects.encode_row(row), db=self.index.attributes)

    def set_blocks(self, serial: int, blocks: bytes) -> None:
        self.txn.put(SERIAL_KEY.pack(serial), blocks, db=self.index.blocks)

    def insert(
        self, bucket_id: int, name: bytes, extent: Extent, row: "objects.AttributesRow", previous: Extent | None
    ) -> None:
        """Add an object in place of `previous` (what `find` gave)."""
        if previous is not None:
            self._forget(previous)
        self.set_extent(bucket_id, name, extent)
        self.set_attributes(extent[5], row)
        self.add_live(extent[0], row.record_bytes, extent[5])

    def remove(self, bucket_id: int, name: bytes, previous: Extent) -> None:
        """Take an object away."""
        self._forget(previous)
        prefix = BUCKET_KEY.pack(bucket_id)
        if len(name) <= SHORT_NAME_BYTES_MAX:
            self.txn.delete(prefix + name, db=self.index.objects)
        else:
            self.txn.delete(long_key(prefix, name), db=self.index.long_objects)

    def _forget(self, extent: Extent) -> None:
        """Drop everything that belongs to one version."""
        serial, key = extent[5], SERIAL_KEY.pack(extent[5])
        row = self.txn.pop(key, db=self.index.attributes)
        try:
            record_bytes = objects.decode_row(row).record_bytes if row else extent[2]
        except (
            msgspec.MsgspecError,
            ValueError,
        ):  # a damaged row must not keep an object from being replaced or deleted
            record_bytes = extent[2]
        self.drop_live(extent[0], record_bytes)
        if extent[4] & FLAG_BLOCKS:
            self.txn.delete(key, db=self.index.blocks)
        if self._has_derived:
            cursor = self.txn.cursor(self.index.derived)
            found = cursor.set_range(key)
            while found and cursor.key().startswith(key):
                self.orphans.append((serial, cursor.key()[len(key) :]))
                found = cursor.delete()

    def finish(self) -> None:
        """Write the collected rows and commit.

        Raises:
            lmdb.Error: the transaction is aborted then.
        """
        try:
            for number, row in self._rows.items():
                self._write_row(number, row)
            if self._serial != self._serial_before:
                self.index.set_meta(self.txn, b"serial", self._serial)
        except BaseException:
            self.txn.abort()
            raise
        self.txn.commit()

    def _write_row(self, number: int, row: SegmentRow | None) -> None:
        key = SERIAL_KEY.pack(number)
        if row is None:
            self.txn.delete(key, db=self.index.segments)
        else:
            self.txn.put(key, row.pack(), db=self.index.segments)

    def abort(self) -> None:
        self.txn.abort()
