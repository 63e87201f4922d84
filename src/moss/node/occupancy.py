"""Tell the first process that opens a run-time file from those that join it.

Worker processes of one node share small files (counters, transient configuration) that must start empty with
each start of the node, whoever comes first and however the last run ended.
"""

import fcntl
import os
from pathlib import Path


class Occupancy:
    """A shared hold on a file, kept until `close` or the end of the process.

    Attributes:
        is_first: nobody else held the file when it was opened.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.is_first = True
        except OSError:
            fcntl.flock(self._fd, fcntl.LOCK_SH)
            self.is_first = False

    def settle(self) -> None:
        """Let others in: call it once what the first process prepares is ready. Does nothing for later ones."""
        if self.is_first:
            fcntl.flock(self._fd, fcntl.LOCK_SH)

    def close(self) -> None:
        """Give the hold back; calling it twice is fine."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
