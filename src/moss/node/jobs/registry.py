"""All jobs of a node: made, found, listed, stopped and forgotten here."""

import asyncio
import contextlib
import fcntl
import logging
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from moss.errors import Aborted, InvalidRequest, JobConflict, MossError
from moss.naming.bucket import Bucket
from moss.node.clock import Clock, SystemClock
from moss.node.config import ConfigStore, make_short_id
from moss.node.jobs.batch import BatchJob
from moss.node.jobs.job import Job, JobSnapshot
from moss.node.jobs.lifecycle import Lifecycle, Phase
from moss.node.jobs.merge import merge_snapshots
from moss.node.jobs.table import KINDS
from moss.node.links import WorkerLinks
from moss.node.metrics import Metrics

log = logging.getLogger("moss.jobs")

JOBS_MAX = 2000
BATCH_JOBS_ACTIVE_MAX = 512
_KEPT_S = 3600.0
_KEPT_SHORT_S = 60.0  # get-batch and list, at least
_SHORT_KINDS = frozenset({"get-batch", "list"})
# Jobs that run at the same time. Most wait for disks or for other hosts; a slow one must not hold up the rest.
_RUNNERS = 64
# Downloads run on threads of their own: they wait for hosts that may never answer.
_FETCHERS = 16
_ID = re.compile(r"[A-Za-z](?:[A-Za-z0-9_-]{7,30}[A-Za-z0-9])\Z|g[0-9]+\Z")
_ID_PREFIXES = {
    "copy-listrange": "tco-",
    "create-inventory": "inv-",
    "download": "dnl-",
    "etl-listrange": "tco-",
    "get-batch": "gbt-",
}


@dataclass(frozen=True, slots=True)
class JobQuery:
    """Which jobs are meant; empty fields do not restrict.

    Attributes:
        ids: alternatives, the first one known counts.
        kind: canonical kind.
        bucket: bucket of the job, or its source or destination.
        active_only: running and idle ones only.
    """

    ids: tuple[str, ...] = ()
    kind: str = ""
    bucket: Bucket | None = None
    active_only: bool = False


def is_job_id(text: str) -> bool:
    """Tell whether a text has the form of a job id."""
    return _ID.match(text) is not None


