"""Segment files: mapped for reading, appended to by one writer. Format: docs/formats/segment.md."""

import contextlib
import mmap
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path

from xxhash import xxh3_64_intdigest

from moss.errors import BadRecord, SegmentGone
from moss.node.storage.layout import StorePaths
from moss.node.storage.objects import Buffer
from moss.node.storage.records import PAX_NAME, SEGMENT_RECORD_BYTES, TAR_BLOCK, TAR_END, Record, RecordCodec

__all__ = ["ActiveSegment", "Scan", "Segment", "Segments", "data_end", "is_sealed", "sync_directory", "sync_file"]

_IOV_MAX = 1024
_PAGE_BYTES = 4096
# Two file descriptors each.
_OPEN_SEGMENTS_MAX = 256


class Segment:
    """One segment, mapped read-only as a whole. Readable as long as it is referenced, even if its file is deleted.

    Attributes:
        view: all bytes of the file, or of its capacity while it is active.
        fd: for `sendfile` and `posix_fadvise`; belongs to this object.
    """

    __slots__ = ("fd", "number", "path", "view")

    def __init__(self, number: int, path: Path) -> None:
        self.number, self.path = number, path
        self.fd = -1
        try:
            self.fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise SegmentGone(number) from None
        size = os.fstat(self.fd).st_size
        if not size:
            raise BadRecord(f"segment {number} is empty")
        self.view = memoryview(mmap.mmap(self.fd, size, prot=mmap.PROT_READ))

    def __del__(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)


class Segments:
    """Opens segments and keeps the last used ones open. Thread-safe."""

    def __init__(self, paths: StorePaths, *, open_max: int = _OPEN_SEGMENTS_MAX) -> None:
        self._paths, self._open_max = paths, open_max
        self._open: OrderedDict[int, Segment] = OrderedDict()
        self._used: set[int] = set()
        self._lock = threading.Lock()

    def get(self, number: int) -> Segment:
        """Return an open segment.

        Raises:
            SegmentGone: the segment was compacted away, or the object that it holds was deleted.
        """
        with self._lock:
            segment = self._open.get(number)
            self._used.add(number)
            if segment is not None:
                self._open.move_to_end(number)
                return segment
        segment = Segment(number, self._paths.segment(number))
        with self._lock:
            while len(self._open) >= self._open_max:
                self._open.popitem(last=False)
            return self._open.setdefault(number, segment)

    def note_use(self) -> None:
        """Set the access times of the files that were asked for since the last call; the system does not, for maps."""
        with self._lock:
            used, self._used = self._used, set()
        now_ns = time.time_ns()
        for number in used:
            path = self._paths.segment(number)
            with contextlib.suppress(OSError):
                os.utime(path, ns=(now_ns, path.stat().st_mtime_ns))

    def forget(self, number: int) -> None:
        """Close a segment as soon as its last reader lets go of it."""
        with self._lock:
            self._open.pop(number, None)

    def forget_deleted(self) -> None:
        """Forget segments that another process has deleted: their space is free when the last mapping is gone."""
        with self._lock:
            gone = [number for number, segment in self._open.items() if not os.fstat(segment.fd).st_nlink]
            for number in gone:
                del self._open[number]

    def clear(self) -> None:
        with self._lock:
            self._open.clear()


class ActiveSegment:
    """The segment that one worker appends to.

    Attributes:
        end: where the next record begins.
        capacity: size of the file until it is sealed.
    """

    def __init__(self, number: int, path: Path, *, capacity: int, end: int) -> None:
        self.number, self.path, self.capacity, self.end = number, path, capacity, end
        self._fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)

    @classmethod
    def create(cls, number: int, path: Path, *, capacity: int, codec: RecordCodec, sync: bool) -> "ActiveSegment":
        """Make a new segment file, with its segment record in it and on stable storage."""
        is_new_folder = not path.parent.exists()
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        try:
            write_all(fd, [codec.encode_segment(number)], 0)
            os.ftruncate(fd, capacity)
            if sync:
                os.fsync(fd)
                sync_directory(path.parent)
                if is_new_folder:
                    sync_directory(path.parent.parent)
        except BaseException:
            path.unlink()
            raise
        finally:
            os.close(fd)
        return cls(number, path, capacity=capacity, end=SEGMENT_RECORD_BYTES)

    @property
    def room(self) -> int:
        """Bytes that may still be appended; the end of the archive has its place."""
        return self.capacity - len(TAR_END) - self.end

    def write(self, buffers: Sequence[Buffer], *, sync: bool) -> int:
        """Write behind the end, without moving it. Returns the number of bytes.

        Raises:
            OSError: nothing of it counts; `discard` cleans up.
        """
        written = write_all(self._fd, buffers, self.end)
        if sync:
            os.fdatasync(self._fd)
        return written

    def discard(self) -> None:
        """Wipe what was written behind the end, so that a later start does not take it for records."""
        os.ftruncate(self._fd, self.end)
        os.ftruncate(self._fd, self.capacity)

    def seal(self, *, sync: bool) -> int:
        """Cut the file to its contents and close it. Returns its size."""
        size = self.end + len(TAR_END)
        os.ftruncate(self._fd, size)
        if sync:
            os.fsync(self._fd)
        self.close()
        return size

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def free_bytes(self) -> int:
        """Free space of the file system, for us."""
        status = os.fstatvfs(self._fd)
        return status.f_bavail * status.f_frsize


