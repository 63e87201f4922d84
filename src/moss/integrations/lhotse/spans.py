"""Cuts of uncompressed WAV files by the samples that they need, instead of by whole files.

The headers of the files are read first, by one request for all of a minibatch in most cases; the cuts whose files turn
out to be something else are loaded as usual. Source: spec/python-sdk.md 6.8, range pushdown.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from lhotse.array import TemporalArray
from lhotse.audio import AudioSource, Recording
from lhotse.utils import compute_num_samples, fastcopy

from moss.archive.wav import BadWav, HeaderWalk, WavFormat, build_wav
from moss.integrations.lhotse.fetch import Fetcher
from moss.integrations.lhotse.locations import Location
from moss.integrations.lhotse.manifests import Slot, location_of, parts_of

__all__ = ["find_spans"]

_ROUNDS_MAX = 16
_WHOLE_S = 0.05
"""A cut that leaves out less than this of its recording is loaded as a whole."""


@dataclass(slots=True)
class _Span:
    """A part of a cut that reads a part of its recording."""

    part: Any
    locations: list[Location]
    cuts: list[int] = field(default_factory=list)
    files: dict[int, bytes] = field(default_factory=dict)

    def put(self, index: int, form: WavFormat, data: bytes) -> None:
        """Take the samples of one source; with the last one the cut gets a recording of its own."""
        frames = len(data) // form.frame_bytes
        self.files[index] = build_wav(form, tuple(range(form.channels)), data[: frames * form.frame_bytes])
        if len(self.files) < len(self.locations):
            return
        recording: Recording = self.part.recording
        sources = [
            AudioSource("memory", source.channels, self.files[number])
            for number, source in enumerate(recording.sources)
        ]
        self.part.recording = fastcopy(
            recording, sources=sources, num_samples=frames, duration=frames / recording.sampling_rate
        )
        self.part.start = 0.0


def find_spans(cuts: Iterable[Any], fetcher: Fetcher) -> tuple[frozenset[int], list[Slot]]:
    """Find the parts of cuts whose samples can be asked for by themselves.

    Returns:
        The `id` of those parts, and what must be fetched for them.

    Raises:
        InvalidName: a URL of a store names no object there.
    """
    spans: dict[int, _Span] = {}
    for position, cut in enumerate(cuts):
        for part in parts_of(cut):
            span = spans.get(id(part)) or _span_of(part)
            if span is not None:
                spans[id(part)] = span
                span.cuts.append(position)
    forms = _read_headers({location for span in spans.values() for location in span.locations}, fetcher)
    slots: list[Slot] = []
    narrowed = set()
    for span in spans.values():
        found = _slots_of(span, forms)
        if found:
            narrowed.add(id(span.part))
            slots += found
    return frozenset(narrowed), slots


def _span_of(part: Any) -> _Span | None:
    """The span of a part of a cut, if nothing but its audio depends on where in the recording it starts."""
    if not getattr(part, "has_recording", False) or not hasattr(part, "iter_data"):
        return None
    data = dict(part.iter_data())
    recording = data.pop("recording", None)
    if recording is None or recording.transforms or recording.has_video:
        return None
    if any(key == "features" or isinstance(value, Recording | TemporalArray) for key, value in data.items()):
        return None
    if part.start <= 0 and part.duration > recording.duration - _WHOLE_S:
        return None
    locations = [location_of(source) if source.type == "url" else None for source in recording.sources]
    if not locations or any(location is None or location.is_range for location in locations):
        return None
    return _Span(part, [location for location in locations if location is not None])


def _read_headers(files: Iterable[Location], fetcher: Fetcher) -> dict[Location, WavFormat]:
    """Formats of those files that are uncompressed WAV."""
    walks = {location: HeaderWalk() for location in files}
    forms: dict[Location, WavFormat] = {}
    for _ in range(_ROUNDS_MAX):
        wanted = {
            replace(location, start=walk.wanted[0], length=walk.wanted[1]): location for location, walk in walks.items()
        }
        if not wanted:
            break
        fetched = fetcher.fetch(list(wanted))
        for piece, location in wanted.items():
            data = fetched.data.get(piece)
            try:
                form = walks[location].feed(data) if data is not None else None
            except BadWav:
                data = None
            if data is None:
                del walks[location]
            elif form is not None:
                forms[location] = form
                del walks[location]
    return forms


def _slots_of(span: _Span, forms: Mapping[Location, WavFormat]) -> list[Slot]:
    """What must be fetched for a span; nothing when one of its files cannot be cut."""
    rate = span.part.recording.sampling_rate
    first = compute_num_samples(span.part.start, rate) if span.part.start > 0 else 0
    count = compute_num_samples(span.part.duration, rate)
    slots = []
    for index, location in enumerate(span.locations):
        form = forms.get(location)
        if form is None or form.rate != rate or form.frames is None:
            return []
        # Durations in manifests are rounded: what they have too much of, the file does not.
        frames = min(count, form.frames - first)
        if frames <= 0:
            return []
        piece = replace(location, start=form.data_start + first * form.frame_bytes, length=frames * form.frame_bytes)
        slots.append(Slot(piece, partial(span.put, index, form), span.cuts))
    return slots
