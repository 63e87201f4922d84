"""Writing an archive of cuts, and what all archives of one run have in common. Source: spec/cli.md 3.2, 3.7."""

from collections.abc import Callable
from typing import NamedTuple

from moss.archive.formats import parse_mime
from moss.cli.batch import (
    Outcome,
    Request,
    confirm_overwrite,
    fill_buckets,
    make_progress,
    normal_format,
    open_destination,
    report,
    report_failures,
    show_request,
    transfer,
    wanted_of,
)
from moss.cli.context import Context
from moss.cli.cuts.audio import AudioPlan, Headers, plan_parts
from moss.cli.cuts.collect import Batch
from moss.cli.destination import Destination, Sink
from moss.cli.existing import holds
from moss.cli.output import printable
from moss.cli.receive import Order
from moss.cli.selection import archive_extension

__all__ = ["Archive", "Producer", "kept_line", "produce_one"]

REPEATED_NAMES = "archive contains repeated names (several cuts of one recording); read it as a stream, do not extract"


class Archive(NamedTuple):
    """One archive that is to be written.

    Attributes:
        request: for its entries.
        names: of its members.
        batch: the cuts in it.
    """

    destination: Destination
    request: Request
    names: list[str]
    batch: Batch


class Producer:
    """What all archives of one run have in common.

    Args:
        base: a request without entries; its `mime` is that of destinations without a name that says.
        headers: the formats of recordings, with `--audio`.
        rate: samples a second that the user expects of them.
        cut_names: name the members after the cuts.
        can_ask: whether standard input is there for questions.
    """

    def __init__(
        self, context: Context, base: Request, *, headers: Headers | None = None, rate: int | None = None,
        cut_names: bool = False, can_ask: bool = True,
    ) -> None:  # fmt: skip
        self.context, self._base, self._headers, self._rate = context, base, headers, rate
        self._cut_names, self._can_ask = cut_names, can_ask
        self._has_warned = False

    def archive(self, destination: Destination, batch: Batch, mime: str) -> Archive:
        """Put one archive together, from names only: nothing is asked of the cluster.

        Raises:
            CommandError: an entry has no bucket.
        """
        entries = fill_buckets(batch.entries, self._base.bucket)
        request = self._base._replace(entries=entries, mime=mime)
        names = _cut_names(batch) if self._cut_names else [wanted.name for wanted in wanted_of(request)]
        if not self._has_warned and len(set(names)) < len(names):
            self._has_warned = True
            self.context.console.warn(REPEATED_NAMES)
        return Archive(destination, request, names, batch)

    def keeps(self, archive: Archive) -> bool:
        """Whether a whole archive of these members is there already and is to be kept."""
        destination, request = archive.destination, archive.request
        if not (self.context.parsed.flag("skip-existing") and destination.exists()):
            return False
        wanted = wanted_of(request)
        if self._headers is not None:
            wanted = [want._replace(name=name) for want, name in zip(wanted, archive.names, strict=True)]
        order = Order(wanted, request.continue_on_error, archive_extension("o" + normal_format(request.mime)))
        return holds(destination.text, order)

    def confirm(self, archive: Archive) -> None:
        confirm_overwrite(self.context, archive.destination, can_ask=self._can_ask)

    def needs_answer(self, archive: Archive) -> bool:
        return archive.destination.exists() and not self.context.parsed.flag("yes")

    def transfer(
        self, archive: Archive, progress: Callable[..., None],
        place: Callable[[Destination], Sink] = open_destination,
    ) -> Outcome:  # fmt: skip
        """Fetch and write one archive. Threads may do this at the same time.

        Raises:
            CommandError: the cluster refuses, the answer is not whole, or a recording does not have what a cut says.
        """
        transport, request = self.context.transport, archive.request
        plan = self._plan(archive)
        if plan is None:
            return transfer(transport, request, archive.destination, progress, place=place)
        return plan.transfer(transport, archive.destination, progress, parse_mime(request.mime), place)

    def would_send(self, archive: Archive) -> Request:
        """The request for an archive."""
        plan = self._plan(archive)
        return archive.request if plan is None else plan.request

    def _plan(self, archive: Archive) -> AudioPlan | None:
        if self._headers is None:
            return None
        return plan_parts(self._headers, archive.request, archive.batch.pieces, archive.names, self._rate)


def _cut_names(batch: Batch) -> list[str]:
    """`CUT_ID.wav`; the parts of a cut that has several are numbered."""
    ids = [piece.cut_id for piece in batch.pieces]
    names, number = [], 0
    for at, (cut_id, piece) in enumerate(zip(ids, batch.pieces, strict=True)):
        follows = at > 0 and batch.pieces[at - 1].line == piece.line
        goes_on = at + 1 < len(ids) and batch.pieces[at + 1].line == piece.line
        number = number + 1 if follows else 0
        if not cut_id or cut_id in (".", ".."):
            piece.fail("'--cut-names' needs cuts with names")
        names.append(cut_id.replace("/", "-") + (f"-{number}" if follows or goes_on else "") + ".wav")
    return names


def produce_one(producer: Producer, archive: Archive) -> None:
    """Write a single archive, and report.

    Raises:
        CommandError: see `Producer.transfer`.
        Canceled: the user does not want to overwrite.
    """
    context, destination = producer.context, archive.destination
    if context.parsed.flag("dry-run"):
        show_request(context, producer.would_send(archive), destination)
        return
    if producer.keeps(archive):
        context.console.result(kept_line(archive))
        return
    producer.confirm(archive)
    with make_progress(context, destination.text, items_total=len(archive.names), items="items") as progress:
        outcome = producer.transfer(archive, progress)
    report_failures(context, outcome)
    report(context, archive.request, destination, outcome)


def kept_line(archive: Archive) -> str:
    """What is said about an archive that was there already."""
    return f"Kept {printable(archive.destination.text)} with {len(archive.names)} objects and/or archived files"
