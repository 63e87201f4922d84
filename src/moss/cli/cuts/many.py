"""Writing the archives of a manifest, several at a time, reported in order. Source: spec/cli.md 3.6, 3.8."""

import json
from collections.abc import Callable, Iterator
from itertools import chain
from threading import Lock
from typing import Any, NamedTuple

from moss.cli.batch import (
    Outcome,
    make_progress,
    open_destination,
    report_failures,
    request_document,
    show_request,
    summary_of,
)
from moss.cli.context import Context
from moss.cli.cuts.collect import Batch, Collector
from moss.cli.cuts.flight import Flight
from moss.cli.cuts.manifest import Manifest
from moss.cli.cuts.produce import Archive, Producer, kept_line
from moss.cli.destination import Destination
from moss.cli.failures import Canceled, CommandError
from moss.cli.output import printable
from moss.cli.selection import archive_extension
from moss.errors import MossError
from moss.naming.template import Template

__all__ = ["produce_many"]


class _Done(NamedTuple):
    archive: Archive
    outcome: Outcome | None  # None: it was there already


class _Board:
    """The progress line of several transfers."""

    def __init__(self, context: Context, template: Template, manifest: Manifest) -> None:
        self._progress = make_progress(context, template.text, items="archives")
        self._manifest = manifest
        self._lock = Lock()
        self._bytes: dict[str, int] = {}
        self._sum = self._done = self._started = 0

    def follow(self, name: str) -> Callable[..., None]:
        """What is told the bytes of one transfer."""
        with self._lock:
            self._started += 1

        def tell(received: int, *_: int, **__: int) -> None:
            with self._lock:
                self._sum += received - self._bytes.get(name, 0)
                self._bytes[name] = received
                share = self._manifest.share
                self._progress(self._sum, self._done, items_total=round(self._started / share) if share else 0)

        return tell

    def close(self, name: str) -> None:
        """A transfer is over; the line makes room for its report."""
        with self._lock:
            self._bytes.pop(name, None)
            self._done += 1
            self._progress.clear()


def produce_many(
    producer: Producer, collector: Collector, manifest: Manifest, *, template: Template, size: int, jobs: int
) -> None:
    """Write an archive for every `size` cuts, several at a time, and report them in order.

    Raises:
        CommandError: the first failure; archives before it are whole and stay.
        Canceled: the user does not want to overwrite.
    """
    archives = _archives(producer, collector.batches(manifest, size), template, size)
    if producer.context.parsed.flag("dry-run"):
        _show(producer, archives)
        return
    run = _Run(producer, _Board(producer.context, template, manifest), size)
    with Flight[_Done](jobs) as flight:
        bad_manifest = None
        try:
            for archive in archives:
                if not run.start(flight, archive):
                    break
        except Canceled:
            raise
        except CommandError as error:  # what was begun before the bad line is finished
            bad_manifest = error
        run.land(flight)
        failures = flight.failures if bad_manifest is None else [*flight.failures, bad_manifest]
        if failures:
            first, *others = failures
            if not isinstance(first, CommandError):
                raise first
            raise CommandError(str(first), *first.hints, *(f"Also: {other}" for other in others))
    run.summarize(collector)


