"""`ais get`, `ais object cat` and `ais archive get`. Source: spec/cli.md 5.6, 5.7."""

import os
import sys
from dataclasses import replace
from typing import IO, Any

from moss.archive.formats import format_of_name
from moss.cli.arguments import check_count, parse_bucket_object
from moss.cli.candidates import buckets, one_of, then
from moss.cli.context import Context
from moss.cli.destination import STDOUT, Destination, Sink
from moss.cli.failures import CommandError, UsageError
from moss.cli.flags import JSON, UNITS, VERBOSE, YES
from moss.cli.formats import format_size
from moss.cli.objects.fetch import Wish, missing, open_wish, receive
from moss.cli.objects.selecting import (
    ACCEPTED,
    BLOB,
    MEMBER,
    RANGE,
    SELECTION,
    SHOWN,
    blob_headers,
    check_exclusive,
    matching_of,
)
from moss.cli.options import Command, Option
from moss.cli.output import printable
from moss.cli.progress import Progress
from moss.errors import MossError
from moss.naming.bucket import Bucket, validate_object_name
from moss.naming.uri import split_archive_path

PARTS_AT_A_TIME = 4
LOOKED_AT_BYTES = 4096  # that many are looked at to tell text from what would upset a terminal
NUL = b"\0"
_EXCLUSIVE = (("extract", "archpath"), ("extract", "archive"), ("archpath", "archregx"), ("archpath", "prefix"))


def _get(context: Context) -> None:
    parsed = context.parsed
    check_count(parsed.positionals, ["BUCKET/OBJECT"], most=2)
    check_exclusive(parsed, *_EXCLUSIVE)
    bucket, name = parse_bucket_object(parsed.positionals[0])
    place = parsed.positionals[1] if len(parsed.positionals) > 1 else None
    _ = context.units
    is_folder = not name or name.endswith("/")
    if parsed.given("prefix") or (is_folder and (name or parsed.flag("archive"))):
        if name and parsed.given("prefix"):
            raise UsageError(f"object name ({name}) cannot be used together with '--prefix'")
        from moss.cli.commands.get_many import get_many

        get_many(context, bucket, parsed.text("prefix") or name, place, _with_options(context, Wish(bucket, "")))
        return
    wish = _wish(context, bucket, name)
    if parsed.flag("check-cached"):
        _check_cached(context, wish)
    elif parsed.flag("extract"):
        _extract(context, wish, place)
    else:
        _get_one(context, wish, _place(wish, place), ask=not parsed.flag("yes"))


def _archive_get(context: Context) -> None:
    """As `get`; without a choice of files everything is unpacked."""
    parsed = context.parsed
    check_count(parsed.positionals, ["BUCKET/SHARD[/FILE]"], most=2)
    _, name = parse_bucket_object(parsed.positionals[0])
    place = parsed.positionals[1] if len(parsed.positionals) > 1 else None
    is_one_file = parsed.given("archpath") or split_archive_path(name)[1] or parsed.flag("archive")
    keeps_archive = name and place is not None and (not Destination(place).is_file or _is_archive_name(place))
    if not is_one_file and not keeps_archive:
        parsed.values.setdefault("extract", True)
    _get(context)


def _is_archive_name(place: str | None) -> bool:
    return place is not None and not os.path.isdir(place) and format_of_name(place) is not None


def _wish(context: Context, bucket: Bucket, name: str) -> Wish:
    parsed = context.parsed
    if parsed.given("offset") != parsed.given("length"):
        raise UsageError("'--length' and '--offset' must be both present (or not)")
    member = parsed.text("archpath") or ""
    if not member:
        name, member = split_archive_path(name)
    if not name:
        raise UsageError(f"missing object name in \"{bucket}\" (for many objects: '--prefix PREFIX', '' for all)")
    try:
        validate_object_name(name)
    except MossError as error:
        raise UsageError(error.message) from None
    wish = _with_options(context, Wish(bucket, name, member))
    if not parsed.given("length"):
        return wish
    start, length = context.size("offset"), context.size("length")
    if length <= 0:
        raise UsageError(f"invalid range: offset {start}, length {length}")
    if member or wish.matching:
        raise UsageError("a range of an archived file cannot be read this way (use 'ais ml get-batch --spec')")
    return replace(wish, start=start, length=length, workers=0)


