"""Download jobs of a node as their clients see them: progress, lists, history. The fetching is in `kinds.download`.

Source: spec/rest-control.md 12.
"""

import re
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any

import msgspec

from moss.errors import InvalidRequest, NotFound
from moss.naming.bucket import Bucket
from moss.node.clock import Clock
from moss.node.jobs.job import Job
from moss.node.jobs.registry import JobQuery, JobRegistry
from moss.units import quote
from moss.wire.download import TIME_UNSET, DownloadError, DownloadJob, DownloadStatus, DownloadTask
from moss.wire.job import format_time

__all__ = ["Downloads", "Progress", "compile_filter"]

_KEPT_MAX = 200  # jobs; the oldest that have ended go first
_TASKS_KEPT = 500  # of each job, in detail; the counters hold all
_FILTER_CHARACTERS_MAX = 256
_MATCHED_CHARACTERS_MAX = 256  # of a description
_REPEATS_MAX = 2
_OPTIONS_MAX = 4


class DownloadNotFound(NotFound):
    """A download job that this node does not know (any more)."""

    code = "download-not-found"

    def __init__(self, node_name: str, job_id: str) -> None:
        super().__init__(f"{node_name}: download job {job_id} does not exist")


class DownloadRunning(InvalidRequest):
    """A download job that cannot be forgotten because it still runs."""

    code = "download-running"

    def __init__(self, job_id: str) -> None:
        super().__init__(f'job "{job_id}" is still running')


class Progress:
    """What one download job has done so far. Thread-safe."""

    def __init__(self, clock: Clock, *, description: str, total: int) -> None:
        self._clock, self.description, self._total = clock, description, total
        self._lock = threading.Lock()
        self._job: Job | None = None
        self._finished = self._scheduled = self._skipped = self._failed = 0
        self._is_dispatched = False
        self._ended_ns = 0
        self._current: dict[int, DownloadTask] = {}
        self._ended: deque[DownloadTask] = deque(maxlen=_TASKS_KEPT)
        self._errors: list[DownloadError] = []

    def attach(self, job: Job) -> None:
        """Name the job whose progress this is."""
        self._job = job

    @property
    def is_over(self) -> bool:
        return bool(self._ended_ns) or (self._job is not None and self._job.is_over)

    def begin(self, name: str) -> int:
        """Note that an object is being fetched; returns a number to say more about it."""
        with self._lock:
            self._scheduled += 1
            number = self._scheduled
            self._current[number] = DownloadTask(name=name, start_time=self._now())
            return number

    def expect(self, number: int, size: int | None) -> None:
        """Note how many bytes an object has; a second try begins at zero again."""
        with self._lock:
            if task := self._current.get(number):
                task.total, task.downloaded = str(size or 0), "0"

    def receive(self, number: int, size: int) -> None:
        """Note that so many bytes of an object are there."""
        with self._lock:
            if task := self._current.get(number):
                task.downloaded = str(size)

    def end(self, number: int, *, error: str = "", is_skipped: bool = False) -> None:
        """Note what became of an object."""
        with self._lock:
            task = self._current.pop(number, None)
            if task is None:  # the job was stopped meanwhile
                return
            task.end_time = self._now()
            self._ended.append(task)
            if error:
                self._failed += 1
                if len(self._errors) < _TASKS_KEPT:
                    self._errors.append(DownloadError(task.name, error))
            else:
                self._finished += 1
                self._skipped += is_skipped

    def dispatched(self) -> None:
        """Note that no more objects will be begun."""
        self._is_dispatched = True

    def close(self) -> None:
        """Note the end of the job, whatever it was."""
        with self._lock:
            self._current.clear()
            self._ended_ns = self._clock.now_ns()

    def describe(self) -> DownloadJob:
        """Return the short form."""
        return DownloadJob(**self._counts())

    def describe_fully(self, *, only_active: bool = False) -> DownloadStatus:
        """Return the form with objects; `only_active` leaves out those that ended."""
        with self._lock:
            current = [msgspec.structs.replace(task) for task in self._current.values()]
            ended = [] if only_active else list(self._ended)
            errors = [] if only_active else list(self._errors)
        return DownloadStatus(
            **self._counts(),
            current_tasks=current or msgspec.UNSET,
            finished_tasks=ended or msgspec.UNSET,
            download_errors=errors or msgspec.UNSET,
        )

    def _counts(self) -> dict[str, Any]:
        job = self._job
        assert job is not None
        with self._lock:
            is_aborted = job.aborted.is_set()
            return {
                "id": job.id,
                "xaction_id": job.id,
                "description": self.description,
                "started_time": format_time(job.started_ns),
                "finished_time": format_time(self._ended_ns) if self._ended_ns else TIME_UNSET,
                "finished_cnt": self._finished,
                "scheduled_cnt": self._scheduled,
                "skipped_cnt": self._skipped,
                "error_cnt": self._failed,
                "total": self._total,
                "all_dispatched": self._is_dispatched,
                "aborted": is_aborted,
            }

    def _now(self) -> str:
        return format_time(self._clock.now_ns())


