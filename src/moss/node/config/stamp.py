"""A number that several processes share through memory: it tells whether something they all keep has changed."""

import mmap
import os
import secrets
import struct
from pathlib import Path

_NUMBER = struct.Struct("=Q")


class ChangeStamp:
    """The stamp of one file's content. Reading it costs no system call.

    Args:
        path: the file that holds the number; made if it is not there.
    """

    def __init__(self, path: Path) -> None:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(fd, _NUMBER.size)
            self._map = mmap.mmap(fd, _NUMBER.size)
        finally:
            os.close(fd)

    @property
    def value(self) -> int:
        return _NUMBER.unpack_from(self._map)[0]

    def renew(self) -> None:
        """Say that there was a change. Processes that do so at once need not agree: any new number does."""
        _NUMBER.pack_into(self._map, 0, secrets.randbits(64))

    def close(self) -> None:
        self._map.close()
