"""Time as a value that can be replaced: the only place of a node that asks the system for the time."""

import time
from typing import Protocol


class Clock(Protocol):
    """What a node needs to know of time."""

    def now_ns(self) -> int:
        """Return nanoseconds since 1970 UTC; may jump when the system's clock is set."""
        ...

    def monotonic_s(self) -> float:
        """Return seconds that never go backwards, from an unspecified start."""
        ...


class SystemClock:
    """The clock of the machine."""

    def now_ns(self) -> int:
        return time.time_ns()

    def monotonic_s(self) -> float:
        return time.monotonic()


class ManualClock:
    """A clock that stands still until it is told to move; for tests and simulations."""

    def __init__(self, start_ns: int = 1_700_000_000_000_000_000) -> None:
        self._now_ns = start_ns
        self._monotonic_s = 0.0

    def now_ns(self) -> int:
        return self._now_ns

    def monotonic_s(self) -> float:
        return self._monotonic_s

    def advance(self, seconds: float) -> None:
        """Move both times forward by `seconds`."""
        self._now_ns += round(seconds * 1e9)
        self._monotonic_s += seconds
