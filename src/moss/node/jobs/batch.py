"""The job that all batches of one path bucket share. Source: spec/getbatch.md 12, 13."""

import math

from moss.errors import JobNotActive
from moss.naming.bucket import Bucket
from moss.node.clock import Clock
from moss.node.jobs.job import Job
from moss.node.jobs.lifecycle import Lifecycle, describe_batches
from moss.node.jobs.table import KINDS
from moss.node.metrics import Metrics

ENDS_AFTER_S = 60.0


class BatchJob(Job):
    """A get-batch job: work items come and go, the job ends after a minute without any.

    A work item is `begin_work(wid)` at admission, `begin_assembly(wid)` when the client has come for it, and
    `end_work(..., wid=wid)` whatever became of it. All of it may be called from any thread.
    """

    def __init__(
        self,
        job_id: str,
        clock: Clock,
        metrics: Metrics,
        *,
        bucket: Bucket | None,
        idle_after_s: float,
        is_warming: bool,
    ) -> None:
        now_s = clock.monotonic_s()
        life = Lifecycle(is_demand=True, idle_after_s=idle_after_s, ends_after_s=ENDS_AFTER_S, quiet_since_s=now_s)
        super().__init__(KINDS["get-batch"], job_id, clock, bucket=bucket, lifecycle=life)
        self._metrics = metrics
        self._is_warming = is_warming
        self._waiting: set[str] = set()
        self._assembling: set[str] = set()

    @property
    def pending(self) -> int:
        """Work items admitted and not ended."""
        return self._lifecycle.pending

    @property
    def quiet_since_s(self) -> float:
        """Since when there is no work, on the node's monotonic clock; infinity while there is some."""
        since_s = self._lifecycle.quiet_since_s
        return math.inf if since_s is None else since_s

    def begin_work(self, wid: str) -> None:
        """Admit a work item.

        Raises:
            JobNotActive: the job ended or was stopped in between; ask the registry for another.
        """
        with self._lock:
            if self._lifecycle.is_over:
                raise JobNotActive(f'x-moss: xid "{self.id}" not active')
            self._lifecycle.begin_work()
            self._waiting.add(wid)

    def begin_assembly(self, wid: str) -> None:
        """Note that the answer of a work item is being made now."""
        with self._lock:
            self._assembling.add(wid)

    def end_work(
        self,
        objs: int = 0,
        obj_bytes: int = 0,
        files: int = 0,
        file_bytes: int = 0,
        soft_errors: int = 0,
        failed: bool = False,
        *,
        wid: str = "",
        error: str = "",
        is_served: bool = True,
    ) -> None:
        """End a work item and add what it did to the counters of the job and of the target; a second end is ignored.

        Args:
            objs: whole objects delivered, zero-size ones included, placeholders not.
            obj_bytes: their bytes (of ranges: the bytes of the range).
            files: shard members delivered.
            file_bytes: their bytes.
            soft_errors: placeholders.
            failed: the work item ended with a hard error.
            wid: the work item, as given to `begin_work`.
            error: text of the hard error.
            is_served: False for a work item that nobody came for: nothing is counted.
        """
        with self._lock:
            if wid not in self._waiting:
                return
            self._waiting.discard(wid)
            self._assembling.discard(wid)
            self._lifecycle.end_work(self._clock.monotonic_s())
            self.counters.local_objects += objs + files
            self.counters.local_bytes += obj_bytes + file_bytes
        if error:
            self.add_error(error)
        if is_served:
            self._metrics.add_many(
                {
                    "getbatch.n": 1,
                    "getbatch.obj.n": objs,
                    "getbatch.obj.size": obj_bytes,
                    "getbatch.file.n": files,
                    "getbatch.file.size": file_bytes,
                    "err.soft.getbatch.n": soft_errors,
                    "err.getbatch.n": int(failed),
                }
            )

    def describe(self) -> str:
        return describe_batches(
            self._metrics.snapshot(),
            assembling=len(self._assembling),
            waiting=len(self._waiting),
            is_warming=self._is_warming,
        )
