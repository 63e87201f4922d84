"""The background thread of a store: reclaims space, restores the reserve, finishes dropping buckets."""

import contextlib
import threading
from collections.abc import Callable

from moss.errors import MossError

__all__ = ["Maintenance"]

_INTERVAL_S = 60.0
# On a full disk every refused put asks for space.
_PRESSURE_INTERVAL_S = 0.2


class Maintenance:
    """Calls `work(under_pressure)` once a minute, and at once when asked to."""

    def __init__(self, work: Callable[[bool], None]) -> None:
        self._work = work
        self._wake = threading.Event()
        self._under_pressure = False
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="moss-maintenance", daemon=True)

    @property
    def is_stopping(self) -> bool:
        return self._stopped.is_set()

    def start(self) -> None:
        self._thread.start()

    def wake(self, *, under_pressure: bool = False) -> None:
        self._under_pressure = self._under_pressure or under_pressure
        self._wake.set()

    def stop(self) -> None:
        self._stopped.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while True:
            self._wake.wait(_INTERVAL_S)
            if self.is_stopping:
                return
            self._wake.clear()
            under_pressure, self._under_pressure = self._under_pressure, False
            # No space, or damage: next time again. The reports of `compact` and `scrub` say more.
            with contextlib.suppress(MossError):
                self._work(under_pressure)
            if under_pressure:
                self._stopped.wait(_PRESSURE_INTERVAL_S)
