"""One job: identity, counters, errors and the means to stop it."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from moss.errors import Aborted
from moss.naming.bucket import Bucket
from moss.node.clock import Clock
from moss.node.jobs.lifecycle import Lifecycle, Phase
from moss.node.jobs.table import JobKind

_ERRORS_KEPT = 8


@dataclass(slots=True)
class JobCounters:
    """Objects and bytes handled here (`local`), sent to peers (`out`) and received from them (`in_`)."""

    local_objects: int = 0
    local_bytes: int = 0
    out_objects: int = 0
    out_bytes: int = 0
    in_objects: int = 0
    in_bytes: int = 0


@dataclass(frozen=True, slots=True)
class JobSnapshot:
    """What a job says of itself at one moment; times in nanoseconds since 1970, `ended_ns` 0 while it is not over."""

    id: str
    kind: str
    bucket: Bucket | None
    source: Bucket | None
    destination: Bucket | None
    started_ns: int
    ended_ns: int
    control_text: str
    abort_error: str
    error: str
    workers: int
    is_aborted: bool
    is_idle: bool
    counters: JobCounters = field(default_factory=JobCounters)


class Job:
    """A running, idle or finished job. Thread-safe.

    Attributes:
        id: identity on the wire.
        bucket: the bucket it works in, if any.
        result: what the work has found so far, as JSON can hold it.
        aborted: set as soon as the job is stopped; threads wait on it, event loops use `on_abort`.
    """

    def __init__(
        self,
        kind: JobKind,
        job_id: str,
        clock: Clock,
        *,
        bucket: Bucket | None = None,
        source: Bucket | None = None,
        destination: Bucket | None = None,
        lifecycle: Lifecycle | None = None,
        workers: int = 0,
    ) -> None:
        self.kind, self.id, self.bucket = kind, job_id, bucket
        self.source, self.destination, self.workers = source, destination, workers
        self.aborted = threading.Event()
        self.started_ns = clock.now_ns()
        self.control_text = ""
        self.result: Any = None
        self.counters = JobCounters()
        self._clock = clock
        self._lifecycle = lifecycle or Lifecycle()
        self._lock = threading.RLock()
        self._ended_ns = 0
        self._abort_reason = ""
        self._errors: list[str] = []
        self._errors_more = 0
        self._callbacks: list[Callable[[], None]] = []
        self._over = threading.Condition(self._lock)

    @property
    def name(self) -> str:
        """`x-<kind>[<id>]`, followed by `-<bucket>` when the job has a bucket."""
        place = f"-{self.bucket.cname}" if self.bucket else ""
        return f"x-{self.kind.name}[{self.id}]{place}"

    @property
    def timed_name(self) -> str:
        """The name, followed by `-` and the start time `HH:MM:SS.micros` in UTC."""
        seconds, fraction = divmod(self.started_ns, 1_000_000_000)
        return f"{self.name}-{time.strftime('%H:%M:%S', time.gmtime(seconds))}.{fraction // 1000:06d}"

    @property
    def is_active(self) -> bool:
        """Neither finished nor stopped; an idle job is active."""
        return not self._lifecycle.is_over

    @property
    def is_over(self) -> bool:
        return self._lifecycle.is_over

    @property
    def abort_reason(self) -> str:
        return self._abort_reason

    def phase(self) -> Phase:
        with self._lock:
            return self._lifecycle.phase(self._clock.monotonic_s())

    # -- progress -------------------------------------------------------------------------------

    def count(self, objects: int, size: int) -> None:
        """Add to what the job has handled on this node."""
        with self._lock:
            self.counters.local_objects += objects
            self.counters.local_bytes += size

    def add_error(self, text: str) -> None:
        """Remember an error; at most eight distinct texts are kept, the rest is counted."""
        with self._lock:
            if text in self._errors:
                return
            if len(self._errors) < _ERRORS_KEPT:
                self._errors.append(text)
            else:
                self._errors_more += 1

    def check(self) -> None:
        """Raise Aborted when the job has been stopped; long work calls it between pieces."""
        if self.aborted.is_set():
            raise Aborted(f"{self.name} aborted: {self._abort_reason}")

    # -- the end --------------------------------------------------------------------------------

    def finish(self) -> None:
        """End the job regularly; does nothing when it is over already."""
        self._end(Phase.FINISHED)

    def work_done(self, *, lingers: bool) -> None:
        """Note that the job's own thread is done: the job ends, or (`lingers`) is idle from now on."""
        with self._lock:
            self._lifecycle.end_work(self._clock.monotonic_s())
            if not lingers:
                self.finish()

    def abort(self, reason: str = "user abort") -> bool:
        """Stop the job and call everyone who asked with `on_abort`; False when it was over already."""
        with self._lock:
            if self._lifecycle.is_over:
                return False
            self._abort_reason = reason
            self.aborted.set()
            self._end(Phase.ABORTED)
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()
        return True

    def on_abort(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Have `callback` called once when the job is stopped, at once when it has been.

        It runs in the thread that stops the job and must neither block nor raise.

        Returns:
            A function that takes the callback back.
        """
        with self._lock:
            if not self.aborted.is_set():
                self._callbacks.append(callback)
                return lambda: self._forget(callback)
        callback()
        return lambda: None

    def wait(self, timeout_s: float) -> bool:
        """Wait until the job is over or the time is up; returns whether it is over."""
        with self._over:
            return self._over.wait_for(lambda: self._lifecycle.is_over, timeout_s)

    def _forget(self, callback: Callable[[], None]) -> None:
        with self._lock:
            if callback in self._callbacks:
                self._callbacks.remove(callback)

    def _end(self, final: Phase) -> None:
        with self._lock:
            if self._lifecycle.end(self._clock.monotonic_s(), final):
                self._ended_ns = self._clock.now_ns()
                self._over.notify_all()

    # -- housekeeping, called by the registry -----------------------------------------------------

    def end_if_quiet(self) -> None:
        """End a demand job that nobody has needed for its time."""
        with self._lock:
            if self._lifecycle.should_end(self._clock.monotonic_s()):
                self._end(Phase.FINISHED)

    def should_forget(self, kept_s: float) -> bool:
        return self._lifecycle.should_forget(self._clock.monotonic_s(), kept_s)

    # -- outside view ---------------------------------------------------------------------------

    def describe(self) -> str:
        """Return the status text (`ctlmsg`)."""
        return self.control_text

    def snapshot(self) -> JobSnapshot:
        with self._lock:
            phase = self._lifecycle.phase(self._clock.monotonic_s())
            return JobSnapshot(
                id=self.id,
                kind=self.kind.name,
                bucket=self.bucket,
                source=self.source,
                destination=self.destination,
                started_ns=self.started_ns,
                ended_ns=self._ended_ns,
                control_text=self.describe(),
                abort_error=self._abort_reason,
                error=self._error_text(),
                workers=self.workers,
                is_aborted=phase is Phase.ABORTED,
                is_idle=phase is not Phase.RUNNING,
                counters=JobCounters(
                    self.counters.local_objects,
                    self.counters.local_bytes,
                    self.counters.out_objects,
                    self.counters.out_bytes,
                    self.counters.in_objects,
                    self.counters.in_bytes,
                ),
            )

    def _error_text(self) -> str:
        if not self._errors:
            return ""
        more = len(self._errors) - 1 + self._errors_more
        return self._errors[0] + (f" (and {more} more error{'s' if more > 1 else ''})" if more else "")