class JobRegistry:
    """The jobs of one node. Thread-safe.

    Bounded: ended jobs are forgotten after an hour (get-batch: a minute), and earlier when there are more than
    `JOBS_MAX`; a get-batch job beyond `BATCH_JOBS_ACTIVE_MAX` ends the one that has been quiet longest.
    """

    def __init__(self, config: ConfigStore, metrics: Metrics, *, clock: Clock | None = None) -> None:
        self._config, self._metrics = config, metrics
        self._clock = clock or SystemClock()
        self._lock = threading.RLock()
        self._jobs: dict[str, Job] = {}  # in order of their start
        self._batches: dict[Bucket | None, BatchJob] = {}
        self._runners = ThreadPoolExecutor(_RUNNERS, thread_name_prefix="moss-job")
        self._fetchers = ThreadPoolExecutor(_FETCHERS, thread_name_prefix="moss-download")
        self._is_closed = False
        self._lock_path = metrics.directory / "batch-jobs.lock"
        self.links = WorkerLinks(metrics.directory, metrics.worker)
        self.links.serve("jobs.find", lambda query: [job.snapshot() for job in self.find(_query_from(query))])
        self.links.serve("jobs.stop", lambda query: self.stop_here(_query_from(query["query"]), query["reason"]))
        self.links.serve("jobs.result", self._result_here)
        self.links.serve("jobs.batch", self._batch_id_here)
        self.links.start()

    # -- get-batch ------------------------------------------------------------------------------

    async def batch_job(self, bucket: Bucket | None) -> BatchJob:
        """Return what `acquire_batch_job` returns, without holding up the event loop while siblings are asked."""
        job = self._active_batch_job(bucket)
        if job is not None:
            return job
        if not self.links.has_siblings:
            return self.acquire_batch_job(bucket)
        return await asyncio.to_thread(self.acquire_batch_job, bucket)

    def acquire_batch_job(self, bucket: Bucket | None) -> BatchJob:
        """Return the active get-batch job of a path bucket (None: no path bucket), starting one if there is none.

        A job whose minute has just passed is replaced; one that was stopped is not used again. Between this call and
        `BatchJob.begin_work` the job may end: `begin_work` then says so, and asking again gives another.
        Waits for other worker processes when there are any; event loops use `batch_job`.
        """
        job = self._active_batch_job(bucket)
        if job is not None:
            return job
        # The file keeps out other threads and processes; the registry itself stays usable while siblings are asked.
        with _locked(self._lock_path):
            job = self._active_batch_job(bucket)
            if job is None:
                job_id = self._agree_on_id(bucket)
                with self._lock:
                    self._tidy()
                    job = self._start_batch_job(bucket, job_id)
            return job

    def _active_batch_job(self, bucket: Bucket | None) -> BatchJob | None:
        job = self._batches.get(bucket)
        if job is None:
            return None
        job.end_if_quiet()
        return job if job.is_active else None

    def _agree_on_id(self, bucket: Bucket | None) -> str:
        """Return the id that another worker process uses for the bucket's job, or a new one.

        Called with the lock file held, so that two workers do not make up two ids at the same time.
        """
        name = "" if bucket is None else bucket.uname
        found = [job_id for job_id in self.links.ask_all("jobs.batch", name) if job_id]
        return found[0] if found else self._make_id("get-batch")

    def _batch_id_here(self, uname: str) -> str:
        """Answer a sibling: the id of the active job of a bucket, or "". It holds the file's lock: take none here."""
        for bucket, job in list(self._batches.items()):
            if ("" if bucket is None else bucket.uname) == uname and job.is_active:
                return job.id
        return ""

    def _start_batch_job(self, bucket: Bucket | None, job_id: str) -> BatchJob:
        if len(self._batches) >= BATCH_JOBS_ACTIVE_MAX:
            self._end_quietest_batch_job()
        keepalive_s = self._config.duration_s("timeout.max_keepalive")
        job = BatchJob(
            job_id,
            self._clock,
            self._metrics,
            bucket=bucket,
            idle_after_s=max(keepalive_s + 1, 4.0),
            is_warming=self._config.get_batch.warmup_workers > 0,
        )
        self._batches[bucket] = job
        self._jobs[job.id] = job
        return job

    def _end_quietest_batch_job(self) -> None:
        quiet = [job for job in self._batches.values() if not job.pending]
        if quiet:
            min(quiet, key=lambda job: job.quiet_since_s).finish()
            self._tidy()

    @property
    def pending_batches(self) -> int:
        """Work items admitted on this node and not ended, over all get-batch jobs."""
        with self._lock:
            return sum(job.pending for job in self._batches.values())

    # -- other jobs -----------------------------------------------------------------------------

    def start(
        self,
        kind: str,
        work: Callable[[Job], None],
        *,
        bucket: Bucket | None = None,
        source: Bucket | None = None,
        destination: Bucket | None = None,
        workers: int = 0,
    ) -> Job:
        """Start a job that runs `work` in a thread and ends when it returns; a demand job then is idle for a minute.

        An error that `work` raises ends the job regularly with the error's text; a stop makes `Job.check` raise.
        """
        lingers = KINDS[kind].is_demand
        job = Job(
            KINDS[kind],
            self._make_id(kind),
            self._clock,
            bucket=bucket,
            source=source,
            destination=destination,
            lifecycle=Lifecycle(is_demand=lingers, pending=1),
            workers=workers,
        )
        with self._lock:
            if self._is_closed:
                raise JobConflict("the node is stopping")
            self._tidy()
            self._jobs[job.id] = job
        (self._fetchers if kind == "download" else self._runners).submit(_run, job, work)
        return job

    def _make_id(self, kind: str) -> str:
        return _ID_PREFIXES.get(kind, "") + make_short_id()

    # -- finding --------------------------------------------------------------------------------

    def get(self, job_id: str) -> Job | None:
        """Return a job of this process, or None; costs the same however many jobs there are."""
        job = self._jobs.get(job_id)
        if job is None:
            return None
        job.end_if_quiet()
        if job.is_over:
            with self._lock:
                self._tidy()
                return self._jobs.get(job_id)
        return job

    def find(self, query: JobQuery) -> list[Job]:
        """Return the jobs that match, in order of their start."""
        with self._lock:
            self._tidy()
            if query.ids:
                known = next((self._jobs[job_id] for job_id in query.ids if job_id in self._jobs), None)
                jobs: Iterable[Job] = [known] if known else []
            else:
                jobs = list(self._jobs.values())
        return [job for job in jobs if _matches(job, query)]

    def snapshots(self, query: JobQuery) -> list[JobSnapshot]:
        """Return what the matching jobs say of themselves, those of all worker processes; may wait for them."""
        parts = [job.snapshot() for job in self.find(query)]
        for answer in self.links.ask_all("jobs.find", query):
            parts += msgspec.convert(answer, list[JobSnapshot])
        found = merge_snapshots(parts)
        if not query.ids:
            return found
        first = next((job_id for job_id in query.ids if any(part.id == job_id for part in found)), "")
        return [part for part in found if part.id == first]

    def result(self, job_id: str) -> tuple[bool, Any] | None:
        """Return whether a job of any worker process is over, and its result so far; None for an unknown job."""
        found = self._result_here(job_id)
        if found is None:
            found = next(iter(self.links.ask_all("jobs.result", job_id)), None)
        return None if found is None else (found[0], found[1])

    def _result_here(self, job_id: str) -> tuple[bool, Any] | None:
        job = self.get(job_id)
        return None if job is None else (job.is_over, job.result)

    # -- stopping -------------------------------------------------------------------------------

    def stop(self, query: JobQuery, reason: str = "user abort") -> None:
        """Stop the active jobs that match, in all worker processes. Ended jobs stay as they are."""
        self.stop_here(query, reason)
        self.links.ask_all("jobs.stop", {"query": query, "reason": reason})

    def stop_here(self, query: JobQuery, reason: str) -> int:
        """Stop the matching jobs of this process; returns how many."""
        stopped = sum(job.abort(reason) for job in self.find(query))
        with self._lock:
            self._tidy()
        return stopped

    def stop_bucket(self, bucket: Bucket, reason: str) -> None:
        """Stop everything that works in a bucket, because it goes away."""
        self.stop(JobQuery(bucket=bucket, active_only=True), reason)

    def close(self) -> None:
        """Stop all jobs and wait for their threads."""
        with self._lock:
            self._is_closed = True
        self.stop_here(JobQuery(active_only=True), "node is shutting down")
        for pool in (self._runners, self._fetchers):
            pool.shutdown(wait=True, cancel_futures=True)
        self.links.close()

    # -- housekeeping ---------------------------------------------------------------------------

    def _tidy(self) -> None:
        for job in self._jobs.values():
            job.end_if_quiet()
        for bucket, batch_job in list(self._batches.items()):
            if batch_job.is_over:
                del self._batches[bucket]
        ended = [job for job in self._jobs.values() if job.is_over]
        surplus = len(self._jobs) - JOBS_MAX
        for number, job in enumerate(ended):
            kept_s = _KEPT_SHORT_S if job.kind.name in _SHORT_KINDS else _KEPT_S
            if number < surplus or job.should_forget(kept_s):
                del self._jobs[job.id]


