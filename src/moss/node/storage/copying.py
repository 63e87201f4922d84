"""Copies stored objects inside one store. Payloads go from segment to segment as they are: small ones are written from
the mapping of their segment, large ones are copied by the kernel."""

import errno
import os
from itertools import count

from xxhash import xxh3_64_intdigest

from moss.errors import ChecksumMismatch, OutOfSpace
from moss.naming.bucket import Bucket
from moss.node.storage.index import space_error
from moss.node.storage.objects import ObjectAttributes, ObjectRecord, client_checksum
from moss.node.storage.operations import ObjectOperation, Put
from moss.node.storage.parts import Parts
from moss.node.storage.records import checksum_blocks
from moss.node.storage.segments import Segment, write_all
from moss.node.storage.uploads import CommitUpload, payload_offset

__all__ = ["copy_operation"]

# What a file system says that cannot copy from file to file itself.
_CANNOT_COPY = frozenset({errno.EXDEV, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS, errno.EBADF})
_numbers = count(1)


def copy_operation(
    parts: Parts,
    source: Bucket,
    record: ObjectRecord,
    destination: Bucket,
    name: str,
    attributes: ObjectAttributes,
) -> ObjectOperation:
    """Return the operation that stores a copy of an object; the payload of a large one is on disk by then.

    Raises:
        SegmentGone: the object was moved, replaced or deleted: look it up again.
        ChecksumMismatch: the object is damaged.
        InvalidName: `name` is none.
        OutOfSpace: there is no room for a large object.
    """
    number, offset, size, xxh3 = record.extent[:4]
    segment = parts.segments.get(number)
    payload = segment.view[offset : offset + size]
    cname = source.cname_of(record.name)
    if size > parts.options.small_object_bytes_max:
        return _copy_large(parts, cname, record, segment, payload, destination, name, attributes)
    operation = Put(destination, name, payload, attributes)
    _check(cname, xxh3, operation.xxh3, len(payload) == size)
    return operation


def _check(cname: str, expected: int, found: int, is_whole: bool) -> None:
    if found != expected or not is_whole:
        raise ChecksumMismatch(cname, expected=f"{expected:016x}", found=f"{found:016x}")


def _copy_large(
    parts: Parts,
    cname: str,
    record: ObjectRecord,
    segment: Segment,
    payload: memoryview,
    destination: Bucket,
    name: str,
    attributes: ObjectAttributes,
) -> CommitUpload:
    _, offset, size, xxh3 = record.extent[:4]
    _check(cname, xxh3, xxh3_64_intdigest(payload), len(payload) == size)
    keeps_checksum = record.checksum_type == attributes.checksum_type and record.checksum_value
    checksum = record.checksum_value if keeps_checksum else client_checksum(cname, attributes, [payload])
    path = parts.paths.incoming / f"{parts.options.worker}-{os.getpid()}-copy{next(_numbers)}.tar"
    begin = payload_offset(destination, name, attributes)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    operation = CommitUpload(destination, name, attributes, path, fd)
    operation.size, operation.checksum, operation.xxh3 = size, checksum, xxh3
    operation.blocks, operation.payload_offset = checksum_blocks(payload), begin
    try:
        _copy_bytes(segment, offset, payload, fd, begin)
        if parts.options.sync:
            os.fdatasync(fd)
    except BaseException as error:
        operation.undo()
        if isinstance(error, OSError) and space_error(error):
            raise OutOfSpace("no space left on the node's disk") from error
        raise
    return operation


def _copy_bytes(segment: Segment, offset: int, payload: memoryview, fd: int, begin: int) -> None:
    done = 0
    try:
        while done < len(payload):
            copied = os.copy_file_range(segment.fd, fd, len(payload) - done, offset + done, begin + done)
            if not copied:
                break
            done += copied
    except OSError as error:
        if error.errno not in _CANNOT_COPY:
            raise
    if done < len(payload):
        write_all(fd, [payload[done:]], begin + done)
