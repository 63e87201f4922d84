"""One batch request from end to end: what is sent, where the answer goes, what is said about it.

Shared by the commands of `ais ml`. Source: spec/cli.md 1.5, 1.7 to 1.9.
"""

import json
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from moss.archive.formats import parse_mime
from moss.cli.context import Context
from moss.cli.destination import Destination, Sink
from moss.cli.failures import CommandError
from moss.cli.options import Parsed
from moss.cli.output import printable
from moss.cli.progress import Progress
from moss.cli.receive import Failure, Order, Wanted, receive_parts, receive_stream
from moss.cli.selection import archive_extension, entry_fields
from moss.cli.spec import Spec
from moss.cli.transport import ServerError, Transport, bucket_query, encode_query, path_of
from moss.errors import UnknownMime
from moss.naming.bucket import Bucket, parse_bucket_uname
from moss.wire.batch import Entry, encode_cli_request, member_name
from moss.wire.headers import CONTENT_TYPE, JSON, MOSS_BATCH_STATUS

FAILURES_SHOWN = 10
RANGE_NOT_SATISFIABLE = 416
_RANGE = re.compile(r"\[start=(?P<start>\d+)(?:,length=(?P<length>\d+))?\]")
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


def base_request(parsed: Parsed, spec: Spec, bucket: Bucket | None, mime: str) -> Request:
    """A request without entries. A key that is present in the specification wins over its option, also with false."""

    def choose(value: bool | None, option: str) -> bool:
        return parsed.flag(option) if value is None else value

    return Request(
        [],
        bucket,
        mime,
        choose(spec.continue_on_error, "cont-on-err"),
        choose(spec.omit_bucket, "omit-src-bck"),
        choose(spec.streaming, "streaming"),
        spec.colocation or 0,
    )


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


def confirm_overwrite(context: Context, destination: Destination, *, can_ask: bool = True) -> None:
    """Ask before a file is replaced; with `--yes` don't.

    Args:
        can_ask: False when standard input has other uses.

    Raises:
        Canceled: the answer is No.
        CommandError: there is no answer, or an archive would go to a terminal.
    """
    if destination.is_stdout and sys.stdout.isatty():
        raise CommandError("refusing to write an archive to a terminal")
    if not destination.exists() or context.parsed.flag("yes"):
        return
    exists = f'destination "{destination.text}" already exists'
    unanswered = f"{exists} (use '--yes' to overwrite)"
    if not can_ask:
        raise CommandError(unanswered)
    context.console.warn(exists)
    context.console.confirm("Proceed to overwrite?", unanswered=unanswered)


class Outcome(NamedTuple):
    """What came of one request.

    Attributes:
        entries: how many items are in the archive.
        failures: those of them that are placeholders.
        written: bytes of the archive.
    """

    entries: int
    failures: Sequence[Failure]
    written: int


def fetch(context: Context, request: Request, destination: Destination) -> None:
    """Send the request, write the answer to the destination, and report.

    Raises:
        CommandError: the cluster refuses, or the answer is not whole; the destination is as it was.
    """
    with make_progress(context, destination.text, items_total=len(request.entries), items="items") as progress:
        outcome = transfer(context.transport, request, destination, progress)
    report_failures(context, outcome)
    report(context, request, destination, outcome)


def make_progress(context: Context, label: str, **more: Any) -> Progress:
    """The progress line of a transfer, which `--non-verbose` switches off."""
    enabled = not context.parsed.flag("non-verbose")
    return Progress(context.console.stderr, printable(label), enabled=enabled, **more)


def transfer(
    transport: Transport,
    request: Request,
    destination: Destination,
    progress: Callable[..., None],
    *,
    place: Callable[[Destination], Sink] | None = None,
    wrap: Callable[[Sink], Sink] | None = None,
) -> Outcome:
    """Send the request and write the answer to the destination, which stays as it was unless all goes well.

    Args:
        progress: is told how far it is, see `moss.cli.receive.Progress`.
        place: opens the destination, when it is not simply opened.
        wrap: puts something between the answer and the destination.

    Raises:
        CommandError: the cluster refuses, or the answer is not whole.
    """
    wanted = wanted_of(request)
    path, query = address(request)
    headers = {CONTENT_TYPE: JSON}
    extension = archive_extension("o" + normal_format(request.mime)) if request.streaming else ""
    if extension == ".tar":
        headers[MOSS_BATCH_STATUS] = "1"
    open_sink = place or open_destination
    try:
        answer = transport.request("GET", path, query=query, headers=headers, body=encode(request))
    except ServerError as error:
        raise _with_item(error, request, wanted) from None
    with answer, open_sink(destination) as sink:
        taker = wrap(sink) if wrap else sink
        order = Order(wanted, tolerate=request.continue_on_error, extension=extension)
        failures = (receive_stream if request.streaming else receive_parts)(answer, taker, order, progress)
        taker.commit()
    return Outcome(len(wanted), failures, sink.written)