def _run(job: Job, work: Callable[[Job], None]) -> None:
    """Run the work of a job. A job must end whatever happens in it: every error is its result."""
    failed = True
    try:
        job.check()
        work(job)
        failed = False
    except Aborted:
        job.abort()
    except MossError as error:
        job.add_error(error.message)
    except Exception as error:
        log.exception("%s failed", job.name)
        job.add_error(f"internal error ({type(error).__name__})")
    finally:
        job.work_done(lingers=job.kind.is_demand and not failed)


def _query_from(value: Any) -> JobQuery:
    return msgspec.convert(value, JobQuery)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a file against other processes and threads."""
    with open(path, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _matches(job: Job, query: JobQuery) -> bool:
    if query.kind and job.kind.name != query.kind:
        return False
    if query.bucket is not None and query.bucket not in (job.bucket, job.source, job.destination):
        return False
    return not (query.active_only and job.phase() in (Phase.FINISHED, Phase.ABORTED))


def check_ids(text: str) -> tuple[str, ...]:
    """Split a comma-separated list of job ids.

    Raises:
        InvalidRequest: one of them has not the form of an id.
    """
    ids = tuple(part.strip() for part in text.split(",") if part.strip())
    for job_id in ids:
        if not is_job_id(job_id):
            raise InvalidRequest(f'invalid xaction (job) UUID "{job_id}"')
    return ids
