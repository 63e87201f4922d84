"""The last log lines of a process, for `what=log`; nothing is read from files and no path of the server is shown."""

import gzip
import io
import logging
import tarfile
import threading
from collections import deque

from moss.errors import InvalidRequest
from moss.node.server.node_info import describe_software

_LINES_MAX = 5000
_LETTERS = {"i": logging.INFO, "w": logging.WARNING, "e": logging.ERROR}


class LogRing(logging.Handler):
    """Keeps formatted records in memory, the oldest go first."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._lines: deque[tuple[int, str]] = deque(maxlen=_LINES_MAX)
        self._ring_lock = threading.Lock()
        self.setFormatter(logging.Formatter("%(levelname).1s %(asctime)s %(name)s: %(message)s"))
        self._lines.append((logging.INFO, f"I {describe_software()}\n"))

    def emit(self, record: logging.LogRecord) -> None:
        # Tracebacks name files of the server: the first line says what happened.
        line = f"{self.formatter.formatMessage(_with_message(record))}\n" if self.formatter else ""
        with self._ring_lock:
            self._lines.append((record.levelno, line))

    def text(self, severity: str = "") -> str:
        """Return the lines of at least this severity; its first letter counts, empty means info.

        Raises:
            InvalidRequest: unknown severity.
        """
        level = _LETTERS.get(severity[:1].lower() or "i")
        if level is None:
            raise InvalidRequest(f'invalid log severity "{severity}"')
        with self._ring_lock:
            return "".join(line for found, line in self._lines if found >= level)

    def archive(self, severity: str = "") -> bytes:
        """Return the same as a compressed archive with one file."""
        data = self.text(severity).encode("utf-8", "replace")
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            member = tarfile.TarInfo("moss.log")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        return gzip.compress(buffer.getvalue(), compresslevel=1, mtime=0)


def _with_message(record: logging.LogRecord) -> logging.LogRecord:
    record.message = record.getMessage()
    record.asctime = logging.Formatter().formatTime(record)
    return record


RING = LogRing()
logging.getLogger("moss").addHandler(RING)
