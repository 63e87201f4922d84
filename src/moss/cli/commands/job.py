"""`ais job stop`, `wait` and `rm`. Source: spec/cli.md 5.8.2."""

import time
from typing import Any

from moss.cli.arguments import check_count, parse_pattern
from moss.cli.candidates import jobs
from moss.cli.cluster.calls import act
from moss.cli.cluster.map import fetch_map
from moss.cli.context import Context
from moss.cli.failures import CommandError, UsageError
from moss.cli.flags import ALL, PROGRESS, QUIET, REFRESH, REGEX, TIMEOUT, YES
from moss.cli.jobs import lists
from moss.cli.jobs.arguments import JobArguments, parse_job_arguments
from moss.cli.jobs.downloads import remove_download, stop_download, wait_for_download
from moss.cli.jobs.names import is_job_id, kinds_of
from moss.cli.jobs.snapshots import JobView, fetch_jobs
from moss.cli.jobs.sorts import remove_sort, stop_sort, wait_for_sort
from moss.cli.options import Command, Option
from moss.cli.waiting import wait_for_job
from moss.wire.job_kinds import display_name

ERRORS_SHOWN = 3

# -- stop -------------------------------------------------------------------------------------------


def _stop(context: Context) -> None:
    wanted = _wanted(context, "stop")
    if wanted.job_id:
        _stop_one(context, wanted)
        return
    found = _active(context, wanted)
    which = f" '{wanted.name}'" if wanted.name else ""
    if not found:
        context.console.result(f"No running{which} jobs, nothing to do")
        return
    if not context.parsed.flag("yes"):
        context.console.confirm(f"Stop all{which} jobs?", unanswered="nothing stopped (use '--yes' to stop them)")
    for kind, job_id in found:
        _stop_any(context, kind, job_id)


def _stop_one(context: Context, wanted: JobArguments) -> None:
    """Stop a job by its id; one that has ended is left alone."""
    job_id = wanted.job_id
    if job_id.startswith(lists.DOWNLOAD_ID):
        is_over = lists.is_download_over(lists.fetch_download(context.transport, job_id))
        kind = "download"
    elif job_id.startswith(lists.SORT_ID):
        kind, is_over = "dsort", False  # stopping a sort that has ended is harmless
    else:
        found = fetch_jobs(context.transport, wanted, active_only=False)
        if not found:
            raise CommandError(f"cannot stop [{job_id}]: it is no '{wanted.name}' job")
        kind, is_over = found[0].kind, not found[0].is_active
    if is_over:
        context.console.result(f"{kind}[{job_id}] already finished, nothing to do")
        return
    _stop_any(context, kind, job_id)


def _stop_any(context: Context, kind: str, job_id: str) -> None:
    if kind == "download":
        stop_download(context.transport, job_id)
    elif kind == "dsort":
        stop_sort(context.transport, job_id)
        context.console.result(f"Stopped dsort job {job_id}")
        return
    else:
        value = {"ID": job_id, "Kind": kind, "Force": context.parsed.flag("force")}
        act(context.transport, "stop", value=value)
    context.console.result(f"Stopped {kind}[{job_id}]")


def _active(context: Context, wanted: JobArguments) -> list[tuple[str, str]]:
    """Kinds and ids of what runs and matches."""
    pattern = parse_pattern(context.parsed.text("regex") or "")
    found = fetch_jobs(context.transport, wanted, active_only=True)
    if wanted.node:
        found = [job for job in found if any(part.node == wanted.node for part in job.parts)]
    names = [(job.kind, job.job_id) for job in found if job.kind not in ("download", "dsort")]
    if not (wanted.node or wanted.bucket):
        if not wanted.kinds or "download" in wanted.kinds:
            names += [("download", one["id"]) for one in lists.fetch_downloads(context.transport, active_only=True)]
        if not wanted.kinds or "dsort" in wanted.kinds:
            names += [("dsort", one["id"]) for one in lists.fetch_sorts(context.transport, active_only=True)]
    return [(kind, job_id) for kind, job_id in names if pattern.search(display_name(kind)) or pattern.search(job_id)]


def _wanted(context: Context, action: str) -> JobArguments:
    """What the positionals mean; none at all need `--all`.

    Raises:
        UsageError: nothing is said.
        CommandError: an id that cannot be one.
    """
    words = context.parsed.positionals
    if not words and not context.parsed.flag("all") and not context.parsed.given("regex"):
        raise UsageError('missing arguments "[NAME] [JOB_ID] [NODE_ID] [BUCKET]"')
    for word in words:
        if "://" not in word and "[" not in word and not kinds_of(word) and not is_job_id(word):
            raise CommandError(
                f'cannot {action} [{word}]: invalid xaction (job) UUID "{word}"', "See 'ais show job' for what runs."
            )
    return parse_job_arguments(words, lambda: fetch_map(context.transport))


# -- wait -------------------------------------------------------------------------------------------


