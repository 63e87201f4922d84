"""Large objects: streamed into a file of their own, which becomes a segment when it is committed."""

import os
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from itertools import count
from pathlib import Path
from typing import Any

from xxhash import xxh3_64

from moss.archive.tar import PADDINGS
from moss.errors import OutOfSpace, StoreClosed
from moss.naming.bucket import Bucket
from moss.node.storage.index import Change, space_error
from moss.node.storage.layout import STATE_LARGE, SegmentRow
from moss.node.storage.objects import (
    Buffer,
    ObjectAttributes,
    ObjectRecord,
    check_announced,
    client_checksum,
    make_hasher,
    object_record,
)
from moss.node.storage.operations import Appender, ObjectOperation, Operation, Put, attributes_row, describe_new
from moss.node.storage.parts import Parts
from moss.node.storage.records import (
    BLOCK_BYTES,
    FLAG_BLOCKS,
    FLAG_FINISHED_HEADER,
    FRAME_CHECK_SHIFT,
    LARGE_PAYLOAD_OFFSET,
    SEGMENT_RECORD_BYTES,
    TAR_END,
    encode_owner,
    frame_check,
    payload_header,
)
from moss.node.storage.segments import sync_directory, write_all

__all__ = ["CommitUpload", "Upload", "payload_offset"]

_WRITE_BYTES = 1 << 20
# Room for attributes that are not known yet: all custom metadata that an object can have, escaped.
_STAGED_ROOM = 64 << 10
_numbers = count(1)


class _BlockHasher:
    """Checksums of each block of a stream."""

    def __init__(self) -> None:
        self._hasher, self._filled = xxh3_64(), 0
        self._sums: list[bytes] = []

    def update(self, data: memoryview) -> None:
        while len(data):
            piece = data[: BLOCK_BYTES - self._filled]
            self._hasher.update(piece)
            self._filled += len(piece)
            data = data[len(piece) :]
            if self._filled == BLOCK_BYTES:
                self._end_block()

    def _end_block(self) -> None:
        self._sums.append(self._hasher.intdigest().to_bytes(8, "little"))
        self._hasher.reset()
        self._filled = 0

    def finish(self) -> bytes:
        if self._filled:
            self._end_block()
        return b"".join(self._sums)


