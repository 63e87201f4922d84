"""One fetch or change of an object at a time, in all worker processes; and what was under way when a process ended."""

import asyncio
import fcntl
import os
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from xxhash import xxh3_64_intdigest

from moss.node.storage.segments import sync_directory

__all__ = ["Begun", "ObjectTurns"]

# By the id of the bucket and the object's name.
Key = tuple[int, str]
# struct flock of Linux on 64-bit machines: type, whence, start, length, process id.
_FLOCK = struct.Struct("hhqqi4x")
_FIRST_WAIT_S, _WAIT_S_MAX = 0.002, 0.05


class ObjectTurns:
    """Turns of one process, which has to be the only one of its worker. For its event loop.

    Those of other processes are locks of the kernel on a byte of a file, one for each object: it takes them back when
    a process ends, however it ends.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._turns: dict[Key, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def hold(self, key: Key) -> AsyncIterator[bool]:
        """Wait for one's turn, and have it for the length of the block; yields whether another process had it."""
        turn, waiting = self._turns.get(key) or (asyncio.Lock(), 0)
        self._turns[key] = turn, waiting + 1
        try:
            async with turn:
                position = _position(key)
                had_to_wait = await self._lock(position)
                try:
                    yield had_to_wait
                finally:
                    fcntl.fcntl(self._fd, fcntl.F_OFD_SETLK, _lock(fcntl.F_UNLCK, position))
        finally:
            turn, waiting = self._turns[key]
            if waiting > 1:
                self._turns[key] = turn, waiting - 1
            else:
                del self._turns[key]

    async def _lock(self, position: int) -> bool:
        wait_s = 0.0
        while True:
            try:
                fcntl.fcntl(self._fd, fcntl.F_OFD_SETLK, _lock(fcntl.F_WRLCK, position))
                return wait_s > 0
            except BlockingIOError:
                wait_s = min(2 * wait_s or _FIRST_WAIT_S, _WAIT_S_MAX)
                await asyncio.sleep(wait_s)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __del__(self) -> None:
        self.close()


def _position(key: Key) -> int:
    return xxh3_64_intdigest(f"{key[0]}/{key[1]}".encode("utf-8", "surrogateescape")) >> 2


def _lock(kind: int, position: int) -> bytes:
    return _FLOCK.pack(kind, os.SEEK_SET, position, 1, 0)


class Begun:
    """Notes which cached objects are about to be changed at their stores.

    A process that is killed between the store's answer and its own cache leaves such a note behind: nobody can tell
    then whether the cached version is still that of the store, so it goes.

    Args:
        folder: of this worker.
        sync: notes are on stable storage.
    """

    def __init__(self, folder: Path, *, sync: bool) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._sync = folder, sync

    def write(self, key: Key) -> Path:
        """Write a note; may wait for the disk."""
        path = self._folder / f"{_position(key):016x}"
        data = f"{key[0]}/{key[1]}".encode("utf-8", "surrogateescape")
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.write(fd, data)
            if self._sync:
                os.fdatasync(fd)
        finally:
            os.close(fd)
        if self._sync:
            sync_directory(self._folder)
        return path

    def remove(self, note: Path | None) -> None:
        """Take a note back: the cache is right again."""
        if note is not None:
            note.unlink(missing_ok=True)

    def left(self) -> list[tuple[Key, Path]]:
        """Return the notes that an earlier process left."""
        found = []
        for path in sorted(self._folder.iterdir()):
            number, _, name = path.read_bytes().decode("utf-8", "surrogateescape").partition("/")
            found.append(((int(number) if number.isdigit() else 0, name), path))
        return found
