"""`ais ls` and `ais show object`: buckets, objects, files in shards, properties. Source: spec/cli.md 5.5."""

import json
import re
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from moss.cli.arguments import check_count, parse_object
from moss.cli.context import Context
from moss.cli.failures import CommandError, UsageError
from moss.cli.listing import (
    ARCHIVES,
    FLAG_ARCHIVED,
    FLAG_CACHED,
    FLAG_DIRECTORY,
    NAME_ONLY,
    NO_RECURSION,
    Row,
    complete_buckets,
    list_buckets,
    list_objects,
)
from moss.cli.options import Command, Option
from moss.cli.output import format_size, printable, table
from moss.cli.transport import ServerError, bucket_query, path_of
from moss.errors import MossError
from moss.naming.bucket import Bucket
from moss.naming.template import parse_template
from moss.naming.uri import parse_query_uri
from moss.wire import headers as names

ROWS_WITHOUT_FOOTER = 10
STATUSES = ("ok", "misplaced(cluster)", "misplaced(mountpath)", "replica", "replica(object-is-missing)")

_CELLS: dict[str, Callable[[Row, str], str]] = {
    "size": lambda row, units: "" if row.flags & FLAG_DIRECTORY else format_size(row.size, units),
    "checksum": lambda row, units: row.checksum,
    "atime": lambda row, units: row.atime,
    "version": lambda row, units: row.version,
    "copies": lambda row, units: str(row.copies or ""),
    "custom": lambda row, units: printable(row.custom),
    "location": lambda row, units: row.location,
    "cached": lambda row, units: "yes" if row.flags & FLAG_CACHED else "no",
    "status": lambda row, units: STATUSES[min(row.flags & 31, len(STATUSES) - 1)],
}
ALL_PROPS = ("size", "checksum", "atime", "version", "copies", "custom", "location", "status")


def _list(context: Context) -> None:
    check_count(context.parsed.positionals, [], most=1)
    text = context.parsed.positionals[0] if context.parsed.positionals else ""
    try:
        query = parse_query_uri(text)
    except MossError as error:
        raise UsageError(error.message) from None
    bucket = query.bucket
    if bucket is None:
        _print_buckets(context, query.provider.value if query.provider else "")
    else:
        _list_bucket(context, bucket, query.object_name)


def _print_buckets(context: Context, provider: str) -> None:
    parsed, console = context.parsed, context.console
    buckets = list_buckets(context.transport, provider)
    if parsed.flag("json"):
        console.result(json.dumps([_bucket_fields(bucket) for bucket in buckets]))
        return
    if not buckets:
        console.result("No buckets in the cluster." if not provider else f'No "{provider}" buckets in the cluster.')
        return
    for which in dict.fromkeys(bucket.provider for bucket in buckets):
        of_provider = [bucket for bucket in buckets if bucket.provider is which]
        rows = [("NAME", "PRESENT")] if not parsed.flag("no-headers") else []
        rows += [(bucket.cname, "yes") for bucket in of_provider]
        console.result(table(rows) + f"Total: [{which.display_name} buckets: {len(of_provider)}] ========\n")


def _bucket_fields(bucket: Bucket) -> dict[str, Any]:
    namespace = {"uuid": bucket.namespace.uuid, "name": bucket.namespace.name}
    return {"name": bucket.name, "provider": bucket.provider.value, "namespace": namespace}


def _list_bucket(context: Context, bucket: Bucket, name: str) -> None:
    parsed = context.parsed
    columns = _columns(parsed.text("props"), bucket)
    prefix, wanted_names = _selection(context, name)
    is_maybe_object = name and not name.endswith("/") and not parsed.given("regex") and not parsed.flag("archive")
    if is_maybe_object and (found := _head(context, bucket, name)) is not None:
        _print_object(context, bucket, name, found)
        return
    started = time.monotonic()
    rows = list(_filtered(context, _rows(context, bucket, prefix, columns, wanted_names), wanted_names))
    if not rows and name:
        raise CommandError(f'"{name}" not found in {bucket}')
    if parsed.flag("count-only"):
        context.console.result(f"Listed {len(rows):,} names in {(time.monotonic() - started) * 1000:.1f}ms")
        return
    _print_rows(context, bucket, rows, columns)


