"""Objects of a bucket as a table, page by page, as JSON, or only counted. Source: spec/cli.md 5.5."""

import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from moss.cli.buckets.object_filter import Filter, list_flags, parse_filter
from moss.cli.buckets.object_table import by_shard, fields, line, parse_props
from moss.cli.context import Context
from moss.cli.failures import CommandError, UsageError
from moss.cli.formats import format_count, format_elapsed
from moss.cli.listing import list_pages
from moss.cli.progress import Progress
from moss.naming.bucket import Bucket
from moss.wire.object import EntryFlag, ListFlag, ObjectEntry

__all__ = ["Wanted", "parse_wanted", "print_objects"]

ROWS_WITHOUT_FOOTER = 10


class Wanted(NamedTuple):
    """What to list of a bucket: `columns` besides the name, `flags` of `ListFlag`."""

    bucket: Bucket
    filter: Filter
    columns: Sequence[str]
    flags: int

    def of_one_shard(self, name: str) -> "Wanted":
        """The same without what only begins like the name of a shard: `a.tar` is not `a.tar.lz4`."""
        hides = self.filter.hides

        def is_other(entry: ObjectEntry) -> bool:
            is_of_shard = entry.name == name or entry.name.startswith(f"{name}/")
            return not is_of_shard or (hides is not None and hides(entry))

        return self._replace(filter=self.filter._replace(hides=is_other))


class _Found(NamedTuple):
    """What was listed: entries that are shown, and with `--show-unmatched` the others."""

    shown: list[ObjectEntry]
    unmatched: list[ObjectEntry]


def parse_wanted(context: Context, bucket: Bucket, name: str) -> Wanted:
    """Read the options that say what to list.

    Args:
        name: what stands behind the bucket; a prefix.

    Raises:
        UsageError: contradictions, an unknown column, a malformed template or regular expression.
    """
    parsed = context.parsed
    return Wanted(bucket, parse_filter(parsed, name), _columns(context, bucket), list_flags(parsed))


def _columns(context: Context, bucket: Bucket) -> list[str]:
    parsed = context.parsed
    text = parsed.text("props")
    if parsed.flag("name-only"):
        if text:
            raise UsageError("flags '--name-only' and '--props' are mutually exclusive")
        return []
    columns = parse_props(text) if text else ["size", "cached"] if bucket.is_remote else ["size"]
    if (parsed.flag("all") or parsed.flag("diff")) and "status" not in columns:
        columns.append("status")
    return columns


def print_objects(context: Context, wanted: Wanted, name: str) -> None:
    """List, and show what was found as the options say.

    Args:
        name: what stands behind the bucket, for the message when there is nothing.

    Raises:
        CommandError: no object starts with that name.
    """
    parsed = context.parsed
    started_s = time.monotonic()
    if parsed.flag("count-only"):
        count = sum(len(page.shown) for page in _pages(context, wanted))
        _count(context, count, time.monotonic() - started_s)
        return
    if parsed.flag("paged") or parsed.given("max-pages"):
        _show_pages(context, wanted, name)
        return
    found = _Found([], [])
    for page in _pages(context, wanted):
        found.shown.extend(page.shown)
        found.unmatched.extend(page.unmatched)
    _check_found(found, wanted.bucket, name)
    _show_entries(context, wanted, found)


def _count(context: Context, count: int, seconds: float) -> None:
    if context.wants_json:
        context.console.document({"count": count, "seconds": round(seconds, 6)})
        return
    context.console.result(f"Listed {format_count(count)} names in {format_elapsed(round(seconds, 4))}")