def _with_options(context: Context, wish: Wish) -> Wish:
    """The wish with what the options say of how it is read."""
    parsed = context.parsed
    blob = parsed.flag("blob-download")
    if blob and parsed.flag("mpd"):
        raise UsageError("flags '--blob-download' and '--mpd' are mutually exclusive")
    is_parallel = parsed.flag("mpd") and not wish.member
    return replace(
        wish,
        matching=matching_of(parsed),
        mime=parsed.text("archmime") or "",
        latest=parsed.flag("latest"),
        headers=blob_headers(context) if blob else {},
        chunk_bytes=context.size("chunk-size"),
        workers=max(parsed.number("num-workers", PARTS_AT_A_TIME), 2) if is_parallel else 0,
    )


def _place(wish: Wish, place: str | None) -> Destination:
    base = (wish.member or wish.name).rpartition("/")[2]
    if wish.matching and not _is_archive_name(base):
        base += ".tar"
    if place is None:
        return Destination(os.path.join(".", base) if base == STDOUT else base)
    if place.endswith("/") or (os.path.isdir(place) and place != STDOUT):
        return Destination(os.path.join(place, base))
    return Destination(place)


def _get_one(context: Context, wish: Wish, destination: Destination, *, ask: bool) -> None:
    console = context.console
    destination.check_no_directory()
    if ask and destination.exists():
        exists = f"\"{destination.text}\" already exists (use '--yes' to overwrite)"
        console.confirm(f'overwrite existing "{destination.text}"', unanswered=exists)
    with open_wish(context, wish) as opened, destination.open(sys.stdout.buffer) as sink:
        with Progress(console.stderr, printable(destination.text), total=opened.length or 0) as progress:
            size = receive(opened, sink, wish, lambda _: progress(sink.written), verify=context.parsed.flag("checksum"))
        sink.commit()
    if destination.is_stdout or context.parsed.flag("silent"):
        return
    if context.wants_json:
        console.document(_document(wish, destination.text, size))
        return
    console.result(_summary(context, wish, destination, size))


def _document(wish: Wish, place: str, size: int) -> dict[str, Any]:
    document: dict[str, Any] = {"bucket": wish.bucket.cname, "object": wish.name}
    if wish.member:
        document["archpath"] = wish.member
    if wish.start is not None:
        document["offset"] = wish.start
    return document | {"destination": place, "size": size}


def _summary(context: Context, wish: Wish, destination: Destination, size: int) -> str:
    shown = format_size(size, context.units)
    if wish.start is not None:
        return f"Read range (length {size} at offset {wish.start}) as {destination.text}"
    what, where = wish.name, wish.bucket.cname
    if wish.member:
        what, where = wish.member, wish.bucket.cname_of(wish.name)
    if destination.is_discarded:
        return f"GET and discard {printable(what)} from {where} ({shown})"
    return f"GET {printable(what)} from {where} as {printable(destination.text)} ({shown})"


def _extract(context: Context, wish: Wish, place: str | None) -> None:
    """Unpack a shard, or what is selected of it, into a folder."""
    from moss.cli.objects.extract import Asked, extract_into, stem_of
    from moss.cli.objects.transfers import Meter

    parsed, console = context.parsed, context.console
    if wish.start is not None:
        raise UsageError("flags '--extract' and '--length' are mutually exclusive")
    if place == STDOUT:
        raise UsageError("'--extract' needs a folder to write to, not standard output")
    folder = place or stem_of(wish.name)
    if os.path.lexists(folder) and not os.path.isdir(folder):
        raise CommandError(f'"{folder}" is not a folder to extract into')
    with Progress(console.stderr, printable(wish.label)) as progress:
        found = extract_into(context, wish, folder, Asked(context, folder), Meter(progress))
    for name in found.skipped:
        console.warn(f'skipped "{printable(name)}": not a regular file')
    if parsed.flag("silent"):
        return
    if context.wants_json:
        console.document(_document(wish, folder, found.size) | {"files": found.files})
        return
    shown = format_size(found.size, context.units)
    console.result(
        f"GET {printable(wish.name)} from {wish.bucket} and extract {found.files} "
        f"file{'s' if found.files != 1 else ''} to {printable(folder)} ({shown})"
    )


