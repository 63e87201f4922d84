"""From lines of a manifest to batches of entries. Source: spec/cli.md 3.4 to 3.6."""

from collections.abc import Iterator
from typing import NamedTuple

from moss.cli.cuts.cut import Cut, Piece, decode_cut, pieces_of
from moss.cli.cuts.locate import entry_of
from moss.cli.cuts.manifest import Manifest
from moss.cli.cuts.ranges import Clock
from moss.wire.batch import Entry

__all__ = ["Batch", "Collector"]


class Batch(NamedTuple):
    """What goes into one archive.

    Attributes:
        entries: in the order of the manifest.
        pieces: one for each entry, where they are needed later; else empty.
        cuts: how many cuts these are.
    """

    entries: list[Entry]
    pieces: list[Piece]
    cuts: int


class Collector:
    """Turns cuts into entries, and counts.

    Args:
        clock: how times become byte ranges; None takes whole recordings.
        all_sources: every source of a recording instead of the first.
        for_audio: keep the pieces, and only the sources that hold the channels of a cut; ranges are found later.

    Attributes:
        cuts: taken so far.
        padding: cuts that stand for silence only.
        partial: cuts of which one source was taken and others were not.
    """

    def __init__(self, *, clock: Clock | None = None, all_sources: bool = False, for_audio: bool = False) -> None:
        self._clock, self._all_sources, self._for_audio = clock, all_sources, for_audio
        self.cuts = self.padding = self.partial = 0

    def batches(self, manifest: Manifest, size: int) -> Iterator[Batch]:
        """Yield batches of `size` cuts, the last one perhaps smaller; with 0 all cuts are one batch.

        Raises:
            CommandError: a line that is no cut, or a cut that names nothing to fetch.
        """
        entries: list[Entry] = []
        pieces: list[Piece] = []
        taken = 0
        for line in manifest.lines():
            if not self._add(entries, pieces, decode_cut(line), line.number):
                self.padding += 1
                continue
            self.cuts += 1
            taken += 1
            if taken == size:
                yield Batch(entries, pieces, taken)
                entries, pieces, taken = [], [], 0
        if taken:
            yield Batch(entries, pieces, taken)

    def _add(self, entries: list[Entry], pieces: list[Piece], cut: Cut, line: int) -> bool:
        before = len(entries)
        for piece in pieces_of(cut, line, all_sources=self._all_sources, by_channel=self._for_audio):
            entry = entry_of(piece)
            if self._clock is not None:
                entry.start, entry.length = self._clock.range_of(piece)
            entries.append(entry)
            if self._for_audio:
                pieces.append(piece)
        if not (self._all_sources or self._for_audio):
            self.partial += cut.has_more_sources
        return len(entries) > before