def _columns(props: str | None, bucket: Bucket) -> list[str]:
    if not props:
        return ["size", "cached"] if bucket.is_remote else ["size"]
    columns: list[str] = []
    for prop in (word.strip() for word in props.split(",")):
        if prop == "all":
            columns += [column for column in ALL_PROPS if column not in columns]
        elif prop in _CELLS:
            columns.append(prop)
        elif prop not in ("name", ""):
            known = ", ".join(sorted((*_CELLS, "name", "all")))
            raise UsageError(f'unknown object property "{prop}" (expecting one of: [{known}])')
    return columns


def _selection(context: Context, name: str) -> tuple[str, set[str] | None]:
    """The prefix to list, and the exact names when a template gives them."""
    parsed = context.parsed
    given = [option for option in ("prefix", "template") if parsed.given(option)]
    if name and given:
        raise UsageError(f"object name or prefix ({name}) cannot be used together with '--{given[0]}'")
    if len(given) > 1:
        raise UsageError("flags '--prefix' and '--template' are mutually exclusive")
    text = parsed.text("template")
    if text is None:
        return parsed.text("prefix") or name, None
    try:
        template = parse_template(text)
        return template.prefix, None if template.is_prefix else set(template.expand())
    except MossError as error:
        raise UsageError(error.message) from None


def _rows(
    context: Context, bucket: Bucket, prefix: str, columns: Sequence[str], wanted_names: set[str] | None
) -> Iterable[Row]:
    parsed = context.parsed
    flags = (ARCHIVES if parsed.flag("archive") else 0) | (NO_RECURSION if parsed.flag("nr") else 0)
    name_only = parsed.flag("name-only") or parsed.flag("count-only")
    flags |= NAME_ONLY if name_only else 0
    filters = wanted_names is not None or parsed.given("regex")
    rows = list_objects(
        context.transport,
        bucket,
        prefix=prefix,
        props="name" if name_only else ",".join(("name", "size", *(c for c in columns if c != "size"))),
        flags=flags,
        limit=0 if filters else parsed.number("limit", 0),
        start_after=parsed.text("start-after") or "",
        page_size=parsed.number("page-size", 0),
    )
    if not parsed.flag("nr"):
        return rows
    found = list(rows)
    return [row for row in found if row.name.endswith("/")] + [row for row in found if not row.name.endswith("/")]


def _filtered(context: Context, rows: Iterable[Row], wanted_names: set[str] | None) -> Iterable[Row]:
    parsed = context.parsed
    left = parsed.number("limit", 0)
    try:
        pattern = re.compile(parsed.text("regex") or "")
    except re.error as error:
        raise UsageError(f"invalid regular expression: {error}") from None
    shown = 0
    for row in rows:
        if (wanted_names is None or row.name in wanted_names) and pattern.search(row.name):
            yield row
            shown += 1
            if left and shown >= left:
                return


def _print_rows(context: Context, bucket: Bucket, rows: Sequence[Row], columns: Sequence[str]) -> None:
    parsed, console = context.parsed, context.console
    name_only = parsed.flag("name-only")
    if parsed.flag("json"):
        console.result(json.dumps([_fields(row, () if name_only else columns) for row in rows]))
        return
    if not rows:
        console.result(f"No objects in {bucket}")
        return
    units = _units(context)
    shown = [] if name_only else list(columns)
    lines = [] if parsed.flag("no-headers") else [["NAME", *(column.upper() for column in shown)]]
    for row in rows:
        name = ("    " if row.flags & FLAG_ARCHIVED else "") + printable(row.name)
        lines.append([name, *(_CELLS[column](row, units) for column in shown)])
    print(table(lines, closed=True), end="", file=console.stdout)
    if len(rows) > ROWS_WITHOUT_FOOTER:
        cached = sum(bool(row.flags & FLAG_CACHED) for row in rows)
        console.result(f"Listed {len(rows):,} names" + (f" (in-cluster: {cached:,})" if bucket.is_remote else ""))


def _fields(row: Row, columns: Sequence[str]) -> dict[str, Any]:
    """A row under the names of the API."""
    api = {"custom": "custom-md"}
    fields: dict[str, Any] = {"name": row.name}
    for column in columns:
        if column == "cached":
            fields[column] = bool(row.flags & FLAG_CACHED)
        elif column == "status":
            fields[column] = STATUSES[min(row.flags & 31, len(STATUSES) - 1)]
        else:
            fields[api.get(column, column)] = getattr(row, column)
    return fields


