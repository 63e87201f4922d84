"""How fast jobs go, between two looks at them."""

import time
from collections.abc import Callable

from moss.cli.formats import format_size
from moss.cli.jobs.snapshots import JobView

__all__ = ["Rates"]


class Rates:
    """Remembers how far each job was.

    Args:
        clock: seconds of a monotonic clock.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last: dict[str, tuple[float, int, int]] = {}

    def line(self, job: JobView, units: str) -> str:
        """`Rate: 1,250.0 objects/s, 12.00MiB/s` since the last look; "" when there was none or nothing moved."""
        now, (objects, size) = self._clock(), job.done
        before = self._last.get(job.job_id)
        self._last[job.job_id] = (now, objects, size)
        if before is None or now <= before[0] or (objects, size) == before[1:]:
            return ""
        seconds = now - before[0]
        rate = format_size(round((size - before[2]) / seconds), units)
        return f"Rate: {(objects - before[1]) / seconds:,.1f} objects/s, {rate}/s"
