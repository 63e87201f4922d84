"""One cut of a manifest as far as fetching needs it: which recordings, which part of each, which channels.

Pure. Everything else in a cut (supervisions, features, custom fields) is passed over by the decoder.
Source: spec/cli.md 3.3, 3.4; the fields are those of Lhotse's manifests.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple, NoReturn

import msgspec

from moss.cli.cuts.manifest import Line
from moss.cli.failures import CommandError

__all__ = ["Cut", "Piece", "Source", "decode_cut", "pieces_of"]

PADDING = "PaddingCut"
UNSUPPORTED_TYPES = ("command", "memory", "shar")
NO_SOURCE = "no audio source field found"


class Source(msgspec.Struct, gc=False):
    """Where the audio of some channels is."""

    source: str = ""
    type: str = ""
    channels: list[int] = []


class _Recording(msgspec.Struct, gc=False):
    sources: list[Source] = []
    path: str = ""
    sampling_rate: int | None = None
    num_samples: int | None = None
    transforms: list[msgspec.Raw] | None = None


class _Track(msgspec.Struct, gc=False):
    cut: "Cut | None" = None


class Cut(msgspec.Struct, gc=False):
    """A cut of any type, as it stands in the manifest; times are in seconds."""

    id: str = ""
    type: str = ""
    start: float = 0.0
    duration: float = 0.0
    channel: int | list[int] | None = None
    recording: _Recording | None = None
    audio_source: str = ""
    tracks: list[_Track] = []

    @property
    def has_more_sources(self) -> bool:
        """Whether some recording of it lies in several places."""
        if self.recording is not None and len(self.recording.sources) > 1:
            return True
        return any(track.cut is not None and track.cut.has_more_sources for track in self.tracks)


class Piece(NamedTuple):
    """A part of one recording that is to be fetched.

    Attributes:
        cut_id: of the cut that the manifest lists, for messages and names.
        line: of the manifest.
        source: text that says where the recording is.
        start, duration: seconds.
        sampling_rate: samples a second of the recording, or None.
        num_samples: samples of the whole recording, or None.
        channels: the columns of the file that are wanted; None for all.
        has_transforms: what the cut means is not what is stored, but something computed from it.
    """

    cut_id: str
    line: int
    source: str
    start: float
    duration: float
    sampling_rate: int | None = None
    num_samples: int | None = None
    channels: tuple[int, ...] | None = None
    has_transforms: bool = False

    @property
    def label(self) -> str:
        return f'cut "{self.cut_id}" (line {self.line})'

    def columns_of(self, channels: int) -> tuple[int, ...]:
        """The wanted columns of a file with so many channels.

        Raises:
            CommandError: it has fewer.
        """
        if self.channels is None:
            return tuple(range(channels))
        beyond = next((column for column in self.channels if not 0 <= column < channels), None)
        if beyond is not None:
            self.fail(f'"{self.source}" has {channels} channel(s), and none with index {beyond}')
        return self.channels

    def fail(self, reason: str) -> NoReturn:
        """Raise an error that names the cut and the line."""
        raise CommandError(f"{self.label}: {reason}")


_decoder = msgspec.json.Decoder(Cut)
_EXPECTED = re.compile(r"Expected `(?P<expected>[^`]*)`(?:, got `(?P<found>[^`]*)`)?")
_PLACE = re.compile(r" - at `\$\.?(?P<place>[^`]*)`")
_KINDS = {
    "float": "a number", "int": "a whole number", "str": "text", "array": "a list", "object": "an object",
    "int | array | null": "a number or a list", "int | null": "a whole number", "array | null": "a list",
    "object | null": "an object",
}  # fmt: skip


def decode_cut(line: Line) -> Cut:
    """Decode one line.

    Raises:
        CommandError: `bad cut json at line N: ...` with what was expected.
    """
    try:
        return _decoder.decode(line.text)
    except msgspec.ValidationError as error:
        reason = _reason_of(str(error))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        reason = str(error).removeprefix("JSON is malformed: ")
    raise CommandError(f"bad cut json at line {line.number}: {reason}")


def _reason_of(text: str) -> str:
    expected, place = _EXPECTED.search(text), _PLACE.search(text)
    if expected is None:
        return text
    kind = _KINDS.get(expected["expected"], expected["expected"])
    if place is None or not place["place"]:
        return f"expected {kind}" + (
            f", found {_KINDS.get(expected['found'], expected['found'])}" if expected["found"] else ""
        )
    return f'"{place["place"]}" must be {kind}'


def pieces_of(cut: Cut, line: int, *, all_sources: bool, by_channel: bool) -> Iterator[Piece]:
    """Yield what is to be fetched for a cut: nothing for padding, one piece for each track of a mix.

    Args:
        all_sources: one piece for each source of a recording instead of the first only.
        by_channel: only the sources and columns that hold the channels of the cut.

    Raises:
        CommandError: a recording without audio source, or with one that names nothing to fetch.
    """
    if cut.type == PADDING:
        return
    if not cut.tracks:
        yield from _of_recording(cut, cut.id, line, all_sources=all_sources, by_channel=by_channel)
        return
    for track in cut.tracks:
        if track.cut is None:
            raise CommandError(f'cut "{cut.id}" (line {line}): a track without cut')
        if track.cut.type != PADDING:
            yield from _of_recording(track.cut, cut.id, line, all_sources=all_sources, by_channel=by_channel)


def _of_recording(cut: Cut, cut_id: str, line: int, *, all_sources: bool, by_channel: bool) -> Iterator[Piece]:
    recording = cut.recording or _Recording()
    whole = Piece(
        cut_id, line, "", cut.start, cut.duration, recording.sampling_rate, recording.num_samples,
        None, bool(recording.transforms),
    )  # fmt: skip
    sources = recording.sources
    if not sources or (not sources[0].source and sources[0].type not in UNSUPPORTED_TYPES):
        found = recording.path or cut.audio_source
        if not found:
            raise CommandError(f'cut "{cut_id}": {NO_SOURCE} (line {line})')
        yield whole._replace(source=found, channels=_channels_of(cut) if by_channel else None)
        return
    wanted = _channels_of(cut) if by_channel else None
    if wanted is not None and any(source.channels for source in sources):
        yield from _of_channels(whole, sources, wanted)
        return
    for source in sources if all_sources else sources[:1]:
        yield whole._replace(source=_checked(whole, source), channels=wanted)


def _of_channels(whole: Piece, sources: list[Source], wanted: tuple[int, ...]) -> Iterator[Piece]:
    missing = set(wanted)
    for source in sources:
        # In the order of the file, whatever that of the cut is: so does Lhotse.
        columns = tuple(at for at, channel in enumerate(source.channels) if channel in wanted)
        missing.difference_update(source.channels)
        if columns:
            yield whole._replace(source=_checked(whole, source), channels=columns)
    if missing:
        whole.fail(f"no source has channel {min(missing)}")


def _channels_of(cut: Cut) -> tuple[int, ...] | None:
    if cut.channel is None:
        return None
    return (cut.channel,) if isinstance(cut.channel, int) else tuple(sorted(cut.channel)) or None


def _checked(piece: Piece, source: Source) -> str:
    if source.type in UNSUPPORTED_TYPES:
        piece.fail(f'unsupported source type "{source.type}"')
    if not source.source:
        piece.fail(NO_SOURCE)
    return source.source
