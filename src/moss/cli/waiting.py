"""What `--wait`, `--progress` and `--timeout` do after a job was started. Source: spec/cli.md 5.8."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from moss.cli.context import Context
from moss.cli.failures import CommandError

if TYPE_CHECKING:
    from moss.cli.progress import Progress
    from moss.sdk.job_types import AggregatedJobSnap

__all__ = ["follow", "monitor_hint", "wait_for_job", "wants_to_wait"]

NO_LIMIT_S = 365 * 86_400.0
WAIT_S_FIRST = 0.02
WAIT_S_MAX = 1.0


def wants_to_wait(context: Context) -> bool:
    """Whether the user asked to stay until the job has finished."""
    return context.parsed.flag("wait") or context.parsed.flag("progress")


def monitor_hint(job_id: str) -> str:
    """The exact command that shows the job."""
    return f"To monitor the progress, run 'ais show job {job_id}'"


def follow(
    context: Context,
    job_id: str,
    *,
    kind: str,
    started: str,
    finished: str,
    objects_total: int = 0,
    bytes_total: int = 0,
) -> None:
    """Say that a job was started, and stay until its end when the user asked for that.

    Args:
        kind: of the job, as the cluster names it.
        started: what was started, for the line with the follow-up command; with `--non-verbose` the id alone.
        finished: the line after a successful end.
        objects_total, bytes_total: what the job has to do, for its progress; 0 when unknown.

    Raises:
        CommandError: the job failed, was aborted, or did not end in time.
    """
    if not wants_to_wait(context):
        if context.parsed.flag("non-verbose"):
            context.console.result(job_id)
        else:
            context.console.result(f"{started}. {monitor_hint(job_id)}")
        return
    wait_for_job(context, job_id, kind=kind, label=started, objects_total=objects_total, bytes_total=bytes_total)
    context.console.result(finished)


def wait_for_job(
    context: Context,
    job_id: str,
    *,
    kind: str = "",
    label: str = "",
    objects_total: int = 0,
    bytes_total: int = 0,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Wait for the end of a job, with progress on a terminal; `--timeout` limits the wait.

    Args:
        kind: of the job; "" asks the cluster.
        label: what the progress line begins with.

    Raises:
        CommandError: the job failed, was aborted, or did not end in time.
    """
    from moss.cli.progress import Progress
    from moss.sdk.errors import Timeout

    timeout_s = context.seconds("timeout") or NO_LIMIT_S
    label = label or f"{kind}[{job_id}]"
    job = context.client.job(job_id, kind)
    deadline = time.monotonic() + timeout_s
    try:
        if context.console.stderr.isatty() and not context.parsed.flag("non-verbose"):
            with Progress(
                context.console.stderr, label, verb="", total=bytes_total, items_total=objects_total
            ) as progress:
                _watch(job.get_details, progress, deadline, sleep)
        result = job.wait(max(deadline - time.monotonic(), 0.01), verbose=False)
    except Timeout:
        raise CommandError(
            f"timed out waiting for {label} (after {context.parsed.text('timeout')})",
            f"It is still running. {monitor_hint(job_id)}",
        ) from None
    if not result.success:
        raise CommandError(f"{label} failed: {result.error}", f"See 'ais show job {job_id} --verbose'.")


def _watch(
    details: Callable[[], "AggregatedJobSnap"], progress: "Progress", deadline: float, sleep: Callable[[float], None]
) -> None:
    """Show the counters until all targets are done; what the end means is for `Job.wait` to say."""
    wait_s = WAIT_S_FIRST
    while time.monotonic() < deadline:
        found = details()
        snaps = found.list_snapshots()
        stats = [snap.stats for snap in snaps if snap.stats is not None]
        progress(sum(s.bytes for s in stats), sum(s.objects for s in stats))
        if snaps and (found.all_finished() or found.any_aborted() or found.all_idle()):
            return
        sleep(wait_s)
        wait_s = min(wait_s * 1.5, WAIT_S_MAX)