def write_all(fd: int, buffers: Sequence[Buffer], offset: int) -> int:
    """Write buffers one behind the other at an offset. Returns the number of bytes."""
    start = offset
    for first in range(0, len(buffers), _IOV_MAX):
        pending = list(buffers[first : first + _IOV_MAX])
        while pending:
            written = os.pwritev(fd, pending, offset)
            offset += written
            while pending and written >= len(pending[0]):
                written -= len(pending.pop(0))
            if pending and written:
                pending[0] = memoryview(pending[0])[written:]
    return offset - start


def sync_directory(path: Path) -> None:
    sync_file(path, os.O_DIRECTORY)


def sync_file(path: Path, flags: int = 0) -> None:
    """Put a file's contents on stable storage, or a directory's with `os.O_DIRECTORY`."""
    fd = os.open(path, os.O_RDONLY | flags)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def data_end(segment: Segment) -> int:
    """Return the offset behind which the file has only holes."""
    end = at = 0
    size = len(segment.view)
    while at < size:
        try:
            data = os.lseek(segment.fd, at, os.SEEK_DATA)
        except OSError:
            break
        at = end = os.lseek(segment.fd, data, os.SEEK_HOLE)
    return min(-(-end // TAR_BLOCK) * TAR_BLOCK, size)


def is_sealed(segment: Segment) -> bool:
    """Whether a file reaches just as far as its contents. Active segments end in a hole."""
    return data_end(segment) >= len(segment.view) - len(TAR_END) - _PAGE_BYTES


class Scan:
    """Iterates over the records of a segment, passing over damage.

    Attributes:
        end: behind the last whole record; final when the iteration is over.
        data_end: behind it there are only zeros.
        damage: (start, stop) of each stretch that was passed over. One that reaches `data_end` is a torn tail.
    """

    def __init__(
        self,
        codec: RecordCodec,
        segment: Segment,
        start: int,
        *,
        verify_from: int | None,
        stop_at_damage: bool = False,
    ) -> None:
        self._codec, self._segment, self._verify_from = codec, segment, verify_from
        self._stop_at_damage = stop_at_damage
        self.data_end = data_end(segment)
        self._view = segment.view[: self.data_end]
        self.end = start
        self.damage: list[tuple[int, int]] = []

    def __iter__(self) -> Iterator[Record]:
        at = self.end
        while at < self.data_end:
            try:
                record = self._parse(at)
            except BadRecord:
                found = None if self._stop_at_damage else self._next_record(at + TAR_BLOCK)
                self.damage.append((at, self.data_end if found is None else found))
                if found is None:
                    return
                at = found
                continue
            if record is None:
                return
            yield record
            self.end = at = record.stop

    def _parse(self, at: int) -> Record | None:
        record = self._codec.parse(self._segment.number, self._view, at)
        if record is None or record.kind != "object":
            return record
        if record.stop > len(self._segment.view):
            raise BadRecord(f"segment {self._segment.number}: payload cut off at {at}")
        if self._verify_from is not None and at >= self._verify_from:
            payload = self._segment.view[record.data_offset : record.data_offset + record.size]
            if xxh3_64_intdigest(payload) != record.xxh3:
                raise BadRecord(f"segment {self._segment.number}: damaged payload at {at}")
        return record

    def _next_record(self, start: int) -> int | None:
        """Return the offset of the next whole record. Its check tells it from anything that looks like one."""
        for at in range(start, len(self._view) - TAR_BLOCK, TAR_BLOCK):
            if self._view[at : at + len(PAX_NAME)] != PAX_NAME:
                continue
            try:
                if self._parse(at) is not None:
                    return at
            except BadRecord:
                continue
        return None
