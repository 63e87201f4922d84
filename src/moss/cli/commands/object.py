"""`ais object get`, `cat` and `rm`. Source: spec/cli.md 5.6."""

import os
import sys
from collections.abc import Iterable

from moss.cli.arguments import check_count, parse_bucket_object, parse_object
from moss.cli.context import Context
from moss.cli.destination import STDOUT, Destination
from moss.cli.download import Wish, copy, opened
from moss.cli.failures import CommandError, UsageError
from moss.cli.listing import complete_buckets, list_objects
from moss.cli.options import Command, Option
from moss.cli.output import format_size, printable
from moss.cli.progress import Progress
from moss.cli.transport import ServerError, bucket_query, path_of
from moss.errors import MossError
from moss.naming.bucket import Bucket, is_valid_object_name, validate_object_name
from moss.naming.template import parse_template
from moss.naming.uri import split_archive_path


def _get(context: Context) -> None:
    parsed = context.parsed
    check_count(parsed.positionals, ["BUCKET[/OBJECT]"], most=2)
    bucket, name = parse_bucket_object(parsed.positionals[0])
    place = parsed.positionals[1] if len(parsed.positionals) > 1 else None
    _units(context)
    if parsed.given("prefix"):
        if name:
            raise UsageError(f"object name ({name}) cannot be used together with '--prefix'")
        _get_many(context, bucket, parsed.text("prefix") or "", place)
        return
    wish = _wish(context, bucket, name)
    _get_one(context, wish, _place(wish, place), ask=not parsed.flag("yes"))


def _wish(context: Context, bucket: Bucket, name: str) -> Wish:
    parsed = context.parsed
    if parsed.given("offset") != parsed.given("length"):
        raise UsageError("'--length' and '--offset' must be both present (or not)")
    member = parsed.text("archpath") or ""
    if not member:
        name, member = split_archive_path(name)
    if not name:
        raise UsageError(f'missing object name in "{bucket}"')
    try:
        validate_object_name(name)
    except MossError as error:
        raise UsageError(error.message) from None
    if not parsed.given("length"):
        return Wish(bucket, name, member)
    start, length = parsed.number("offset", 0), parsed.number("length", 0)
    if start < 0 or length <= 0:
        raise UsageError(f"invalid range: offset {start}, length {length}")
    if member:
        raise UsageError("a range of an archived file cannot be read this way (use 'ais ml get-batch --spec')")
    return Wish(bucket, name, "", start, length)


def _place(wish: Wish, place: str | None) -> Destination:
    base = (wish.member or wish.name).rpartition("/")[2]
    if place is None:
        return Destination(os.path.join(".", base) if base == STDOUT else base)
    if place.endswith("/") or (os.path.isdir(place) and place != "-"):
        return Destination(os.path.join(place, base))
    return Destination(place)


def _get_one(context: Context, wish: Wish, destination: Destination, *, ask: bool) -> None:
    console = context.console
    destination.check_no_directory()
    if ask and destination.exists():
        exists = f"\"{destination.text}\" already exists (use '--yes' to overwrite)"
        console.confirm(f'overwrite existing "{destination.text}"', unanswered=exists)
    progress = Progress(console.stderr, printable(destination.text), enabled=True)
    try:
        with opened(context.transport, wish) as answer, destination.open(sys.stdout.buffer) as sink:
            size = copy(answer, sink.write, progress)
            sink.commit()
    finally:
        progress.clear()
    if destination.is_stdout or context.parsed.flag("silent"):
        return
    console.result(_summary(context, wish, destination, size))


def _summary(context: Context, wish: Wish, destination: Destination, size: int) -> str:
    shown = format_size(size, _units(context))
    if wish.start is not None:
        return f"Read range (length {size} at offset {wish.start}) as {destination.text}"
    what, where = wish.name, wish.bucket.cname
    if wish.member:
        what, where = wish.member, wish.bucket.cname_of(wish.name)
    if destination.is_discarded:
        return f"GET and discard {printable(what)} from {where} ({shown})"
    return f"GET {printable(what)} from {where} as {printable(destination.text)} ({shown})"


def _get_many(context: Context, bucket: Bucket, prefix: str, place: str | None) -> None:
    """All objects of a prefix, as files of a folder under their whole names."""
    rows = [row for row in list_objects(context.transport, bucket, prefix=prefix) if not row.name.endswith("/")]
    if not rows:
        raise CommandError(f"no objects match {bucket.cname_of(prefix)}")
    total = format_size(sum(row.size for row in rows), _units(context))
    summary = f"GET {len(rows)} objects from {bucket} (total size {total})"
    if not context.parsed.flag("yes"):
        context.console.confirm(summary, unanswered=f"{summary}: use '--yes' to go on")
    folder = place or "."
    for row in rows:
        # The server is not trusted with paths: a valid name has no `..`, and a leading slash is taken away.
        if not is_valid_object_name(row.name):
            raise CommandError(f'refusing to write "{printable(row.name)}": not a valid object name')
        path = os.path.join(folder, row.name.lstrip("/"))
        _get_one(context, Wish(bucket, row.name), Destination(path), ask=not context.parsed.flag("yes"))


