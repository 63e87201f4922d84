"""The storage engine: buckets and objects under one directory. Above it there are names, extents and bytes, no paths.

Synchronous and thread-safe. Writes return futures that resolve when the data is on stable storage.
"""

import contextlib
import os
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path

import lmdb
from xxhash import xxh3_64_intdigest

from moss.errors import (
    BadRecord,
    ChecksumMismatch,
    ObjectChanged,
    ObjectNotFound,
    OutOfSpace,
    SegmentGone,
    StoreClosed,
)
from moss.naming.bucket import Bucket
from moss.node.storage import derived
from moss.node.storage.bucket_calls import BucketCalls, without_old_header
from moss.node.storage.burial import forget_dead_segments
from moss.node.storage.committer import Committer
from moss.node.storage.compaction import CompactionReport, Compactor
from moss.node.storage.copying import copy_operation
from moss.node.storage.index import Change, space_error
from moss.node.storage.layout import BUCKET_KEY, DERIVED_BIT, STATE_DEAD, Extent, decode_name, encode_name
from moss.node.storage.locks import WorkerLock, exclusive
from moss.node.storage.maintenance import Maintenance
from moss.node.storage.objects import Buffer, ObjectAttributes, ObjectRecord, Patch, object_record
from moss.node.storage.opening import open_store
from moss.node.storage.operations import Delete, PatchAttributes, Put
from moss.node.storage.parts import EngineOptions, Parts
from moss.node.storage.reading import read_verified
from moss.node.storage.renaming import Rename, attributes_of_renamed
from moss.node.storage.reserve import Reserve
from moss.node.storage.scrub import ScrubReport, scrub
from moss.node.storage.segments import ActiveSegment, Segment
from moss.node.storage.unfinished import Part
from moss.node.storage.uploads import Upload
from moss.node.storage.warm import WarmReader
from moss.node.storage.windows import WindowCalls

__all__ = ["Engine", "EngineOptions", "Extent"]

_NO_ATTRIBUTES = ObjectAttributes()
_READ_TRIES = 8
# Share of a segment that is dead when it is worth rewriting: usually, and on a full disk.
_DEAD_RATIO, _DEAD_RATIO_PRESSURE = 0.5, 0.05


