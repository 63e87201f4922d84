"""Which objects are being read and written just now, in all worker processes: what the lock probe answers.

Nothing waits for these marks; readers and writers never hold each other up. Source: spec/rest-data.md 5.10.
"""

import contextlib
import fcntl
import os
import struct
from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path

from xxhash import xxh3_64_intdigest

from moss.naming.bucket import Bucket

__all__ = ["LockState", "ObjectMarks"]

# struct flock of Linux on 64-bit machines: type, whence, start, length, process id.
_FLOCK = struct.Struct("hhqqi4x")


class LockState(IntEnum):
    """What happens to an object; values are those of the answer."""

    FREE = 200
    READ = 202
    WRITTEN = 423


class ObjectMarks:
    """Marks of one worker. A mark is a shared lock on two bytes of a file that all workers have open: the kernel takes
    it back when a worker ends, however it ends.

    Args:
        path: the file; it stays empty.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path

    @contextlib.contextmanager
    def held(self, bucket: Bucket, name: str, *, is_write: bool) -> Iterator[None]:
        """Mark an object as being read, or written, while the context is open."""
        fd = self._open()
        try:
            fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _lock(fcntl.F_RDLCK, bucket, name, is_write))
            yield
        finally:
            os.close(fd)

    def state(self, bucket: Bucket, name: str) -> LockState:
        """Tell what happens to an object; being written counts more than being read."""
        fd = self._open()
        try:
            for is_write, state in ((True, LockState.WRITTEN), (False, LockState.READ)):
                found = fcntl.fcntl(fd, fcntl.F_OFD_GETLK, _lock(fcntl.F_WRLCK, bucket, name, is_write))
                if _FLOCK.unpack(found)[0] != fcntl.F_UNLCK:
                    return state
        finally:
            os.close(fd)
        return LockState.FREE

    def _open(self) -> int:
        return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _lock(kind: int, bucket: Bucket, name: str, is_write: bool) -> bytes:
    key = xxh3_64_intdigest(bucket.uname_of(name).encode("utf-8", "surrogateescape"))
    return _FLOCK.pack(kind, os.SEEK_SET, (key >> 2) * 2 + is_write, 1, 0)
