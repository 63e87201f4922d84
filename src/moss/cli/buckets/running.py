"""What is said about a job that a command on buckets or objects has started, and the wait for its end.

Source: spec/cli.md 5.4, 5.6.
"""

from moss.cli.context import Context
from moss.cli.waiting import monitor_hint, wait_for_job, wants_to_wait

__all__ = ["check_waiting", "run_job", "titled"]


def check_waiting(context: Context) -> None:
    """Find a malformed `--timeout` before anything is started.

    Raises:
        UsageError: it is no duration.
    """
    context.seconds("timeout")


def titled(display_name: str, job_ids: str, text: str) -> str:
    """`copy-objects[ID]: TEXT`."""
    return f"{display_name}[{job_ids}]: {text}"


def run_job(
    context: Context,
    job_ids: str,
    kind: str,
    title: str,
    *,
    done: str = "\nDone.",
    total: int = 0,
    bytes_total: int = 0,
) -> None:
    """Say what was started, and how to follow it; with `--wait` or `--progress` stay until it is done.

    Args:
        job_ids: as the cluster answered: one id, or several with commas between them.
        kind: of the job, as the cluster names it.
        title: what was started.
        total, bytes_total: objects to work on and their size, for the progress; 0 when unknown.
        done: what follows `TITLE ...` after a successful end.

    Raises:
        CommandError: a job failed, was aborted, or did not end in time.
    """
    console, is_quiet = context.console, context.parsed.flag("non-verbose")
    if not wants_to_wait(context):
        console.result(job_ids if is_quiet else f"{title}. {monitor_hint(job_ids)}")
        return
    has_progress_line = console.stderr.isatty()  # it rewrites its line: the title needs one of its own
    if not is_quiet:
        print(f"{title} ...", end="\n" if has_progress_line else "", file=console.stdout, flush=True)
    try:
        for job_id in job_ids.split(","):
            wait_for_job(context, job_id, kind=kind, label=title, objects_total=total, bytes_total=bytes_total)
    except BaseException:
        if not is_quiet and not has_progress_line:
            console.result("")
        raise
    if not is_quiet:
        console.result(done.lstrip("\n") if has_progress_line else done)
