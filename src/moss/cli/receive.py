"""Receiving the answer to a batch request: either an archive, or metadata and an archive in two parts.

Source: spec/cli.md 1.8.2, spec/getbatch.md 5. An answer is accepted only when every entry that was asked for is in it.
"""

import tempfile
from collections.abc import Callable, Sequence
from typing import NamedTuple

from moss.cli.destination import Sink
from moss.cli.failures import CommandError
from moss.cli.members import Seen, ZipWatcher, make_watcher
from moss.cli.transport import Answer, ConnectionCut, without_node
from moss.errors import MalformedAnswer, TruncatedArchive
from moss.wire.batch import MISSING_PREFIX, MultipartParser, decode_metadata, parse_boundary
from moss.wire.headers import CONTENT_LENGTH, CONTENT_TYPE


class Wanted(NamedTuple):
    """What one entry of the request asked for.

    Attributes:
        name: name of its member in the archive.
        label: bucket, object and member path for messages.
        length: bytes asked for, or None when the object decides.
    """

    name: str
    label: str
    length: int | None = None


class Order(NamedTuple):
    """What was asked for as a whole.

    Attributes:
        wanted: one for each entry.
        tolerate: whether placeholders are taken for entries that failed.
        extension: format of a streamed archive.
    """

    wanted: Sequence[Wanted]
    tolerate: bool
    extension: str = ""


class Failure(NamedTuple):
    """An entry that the server could not deliver."""

    label: str
    reason: str


Progress = Callable[..., None]
"""Is told the bytes so far, then the items where they are seen; and `total` bytes when that is known."""


def receive_stream(answer: Answer, sink: Sink, order: Order, progress: Progress) -> list[Failure]:
    """Copy a streamed archive into the sink and check it against the request.

    Raises:
        CommandError: wrong kind of answer, cut or short archive, wrong sizes, failures that are not tolerated.
    """
    kind = answer.headers.get(CONTENT_TYPE, "")
    if not kind.startswith("application/"):
        raise CommandError(f'unexpected Content-Type "{kind}"')
    watcher = make_watcher(order.extension)
    if isinstance(watcher, ZipWatcher):
        return _receive_zip(answer, sink, order, watcher, progress)
    cut = ""
    try:
        while data := answer.read():
            for piece in watcher.feed(data):
                sink.write(piece)
            progress(sink.written, len(watcher.members))
    except ConnectionCut as error:
        cut = f" ({error})"
    if cut or not watcher.complete:
        raise CommandError(f"archive ends after {watcher.whole_members} of {len(order.wanted)} items{cut}")
    return check_members(watcher.members, order)


def _receive_zip(answer: Answer, sink: Sink, order: Order, watcher: ZipWatcher, progress: Progress) -> list[Failure]:
    with tempfile.TemporaryFile() as spool:
        # The directory at the end is the only proof of a whole ZIP, so it is looked at before anything is delivered.
        size = 0
        try:
            while data := answer.read():
                size += spool.write(data)
                progress(size)
        except ConnectionCut as error:
            raise CommandError(f"archive ends early ({error}): 0 of {len(order.wanted)} items readable") from None
        watcher.read(spool)
        if not watcher.complete:
            raise CommandError(f"archive ends after 0 of {len(order.wanted)} items (its directory is missing)")
        failures = check_members(watcher.members, order)
        spool.seek(0)
        while data := spool.read(1 << 20):
            sink.write(data)
    return failures


def check_members(members: Sequence[Seen], order: Order) -> list[Failure]:
    """Compare the members of an archive with the entries of the request, in order.

    Raises:
        CommandError: fewer or more members, other sizes than asked for, or failures that are not tolerated.
    """
    wanted = order.wanted
    if len(members) < len(wanted):
        raise CommandError(f"archive ends after {len(members)} of {len(wanted)} items")
    if len(members) > len(wanted):
        raise CommandError(f"malformed response: {len(members)} items for {len(wanted)} requested")
    failures = []
    for seen, want in zip(members, wanted, strict=True):
        if seen.error or (seen.name.startswith(MISSING_PREFIX) and seen.name != want.name):
            failures.append(Failure(want.label, without_node(seen.error) or "missing"))
        else:
            _check_size(want, seen.size)
    return _tolerated(failures, order)


def _tolerated(failures: list[Failure], order: Order) -> list[Failure]:
    # The reference delivers placeholders under success to clients that did not ask for them (spec/cli.md C16).
    if failures and not order.tolerate:
        first = failures[0]
        raise CommandError(f"{first.label}: {first.reason} ({len(failures)} of {len(order.wanted)} items failed)")
    return failures


def _check_size(want: Wanted, size: int) -> None:
    if want.length is not None and size != want.length:
        raise CommandError(f"{want.label}: got {size} bytes instead of the range of {want.length} bytes asked for")


def receive_parts(answer: Answer, sink: Sink, order: Order, progress: Progress) -> list[Failure]:
    """Copy the archive of a two-part answer into the sink and check the metadata against the request.

    Raises:
        CommandError: wrong kind of answer, cut answer, metadata that do not fit the request, failures that are not
            tolerated.
    """
    failures: list[Failure] | None = None
    length = answer.headers.get(CONTENT_LENGTH, "")
    total = int(length) if length.isdigit() else 0
    try:
        parser = MultipartParser(parse_boundary(answer.headers.get(CONTENT_TYPE, "")))
        while data := answer.read():
            pieces = parser.feed(data)
            if failures is None and parser.metadata is not None:
                failures = check_metadata(parser.metadata, order)
            for piece in pieces:
                sink.write(piece)
            progress(sink.written, total=total)
        parser.finish()
    except TruncatedArchive as error:
        raise CommandError(f"stream copy error: {error.message}") from None
    except MalformedAnswer as error:
        raise CommandError(error.message) from None
    except ConnectionCut as error:
        raise CommandError(f"stream copy error: {error}") from None
    assert failures is not None  # finish() would have refused
    return failures


def check_metadata(data: bytes, order: Order) -> list[Failure]:
    """Compare the metadata of an answer with the entries of the request.

    Raises:
        CommandError: they do not describe the entries one by one, or failures are not tolerated.
        MalformedAnswer: they cannot be read.
    """
    wanted = order.wanted
    rows = decode_metadata(data).out
    if len(rows) != len(wanted):
        raise CommandError(f"malformed response: {len(rows)} entries for {len(wanted)} requested")
    failures = []
    for row, want in zip(rows, wanted, strict=True):
        if row.err_msg:
            failures.append(Failure(want.label, without_node(row.err_msg)))
        else:
            _check_size(want, row.size)
    return _tolerated(failures, order)
