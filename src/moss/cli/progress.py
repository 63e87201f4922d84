"""One rewritten line on a terminal while something long goes on: how far, how fast, how much longer."""

import time
from typing import TextIO

from moss.cli.formats import format_count, format_elapsed, format_size

__all__ = ["Progress"]

INTERVAL_S = 0.1


class Progress:
    """Shows how much is done; does nothing when the stream is no terminal.

    `Receiving o.tar: 3.00MiB (1.50MiB/s)`, and with totals
    `Uploading: 12/40 objects, 3.00MiB/10.00MiB 30% (1.50MiB/s, 4.7s left)`.

    Args:
        label: what is done to what; "Receiving " is put before it unless `verb` says something else.
        total: bytes in all, 0 when unknown.
        items_total: objects or files in all, 0 when unknown.
        items: what they are called.
        enabled: False shows nothing.
    """

    def __init__(
        self,
        stream: TextIO,
        label: str,
        *,
        enabled: bool = True,
        verb: str = "Receiving",
        total: int = 0,
        items_total: int = 0,
        items: str = "objects",
    ) -> None:
        self._stream = stream
        self._title = f"{verb} {label}".strip()
        self._enabled = enabled and stream.isatty()
        self._total, self._items_total, self._items = total, items_total, items
        self._started = time.monotonic()
        self._shown_at = self._started
        self._width = 0

    def __call__(self, done: int, items_done: int | None = None, *, total: int = 0, items_total: int = 0) -> None:
        """Tell the number of bytes so far, and of items; totals may become known on the way."""
        self._total, self._items_total = total or self._total, items_total or self._items_total
        if not self._enabled:
            return
        now = time.monotonic()
        if now - self._shown_at < INTERVAL_S:
            return
        self._shown_at = now
        line = self._line(done, items_done, max(now - self._started, 1e-6))
        self._stream.write("\r" + line.ljust(self._width))
        self._stream.flush()
        self._width = len(line)

    def clear(self) -> None:
        """Take the line away."""
        if self._width:
            self._stream.write("\r" + " " * self._width + "\r")
            self._stream.flush()
            self._width = 0

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()

    def _line(self, done: int, items_done: int | None, elapsed_s: float) -> str:
        parts = []
        if items_done is not None:
            of_all = f"/{format_count(self._items_total)}" if self._items_total else ""
            parts.append(f"{format_count(items_done)}{of_all} {self._items}")
        if done or self._total or items_done is None:
            of_all = f"/{format_size(self._total)} {min(100, done * 100 // self._total)}%" if self._total else ""
            parts.append(f"{format_size(done)}{of_all}")
        speed = []
        if done:
            speed.append(f"{format_size(int(done / elapsed_s))}/s")
        elif items_done:
            speed.append(f"{items_done / elapsed_s:.1f} {self._items}/s")
        else:
            speed.append(format_elapsed(round(elapsed_s)))
        # Bytes tell the remaining time better than items, whose sizes differ.
        share = done / self._total if self._total else (items_done or 0) / self._items_total if self._items_total else 0
        if 0 < share < 1:
            speed.append(f"{format_elapsed(round(elapsed_s * (1 - share) / share, 1))} left")
        return f"{self._title}: {', '.join(parts)} ({', '.join(speed)})"
