"""One download: showing it, waiting for it, stopping it, forgetting it. Source: spec/cli.md 5.8, rest-control.md 12."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from moss.cli.cluster.calls import call
from moss.cli.context import Context
from moss.cli.failures import CommandError
from moss.cli.formats import UNSET, format_size
from moss.cli.jobs.following import follow_until_over
from moss.cli.jobs.lists import download_status, fetch_download, is_download_over, moment_text
from moss.cli.output import printable
from moss.cli.progress import Progress
from moss.cli.tables import table
from moss.cli.transport import Transport

ERRORS_SHOWN = 3


def show_download(context: Context, job_id: str) -> bool:
    """Print one download with its files; True when it has ended."""
    found = fetch_download(context.transport, job_id)
    if context.wants_json:
        context.console.document(found)
        return is_download_over(found)
    with_headers = not context.parsed.flag("no-headers")
    if with_headers:
        about = f" ({printable(found['description'])})" if found.get("description") else ""
        context.console.result(f"download[{job_id}]{about}: {_summary(found)}")
    rows = _task_rows(found, context.units, with_date=context.parsed.flag("date-time"))
    if len(rows) > 1:
        context.console.table(rows if with_headers else rows[1:])
    errors = [[printable(one["name"]), printable(one["error"])] for one in found.get("download_errors") or ()]
    if errors:
        context.console.result(("\n" if len(rows) > 1 else "") + table([["FILE", "ERROR"], *errors]).rstrip("\n"))
    return is_download_over(found)


def _summary(found: dict[str, Any]) -> str:
    parts = [download_status(found)]
    for key, word in (("finished_cnt", "downloaded"), ("skipped_cnt", "there already"), ("error_cnt", "failed")):
        if found.get(key):
            parts.append(f"{int(found[key]):,} {word}")
    return ", ".join(parts)


def _task_rows(found: dict[str, Any], units: str, *, with_date: bool) -> list[list[str]]:
    rows = [["FILE", "DOWNLOADED", "TOTAL", "START", "END"]]
    for task in [*(found.get("current_tasks") or ()), *(found.get("finished_tasks") or ())]:
        done, total = int(task.get("downloaded") or 0), int(task.get("total") or 0)
        moments = [moment_text(task.get(key), with_date=with_date) for key in ("start_time", "end_time")]
        rows.append(
            [printable(task["name"]), format_size(done, units), format_size(total, units) if total else UNSET, *moments]
        )
    return rows


def wait_for_download(context: Context, job_id: str, *, sleep: Callable[[float], None] = time.sleep) -> dict[str, Any]:
    """Wait for the end of a download, with progress on a terminal; `--timeout` limits the wait.

    Returns:
        What the cluster says of it in the end.

    Raises:
        CommandError: it was aborted, files failed, or it did not end in time.
    """

    def tell(progress: Progress, found: dict[str, Any]) -> None:
        progress(_bytes_of(found), int(found.get("finished_cnt", 0)), items_total=int(found.get("total", 0)))

    label = f"download[{job_id}]"
    look = partial(fetch_download, context.transport, job_id)
    found = follow_until_over(context, label, job_id, look, is_download_over, tell, items="files", sleep=sleep)
    _check_end(job_id, found)
    return found


def _bytes_of(found: dict[str, Any]) -> int:
    tasks = [*(found.get("current_tasks") or ()), *(found.get("finished_tasks") or ())]
    return sum(int(task.get("downloaded") or 0) for task in tasks)


def _check_end(job_id: str, found: dict[str, Any]) -> None:
    if found.get("aborted"):
        raise CommandError(f"download[{job_id}] was aborted")
    count = int(found.get("error_cnt", 0))
    if not count:
        return
    errors = found.get("download_errors") or []
    lines = [f"  {printable(one['name'])}: {printable(one['error'])}" for one in errors[:ERRORS_SHOWN]]
    if count > len(lines):
        lines.append(f"  and {count - len(lines):,} more, see 'ais show job {job_id}'")
    raise CommandError(f"download[{job_id}] finished, but {count:,} file{'s' * (count > 1)} failed:", *lines)


def stop_download(transport: Transport, job_id: str) -> None:
    """Stop a download; harmless when it has ended."""
    call(transport, "DELETE", "download", "abort", message={"id": job_id})


def remove_download(transport: Transport, job_id: str) -> None:
    """Forget a download that has ended."""
    call(transport, "DELETE", "download", "remove", message={"id": job_id})
