"""Locks: which worker numbers are taken, who repairs or compacts, and whose turn it is."""

import fcntl
import os
import threading
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["Turns", "WorkerLock", "exclusive", "is_free"]


class WorkerLock:
    """Held while a worker runs; the kernel lets go of it when the process ends, however it ends."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def acquire(self) -> bool:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def release(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def is_free(path: Path) -> bool:
    """Whether nobody holds the lock. Not for a lock that this process holds."""
    lock = WorkerLock(path)
    try:
        return lock.acquire()
    finally:
        lock.release()


@contextmanager
def exclusive(path: Path, *, wait: bool = True) -> Iterator[bool]:
    """Hold a lock; yields whether it was got (always when `wait`)."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
    finally:
        os.close(fd)


class Turns:
    """Threads of this process take turns, for each key apart."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._turns: dict[Hashable, tuple[threading.Lock, int]] = {}

    @contextmanager
    def wait(self, key: Hashable) -> Iterator[None]:
        """Wait for one's turn, and have it for the length of the block."""
        with self._lock:
            turn, waiting = self._turns.get(key, (threading.Lock(), 0))
            self._turns[key] = turn, waiting + 1
        try:
            with turn:
                yield
        finally:
            with self._lock:
                turn, waiting = self._turns[key]
                if waiting > 1:
                    self._turns[key] = turn, waiting - 1
                else:
                    del self._turns[key]
