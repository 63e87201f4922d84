"""A file of zeros that is given up when the disk is full, so that deletes still work."""

import os
from pathlib import Path

__all__ = ["Reserve"]


class Reserve:
    """The reserve of one data directory. Whoever needs it takes it; whoever finds room restores it."""

    def __init__(self, path: Path, size: int) -> None:
        self._path, self._size = path, size

    def release(self) -> bool:
        """Free the space. Returns False if there was none left."""
        try:
            had_space = self._path.stat().st_blocks > 0
            os.truncate(self._path, 0)
        except OSError:
            return False
        return had_space

    def restore(self) -> bool:
        """Take the space again. Returns False if there is none."""
        if not self._size:
            return True
        try:
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return False
        try:
            if os.fstat(fd).st_size < self._size:
                os.posix_fallocate(fd, 0, self._size)
        except OSError:
            os.ftruncate(fd, 0)
            return False
        finally:
            os.close(fd)
        return True
