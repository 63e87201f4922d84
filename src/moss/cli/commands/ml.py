"""`ais ml get-batch`: many objects, archived files and byte ranges as one archive. Source: spec/cli.md 1."""

import sys
from collections.abc import Iterable

from moss.cli.batch import base_request, confirm_overwrite, fetch, fill_buckets, output_format, show_request
from moss.cli.context import Context
from moss.cli.destination import Destination
from moss.cli.failures import CommandError, UsageError
from moss.cli.flags import DRY_RUN
from moss.cli.listing import NAME_ONLY, complete_buckets, list_objects
from moss.cli.options import Command, Option
from moss.cli.selection import (
    EXPECTING_NAMES,
    SELECTORS,
    Listing,
    archive_extension,
    check_exclusive,
    resolve,
    select,
    split_positionals,
)
from moss.cli.spec import Spec, load_spec
from moss.naming.bucket import is_valid_object_name

MANY_OBJECTS = 1_000_000


def _run(context: Context) -> None:
    parsed, console = context.parsed, context.console
    check_exclusive(parsed)
    sources, place = split_positionals(parsed.positionals)
    has_spec = parsed.given("spec")
    if not sources and place is None and not has_spec and not any(map(parsed.given, SELECTORS)):
        raise UsageError(EXPECTING_NAMES)
    selection = select(parsed, sources, has_spec=has_spec, warn=console.warn)
    if place is None:
        raise UsageError('missing "DST_ARCHIVE" argument')
    destination = Destination(place)
    destination.check_no_directory()
    extension = archive_extension(place) if destination.is_file else ""
    spec = load_spec(parsed.text("spec") or "", lambda: sys.stdin.buffer) if has_spec else Spec([])
    for warning in spec.warnings:
        console.warn(warning)
    quiet = parsed.flag("non-verbose")
    mime = output_format(extension, spec.mime, None if quiet else console.warn)
    entries = fill_buckets(spec.entries, selection.default_bucket)
    if not entries and not selection.parts:
        raise CommandError("empty get-batch request")
    added = resolve(selection, lambda listing: list_names(context, listing))
    if has_spec and added:
        names = "name" if len(added) == 1 else "names"
        console.warn(f"adding {len(added)} command-line defined {names} to the {len(entries)} spec-defined")
    request = base_request(parsed, spec, selection.default_bucket, mime)._replace(entries=entries + added)
    if parsed.flag("dry-run"):
        show_request(context, request, destination)
        return
    confirm_overwrite(context, destination)
    fetch(context, request, destination)


def list_names(context: Context, listing: Listing) -> Iterable[str]:
    """The names of a listing in ascending order of bytes."""
    names = []
    for row in list_objects(context.transport, listing.bucket, prefix=listing.prefix, props="name", flags=NAME_ONLY):
        if is_valid_object_name(row.name):
            names.append(row.name)
    if len(names) > MANY_OBJECTS:
        context.console.warn(f"{listing} holds {len(names)} objects")
    names.sort(key=lambda name: name.encode("utf-8", "surrogateescape"))
    return names


BATCH_OPTIONS = (
    Option("omit-src-bck", "leave the bucket out of the names in the archive"),
    Option("streaming", "stream the archive while it is assembled"),
    Option("cont-on-err", "put empty placeholders where items are missing, and go on"),
    Option("yes", "overwrite without asking", aliases=("y",)),
    Option("non-verbose", "print no summary and no progress", aliases=("nv",)),
    Option("json", "print the summary as JSON"),
    DRY_RUN,
)  # fmt: skip

GET_BATCH = Command(
    usage="[SRC ...] DST_ARCHIVE",
    summary="get many objects, archived files and byte ranges as one archive, in order",
    run=_run,
    complete=complete_buckets,
    options=(
        Option("spec", "take the request from a JSON or YAML file, '-' (standard input), or the text itself",
               value="PATH|-|TEXT", aliases=("f",)),
        Option("list", "comma-separated names of objects or archived files", value="NAMES"),
        Option("template", "names by template, as in 'shard-{0001..0100}.tar'", value="TEMPLATE"),
        Option("prefix", "all objects whose names start with this", value="PREFIX"),
        *BATCH_OPTIONS,
    ),
    notes="""
SRC is a bucket (ais://b), an object (ais://b/o), a file in a shard (ais://b/s.tar/f), a folder (ais://b/dir/), or a
template ("ais://b/o-{1..9}"). Several are allowed; the last word is the destination: FILE.tar, .tgz, .tar.gz, .zip or
.tar.lz4, '-' for standard output, or /dev/null. Its extension decides the format.

A specification has the keys in, mime, coer, onob, strm and coloc (or: entries, output_format, continue_on_err,
only_obj_name, streaming_get, colocation). What it says wins over options. Its entries have objname, and optionally
bucket, provider, archpath, start, length and opaque. Entries without a bucket are of the first SRC's; entries with a
bucket and without a provider are of ais://, whatever SRC is.
""",
    examples=(
        'ais ml get-batch ais://dataset --list "audio1.wav,audio2.wav" training.tar',
        'ais ml get-batch ais://models --template "checkpoint-{001..100}.pth" model-v2.tgz',
        "ais ml get-batch ais://data/shard.tar/file.wav dataset.zip",
        "ais ml get-batch ais://speech/dev/ dev.tar --streaming",
        "ais ml get-batch training.tar --spec batch.json",
        """ais ml get-batch out.tar --spec '{in: [{objname: a.wav, bucket: speech}], streaming_get: true}'""",
    ),
)  # fmt: skip