class Engine(BucketCalls, WindowCalls):
    """One open data directory. Made by `Engine.open`; several processes may have the same directory open.

    Attributes:
        warm: reads what is in memory; for the event loop's thread.
        note_use: notes at the segments' files which were read since it was called last, by this process.
        worker: number of this process among those that have the directory open.
        remote_folder: where it is noted what is under way at the stores behind buckets.
    """

    def __init__(self, parts: Parts, lock: WorkerLock, active: ActiveSegment | None) -> None:
        self._parts, self._lock = parts, lock
        self._index, self._buckets, self._segments = parts.index, parts.buckets, parts.segments
        self._env = parts.index.env
        self.warm = WarmReader(parts)
        self.note_use = parts.segments.note_use
        self.worker, self.remote_folder = parts.options.worker, parts.paths.root / "remote"
        self._reserve = Reserve(parts.paths.reserve, parts.options.reserve_bytes)
        self._committer = Committer(parts, active, self._reserve, self._on_pressure)
        self._is_closed = False
        self._chores: list[Callable[[frozenset[int]], object]] = []
        self._maintenance = Maintenance(self._maintain)
        if parts.options.compact_in_background:
            self._reserve.restore()
            self._maintenance.start()

    # -- opening and closing --

    @classmethod
    def open(cls, path: Path, *, options: EngineOptions | None = None) -> "Engine":
        """Open a data directory; make it if there is none; recover from whatever happened to it.

        Raises:
            Conflict: another process runs as the same worker.
            Unsupported: the directory was written by a later version.
            OutOfSpace: there is no room even for the locks and the index.
        """
        return cls(*open_store(Path(path), options or EngineOptions()))

    def close(self) -> None:
        """Commit what was put before, and let go of the directory. Segments that are held stay readable."""
        if self._is_closed:
            return
        self._maintenance.stop()
        self._is_closed = True
        self._committer.close()
        if self._parts.options.sync:
            with contextlib.suppress(lmdb.Error):
                self._index.sync()
        self._index.close()
        self._segments.clear()
        self._lock.release()

    def __enter__(self) -> "Engine":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # -- background work --

    def _on_pressure(self) -> None:
        self._maintenance.wake(under_pressure=True)

    def _maintain(self, under_pressure: bool) -> None:
        self._segments.note_use()
        self._segments.forget_deleted()
        self._env.reader_check()
        self._purge_dropped()
        self.compact(_DEAD_RATIO_PRESSURE if under_pressure else _DEAD_RATIO)
        self._restore_reserve()
        bucket_ids = frozenset(record.id for record in self.list_buckets())
        for chore in self._chores:
            chore(bucket_ids)

    def add_chore(self, chore: Callable[[frozenset[int]], object]) -> None:
        """Have something done in the background once a minute; it is given the ids of the buckets that there are."""
        self._chores.append(chore)

    def _restore_reserve(self) -> None:
        status = os.statvfs(self._parts.paths.root)
        if status.f_bavail * status.f_frsize > self._parts.headroom_bytes + 2 * self._parts.options.reserve_bytes:
            self._reserve.restore()

    def compact(self, dead_ratio_min: float = _DEAD_RATIO) -> CompactionReport:
        """Delete segments of which at least this share is dead; what they hold that is needed is copied first.

        Does nothing while another thread or process compacts.

        Raises:
            OutOfSpace: there is no room for a copy.
        """
        if self._is_closed:
            raise StoreClosed("the store is closed")
        with exclusive(self._parts.paths.lock("compaction"), wait=False) as is_ours:
            if not is_ours:
                return CompactionReport()
            compactor = Compactor(self._parts, self._committer, lambda: self._maintenance.is_stopping)
            report = compactor.run(dead_ratio_min)
            forget_dead_segments(self._parts)
        self._restore_reserve()
        return report

    def scrub(self, *, bytes_per_s_max: float = 0, stop: Callable[[], bool] = lambda: False) -> ScrubReport:
        """Check all objects; see `moss.node.storage.scrub`. `stop` is asked between objects."""
        return scrub(self._parts, bytes_per_s_max=bytes_per_s_max, stop=lambda: stop() or self._is_closed)

    def stats(self) -> dict[str, int]:
        """Return sizes in bytes and counts. `lost_records`: damage that was found when the store was opened."""
        with self._begin() as txn:
            rows = [row for row in self._index.segment_rows(txn).values() if row.state != STATE_DEAD]
            objects = txn.stat(self._index.objects)["entries"] + txn.stat(self._index.long_objects)["entries"]
        status = os.statvfs(self._parts.paths.root)
        return {
            "objects": objects,
            "segments": len(rows),
            "stored_bytes": sum(row.indexed for row in rows),
            "live_bytes": sum(row.live for row in rows),
            "index_bytes": (self._parts.paths.index / "data.mdb").stat().st_blocks * 512,
            "free_bytes": status.f_bavail * status.f_frsize,
            "disk_bytes": status.f_blocks * status.f_frsize,
            "lost_records": len(self._parts.lost),
        }

    @contextlib.contextmanager
    def _begin(self) -> Iterator[lmdb.Transaction]:
        if self._is_closed:
            raise StoreClosed("the store is closed")
        try:
            with self._env.begin(db=self._index.objects) as txn:
                yield txn
        except (lmdb.Error, struct.error, ValueError) as error:
            raise BadRecord("the index is damaged: delete it while nothing runs, it will be made anew") from error

    @contextlib.contextmanager
    def _changing(self) -> Iterator[Change]:
        if self._is_closed:
            raise StoreClosed("the store is closed")
        try:
            change = Change(self._index)
            try:
                yield change
            except BaseException:
                change.abort()
                raise
            change.finish()
        except (lmdb.Error, OSError) as error:
            if space_error(error):
                raise OutOfSpace("no space left on the node's disk") from error
            raise

    # -- writing --

    def put(
        self,
        bucket: Bucket,
        name: str,
        data: Buffer | Sequence[Buffer],
        *,
        attributes: ObjectAttributes | None = None,
    ) -> "Future[ObjectRecord]":
        """Store an object of any size, in place of an older one. The data must not change until the future resolves.

        Raises:
            InvalidName, InvalidRequest: the name, or the checksum type, is none.
            ChecksumMismatch: the data is not what the attributes announced; nothing is stored.
        The future raises BucketNotFound or OutOfSpace.
        """
        attributes = attributes or _NO_ATTRIBUTES
        size = len(data) if isinstance(data, (bytes, bytearray)) else _size_of(data)
        if size > self._parts.options.small_object_bytes_max:
            return self._put_large(bucket, name, data, attributes)
        operation = Put(bucket, name, data, attributes)
        self._committer.submit(operation)
        return operation.future

    def _put_large(
        self, bucket: Bucket, name: str, data: Buffer | Sequence[Buffer], attributes: ObjectAttributes
    ) -> "Future[ObjectRecord]":
        upload = self.begin_upload(bucket, name, attributes=attributes)
        try:
            for part in [data] if isinstance(data, (bytes, bytearray, memoryview)) else data:
                upload.write(part)
            return upload.commit()
        except BaseException:
            upload.abort()
            raise

    def begin_upload(
        self, bucket: Bucket, name: str, *, attributes: ObjectAttributes | None = None, is_staged: bool = False
    ) -> Upload:
        """Begin an object whose size need not be known.

        Args:
            is_staged: its attributes are known at its end only.

        Raises:
            BucketNotFound: there is no such bucket.
            InvalidName, InvalidRequest: the name, or the checksum type, is none.
        """
        encode_name(name)
        self.get_bucket(bucket)
        return Upload(self._parts, self._committer.submit, bucket, name, attributes or _NO_ATTRIBUTES, is_staged)

    def concat(
        self,
        bucket: Bucket,
        name: str,
        parts: Iterable[Part],
        *,
        attributes: ObjectAttributes | None = None,
    ) -> "Future[ObjectRecord]":
        """Store an object made of parts, one behind the other. Raises as `begin_upload` and `Upload`, and:

        Raises:
            ChecksumMismatch: a part is damaged; nothing is stored.
        """
        upload = self.begin_upload(bucket, name, attributes=attributes)
        try:
            for part in parts:
                for piece in part.read():
                    upload.write(piece)
            return upload.commit()
        except BaseException:
            upload.abort()
            raise

    def delete(self, bucket: Bucket, name: str) -> "Future[None]":
        """Remove an object. The future raises BucketNotFound or ObjectNotFound."""
        operation = Delete(bucket, name)
        self._committer.submit(operation)
        return operation.future

    def rename(self, bucket: Bucket, name: str, new_name: str) -> ObjectRecord:
        """Give an object another name, in place of what has it. Version, metadata and checksums stay.

        Raises:
            BucketNotFound, ObjectNotFound: there is no such object.
            InvalidName: the new name is none.
            ChecksumMismatch: the object is damaged; nothing is changed.
            OutOfSpace: there is no room for it while both exist.
        """
        for attempt in range(_READ_TRIES):
            record = self.head(bucket, name)
            try:
                copy = copy_operation(self._parts, bucket, record, bucket, new_name, attributes_of_renamed(record))
                operation = Rename(copy, record)
                self._committer.submit(operation)
                return operation.future.result()
            except (SegmentGone, ObjectChanged):
                if attempt == _READ_TRIES - 1:
                    raise
        raise AssertionError("unreachable")

    def update_custom(
        self, bucket: Bucket, name: str, custom: dict[str, str], *, keep: bool = False, bytes_max: int = 0
    ) -> "Future[ObjectRecord]":
        """Replace an object's custom metadata, or with `keep` add to it; nothing else changes.

        The future raises as that of `delete`, and InvalidRequest for more than `bytes_max` bytes of metadata.
        """
        return self._patch(bucket, name, Patch(custom=custom, keep_custom=keep, custom_bytes_max=bytes_max))

    def set_shard_flag(self, bucket: Bucket, name: str, value: bool) -> ObjectRecord:
        """Note whether an object has a shard index.

        Raises:
            BucketNotFound, ObjectNotFound: there is no such object.
        """
        return self._patch(bucket, name, Patch(has_shard_index=value)).result()

    def _patch(self, bucket: Bucket, name: str, patch: Patch) -> "Future[ObjectRecord]":
        operation = PatchAttributes(bucket, name, patch)
        self._committer.submit(operation)
        return operation.future

    # -- looking up --

    def head(self, bucket: Bucket, name: str) -> ObjectRecord:
        """Return an object's record.

        Raises:
            BucketNotFound, ObjectNotFound: there is no such object.
        """
        raw = encode_name(name)
        with self._begin() as txn:
            extent = self._index.find(txn, self._buckets.require(txn, bucket).id, raw)
            if extent is None:
                raise ObjectNotFound(bucket.cname_of(name))
            return object_record(name, extent, self._index.attributes_of(txn, extent[5]))

    def locate(self, bucket: Bucket, names: Sequence[str], bucket_id: int | None = None) -> list[Extent | None]:
        """Return where objects are, None for those that do not exist; one consistent view of the store.

        Args:
            bucket_id: the bucket is to be the one that had this id; another of the same name is none.

        Raises:
            BucketNotFound: there is no such bucket.
        """
        raws = _encode_names(names)
        with self._begin() as txn:
            record = self._buckets.require(txn, bucket, bucket_id)
            prefix = BUCKET_KEY.pack(record.id)
            extents = self._index.find_many(txn, [prefix + raw for raw in raws])
        if record.renamed_serial:
            return [extent and without_old_header(extent, record.renamed_serial) for extent in extents]
        return extents

    def has_all(self, bucket: Bucket, names: Sequence[str], bucket_id: int | None = None) -> bool:
        """Tell quickly whether all objects exist; False means: look with `locate`, which takes and raises the same."""
        with self._begin() as txn:
            prefix = BUCKET_KEY.pack(self._buckets.require(txn, bucket, bucket_id).id)
            return self._index.has_all(txn, [prefix + raw for raw in _encode_names(names)])

    def locate_mixed(self, bucket_ids: Sequence[int], names: Sequence[str]) -> list[Extent | None]:
        """Return where objects of several buckets are; ids as in `BucketRecord`."""
        prefixes = {number: BUCKET_KEY.pack(number) for number in set(bucket_ids)}
        raws = _encode_names(names)
        keys = [prefixes[number] + raw for number, raw in zip(bucket_ids, raws, strict=True)]
        with self._begin() as txn:
            extents = self._index.find_many(txn, keys)
            renamed = self._buckets.renamed(txn)
        if not renamed:
            return extents
        serials = [renamed.get(number, 0) for number in bucket_ids]
        return [extent and without_old_header(extent, serial) for extent, serial in zip(extents, serials, strict=True)]

    def list_objects(
        self, bucket: Bucket, prefix: str = "", start_after: str = "", limit: int = 10_000
    ) -> list[ObjectRecord]:
        """Return objects in byte order of their names: those with a prefix, larger than `start_after`.

        Raises:
            BucketNotFound: there is no such bucket.
            InvalidName: the prefix, or `start_after`, is not the text form of any bytes.
        """
        records = []
        first, after = (encode_name(text) if text else b"" for text in (prefix, start_after))
        with self._begin() as txn:
            bucket_id = self._buckets.require(txn, bucket).id
            rows = self._index.scan(txn, bucket_id, first, after)
            for (raw, extent), _ in zip(rows, range(limit), strict=False):
                records.append(object_record(decode_name(raw), extent, self._index.attributes_of(txn, extent[5])))
        return records

    # -- reading --

    def segment(self, number: int) -> Segment:
        """Return a segment, readable for as long as it is held.

        Raises:
            SegmentGone: it was compacted away, or its object was deleted: look the object up again.
        """
        return self._segments.get(number)

    def verify(self, extent: Extent) -> None:
        """Check all of an object's payload.

        Raises:
            ChecksumMismatch: it is not what was written.
            SegmentGone: the object was moved: look it up again.
        """
        number, offset, size, xxh3, _, _ = extent
        payload = self._segments.get(number).view[offset : offset + size]
        found = xxh3_64_intdigest(payload)
        if found != xxh3 or len(payload) != size:
            raise ChecksumMismatch(f"object at {number}:{offset}", expected=f"{xxh3:016x}", found=f"{found:016x}")

    def block_checksums(self, serial: int) -> list[int] | None:
        """Return XXH3-64 of each 256 KiB block of a large object, None if it is small or gone."""
        with self._begin() as txn:
            return self._index.block_checksums(txn, serial)

    def read(self, bucket: Bucket, name: str, start: int = 0, length: int = -1) -> bytes:
        """Return verified bytes of an object; a length of -1 means up to its end.

        Raises:
            BucketNotFound, ObjectNotFound: there is no such object.
            RangeOutOfBounds: the range is not inside the object.
            ChecksumMismatch, BadRecord: the bytes on disk are not what was written.
        """
        for attempt in range(_READ_TRIES):
            record = self.head(bucket, name)
            try:
                return self.read_version(bucket, record, start, length)
            except SegmentGone:
                if attempt == _READ_TRIES - 1:
                    raise
        raise AssertionError("unreachable")

    def read_version(self, bucket: Bucket, record: ObjectRecord, start: int = 0, length: int = -1) -> bytes:
        """Return verified bytes of this very version of an object.

        Raises:
            SegmentGone: it was moved or replaced.
            BucketNotFound, RangeOutOfBounds, ChecksumMismatch, BadRecord: as `read`.
        """
        place = self.get_bucket(bucket)
        return read_verified(self._segments, place, record, self.block_checksums, start, length)

    # -- data derived from objects --

    def put_derived(self, serial: int, kind: str, data: Buffer) -> None:
        """Keep data that was computed from one version of an object; it goes when that version does.

        Raises:
            OutOfSpace: there is no room.
        """
        with self._changing() as change:
            derived.put(self._parts, change, serial, kind, bytes(data))

    def get_derived(self, serial: int, kind: str) -> bytes | None:
        """Return what `put_derived` kept, None if there is nothing or it is damaged."""
        with self._begin() as txn:
            return derived.get(self._parts, txn, serial, kind)

    def derived_segment_path(self, serial: int) -> Path:
        """Return where an unpacked form of an object may be kept, as a TAR file; `derived_segment` opens it."""
        return self._parts.paths.segment(serial | DERIVED_BIT)

    def derived_segment(self, serial: int) -> Segment:
        """Open an unpacked form.

        Raises:
            SegmentGone: there is none.
        """
        return self._segments.get(serial | DERIVED_BIT)


def _encode_names(names: Sequence[str]) -> list[bytes]:
    try:
        return [name.encode() for name in names]
    except UnicodeEncodeError:
        return [encode_name(name) for name in names]


def _size_of(data: Sequence[Buffer] | memoryview) -> int:
    return data.nbytes if isinstance(data, memoryview) else sum(len(part) for part in data)