def _wait(context: Context) -> None:
    wanted = _wanted(context, "wait for")
    if wanted.job_id.startswith(lists.DOWNLOAD_ID):
        found: list[tuple[str, str]] = [("download", wanted.job_id)]
    elif wanted.job_id.startswith(lists.SORT_ID):
        found = [("dsort", wanted.job_id)]
    elif wanted.job_id:
        found = [(job.kind, job.job_id) for job in fetch_jobs(context.transport, wanted, active_only=False)]
        if not found:
            raise CommandError(f"job \"{wanted.job_id}\" is no '{wanted.name}' job")
    else:
        found = _active(context, wanted)
    if not found:
        which = f" '{wanted.name}'" if wanted.name else ""
        context.console.result(f"No running{which} jobs, nothing to do")
    for kind, job_id in found:
        _wait_one(context, kind, job_id)


def _wait_one(context: Context, kind: str, job_id: str) -> None:
    interval_s = context.seconds("refresh")
    pause = time.sleep if interval_s is None else lambda _: time.sleep(interval_s)
    if not context.parsed.flag("non-verbose"):
        context.console.plain_message(f"Waiting for {kind}[{job_id}] ...")
    if kind == "download":
        wait_for_download(context, job_id, sleep=pause)
    elif kind == "dsort":
        wait_for_sort(context, job_id, sleep=pause)
    else:
        _wait_for_xaction(context, kind, job_id, pause)
    context.console.result(f"dsort[{job_id}] finished" if kind == "dsort" else "Done.")


def _wait_for_xaction(context: Context, kind: str, job_id: str, pause: Any) -> None:
    try:
        wait_for_job(context, job_id, kind=kind, sleep=pause)
    except CommandError:
        wanted = JobArguments(kinds=(kind,), job_id=job_id)
        for job in fetch_jobs(context.transport, wanted, active_only=False):
            if job.errors and not job.is_busy:
                raise _ended_badly(job) from None
        raise


def _ended_badly(job: JobView) -> CommandError:
    return CommandError(
        f"{job.kind}[{job.job_id}] {'was aborted' if job.was_aborted else 'finished with errors'}:",
        *job.errors[:ERRORS_SHOWN],
        f"Use 'ais show job {job.job_id}' to view all errors.",
    )


# -- rm ---------------------------------------------------------------------------------------------


def _remove(context: Context) -> None:
    parsed = context.parsed
    check_count(parsed.positionals, ["download|dsort"], most=2)
    sort, *ids = parsed.positionals
    if sort not in ("download", "dsort"):
        raise UsageError(f'expecting "download" or "dsort", got "{sort}"')
    remove = remove_download if sort == "download" else remove_sort
    if not ids:
        if not parsed.flag("all") and not parsed.given("regex"):
            raise UsageError("missing \"JOB_ID\" argument (or use '--all', '--regex')")
        ids = _finished(context, sort)
        if not ids:
            context.console.result(f"No finished {sort} jobs, nothing to do")
    for job_id in ids:
        remove(context.transport, job_id)
        context.console.result(f'Removed finished {sort} job "{job_id}"')


def _finished(context: Context, sort: str) -> list[str]:
    pattern = context.parsed.text("regex") or ""
    fetch, is_over = (
        (lists.fetch_downloads, lists.is_download_over)
        if sort == "download"
        else (lists.fetch_sorts, lists.is_sort_over)
    )
    return [one["id"] for one in fetch(context.transport, active_only=False, pattern=pattern) if is_over(one)]


_FORCE = Option("force", "even when a setting or another job stands against it", aliases=("f",))

STOP = Command(
    usage="[NAME] [JOB_ID] [NODE_ID] [BUCKET]",
    summary="stop jobs",
    run=_stop,
    complete=jobs,
    options=(ALL._replace(help="all that run"), REGEX._replace(help="those whose name or id matches"), _FORCE, YES),
    examples=("ais stop gbt-NeEra51oM", "ais stop copy --yes", "ais stop --all --yes"),
)

WAIT = Command(
    usage="[NAME] [JOB_ID] [NODE_ID] [BUCKET]",
    summary="wait until jobs have finished",
    run=_wait,
    complete=jobs,
    options=(
        ALL._replace(help="all that run"),
        REGEX._replace(help="those whose name or id matches"),
        REFRESH._replace(help="how often progress is looked at"),
        PROGRESS._replace(help="show progress (on a terminal it always is)"),
        TIMEOUT._replace(help="give up after so long: 30, 5m"),
        QUIET,
    ),
    examples=("ais wait tco-cysbohAGL", "ais wait copy ais://speech --timeout 10m"),
)

REMOVE = Command(
    usage="download|dsort [JOB_ID]",
    summary="forget downloads and sorts that have finished",
    run=_remove,
    options=(ALL._replace(help="all that have finished"), REGEX._replace(help="those whose description matches")),
    complete=lambda context: [] if context.parsed.positionals else ["download", "dsort"],
    examples=("ais job rm download dnl-JcHy3JUrL", "ais job rm dsort --all"),
)