def _units(context: Context) -> str:
    units = context.parsed.text("units") or "iec"
    if units not in ("iec", "si", "raw"):
        raise UsageError(f"invalid '--units' \"{units}\" (expecting iec, si or raw)")
    return units


def _cat(context: Context) -> None:
    check_count(context.parsed.positionals, ["BUCKET/OBJECT"], most=1)
    bucket, name = parse_bucket_object(context.parsed.positionals[0])
    with opened(context.transport, _wish(context, bucket, name)) as answer:
        copy(answer, sys.stdout.buffer.write, lambda _: None)


def _remove(context: Context) -> None:
    parsed = context.parsed
    check_count(parsed.positionals, ["BUCKET[/OBJECT]"], most=None)
    found = [parse_bucket_object(text) for text in parsed.positionals]
    chosen = [option for option in ("list", "template", "all") if parsed.given(option)]
    if len(chosen) > 1:
        raise UsageError(f"flags '--{chosen[0]}' and '--{chosen[1]}' are mutually exclusive")
    if not chosen:
        if not all(name for _, name in found):
            raise UsageError("to select objects to be removed use one of: ('--list' or '--template' or '--all')")
        for bucket, name in [parse_object(text) for text in parsed.positionals]:
            _remove_one(context, bucket, name)
        return
    if len(found) != 1 or found[0][1]:
        raise UsageError(f"'--{chosen[0]}' requires exactly one bucket")
    bucket = found[0][0]
    for name in _selected(context, bucket, chosen[0]):
        _remove_one(context, bucket, name)


def _selected(context: Context, bucket: Bucket, option: str) -> Iterable[str]:
    if option == "list":
        return [name for item in (context.parsed.text("list") or "").split(",") if (name := item.strip())]
    prefix = ""
    if option == "template":
        try:
            template = parse_template(context.parsed.text("template") or "")
            if not template.is_prefix:
                return template.expand()
        except MossError as error:
            raise UsageError(error.message) from None
        prefix = template.prefix
    names = [row.name for row in list_objects(context.transport, bucket, prefix=prefix, props="name")]
    if names and not context.parsed.flag("yes"):
        question = f"Proceed to remove {len(names)} objects from {bucket}?"
        context.console.confirm(question, unanswered=f"{len(names)} objects match (use '--yes' to remove them)")
    return names


def _remove_one(context: Context, bucket: Bucket, name: str) -> None:
    try:
        context.transport.request("DELETE", path_of("objects", bucket.name, name), query=bucket_query(bucket)).close()
    except ServerError as error:
        if error.code == 404 and f'bucket "{bucket}"' not in error.message:
            raise CommandError(f'"{bucket.cname_of(name)}" does not exist') from None
        raise
    context.console.result(f'deleted "{printable(name)}" from {bucket}')


_UNITS = Option("units", "units of sizes: iec, si or raw", value="UNITS")
_YES = Option("yes", "do not ask", aliases=("y",))
_MEMBER = Option("archpath", "one file inside the object, which is an archive", value="PATH")
_RANGE = (
    Option("offset", "first byte of a range; needs '--length'", value="N", number=True),
    Option("length", "bytes of a range; needs '--offset'", value="N", number=True),
)

GET = Command(
    usage="BUCKET/OBJECT[/FILE_IN_SHARD] [FILE|DIR/|-]",
    summary="get an object, an archived file or a byte range, or all objects of a prefix",
    run=_get,
    complete=complete_buckets,
    options=(
        *_RANGE,
        _MEMBER,
        Option("prefix", "get all objects whose names start with this into a folder", value="PREFIX"),
        Option("silent", "print no summary"),
        _YES,
        _UNITS,
    ),
    examples=(
        "ais get ais://speech/en/utt-00.wav",
        "ais get ais://data/shard.tar/dir/b.txt -",
        "ais get ais://models folder/ --prefix checkpoint-00 --yes",
    ),
)

CAT = Command(
    usage="BUCKET/OBJECT[/FILE_IN_SHARD]",
    summary="print an object, an archived file or a byte range",
    run=_cat,
    complete=complete_buckets,
    options=(*_RANGE, _MEMBER),
    examples=("ais object cat ais://speech/README",),
)

REMOVE = Command(
    usage="BUCKET/OBJECT [BUCKET/OBJECT...]",
    summary="remove objects",
    run=_remove,
    complete=complete_buckets,
    options=(
        Option("list", "comma-separated names; needs a bucket", value="NAMES"),
        Option("template", "names by template or prefix; needs a bucket", value="TEMPLATE"),
        Option("all", "all objects of the bucket"),
        _YES,
    ),
    examples=("ais object rm ais://tmp/a ais://tmp/b", "ais rmo ais://tmp --template 'f{1..2}.txt'"),
)