def _cat(context: Context) -> None:
    check_count(context.parsed.positionals, ["BUCKET/OBJECT"], most=1)
    bucket, name = parse_bucket_object(context.parsed.positionals[0])
    wish = _wish(context, bucket, name)
    is_text_only = sys.stdout.isatty() and not context.parsed.flag("force")
    sink = _TextOnly(sys.stdout.buffer, wish) if is_text_only else Destination(STDOUT).open(sys.stdout.buffer)
    with open_wish(context, wish) as opened, sink:
        receive(opened, sink, wish, lambda _: None, verify=context.parsed.flag("checksum"))
        sink.commit()


class _TextOnly(Sink):
    """Refuses what would upset a terminal, at its first bytes."""

    def __init__(self, file: IO[bytes], wish: Wish) -> None:
        super().__init__(file)
        self._wish = wish

    def write(self, data: bytes | memoryview) -> None:
        if not self.written and NUL in bytes(data[:LOOKED_AT_BYTES]):
            raise CommandError(
                f"{self._wish.label} is not text", "Use '--force' to print it all the same, or '> FILE' to keep it."
            )
        super().write(data)


def _check_cached(context: Context, wish: Wish) -> None:
    """Tell whether an object is in the cluster, without reading it."""
    from moss.cli.transport import ServerError, bucket_query

    query = bucket_query(wish.bucket) | {"props": "name,size"}
    try:
        with context.transport.request("HEAD", wish.path, query=query) as answer:
            is_cached = answer.headers.get("Ais-Present", "") == "true"
    except ServerError as error:
        raise missing(wish, error) or error from None
    if context.wants_json:
        context.console.document({"bucket": wish.bucket.cname, "object": wish.name, "cached": is_cached})
        return
    context.console.result(f"Cached: {'yes' if is_cached else 'no'}")


_CHECKSUM = Option("checksum", "compare what arrives with the checksum that the cluster has")
_MANY = (
    Option("prefix", "get all objects whose names start with this into a folder", value="PREFIX"),
    Option("archive", "with '--prefix': get the files inside the shards"),
    Option("cached", "with '--prefix': only objects that are in the cluster"),
    Option("limit", "with '--prefix': at most so many", value="N", number=True),
    Option("inventory", "with '--prefix': list a remote bucket from its inventory"),
    Option("inv-name", "with '--prefix': list from this inventory", value="NAME"),
    Option("cont-on-err", "with '--prefix': go on when one fails, and tell at the end which and why"),
    Option("num-workers", "objects, or with '--mpd' ranges, at the same time", value="N", number=True),
)
_COMMON = (
    *SELECTION,
    Option("extract", "unpack the archive, or what is selected of it, into a folder", aliases=("x",)),
    *_MANY,
    _CHECKSUM,
    Option("latest", "of a remote object: check that it is the latest version"),
    *BLOB,
    Option("mpd", "read several ranges of the object at the same time"),
    *SHOWN,
    YES,
    UNITS,
    JSON,
    Option("silent", "print no summary"),
    VERBOSE,
    *ACCEPTED,
)

GET = Command(
    usage="BUCKET/OBJECT[/FILE_IN_SHARD]|BUCKET/PREFIX/ [FILE|DIR/|-]",
    summary="get an object, an archived file or a byte range, or all objects of a prefix",
    run=_get,
    complete=then(buckets, one_of()),
    options=(
        *RANGE,
        Option("check-cached", "only tell whether the object is in the cluster"),
        *_COMMON,
    ),
    examples=(
        "ais get ais://speech/en/utt-00.wav",
        "ais get ais://data/shard.tar/dir/b.txt -",
        "ais get ais://data/shard.tar folder/ --extract",
        "ais get ais://models folder/ --prefix checkpoint-00 --yes",
    ),
)

ARCHIVE_GET = Command(
    usage="BUCKET/SHARD[/FILE] [FILE|DIR/|-]",
    summary="get a file out of a shard, or unpack it",
    run=_archive_get,
    complete=then(buckets, one_of()),
    options=_COMMON,
    examples=(
        "ais archive get ais://data/shard.tar/dir/b.txt -",
        "ais archive get ais://data/shard.tar folder/",
        "ais archive get ais://data/shard.tar folder/ --archregx .jpg --archmode suffix",
    ),
)

CAT = Command(
    usage="BUCKET/OBJECT[/FILE_IN_SHARD]",
    summary="print an object, an archived file or a byte range",
    run=_cat,
    complete=buckets,
    options=(
        *RANGE,
        MEMBER,
        _CHECKSUM,
        Option("force", "print it to a terminal even if it is not text"),
        *ACCEPTED,
    ),
    examples=("ais object cat ais://speech/README",),
)
