"""Progress of long calls."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from threading import Lock

__all__ = ["MeasuredPieces", "OnProgress", "Progress", "ProgressCounter"]


@dataclass(frozen=True)
class Progress:
    """How far a call is. Totals are None where they are not known.

    Attributes:
        name: what was finished last.
        items_done, items_total: files or objects.
        bytes_done, bytes_total: their bytes.
    """

    name: str
    items_done: int
    items_total: int | None
    bytes_done: int
    bytes_total: int | None


OnProgress = Callable[[Progress], None]


class ProgressCounter:
    """Counts what is done and tells it, never to two threads at a time and never backwards.

    Args:
        report: called after each step; None counts only.
    """

    def __init__(
        self, report: OnProgress | None, items_total: int | None = None, bytes_total: int | None = None
    ) -> None:
        self._report, self._lock = report, Lock()
        self._items_total, self._bytes_total = items_total, bytes_total
        self.items = self.bytes = 0

    def add(self, name: str, size_bytes: int, items: int = 1) -> None:
        """Count a step. An exception of the report goes to the caller."""
        if self._report is None:
            return
        with self._lock:
            self.items += items
            self.bytes += size_bytes
            self._report(Progress(name, self.items, self._items_total, self.bytes, self._bytes_total))


class MeasuredPieces:
    """Pieces of a body, and how many bytes of them were taken so far.

    Attributes:
        size_bytes: their number.
    """

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = pieces
        self.size_bytes = 0

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            self.size_bytes += len(piece)
            yield piece