def _with_item(error: ServerError, request: Request, wanted: Sequence[Wanted]) -> CommandError:
    """The refusal of a range with the name of the item, which clusters leave out."""
    asked = _RANGE.search(error.message) if error.code == RANGE_NOT_SATISFIABLE else None
    if asked is None:
        return error
    span = (int(asked["start"]), int(asked["length"] or -1))
    meant = [
        want.label
        for entry, want in zip(request.entries, wanted, strict=True)
        if (entry.start, entry.length) == span and want.label not in error.message
    ]
    if not meant:
        return error
    more = f" (or another of {len(meant)} items with this range)" if len(meant) > 1 else ""
    return CommandError(f"{printable(meant[0])}{more}: {error.message}", *error.hints)


def open_destination(destination: Destination) -> Sink:
    """Open a destination; `-` is the standard output of this process."""
    return destination.open(sys.stdout.buffer)


def address(request: Request) -> tuple[str, dict[str, str]]:
    """Path and query of a request."""
    path = path_of("ml", "moss", request.bucket.name) if request.bucket else path_of("ml", "moss")
    query = bucket_query(request.bucket) if request.bucket else {}
    if request.colocation:
        query["coloc"] = str(request.colocation)
    return path, query


def encode(request: Request) -> bytes:
    """The body of a request."""
    return encode_cli_request(
        request.entries,
        mime=request.mime,
        continue_on_error=request.continue_on_error,
        omit_bucket=request.omit_bucket,
        streaming=request.streaming,
        colocation=request.colocation,
    )


def wanted_of(request: Request) -> list[Wanted]:
    """What each entry of a request must give."""
    default = request.bucket.name if request.bucket is not None else ""
    wanted = []
    for entry in request.entries:
        bucket = parse_bucket_uname(entry.uname).name if entry.uname else entry.bucket or default
        name = member_name(entry, bucket, omit_bucket=request.omit_bucket)
        label = member_name(entry, bucket, omit_bucket=False) if request.omit_bucket else name
        wanted.append(Wanted(name, label, entry.length if entry.length > 0 else None))
    return wanted


def report_failures(context: Context, outcome: Outcome, archive: str = "") -> None:
    """Say which items failed and why.

    Args:
        archive: named when there are several.
    """
    failures = outcome.failures
    if not failures:
        return
    console = context.console
    place = f"{printable(archive)}: " if archive else ""
    console.warn(f"{place}{len(failures)} of {outcome.entries} requested items are missing or failed:")
    if context.parsed.flag("non-verbose"):
        return
    for failure in failures[:FAILURES_SHOWN]:
        console.plain_message(f"   {printable(failure.label)}: {printable(failure.reason)}")
    if len(failures) > FAILURES_SHOWN:
        console.plain_message(f"   ... and {len(failures) - FAILURES_SHOWN} more")


def summary_of(request: Request, destination: Destination, outcome: Outcome) -> dict[str, Any]:
    """What `--json` says about one archive."""
    return {
        "archive": destination.text,
        "format": request.mime,
        "entries": outcome.entries,
        "failed": len(outcome.failures),
        "bytes": outcome.written,
        "streaming": request.streaming,
    }


def show_request(context: Context, request: Request, destination: Destination) -> None:
    """Print what would be sent, and where the answer would go: `--dry-run`."""
    document = request_document(request, destination)
    if context.wants_json:
        context.console.document(document)
        return
    context.console.result(f"[DRY RUN] {document['method']} {document['path']} => {printable(destination.text)}")
    context.console.result(encode(request).decode("utf-8", "surrogateescape"))


def request_document(request: Request, destination: Destination) -> dict[str, Any]:
    """What `--dry-run --json` says about one request."""
    path, query = address(request)
    body = json.loads(encode(request).decode("utf-8", "surrogateescape"))
    return {"archive": destination.text, "method": "GET", "path": path + encode_query(query), "body": body}


def report(context: Context, request: Request, destination: Destination, outcome: Outcome) -> None:
    """Print the one line about an archive that is there."""
    parsed, console = context.parsed, context.console
    count = outcome.entries
    if parsed.flag("json"):
        line = json.dumps(summary_of(request, destination, outcome))
    elif parsed.flag("non-verbose"):
        return
    elif request.streaming:
        line = f"Streamed {count} objects to {destination.text}"
    else:
        line = f"Created ML batch archive {destination.text} with {count} objects"
    # Standard output is the archive's own, or is expected to be empty.
    is_message = destination.is_stdout or (destination.is_discarded and not parsed.flag("json"))
    (console.plain_message if is_message else console.result)(line)
