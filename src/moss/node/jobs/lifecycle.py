"""The states of a job as a pure automaton: no thread, no clock, no I/O.

    RUNNING ──work done──► FINISHED
       │  ▲ work begins
       │  └──────────────── IDLE ──nothing for `ends_after_s`──► FINISHED
       └──stopped (also from IDLE)──► ABORTED

Only demand jobs become idle. FINISHED and ABORTED are final. Source: spec/rest-control.md 9.6, spec/getbatch.md 13.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from moss.units import format_duration, format_iec


class Phase(StrEnum):
    RUNNING = "running"
    IDLE = "idle"
    FINISHED = "finished"
    ABORTED = "aborted"


@dataclass(slots=True)
class Lifecycle:
    """Where a job is in its life. Times are seconds of a monotonic clock.

    Attributes:
        is_demand: the job waits for more work instead of finishing.
        idle_after_s: how long it must have nothing to do before it calls itself idle.
        ends_after_s: how long it must have nothing to do before it ends.
        quiet_since_s: since when there is nothing to do; None while there is.
        pending: pieces of work begun and not ended.
    """

    is_demand: bool = False
    idle_after_s: float = 0.0
    ends_after_s: float = 60.0
    quiet_since_s: float | None = None
    pending: int = 0
    ended_s: float | None = None
    final: Phase | None = None

    @property
    def is_over(self) -> bool:
        return self.final is not None

    def begin_work(self) -> None:
        """Note one more piece of work. Ended jobs take none: the caller checks `is_over` first."""
        self.pending += 1
        self.quiet_since_s = None

    def end_work(self, now_s: float) -> None:
        """Note the end of one piece of work."""
        self.pending = max(0, self.pending - 1)
        if self.pending == 0:
            self.quiet_since_s = now_s

    def end(self, now_s: float, final: Phase) -> bool:
        """Enter a final phase; returns False when the job was over already (the first end counts)."""
        if self.final is not None:
            return False
        self.final, self.ended_s = final, now_s
        return True

    def phase(self, now_s: float) -> Phase:
        if self.final is not None:
            return self.final
        quiet_s = self._quiet_s(now_s)
        if self.is_demand and quiet_s is not None and quiet_s >= self.idle_after_s:
            return Phase.IDLE
        return Phase.RUNNING

    def should_end(self, now_s: float) -> bool:
        """True for a demand job that has had nothing to do for `ends_after_s`."""
        quiet_s = self._quiet_s(now_s)
        return self.is_demand and self.final is None and quiet_s is not None and quiet_s >= self.ends_after_s

    def should_forget(self, now_s: float, kept_s: float) -> bool:
        """True once the job has been over for `kept_s`."""
        return self.ended_s is not None and now_s - self.ended_s >= kept_s

    def _quiet_s(self, now_s: float) -> float | None:
        return None if self.quiet_since_s is None or self.pending else now_s - self.quiet_since_s


def describe_batches(counters: Mapping[str, int], *, assembling: int, waiting: int, is_warming: bool) -> str:
    """Build the status text of a get-batch job from the target-wide counters.

    Source: spec/getbatch.md 12.2; checklist 79 holds the grammar.
    """
    requests, errors = counters["getbatch.n"], counters["err.getbatch.n"]
    if not requests and not errors:
        return ""
    parts = [f"pending:({assembling},{waiting})"] if assembling or waiting else []
    parts.append(f"reqs:{requests}")
    if errors:
        parts.append(f"errs:{errors}")
    for word, name in (("objs", "obj"), ("files", "file")):
        if count := counters[f"getbatch.{name}.n"]:
            parts.append(f"{word}: [{count} {format_iec(counters[f'getbatch.{name}.size'])}]")
    text = " ".join(parts) + f", bewarm:{'on' if is_warming else 'off'}"
    if counters["getbatch.rxwait.ns"] and requests:
        text += f" avg-wait:{format_duration(counters['getbatch.rxwait.ns'] // requests)}"
    return text
