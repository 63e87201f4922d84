"""The last log lines of a process, for `what=log`; nothing is read from files and no path of the server is shown."""

import gzip
import io
import logging
import tarfile
import threading
from collections import deque
from collections.abc import Iterable

from moss.errors import InvalidRequest
from moss.node.server.node_info import describe_software

_LINES_MAX = 5000
# When (seconds since 1970), severity, text.
Line = tuple[float, int, str]
_LETTERS = {"i": logging.INFO, "w": logging.WARNING, "e": logging.ERROR}


class LogRing(logging.Handler):
    """Keeps formatted records in memory, the oldest go first."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._lines: deque[Line] = deque(maxlen=_LINES_MAX)
        self._ring_lock = threading.Lock()
        self.setFormatter(logging.Formatter("%(levelname).1s %(asctime)s %(name)s: %(message)s"))
        self._lines.append((0.0, logging.INFO, f"I {describe_software()}\n"))

    def emit(self, record: logging.LogRecord) -> None:
        # Tracebacks name files of the server: the first line says what happened.
        line = f"{self.formatter.formatMessage(_with_message(record))}\n" if self.formatter else ""
        with self._ring_lock:
            self._lines.append((record.created, record.levelno, line))

    def lines(self) -> list[Line]:
        """Return all lines, the oldest first."""
        with self._ring_lock:
            return list(self._lines)

    def text(self, severity: str = "", others: Iterable[Iterable[Line]] = ()) -> str:
        """Return the lines of at least this severity; its first letter counts, empty means info.

        Args:
            others: `lines` of the other worker processes, sorted in by time.

        Raises:
            InvalidRequest: unknown severity.
        """
        level = _LETTERS.get(severity[:1].lower() or "i")
        if level is None:
            raise InvalidRequest(f'invalid log severity "{severity}"')
        # Each process begins with the same line about the software: one is enough.
        later = [tuple(line) for lines in others for line in lines if line[0]]
        found = sorted([*self.lines(), *later], key=lambda line: line[0]) if later else self.lines()
        return "".join(text for _, found_level, text in found if found_level >= level)

    def archive(self, severity: str = "", others: Iterable[Iterable[Line]] = ()) -> bytes:
        """Return the same as a compressed archive with one file."""
        data = self.text(severity, others).encode("utf-8", "replace")
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