class Downloads:
    """The download jobs of a node. Thread-safe; finding and forgetting may wait for other worker processes.

    Args:
        jobs: where the jobs run.
        node_name: named in errors.
    """

    def __init__(self, jobs: JobRegistry, clock: Clock, node_name: str) -> None:
        self._jobs, self._clock, self._node_name = jobs, clock, node_name
        self._lock = threading.Lock()
        self._known: OrderedDict[str, Progress] = OrderedDict()
        jobs.links.serve("downloads.list", lambda asked: self._list_here(asked["pattern"], asked["only_active"]))
        jobs.links.serve("downloads.status", lambda asked: self._status_here(asked["id"], asked["only_active"]))
        jobs.links.serve("downloads.remove", self._remove_here)

    def start(
        self,
        bucket: Bucket,
        fetch: Callable[[Job, Progress], None],
        *,
        description: str,
        total: int,
    ) -> str:
        """Start a job and return its id; `fetch` runs in a thread of its own and ends with the job."""
        progress = Progress(self._clock, description=description, total=total)
        ready = threading.Event()

        def work(job: Job) -> None:
            ready.wait()
            try:
                fetch(job, progress)
            finally:
                progress.close()
            job.finish()

        job = self._jobs.start("download", work, bucket=bucket)
        progress.attach(job)
        job.on_abort(progress.close)
        with self._lock:
            self._known[job.id] = progress
            self._tidy()
        ready.set()
        return job.id

    def find_all(self, pattern: str, *, only_active: bool) -> list[DownloadJob]:
        """Return the jobs whose description matches, in order of their start.

        Raises:
            InvalidRequest: the pattern cannot be used.
        """
        compile_filter(pattern)
        found = self._list_here(pattern, only_active)
        for answer in self._jobs.links.ask_all("downloads.list", {"pattern": pattern, "only_active": only_active}):
            found += msgspec.convert(answer, list[DownloadJob])
        return sorted(found, key=lambda job: job.started_time)

    def status(self, job_id: str, *, only_active: bool = False) -> DownloadStatus:
        """Return one job with its objects.

        Raises:
            NotFound: there is no such job.
        """
        asked = {"id": job_id, "only_active": only_active}
        found = self._status_here(job_id, only_active)
        for answer in [] if found else self._jobs.links.ask_all("downloads.status", asked):
            found = msgspec.convert(answer, DownloadStatus)
        if found is None:
            raise DownloadNotFound(self._node_name, job_id)
        return found

    def abort(self, job_id: str) -> None:
        """Stop a job; one that has ended stays as it is.

        Raises:
            NotFound: there is no such job.
        """
        self.status(job_id, only_active=True)
        self._jobs.stop(JobQuery((job_id,)))

    def remove(self, job_id: str) -> None:
        """Forget a job that has ended.

        Raises:
            NotFound: there is no such job.
            InvalidRequest: it still runs.
        """
        outcome = self._remove_here(job_id)
        for answer in [] if outcome else self._jobs.links.ask_all("downloads.remove", job_id):
            outcome = outcome or answer
        if outcome == "running":
            raise DownloadRunning(job_id)
        if not outcome:
            raise DownloadNotFound(self._node_name, job_id)

    # -- this process ------------------------------------------------------------------------------

    def _list_here(self, pattern: str, only_active: bool) -> list[DownloadJob]:
        matches = compile_filter(pattern)
        with self._lock:
            known = list(self._known.values())
        chosen = [progress for progress in known if not (only_active and progress.is_over)]
        return [found.describe() for found in chosen if matches(found.description)]

    def _status_here(self, job_id: str, only_active: bool) -> DownloadStatus | None:
        with self._lock:
            progress = self._known.get(job_id)
        return None if progress is None else progress.describe_fully(only_active=only_active)

    def _remove_here(self, job_id: str) -> str:
        with self._lock:
            progress = self._known.get(job_id)
            if progress is None:
                return ""
            if not progress.is_over:
                return "running"
            del self._known[job_id]
            return "removed"

    def _tidy(self) -> None:
        surplus = len(self._known) - _KEPT_MAX
        over = [job_id for job_id, progress in self._known.items() if progress.is_over] if surplus > 0 else []
        for job_id in over[:surplus]:
            del self._known[job_id]


def compile_filter(pattern: str) -> Callable[[str], bool]:
    """Return a test of descriptions by a regular expression; an empty one fits all.

    Expressions that could take time without end are refused: anyone may send one.

    Raises:
        InvalidRequest: no regular expression, or too complex a one.
    """
    if not pattern:
        return lambda text: True
    outside_sets = re.sub(r"\\.|\[\^?\]?[^\]]*\]", "x", pattern, flags=re.DOTALL)
    repeats = len(re.findall(r"[*+]|\{[0-9]*,?[0-9]*\}", outside_sets))
    options = repeats + outside_sets.count("?")
    is_nested = re.search(r"\)[*+?{]|\(\?|[*+?}][*+{]", outside_sets) or re.search(r"\\[1-9]", pattern)
    if len(pattern) > _FILTER_CHARACTERS_MAX or is_nested or repeats > _REPEATS_MAX or options > _OPTIONS_MAX:
        raise InvalidRequest(f"regular expression {quote(pattern[:64])} is too complex")
    try:
        expression = re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise InvalidRequest(f"invalid regular expression {quote(pattern)}: {error}") from None
    return lambda text: expression.search(text[:_MATCHED_CHARACTERS_MAX]) is not None
