"""Captions and tables of jobs. Pure. Source: spec/cli.md 5.8.3 and 5.8.4."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from moss.cli.formats import UNSET, format_count, format_elapsed, format_size, format_time
from moss.cli.jobs.snapshots import JobView, Part, bucket_name
from moss.cli.output import CYAN, PLAIN, printable
from moss.naming.bucket import parse_provider
from moss.sdk.job_types import JobStats, parse_time

_TIP = "(tip: use '--verbose' to include extended stats)"
_EXTENDED = frozenset(("dsort", "ec-get", "ec-put"))
_NO_STATS = JobStats()


class Style(NamedTuple):
    """How values are written: units of sizes, times with or without their day."""

    units: str = "iec"
    with_date: bool = False


class _Column(NamedTuple):
    header: str
    text: Callable[[Part, Style], str]
    total: Callable[[JobStats], int] | None = None
    is_size: bool = False


def caption(job: JobView, *, color: bool = False) -> str:
    """The line, or lines, above the table of a job: its name, and what its nodes say about its progress.

    Args:
        color: paint the name and what the nodes say.
    """
    paint = (lambda text: f"{CYAN}{text}{PLAIN}") if color else str
    head = paint(f"{job.name}[{job.job_id}]")
    messages = sorted(set(_first_messages(job)))
    if parallelism := _parallelism(job):
        messages.append(parallelism)
    messages = [paint(message) for message in messages]
    tip = [_TIP] if job.kind in _EXTENDED else []
    if not messages:
        return " ".join([head, *tip])
    if len(messages) == 1:
        return " ".join([head, f"(ctl: {messages[0]})", *tip])
    return "\n".join([f"{head} (ctl:", *(f"  {message}" for message in messages), " ".join([")", *tip])])


def _first_messages(job: JobView) -> list[str]:
    by_node: dict[str, str] = {}
    for part in job.parts:
        by_node.setdefault(part.node, printable(part.snap.ctlmsg))
    return [message for message in by_node.values() if message]


def _parallelism(job: JobView) -> str:
    """`parallelism: j[2] w[4,8] chan-full[1]`, of the counts that any node has; empty when there are none."""
    counts = zip(*(part.snap.unpack_glob_id() for part in job.parts), strict=True)
    texts = [
        f"{word}{_range(values)}" for word, values in zip(("j", "w", "chan-full"), counts, strict=True) if any(values)
    ]
    return "parallelism: " + " ".join(texts) if texts else ""


def _range(values: Sequence[int]) -> str:
    least, most = min(values), max(values)
    return f"[{least}]" if least == most else f"[{least},{most}]"


def job_rows(job: JobView, style: Style, *, headers: bool = True) -> list[list[str]]:
    """The table of one job: a row for each node, and their sum when there are several nodes."""
    columns = _columns_of(job)
    rows = [[column.header for column in columns]] if headers else []
    rows += [[column.text(part, style) for column in columns] for part in job.parts]
    total = _total(job, columns, style)
    return [*rows, total] if total else rows


def _total(job: JobView, columns: Sequence[_Column], style: Style) -> list[str] | None:
    stats = [part.snap.stats or _NO_STATS for part in job.parts]
    sums = [sum(map(column.total, stats)) if column.total else 0 for column in columns]
    if len({part.node for part in job.parts}) < 2 or not any(sums):
        return None
    row = [
        "" if column.total is None else _size(value, style) if column.is_size else _count(value)
        for column, value in zip(columns, sums, strict=True)
    ]
    headers = [column.header for column in columns]
    row[headers.index("KIND" if "KIND" in headers else "BUCKET")] = "Total:"
    row[headers.index("START")] = "✓"
    return row[: headers.index("START") + 1]


# -- columns ----------------------------------------------------------------------------------------


def _count(number: int) -> str:
    return format_count(number) if number else UNSET


def _size(number: int, style: Style) -> str:
    return format_size(number, style.units) if number else UNSET


def _counter(header: str, of: Callable[[JobStats], int]) -> _Column:
    return _Column(header, lambda part, _: _count(of(part.snap.stats or _NO_STATS)), of)


def _sizes(header: str, of: Callable[[JobStats], int]) -> _Column:
    return _Column(header, lambda part, style: _size(of(part.snap.stats or _NO_STATS), style), of, is_size=True)


def _moment(text: str, style: Style) -> str:
    moment = parse_time(text)
    return format_time(moment.timestamp() if moment else None, with_date=style.with_date)


def _bucket(header: str, of: Callable[[Part], Any]) -> _Column:
    return _Column(header, lambda part, _: bucket_name(of(part)) or UNSET)


def _extra(header: str, keys: Sequence[str], write: Callable[[float], str]) -> _Column:
    """A statistic that only some kinds have, under the first of its keys that is there."""

    def text(part: Part, _: Style) -> str:
        values = part.snap.ext if isinstance(part.snap.ext, Mapping) else {}
        found = next((values[key] for key in keys if key in values), None)
        try:
            return write(float(found)) if found is not None and float(found) else UNSET
        except (TypeError, ValueError):
            return str(found)

    return _Column(header, text)


_NODE = _Column("NODE", lambda part, _: part.node)
_ID = _Column("ID", lambda part, _: part.snap.id)
_KIND = _Column("KIND", lambda part, _: part.cell("KIND"))
_BUCKET = _bucket("BUCKET", lambda part: part.snap.bucket)
_FROM_TO = (
    _bucket("SRC BUCKET", lambda part: part.snap.source_bck),
    _bucket("DST BUCKET", lambda part: part.snap.destination_bck),
)
_DONE = (_counter("OBJECTS", lambda stats: stats.objects), _sizes("BYTES", lambda stats: stats.bytes))
_MOVED = (
    _counter("TX OBJECTS", lambda stats: stats.out_objects),
    _sizes("TX BYTES", lambda stats: stats.out_bytes),
    _counter("RX OBJECTS", lambda stats: stats.in_objects),
    _sizes("RX BYTES", lambda stats: stats.in_bytes),
)
_PAGES = (
    _counter("TX PAGES", lambda stats: stats.out_objects),
    _counter("RX PAGES", lambda stats: stats.in_objects),
)
_END = (
    _Column("START", lambda part, style: _moment(part.snap.start_time, style)),
    _Column("END", lambda part, style: _moment(part.snap.end_time, style)),
    _Column("STATE", lambda part, _: part.state),
)
_ERASURE = (
    _extra("ERRORS", ("ec.encode.err.n", "ec.decode.err.n"), lambda value: format_count(int(value))),
    _extra("QUEUE", ("ec.queue.len.n",), lambda value: f"{value:g}"),
    _extra("AVG TIME", ("ec.obj.process.ns",), lambda value: format_elapsed(value / 1e9)),
)
_ENCODING = _extra("ENC TIME", ("ec.encode.ns",), lambda value: format_elapsed(value / 1e9))


def _columns_of(job: JobView) -> list[_Column]:
    snap = job.parts[0].snap
    if job.kind == "rebalance":
        return [_NODE, _ID, _KIND, *_MOVED, *_END]
    if job.kind in ("ec-get", "ec-put"):
        encoding = [_ENCODING] if job.kind == "ec-put" else []
        return [_NODE, _ID, _BUCKET, *_DONE, *_ERASURE, *encoding, *_END]
    if bucket_name(snap.source_bck):
        return [_NODE, _ID, _KIND, *_FROM_TO, *_DONE, *_END]
    if not bucket_name(snap.bucket):
        return [_NODE, _ID, _KIND, *_DONE, *_END]
    is_cloud = snap.bucket is not None and parse_provider(snap.bucket.provider).is_cloud
    pages = _PAGES if job.kind == "list" and is_cloud else ()
    return [_NODE, _ID, _KIND, _BUCKET, *_DONE, *pages, *_END]


def extended_rows(job: JobView) -> list[tuple[str, str]]:
    """Extended statistics as properties, `NODE.KEY` each; empty when the job has none."""
    return [
        (f"{part.node}.{key}", str(value))
        for part in job.parts
        if isinstance(part.snap.ext, Mapping)
        for key, value in part.snap.ext.items()
    ]
