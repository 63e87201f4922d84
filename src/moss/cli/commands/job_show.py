"""`ais show job`. Source: spec/cli.md 5.8.3."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from moss.cli.arguments import parse_pattern
from moss.cli.candidates import jobs as complete_jobs
from moss.cli.cluster.map import fetch_map
from moss.cli.context import Context
from moss.cli.failures import UsageError
from moss.cli.flags import ALL, DATE_TIME, JSON, NO_HEADERS, PROGRESS, REFRESHING, REGEX, TIMEOUT, UNITS, VERBOSE
from moss.cli.formats import parse_timestamp
from moss.cli.jobs import lists
from moss.cli.jobs.arguments import JobArguments, parse_job_arguments
from moss.cli.jobs.downloads import show_download, wait_for_download
from moss.cli.jobs.rates import Rates
from moss.cli.jobs.snapshots import COLUMNS, JobView, Part, as_document, fetch_jobs, filtered
from moss.cli.jobs.sorts import show_sort, wait_for_sort
from moss.cli.jobs.tables import Style, caption, extended_rows, job_rows
from moss.cli.options import Command, Option
from moss.cli.output import has_color
from moss.cli.refresh import LONG_DASHES, repeat
from moss.cli.tables import property_table, table
from moss.cli.waiting import wait_for_job

_LISTS = ("download", "dsort", "etl-inline")


class _Block(NamedTuple):
    """One thing shown: a table under a caption, and the same for programs."""

    name: str
    started: float
    document: dict[str, Any]
    text: Callable[[], str]
    is_active: bool


class _Request(NamedTuple):
    """What one picture shows."""

    wanted: JobArguments
    active_only: bool
    keep: Callable[[Part], bool] | None
    pattern: re.Pattern[str] | None
    newest: int
    rates: Rates | None


def _show(context: Context) -> None:
    parsed = context.parsed
    keep = _filter(parsed.text("filter"))
    pattern = parse_pattern(parsed.text("regex") or "") if parsed.given("regex") else None
    newest = parsed.number("top", 0)
    if newest < 0 or (parsed.given("top") and newest == 0):
        raise UsageError("'--top' must be 1 or more")
    wanted = parse_job_arguments(parsed.positionals, lambda: fetch_map(context.transport))
    if wanted.job_id.startswith(lists.DOWNLOAD_ID) and not wanted.node:
        if parsed.flag("progress"):
            wait_for_download(context, wanted.job_id)
        repeat(context, lambda: show_download(context, wanted.job_id), dashes=LONG_DASHES)
        return
    if wanted.job_id.startswith(lists.SORT_ID) and not wanted.node:
        if parsed.flag("progress"):
            wait_for_sort(context, wanted.job_id)
        repeat(context, lambda: show_sort(context, wanted.job_id), dashes=LONG_DASHES)
        return
    rates = Rates() if parsed.given("refresh") else None
    request = _Request(wanted, not parsed.flag("all"), keep, pattern, newest, rates)
    if parsed.flag("progress"):
        _follow(context, request)
        return
    repeat(context, lambda: _picture(context, request), dashes=LONG_DASHES)


def _follow(context: Context, request: _Request) -> None:
    if not request.wanted.job_id:
        raise UsageError("'--progress' needs the id of one job")
    for job in fetch_jobs(context.transport, request.wanted, active_only=False):
        wait_for_job(context, job.job_id, kind=job.kind)
    _picture(context, request)


def _picture(context: Context, request: _Request) -> bool:
    """Show all jobs once; True when the one that was asked for has ended."""
    blocks = _blocks(context, request)
    if context.wants_json:
        context.console.document([block.document for block in blocks])
    elif blocks:
        between = "\n" if context.parsed.flag("no-headers") else "\n\n"
        context.console.result(between.join(block.text().rstrip("\n") for block in blocks))
    else:
        context.console.result(_nothing(context, request))
    return bool(request.wanted.job_id) and not any(block.is_active for block in blocks)


def _nothing(context: Context, request: _Request) -> str:
    if request.keep is not None:
        return f"No jobs match filter '{context.parsed.text('filter')}'."
    name = f" '{request.wanted.name}'" if request.wanted.name else ""
    if not request.active_only:
        return f"No{name} jobs."
    more = "Use '--all' to show all, '--all' <TAB-TAB> to select, '--help' for details."
    return f"No running{name} jobs. {more}"


def _blocks(context: Context, request: _Request) -> list[_Block]:
    wanted = request.wanted
    style = Style(context.units, context.parsed.flag("date-time"))
    jobs = fetch_jobs(context.transport, wanted, active_only=request.active_only)
    if wanted.node:
        jobs = filtered(jobs, lambda part: part.node == wanted.node)
    if request.keep is not None:
        jobs = filtered(jobs, request.keep)
    is_plain = not (wanted.job_id or wanted.node or wanted.bucket or request.keep)
    if is_plain:  # the list of downloads says more than the job that runs them all
        jobs = [job for job in jobs if job.kind != "download"]
    blocks = [_job_block(context, job, style, request.rates) for job in jobs if _matches(request.pattern, job)]
    if is_plain:
        blocks += _list_blocks(context, request, style)
    if request.newest:
        return sorted(blocks, key=lambda block: -block.started)[: request.newest]
    return sorted(blocks, key=lambda block: (block.name, block.started))


def _matches(pattern: re.Pattern[str] | None, job: JobView) -> bool:
    return pattern is None or any(pattern.search(text) for text in (job.name, job.kind, job.job_id))


def _job_block(context: Context, job: JobView, style: Style, rates: Rates | None) -> _Block:
    def text() -> str:
        has_headers = not context.parsed.flag("no-headers")
        shown = table(job_rows(job, style, headers=has_headers))
        if has_headers:
            shown = caption(job, color=has_color(context.console.stdout, context.environ)) + "\n" + shown
        if rates and (line := rates.line(job, style.units)):
            shown += line + "\n"
        if context.parsed.flag("verbose") and (rows := extended_rows(job)):
            shown += "\n" + property_table(rows, headers=has_headers)
        return shown

    return _Block(job.name, job.started, as_document(job), text, job.is_active)


def _list_blocks(context: Context, request: _Request, style: Style) -> list[_Block]:
    """The lists of downloads, sorts and transformations that are not empty."""
    kinds = request.wanted.kinds or _LISTS
    transport, active = context.transport, request.active_only
    pattern = request.pattern.pattern if request.pattern else ""
    found: list[tuple[str, list[dict[str, Any]], Callable[[list[dict[str, Any]]], lists.Rows]]] = []
    if "download" in kinds:
        downloads = lists.fetch_downloads(transport, active_only=active, pattern=pattern)
        found.append(("download", downloads, lists.download_rows))
    if "dsort" in kinds:
        sorts = lists.fetch_sorts(transport, active_only=active, pattern=pattern)
        found.append(("dsort", sorts, lambda rows: lists.sort_rows(rows, with_date=style.with_date)))
    if "etl-inline" in kinds:
        etls = [one for one in lists.fetch_etls(transport) if not active or one.get("stage") != "Aborted"]
        if request.pattern is not None:
            etls = [one for one in etls if request.pattern.search(lists.etl_name(one))]
        found.append(("etl", etls, lists.etl_rows))
    return [_list_block(context, name, items, rows) for name, items, rows in found if items]


def _list_block(
    context: Context, name: str, items: list[dict[str, Any]], rows: Callable[[list[dict[str, Any]]], lists.Rows]
) -> _Block:
    def text() -> str:
        found = rows(items)
        return table(found[1:]) if context.parsed.flag("no-headers") else f"{name} jobs:\n{table(found)}"

    starts = [parse_timestamp(str(one.get("started_time", ""))) or 0.0 for one in items]
    return _Block(name, max(starts), {"kind": name, "name": name, "jobs": items}, text, is_active=True)


def _filter(text: str | None) -> Callable[[Part], bool] | None:
    if text is None:
        return None
    column, equals, expression = text.partition("=")
    if not equals:
        raise UsageError(f"invalid '--filter' \"{text}\": expecting COLUMN=REGEX")
    name = column.strip().upper()
    if name not in COLUMNS:
        raise UsageError(f"invalid column '{column}' - valid columns: {', '.join(COLUMNS)}")
    pattern = parse_pattern(expression, "filter")
    return lambda part: pattern.search(part.cell(name)) is not None


SHOW = Command(
    usage="[NAME] [JOB_ID] [NODE_ID] [BUCKET]",
    summary="show jobs: what runs, how far it is, how it ended",
    run=_show,
    complete=complete_jobs,
    options=(
        ALL,
        REGEX,
        Option("filter", "only rows in which COLUMN (NODE, ID, KIND, BUCKET, STATE) matches", value="COLUMN=REGEX"),
        Option("top", "the N jobs that started last, newest first", value="N", number=True),
        *REFRESHING,
        PROGRESS,
        TIMEOUT,
        Option("log", "of a sort: append what is shown to a file", value="FILE"),
        JSON,
        NO_HEADERS,
        UNITS,
        DATE_TIME,
        VERBOSE,
    ),
    notes="""
Arguments may stand in any order: a kind of job (get-batch), a family (copy, evict, etl), the id of a job, a node,
a bucket. An id shows finished jobs too.
""",
    examples=(
        "ais show job",
        "ais show job get-batch --refresh 2",
        "ais show job --all --filter STATE=Abort",
        "ais show job copy ais://speech --all --top 3",
        "ais show job gbt-NeEra51oM --json",
    ),
)
