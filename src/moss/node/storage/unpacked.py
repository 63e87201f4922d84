"""Unpacked `.tgz` and `.tar.lz4` shards on disk: bounded, evictable, made again when they are gone.

Why: docs/decisions/0002-unpacked-shard-cache.md. One file for each version of a shard, beside what else is derived
from it; the least recently used go first. An evicted file stays readable for whoever has it mapped.
"""

import contextlib
import errno
import mmap
import os
import tempfile
import threading
import time
from collections.abc import Iterable
from pathlib import Path

from moss.archive.buffers import Buffer
from moss.errors import OutOfSpace

__all__ = ["TooLargeToKeep", "UnpackedCache", "spooled"]

_SUFFIX = ".segment"
_UNFINISHED = "unpacking-"
_LEFTOVER_AGE_S = 600.0
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class TooLargeToKeep(Exception):
    """One shard alone would fill the cache."""


class UnpackedCache:
    """The unpacked shards of one data directory. Thread-safe; several processes may share the directory.

    Args:
        folder: where the files are. Other files in it are left alone.
        bytes_max: all files together.
        shard_bytes_max: one of them.
    """

    def __init__(self, folder: Path, *, bytes_max: int, shard_bytes_max: int) -> None:
        self._folder, self._bytes_max, self._shard_bytes_max = folder, bytes_max, shard_bytes_max
        self._lock = threading.Lock()
        # Used since the last eviction, in order: reading through a mapping leaves no trace in a file's times.
        self._used: dict[Path, None] = {}
        self._remove_leftovers()

    def begin(self) -> "Unfinished":
        """Begin a file that nobody sees before it is published."""
        self._folder.mkdir(parents=True, exist_ok=True)
        return Unfinished(self._folder, self._shard_bytes_max)

    def publish(self, unfinished: "Unfinished", path: Path) -> None:
        """Make a finished file the unpacked form of a shard, and evict others if it does not fit beside them."""
        unfinished.rename(path)
        self.touch(path)
        self._evict(path)

    def map(self, path: Path, size: int) -> memoryview | None:
        """Return the bytes of an unpacked shard; None if it was evicted or is not what it should be."""
        try:
            with open(path, "rb") as file:
                if os.fstat(file.fileno()).st_size != size:
                    return None
                view = _mapped(file.fileno(), size)
        except FileNotFoundError:
            return None
        self.touch(path)
        return view

    def touch(self, path: Path) -> None:
        """Note that a shard was used."""
        with self._lock:
            self._used.pop(path, None)
            self._used[path] = None

    def drop(self, path: Path) -> None:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()

    def _remove_leftovers(self) -> None:
        """Remove what a killed process was writing. Young files may belong to another worker."""
        for path in self._folder.glob(f"{_UNFINISHED}*"):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > _LEFTOVER_AGE_S:
                    self.drop(path)

    def _evict(self, keep: Path) -> None:
        with self._lock:
            used, self._used = self._used, {}
            # The clock's own steps may be too coarse to keep the order.
            for number, path in enumerate(used, time.time_ns()):
                with contextlib.suppress(OSError):
                    os.utime(path, ns=(number, number))
            files = []
            for path in self._folder.glob(f"*{_SUFFIX}"):
                with contextlib.suppress(FileNotFoundError):
                    status = path.stat()
                    files.append((path == keep, status.st_mtime_ns, status.st_size, path))
            excess = sum(size for _, _, size, _ in files) - self._bytes_max
            for is_kept, _, size, path in sorted(files):
                if excess <= 0 or is_kept:
                    break
                self.drop(path)
                excess -= size


class Unfinished:
    """A file that is being written; gone when it is discarded."""

    def __init__(self, folder: Path, bytes_max: int) -> None:
        self._file = tempfile.NamedTemporaryFile(dir=folder, prefix=_UNFINISHED, suffix=".tmp")  # noqa: SIM115
        self._bytes_max = bytes_max
        self.size = 0

    def append(self, piece: Buffer) -> None:
        self.size += len(piece)
        if self.size > self._bytes_max:
            raise TooLargeToKeep
        try:
            self._file.write(piece)
        except OSError as error:
            if error.errno in _NO_SPACE:
                raise TooLargeToKeep from None
            raise

    def cut(self, size: int) -> None:
        """Keep the first `size` bytes only."""
        self._flush()
        self._file.truncate(size)
        self.size = size

    def map(self) -> memoryview:
        self._flush()
        return _mapped(self._file.fileno(), self.size)

    def rename(self, path: Path) -> None:
        self._flush()
        os.replace(self._file.name, path)
        self.discard()

    def discard(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._file.close()

    def _flush(self) -> None:
        try:
            self._file.flush()
        except OSError as error:
            if error.errno in _NO_SPACE:
                raise TooLargeToKeep from None
            raise


def spooled(pieces: Iterable[Buffer], folder: Path) -> memoryview:
    """Return pieces as one view of a file without a name, which goes with the view. For what memory should not hold.

    Raises:
        OutOfSpace: the disk is full.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as file:
        size = 0
        try:
            for piece in pieces:
                size += file.write(piece)
            file.flush()
        except OSError as error:
            if error.errno in _NO_SPACE:
                raise OutOfSpace("no space left to unpack an archive member") from None
            raise
        return _mapped(file.fileno(), size)


def _mapped(fd: int, size: int) -> memoryview:
    if not size:
        return memoryview(b"")
    return memoryview(mmap.mmap(fd, size, prot=mmap.PROT_READ))