def _units(context: Context) -> str:
    units = context.parsed.text("units") or "iec"
    if units not in ("iec", "si", "raw"):
        raise UsageError(f"invalid '--units' \"{units}\" (expecting iec, si or raw)")
    return units


def _head(context: Context, bucket: Bucket, name: str) -> dict[str, str] | None:
    path = path_of("objects", bucket.name, name)
    try:
        with context.transport.request("HEAD", path, query=bucket_query(bucket)) as answer:
            return {key.lower(): value for key, value in answer.headers.items()}
    except ServerError as error:
        if error.code != 404 or "bucket" in error.message:
            raise
        return None


def _print_object(context: Context, bucket: Bucket, name: str, found: dict[str, str]) -> None:
    size = int(found.get("content-length", "0"))
    kind = found.get(names.CHECKSUM_TYPE.lower(), "")
    value = found.get(names.CHECKSUM_VALUE.lower(), "")
    rows = {
        "atime": _time(found.get(names.ATIME.lower(), "")),
        "checksum": f"{kind}[{value}]" if kind else "-",
        "name": bucket.cname_of(printable(name)),
        "size": format_size(size, _units(context)),
    }
    version, custom = found.get(names.VERSION.lower()), found.get(names.CUSTOM_MD.lower())
    if context.parsed.flag("json"):
        exact = {"name": name, "size": size, "checksum": {"type": kind, "value": value}}
        context.console.result(json.dumps(exact | {"version": version or "", "custom-md": custom or ""}))
        return
    if context.parsed.text("props") == "all":
        rows |= {"version": version or "-", "custom": custom or "-"}
    header = [] if context.parsed.flag("no-headers") else [("PROPERTY", "VALUE")]
    print(table([*header, *sorted(rows.items())]), end="", file=context.console.stdout)


def _time(nanoseconds: str) -> str:
    if not nanoseconds.isdigit() or nanoseconds == "0":
        return "-"
    return time.strftime("%d %b %y %H:%M %Z", time.localtime(int(nanoseconds) // 1_000_000_000))


def _show_object(context: Context) -> None:
    check_count(context.parsed.positionals, ["BUCKET/OBJECT"], most=1)
    bucket, name = parse_object(context.parsed.positionals[0])
    found = _head(context, bucket, name)
    if found is None:
        raise CommandError(f'object "{bucket.cname_of(name)}" does not exist')
    _print_object(context, bucket, name, found)


_COMMON = (
    Option("props", "columns: size, checksum, atime, version, copies, custom, location, cached, status, all",
           value="NAMES"),
    Option("units", "units of sizes: iec, si or raw", value="UNITS"),
    Option("no-headers", "leave the header line out", aliases=("H",)),
    Option("json", "print one JSON document with exact values", aliases=("j",)),
)  # fmt: skip

LIST = Command(
    usage="[PROVIDER|BUCKET[/PREFIX_or_OBJECT]]",
    summary="list buckets, objects, or files in shards",
    run=_list,
    complete=complete_buckets,
    options=(
        Option("prefix", "only names that start with this", value="PREFIX"),
        Option("template", "only names of this template, or with this prefix", value="TEMPLATE"),
        Option("regex", "only names that match", value="REGEX"),
        Option("limit", "at most so many names", value="N", number=True),
        Option("page-size", "names asked for at once", value="N", number=True),
        Option("start-after", "only names behind this one", value="NAME"),
        Option("archive", "list the files in shards too"),
        Option("nr", "one level only, folders first"),
        Option("name-only", "names only"),
        Option("count-only", "print the number of names"),
        *_COMMON,
    ),
    examples=("ais ls", "ais ls ais://speech/en/", "ais ls ais://speech --props size,checksum --json"),
)

SHOW_OBJECT = Command(
    usage="BUCKET/OBJECT",
    summary="show the properties of an object",
    run=_show_object,
    complete=complete_buckets,
    options=_COMMON,
    examples=("ais show object ais://speech/en/utt-00.wav",),
)
