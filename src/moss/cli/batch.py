"""One batch request from end to end: what is sent, where the answer goes, what is said about it.

Shared by the commands of `ais ml`. Source: spec/cli.md 1.5, 1.7 to 1.9.
"""

import json
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

from moss.archive.formats import parse_mime
from moss.cli.context import Context
from moss.cli.destination import Destination, Sink
from moss.cli.failures import CommandError
from moss.cli.output import printable
from moss.cli.progress import Progress
from moss.cli.receive import Failure, Order, Wanted, receive_parts, receive_stream
from moss.cli.selection import archive_extension, entry_fields
from moss.cli.transport import bucket_query, path_of
from moss.errors import UnknownMime
from moss.naming.bucket import Bucket, parse_bucket_uname
from moss.wire.batch import Entry, encode_cli_request, member_name
from moss.wire.headers import CONTENT_TYPE, JSON, MOSS_BATCH_STATUS

FAILURES_SHOWN = 10
DEFAULT_EXTENSION = ".tar"


class Request(NamedTuple):
    """One batch request, ready to be sent."""

    entries: list[Entry]
    bucket: Bucket | None
    mime: str
    continue_on_error: bool
    omit_bucket: bool
    streaming: bool
    colocation: int


def output_format(extension: str, mime: str | None, warn: Callable[[str], None] | None) -> str:
    """The format to ask for: the name of the destination decides; without one the specification does.

    Args:
        extension: of the destination, or empty.
        mime: what the specification says.
        warn: is told when the two differ.

    Raises:
        UnknownMime: the specification decides and names no known format.
    """
    if not extension:
        return mime if mime and parse_mime(mime) else DEFAULT_EXTENSION
    if mime and warn is not None and normal_format(mime) != normal_format(extension):
        warn(f"output format {extension} in the command line takes precedence (over '--spec' specified {mime})")
    return extension


def normal_format(text: str) -> str:
    """A format under its usual name: `tar`, `application/x-tar` and `.tar` are one. Unknown ones stay."""
    try:
        return parse_mime(text).value
    except UnknownMime:
        return text


def fill_buckets(entries: Sequence[Entry], default: Bucket | None) -> list[Entry]:
    """Give entries without a bucket the default one.

    Raises:
        CommandError: there is none.
    """
    fields = entry_fields(default, default) if default is not None else {}
    for index, entry in enumerate(entries):
        if entry.uname or entry.bucket:
            continue
        if default is None:
            raise CommandError(f"missing bucket specification for (name:{entry.objname} idx:{index})")
        for key, value in fields.items():
            setattr(entry, key, value)
    return list(entries)


def confirm_overwrite(context: Context, destination: Destination) -> None:
    """Ask before a file is replaced; with `--yes` don't.

    Raises:
        Canceled: the answer is No.
        CommandError: there is no answer, or an archive would go to a terminal.
    """
    if destination.is_stdout and sys.stdout.isatty():
        raise CommandError("refusing to write an archive to a terminal")
    if not destination.exists() or context.parsed.flag("yes"):
        return
    exists = f'destination "{destination.text}" already exists'
    context.console.warn(exists)
    context.console.confirm("Proceed to overwrite?", unanswered=f"{exists} (use '--yes' to overwrite)")


def fetch(context: Context, request: Request, destination: Destination) -> None:
    """Send the request, write the answer to the destination, and report.

    Raises:
        CommandError: the cluster refuses, or the answer is not whole; the destination is as it was.
    """
    parsed, console = context.parsed, context.console
    quiet = parsed.flag("non-verbose")
    wanted = [_wanted(entry, request) for entry in request.entries]
    path = path_of("ml", "moss", request.bucket.name) if request.bucket else path_of("ml", "moss")
    query = bucket_query(request.bucket) if request.bucket else {}
    if request.colocation:
        query["coloc"] = str(request.colocation)
    headers = {CONTENT_TYPE: JSON}
    extension = archive_extension("o" + normal_format(request.mime)) if request.streaming else ""
    if extension == ".tar":
        headers[MOSS_BATCH_STATUS] = "1"
    progress = Progress(console.stderr, printable(destination.text), enabled=not quiet)
    with (
        context.transport.request("GET", path, query=query, headers=headers, body=_encode(request)) as answer,
        destination.open(sys.stdout.buffer) as sink,
    ):
        order = Order(wanted, tolerate=request.continue_on_error, extension=extension)
        try:
            failures = (receive_stream if request.streaming else receive_parts)(answer, sink, order, progress)
        finally:
            progress.clear()
        sink.commit()
    _report_failures(context, failures, len(wanted))
    _report(context, request, destination, sink, len(failures))


def _encode(request: Request) -> bytes:
    return encode_cli_request(
        request.entries,
        mime=request.mime,
        continue_on_error=request.continue_on_error,
        omit_bucket=request.omit_bucket,
        streaming=request.streaming,
        colocation=request.colocation,
    )


def _wanted(entry: Entry, request: Request) -> Wanted:
    bucket = entry.bucket
    if entry.uname:
        bucket = parse_bucket_uname(entry.uname).name
    elif not bucket and request.bucket is not None:
        bucket = request.bucket.name
    name = member_name(entry, bucket, omit_bucket=request.omit_bucket)
    label = member_name(entry, bucket, omit_bucket=False) if request.omit_bucket else name
    return Wanted(name, label, entry.length if entry.length > 0 else None)


def _report_failures(context: Context, failures: Sequence[Failure], total: int) -> None:
    if not failures:
        return
    console = context.console
    console.warn(f"{len(failures)} of {total} requested items are missing or failed:")
    if context.parsed.flag("non-verbose"):
        return
    for failure in failures[:FAILURES_SHOWN]:
        console.plain_message(f"   {printable(failure.label)}: {printable(failure.reason)}")
    if len(failures) > FAILURES_SHOWN:
        console.plain_message(f"   ... and {len(failures) - FAILURES_SHOWN} more")


def _report(context: Context, request: Request, destination: Destination, sink: Sink, failed: int) -> None:
    parsed, console = context.parsed, context.console
    count = len(request.entries)
    if parsed.flag("json"):
        line = json.dumps(
            {
                "archive": destination.text,
                "format": request.mime,
                "entries": count,
                "failed": failed,
                "bytes": sink.written,
                "streaming": request.streaming,
            }
        )
    elif parsed.flag("non-verbose"):
        return
    elif request.streaming:
        line = f"Streamed {count} objects to {destination.text}"
    else:
        line = f"Created ML batch archive {destination.text} with {count} objects"
    # Standard output is the archive's own, or is expected to be empty.
    is_message = destination.is_stdout or (destination.is_discarded and not parsed.flag("json"))
    (console.plain_message if is_message else console.result)(line)