class _Run:
    """The archives of one run as they come and go."""

    def __init__(self, producer: Producer, board: _Board, size: int) -> None:
        self._producer, self._board, self._size = producer, board, size
        self._context = producer.context
        self._index = -1
        self.generated = self.kept = 0
        self._failed: list[int] = []  # items, of the archives that lack some
        self._documents: list[dict[str, Any]] = []

    def start(self, flight: Flight[_Done], archive: Archive) -> bool:
        """Begin one archive; False when an earlier one has failed."""
        self._index += 1
        index, producer, name = self._index, self._producer, archive.destination.text
        if producer.keeps(archive):
            started = flight.start(lambda: _Done(archive, None))
        else:
            if producer.needs_answer(archive):
                self._report(flight.drain())  # nothing is printed into a question
                if flight.failures:
                    return False
            producer.confirm(archive)
            tell = self._board.follow(name)
            started = flight.start(lambda: self._transfer(flight, archive, index, tell))
        self._report(flight.finished())
        return started

    def _transfer(self, flight: Flight[_Done], archive: Archive, index: int, tell: Callable[..., None]) -> _Done:
        try:
            outcome = self._producer.transfer(
                archive, tell, lambda destination: flight.guard(lambda: open_destination(destination))
            )
        except (CommandError, MossError, OSError) as error:
            final = "final " if archive.batch.cuts < self._size else ""
            hints = error.hints if isinstance(error, CommandError) else ()
            name = printable(archive.destination.text)
            raise CommandError(f"failed to process {final}batch {index} ({name}): {error}", *hints) from None
        return _Done(archive, outcome)

    def land(self, flight: Flight[_Done]) -> None:
        """Wait for what is in flight, and report it."""
        self._report(flight.drain())

    def _report(self, done: Iterator[_Done]) -> None:
        for archive, outcome in done:
            self._board.close(archive.destination.text)
            self._say(archive, outcome)

    def _say(self, archive: Archive, outcome: Outcome | None) -> None:
        context, name = self._context, archive.destination.text
        is_quiet = context.parsed.flag("non-verbose")
        if outcome is None:
            self.kept += 1
            line = kept_line(archive)
            document: dict[str, Any] = {"archive": name, "entries": len(archive.names), "kept": True}
        else:
            self.generated += 1
            report_failures(context, outcome, name)
            if outcome.failures:
                self._failed.append(len(outcome.failures))
            what = f"{outcome.entries} objects and/or archived files"
            shown = printable(name)
            line = f"Streamed {what} => {shown}" if archive.request.streaming else f"Created {shown} with {what}"
            document = summary_of(archive.request, archive.destination, outcome)
        if context.wants_json:
            self._documents.append(document)
        elif not is_quiet:
            context.console.result(line)

    def summarize(self, collector: Collector) -> None:
        """The last line, or the one document."""
        console = self._context.console
        if len(self._failed) > 1:
            lacking = f"{len(self._failed)} of {self.generated} archives"
            console.warn(f"{sum(self._failed)} requested items are missing or failed, in {lacking}")
        if self._context.wants_json:
            console.document(
                {
                    "batches": self.generated,
                    "kept": self.kept,
                    "cuts": collector.cuts,
                    "padding_cuts": collector.padding,
                    "archives": self._documents,
                }
            )
        elif not self._context.parsed.flag("non-verbose"):
            kept = f" ({self.kept} more were kept)" if self.kept else ""
            console.result(f"Generated {self.generated} batches from {collector.cuts} cuts{kept}")


def _archives(producer: Producer, batches: Iterator[Batch], template: Template, size: int) -> Iterator[Archive]:
    names = template.iterate()
    for index, batch in enumerate(batches):
        name = next(names, None)
        if name is None:
            where = "for final batch" if batch.cuts < size else f"at batch {index + 1}"
            raise CommandError(f"template exhausted {where} (generated {index} batches so far)")
        destination = Destination(name)
        destination.check_no_directory()
        yield producer.archive(destination, batch, archive_extension(name))


def _show(producer: Producer, archives: Iterator[Archive]) -> None:
    """`--dry-run` of many: one JSON document is written piece by piece, because there may be millions of entries."""
    context = producer.context
    if not context.wants_json:
        for archive in archives:
            show_request(context, producer.would_send(archive), archive.destination)
        return
    separators = chain("[", iter(lambda: ",", None))
    for archive, separator in zip(archives, separators, strict=False):
        document = request_document(producer.would_send(archive), archive.destination)
        context.console.result(separator + json.dumps(document, ensure_ascii=False))
    context.console.result("]" if next(separators) == "," else "[]")
