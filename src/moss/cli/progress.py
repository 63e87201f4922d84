"""One rewritten line on a terminal while bytes arrive."""

import time
from typing import TextIO

INTERVAL_S = 0.1


class Progress:
    """Shows how much has been received; does nothing when standard error is no terminal.

    Args:
        label: what is received.
    """

    def __init__(self, stream: TextIO, label: str, *, enabled: bool) -> None:
        self._stream = stream
        self._label = label
        self._enabled = enabled and stream.isatty()
        self._started = time.monotonic()
        self._shown_at = self._started
        self._width = 0

    def __call__(self, received: int) -> None:
        """Tell the number of bytes so far."""
        if not self._enabled:
            return
        now = time.monotonic()
        if now - self._shown_at < INTERVAL_S:
            return
        from moss.units import format_iec

        self._shown_at = now
        rate = received / max(now - self._started, 1e-6)
        line = f"Receiving {self._label}: {format_iec(received)} ({format_iec(int(rate))}/s)"
        self._stream.write("\r" + line.ljust(self._width))
        self._stream.flush()
        self._width = len(line)

    def clear(self) -> None:
        """Take the line away."""
        if self._width:
            self._stream.write("\r" + " " * self._width + "\r")
            self._stream.flush()
            self._width = 0