class Upload:
    """A streamed object. Memory is bounded by 1 MiB, or by `small_object_bytes_max` until that is exceeded.

    Used by one thread at a time. Small bodies never touch the disk before they are committed.

    Args:
        is_staged: what was written is read again before `commit`, which is given other attributes than these.
    """

    def __init__(
        self,
        parts: Parts,
        submit: Any,
        bucket: Bucket,
        name: str,
        attributes: ObjectAttributes,
        is_staged: bool = False,
    ) -> None:
        self._parts, self._submit = parts, submit
        self._bucket, self._name, self._attributes = bucket, name, attributes
        self._client_hasher = make_hasher(attributes.checksum_type)
        self._hasher, self._blocks = xxh3_64(), _BlockHasher()
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._size = 0
        self._path: Path | None = None
        self._fd = -1
        self._is_done = False
        self._payload_offset = payload_offset(bucket, name, attributes) + (_STAGED_ROOM if is_staged else 0)

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return self._size

    def write(self, data: Buffer) -> None:
        """Append to the object. May block on the disk. The buffer may be used again afterwards.

        Raises:
            OutOfSpace: the disk is full; the upload can only be aborted.
        """
        if self._is_done:
            raise StoreClosed("the upload has ended")
        view = memoryview(data).cast("B") if len(data) else memoryview(b"")
        limit = self._parts.options.small_object_bytes_max
        for at in range(0, len(view), _WRITE_BYTES):
            piece = bytes(view[at : at + _WRITE_BYTES])
            self._size += len(piece)
            self._pending.append(piece)
            self._pending_bytes += len(piece)
            if self._size > limit and self._pending_bytes >= min(_WRITE_BYTES, limit):
                self._flush()

    def _flush(self) -> None:
        pending, self._pending, self._pending_bytes = self._pending, [], 0
        for piece in pending:
            self._client_hasher.update(piece)
            self._hasher.update(piece)
            self._blocks.update(memoryview(piece))
        written = sum(map(len, pending))
        try:
            if self._path is None:
                self._create()
            write_all(self._fd, pending, self._payload_offset + self._size - written)
        except OSError as error:
            self.abort()
            if space_error(error):
                raise OutOfSpace("no space left on the node's disk") from error
            raise

    def _create(self) -> None:
        name = f"{self._parts.options.worker}-{os.getpid()}-{next(_numbers)}.tar"
        self._path = self._parts.paths.incoming / name
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)

    @property
    def attributes(self) -> ObjectAttributes:
        return self._attributes

    def checksum(self) -> str:
        """Return the checksum of all that was written; nothing more may be. May block on the disk.

        Raises:
            ChecksumMismatch: it is not what the attributes announced.
            OutOfSpace: the disk is full.
        """
        if self._size <= self._parts.options.small_object_bytes_max:
            return client_checksum(self._bucket.cname_of(self._name), self._attributes, self._pending)
        if self._pending:
            self._flush()
        found = self._client_hasher.hexdigest()
        check_announced(self._bucket.cname_of(self._name), self._attributes, found)
        return found

    def pieces(self) -> Iterator[bytes]:
        """Yield all that was written, once `checksum` was asked for. May block on the disk."""
        if self._path is None:
            yield from self._pending
            return
        for at in range(0, self._size, _WRITE_BYTES):
            yield os.pread(self._fd, min(_WRITE_BYTES, self._size - at), self._payload_offset + at)

    def commit(self, attributes: ObjectAttributes | None = None) -> "Future[ObjectRecord]":
        """Make the object visible, in place of an older one. Nothing can be written afterwards.

        Args:
            attributes: in place of those that a staged object was begun with; the same type of checksum.

        Raises:
            ChecksumMismatch: the bytes are not what the attributes announced; nothing is stored.
            OutOfSpace: the disk is full; nothing is stored.
        """
        if self._is_done:
            raise StoreClosed("the upload has ended")
        self._attributes = attributes or self._attributes
        if self._size <= self._parts.options.small_object_bytes_max:
            self._is_done = True
            operation: Operation = Put(self._bucket, self._name, self._pending, self._attributes)
            self._submit(operation)
            return operation.future
        if self._pending:
            self._flush()
        self._is_done = True
        checksum = self._client_hasher.hexdigest()
        try:
            check_announced(self._bucket.cname_of(self._name), self._attributes, checksum)
            operation = self._operation(checksum)
        except BaseException:
            self._remove()
            raise
        threading.Thread(target=self._sync_and_submit, args=(operation,), name="moss-upload", daemon=True).start()
        return operation.future

    def _operation(self, checksum: str) -> "CommitUpload":
        assert self._path is not None
        operation = CommitUpload(self._bucket, self._name, self._attributes, self._path, self._fd)
        operation.size, operation.checksum = self._size, checksum
        operation.xxh3, operation.blocks = self._hasher.intdigest(), self._blocks.finish()
        operation.payload_offset = self._payload_offset
        return operation

    def _sync_and_submit(self, operation: "CommitUpload") -> None:
        """The long sync is done here, where no other put waits for it."""
        try:
            if self._parts.options.sync:
                os.fdatasync(self._fd)
            self._submit(operation)
        except BaseException as error:
            operation.undo()
            operation.future.set_exception(
                OutOfSpace("no space left on the node's disk") if space_error(error) else error
            )

    def abort(self) -> None:
        """Forget the upload. Harmless after a commit."""
        if self._is_done:
            return
        self._is_done = True
        self._pending.clear()
        self._remove()

    def __del__(self) -> None:
        if not getattr(self, "_is_done", True):
            self.abort()

    def _remove(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        if self._path is not None:
            self._path.unlink(missing_ok=True)


class CommitUpload(ObjectOperation):
    """Turns an uploaded file into a segment and enters it into the index."""

    size = xxh3 = 0
    checksum = ""
    blocks = b""
    payload_offset = LARGE_PAYLOAD_OFFSET

    def __init__(self, bucket: Bucket, name: str, attributes: ObjectAttributes, path: Path, fd: int) -> None:
        super().__init__(bucket, name)
        self._attributes, self._path, self._fd = attributes, path, fd
        self._final: Path | None = None

    def stage(self, parts: Parts, change: Change, appender: Appender) -> ObjectRecord:
        record, previous = describe_new(parts, change, self.bucket, self.raw, self._attributes)
        record.size, record.xxh3, record.checksum_value = self.size, self.xxh3, self.checksum
        number = change.new_segment()
        header, extra, is_finished = payload_header(self.bucket.name, self.name, self.size)
        record.flags |= FLAG_BLOCKS
        if is_finished:
            record.flags |= FLAG_FINISHED_HEADER | frame_check(header) << FRAME_CHECK_SHIFT
        owner = encode_owner(record.bucket, record.bucket_id, self.raw)
        room = self.payload_offset - SEGMENT_RECORD_BYTES
        head = parts.codec.encode_object(number, SEGMENT_RECORD_BYTES, owner, record, header, extra, fill_to=room)
        data_end = self.payload_offset + self.size
        padding = PADDINGS[-self.size & 511]
        blocks = parts.codec.encode_blocks(
            number, data_end + len(padding), self.bucket.name, record.serial, self.blocks
        )
        write_all(self._fd, [parts.codec.encode_segment(number), head], 0)
        end = data_end + write_all(self._fd, [padding, blocks, TAR_END], data_end) - len(TAR_END)
        self._publish(parts, parts.paths.segment(number))
        extent = (number, self.payload_offset, self.size, self.xxh3, record.flags, record.serial)
        capacity = end + len(TAR_END)
        change.set_segment(number, SegmentRow(STATE_LARGE, parts.options.worker, capacity, end, 0, record.serial))
        row = attributes_row(record, data_end + len(padding) - SEGMENT_RECORD_BYTES)
        change.insert(record.bucket_id, self.raw, extent, row, previous)
        change.set_blocks(record.serial, self.blocks)
        return object_record(self.name, extent, row)

    def _publish(self, parts: Parts, path: Path) -> None:
        folder = path.parent
        is_new = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        if parts.options.sync:
            os.fdatasync(self._fd)
        os.rename(self._path, path)
        self._final = path
        if parts.options.sync:
            sync_directory(folder)
            if is_new:
                sync_directory(folder.parent)

    def rollback(self) -> None:
        if self._final is not None:
            os.rename(self._final, self._path)
            self._final = None

    def undo(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        self._path.unlink(missing_ok=True)

    def __del__(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)


def payload_offset(bucket: Bucket, name: str, attributes: ObjectAttributes) -> int:
    """Return where the payload begins: room for all metadata, a whole number of pages."""
    custom = 4 * sum(len(key) + len(value) + 8 for key, value in attributes.custom.items())
    wanted = LARGE_PAYLOAD_OFFSET - 4096 + 8 * len(name) + custom
    return max(LARGE_PAYLOAD_OFFSET, -(-wanted // 4096) * 4096)
