"""Jobs of the cluster."""

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from moss.sdk._async.session import RequestClient
from moss.sdk.const import DEFAULT_JOB_WAIT_TIMEOUT
from moss.sdk.errors import AISError, JobInfoNotFound, Timeout
from moss.sdk.job_messages import bucket_value
from moss.sdk.job_types import AggregatedJobSnap, JobSnap, JobStatus, decode_snaps, decode_status, parse_time
from moss.sdk.operations import Request, action
from moss.sdk.polling import CONFIRM_S, next_wait_s
from moss.sdk.transport.aio import monotonic, sleep
from moss.sdk.wait_result import WaitResult
from moss.sdk.xact_const import SINGLE_TARGET_KINDS, idles_before_finishing

if TYPE_CHECKING:
    from moss.sdk._async.bucket import Bucket

__all__ = ["Job"]

_log = logging.getLogger("moss.sdk.job")
_NS_OF_S = 1_000_000_000


class Job:
    """One job, or all of a kind. Making one sends nothing.

    Args:
        client: the way to the cluster.
        job_id: empty for all jobs of the kind.
        job_kind: empty when the cluster shall say it.
    """

    def __init__(self, client: RequestClient, job_id: str = "", job_kind: str = "") -> None:
        self._session, self._job_id, self._job_kind = client, job_id, job_kind

    @property
    def job_id(self) -> str:
        return self._job_id

    @property
    def job_kind(self) -> str:
        return self._job_kind

    def _message(self, daemon_id: str = "", buckets: Sequence["Bucket"] = ()) -> dict[str, Any]:
        models = [bucket_value(bucket.as_model()) for bucket in buckets]
        return {
            "ID": self._job_id,
            "Kind": self._job_kind,
            "DaemonID": daemon_id,
            "Bck": models[0] if len(models) == 1 else None,
            "Buckets": models if len(models) > 1 else None,
        }

    async def _query(self, what: str) -> bytes:
        body = msgspec.json.encode(self._message())
        return (await self._session.call(Request("GET", "/cluster", [("what", what)], body=body))).content

    async def status(self) -> JobStatus:
        """Ask for the status.

        Raises:
            ValueError: the job has no id.
            AISError: status 404 when the cluster knows no such job, or keeps no status of jobs of this kind.
        """
        if not self._job_id:
            raise ValueError("Cannot query status on a job without an assigned ID")
        return decode_status(await self._query("status"))

    async def get_details(self) -> AggregatedJobSnap:
        """Ask all targets for their snapshots of the job.

        Raises:
            AISError: status 404 when the job has an id that no target knows.
        """
        return decode_snaps(await self._query("qryxstats"))

    async def wait(self, timeout: float = DEFAULT_JOB_WAIT_TIMEOUT, verbose: bool = True) -> WaitResult:
        """Wait until the job is done: finished, or idle if it is of a kind that then waits for more work.

        Args:
            timeout: seconds.
            verbose: tell the logger `moss.sdk.job` about it.

        Returns:
            How it ended: false when the job failed or was aborted.

        Raises:
            Timeout: it is not done in time.
            JobInfoNotFound: the job was made without a kind, and no target knows its id.
            AISError: status 404, as for `status`.
        """
        if not self._job_kind and self._job_id:
            await self._find_kind()
        if idles_before_finishing(self._job_kind):
            return await self.wait_for_idle(timeout, verbose)
        if self._job_kind in SINGLE_TARGET_KINDS:
            return await self.wait_single_node(timeout, verbose)
        try:
            return await self._wait_for_end(timeout, verbose)
        except AISError as error:
            if error.status_code != 404 or not self._job_kind:
                raise
        # The cluster keeps no status of some kinds: then the targets themselves tell.
        return await self._wait_for(AggregatedJobSnap.all_finished, timeout, verbose)

    async def _find_kind(self) -> None:
        for snap in (await self.get_details()).list_snapshots():
            if snap.kind:
                self._job_kind = snap.kind
                return
        raise JobInfoNotFound(f"No job info found for '{self._job_id}'")

    async def _wait_for_end(self, timeout_s: float, verbose: bool) -> WaitResult:
        started_s = monotonic()
        while not (status := await self.status()).end_time:
            await self._pause(started_s, timeout_s)
        error = status.err or ("aborted" if status.aborted else None)
        # Times before 1970 stand for jobs that were given up before they started.
        end = datetime.fromtimestamp(status.end_time / _NS_OF_S, UTC) if status.end_time > 0 else None
        return self._report(WaitResult(status.uuid or self._job_id, error is None, error, end), verbose)

    async def wait_for_idle(self, timeout: float = DEFAULT_JOB_WAIT_TIMEOUT, verbose: bool = True) -> WaitResult:
        """Wait until the job has no work left: every target says so twice, or one that it finished.

        One target on which it was aborted ends the wait at once. Arguments and errors as for `wait`.
        """
        idle_looks = 0
        started_s = monotonic()
        while True:
            details = await self.get_details()
            snaps = details.list_snapshots()
            if details.any_aborted() or details.all_finished():
                break
            idle_looks = idle_looks + 1 if snaps and details.all_idle() else 0
            if idle_looks > 1:
                break
            await self._pause(started_s, timeout, CONFIRM_S if idle_looks else 0.0)
        return self._report(WaitResult.from_snapshots(self._job_id, snaps), verbose)

    async def wait_single_node(self, timeout: float = DEFAULT_JOB_WAIT_TIMEOUT, verbose: bool = True) -> WaitResult:
        """Wait until the job ended on some target. Arguments and errors as for `wait`."""
        return await self._wait_for(AggregatedJobSnap.any_finished, timeout, verbose)

    async def _wait_for(
        self, is_done: Callable[[AggregatedJobSnap], bool], timeout_s: float, verbose: bool
    ) -> WaitResult:
        started_s = monotonic()
        while not is_done(details := await self.get_details()):
            await self._pause(started_s, timeout_s)
        return self._report(WaitResult.from_snapshots(self._job_id, details.list_snapshots()), verbose)

    async def _pause(self, started_s: float, timeout_s: float, wait_s_min: float = 0.0) -> None:
        elapsed_s = monotonic() - started_s
        if elapsed_s >= timeout_s:
            raise Timeout(f"job '{self._job_id or self._job_kind}'", f"after {timeout_s}s")
        await sleep(max(next_wait_s(elapsed_s, timeout_s), min(wait_s_min, timeout_s - elapsed_s)))

    @staticmethod
    def _report(result: WaitResult, verbose: bool) -> WaitResult:
        if verbose and result.success:
            _log.info("Job '%s' finished successfully", result.job_id)
        elif verbose:
            _log.error("Job '%s' failed: %s", result.job_id, result.error)
        return result

    async def start(self, daemon_id: str = "", force: bool = False, buckets: Sequence["Bucket"] | None = None) -> str:
        """Start a job of the kind.

        Args:
            daemon_id: the target, for kinds that run on one only.
            force: even where a setting of the bucket forbids it.
            buckets: for kinds that work on buckets.

        Returns:
            The id.

        Raises:
            AISError: no such kind, or not one that is started like this.
        """
        value = self._message(daemon_id, buckets or ())
        query = [("frc", "true")] if force else []
        # Starting twice gives two jobs: a request that may have arrived is not sent again.
        request = Request("PUT", "/cluster", query, body=action("start", value=value), is_idempotent=False)
        return (await self._session.call(request)).text.strip()

    async def abort(self) -> None:
        """Stop the job, or all of the kind. Harmless when it is finished.

        Raises:
            ValueError: neither id nor kind.
        """
        if not self._job_id and not self._job_kind:
            raise ValueError("Cannot abort a job without an id or kind")
        await self._session.call(Request("PUT", "/cluster", body=action("stop", value=self._message())))

    async def get_within_timeframe(self, start_time: datetime, end_time: datetime | None = None) -> list[JobSnap]:
        """Snapshots of jobs that started at `start_time` or later, and ended by `end_time` if that is given.

        Args:
            start_time, end_time: with a zone; without one they are UTC.

        Raises:
            JobInfoNotFound: there are none.
        """
        first, last = _with_zone(start_time), _with_zone(end_time) if end_time else None
        found = []
        for snap in (await self.get_details()).list_snapshots():
            if snap.id != self._job_id and snap.kind != self._job_kind:
                continue
            start, end = parse_time(snap.start_time), parse_time(snap.end_time)
            if start is not None and start >= first and (last is None or (end is not None and end <= last)):
                found.append(snap)
        if not found:
            raise JobInfoNotFound("No relevant job info found")
        return found

    async def get_total_time(self) -> timedelta | None:
        """From the first start to the last end on all targets; None while it runs, or when no target knows it."""
        snaps = (await self.get_details()).list_snapshots()
        starts = [start for snap in snaps if (start := parse_time(snap.start_time)) is not None]
        ends = [end for snap in snaps if (end := parse_time(snap.end_time)) is not None]
        return max(ends) - min(starts) if starts and ends and len(ends) == len(snaps) else None

    def __repr__(self) -> str:
        return f"Job({self._job_id!r}, {self._job_kind!r})"


def _with_zone(moment: datetime) -> datetime:
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