def _pages(context: Context, wanted: Wanted) -> Iterator[_Found]:
    """The listing page by page; `--limit` counts what is shown."""
    parsed, choice = context.parsed, wanted.filter
    left = limit = parsed.number("limit", 0)
    is_filtered = choice.shows is not None or choice.hides is not None
    pages: Iterable[list[ObjectEntry]] = list_pages(
        context.transport,
        wanted.bucket,
        prefix=choice.prefix,
        props=_asked(wanted),
        flags=wanted.flags,
        limit=0 if is_filtered else limit,
        start_after=parsed.text("start-after") or "",
        page_size=parsed.number("page-size", 0),
        inventory=parsed.text("inv-name") or "",
    )
    count = 0
    with Progress(context.console.stderr, str(wanted.bucket), verb="Listing", items="names",
                  enabled=not parsed.flag("silent")) as progress:  # fmt: skip
        for page in islice(pages, parsed.number("max-pages", 0) or None):
            count += len(page)
            progress(0, count)
            entries = page if choice.hides is None else [entry for entry in page if not choice.hides(entry)]
            shown = entries if choice.shows is None else [entry for entry in entries if choice.shows(entry)]
            unmatched = []
            if parsed.flag("show-unmatched") and choice.shows is not None:
                unmatched = [entry for entry in entries if not choice.shows(entry)]
            yield _Found(shown[:left] if limit else shown, unmatched)
            left -= len(shown)
            if limit and left <= 0:
                return


def _asked(wanted: Wanted) -> str:
    """What the server is asked for: only what is shown, because some of it costs a look at each object."""
    if wanted.flags & ListFlag.NAME_ONLY:
        return "name"
    return ",".join(("name", "size", *(column for column in wanted.columns if column not in ("size", "chunked"))))


def _check_found(found: _Found, bucket: Bucket, name: str) -> None:
    if name and not found.shown and not found.unmatched:
        raise CommandError(f'"{name}" not found in {bucket}')


def _show_pages(context: Context, wanted: Wanted, name: str) -> None:
    """Show each page when it is there, in bounded memory: for buckets that are too large for one table."""
    if context.wants_json:
        pages = list(_pages(context, wanted))
        shown = [entry for page in pages for entry in page.shown]
        context.console.document([fields(entry, wanted.columns) for entry in shown])
        return
    count = number = 0
    for page in _pages(context, wanted):
        if not page.shown:
            continue
        count, number = count + len(page.shown), number + 1
        if not context.parsed.flag("no-footers") and not context.parsed.flag("silent"):
            context.console.result(f"Page {number} ========")
        _print_table(context, wanted, page.shown, has_header=number == 1)
    if not count:
        _check_found(_Found([], []), wanted.bucket, name)
        context.console.result(f"No objects in {wanted.bucket}")


def _show_entries(context: Context, wanted: Wanted, found: _Found) -> None:
    shown = found.shown
    if context.parsed.flag("archive"):
        shown = by_shard(shown)
    if context.parsed.flag("nr"):  # folders first, as people know it from their disks
        shown = [entry for entry in shown if entry.is_directory] + [entry for entry in shown if not entry.is_directory]
    shows_unmatched = context.parsed.flag("show-unmatched")
    if context.wants_json:
        listed = [fields(entry, wanted.columns) for entry in shown]
        if shows_unmatched:
            rest = [fields(entry, wanted.columns) for entry in found.unmatched]
            context.console.document({"matched": listed, "unmatched": rest})
        else:
            context.console.document(listed)
        return
    if not shown and not found.unmatched:
        context.console.result(f"No objects in {wanted.bucket}")
        return
    _print_table(context, wanted, shown)
    _print_footer(context, wanted, shown)
    if shows_unmatched:
        context.console.result(f"\nUnmatched: {format_count(len(found.unmatched))}")
        if found.unmatched:
            _print_table(context, wanted, found.unmatched)


def _print_table(
    context: Context, wanted: Wanted, entries: Sequence[ObjectEntry], *, has_header: bool = True
) -> None:  # fmt: skip
    header = ["NAME", *(column.upper() for column in wanted.columns)]
    lines = [line(entry, wanted.columns, context.units) for entry in entries]
    if has_header and not context.parsed.flag("no-headers"):
        lines.insert(0, header)
    context.console.table(lines, closed=True)


def _print_footer(context: Context, wanted: Wanted, shown: Sequence[ObjectEntry]) -> None:
    if len(shown) <= ROWS_WITHOUT_FOOTER or context.parsed.flag("no-footers") or context.parsed.flag("silent"):
        return
    in_cluster = ""
    if wanted.bucket.is_remote:
        cached = sum(bool(entry.flags & EntryFlag.CACHED) for entry in shown)
        in_cluster = f" (in-cluster: {format_count(cached)})"
    context.console.result(f"Listed {format_count(len(shown))} names{in_cluster}")
