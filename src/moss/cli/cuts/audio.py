"""`--audio`: parts of recordings as WAV files of their own.

The headers of the recordings are read first, a few bytes each, all those of a batch by one request; then exactly the
samples of the cuts are asked for, and on their way to the destination each part gets a header. So a cut of three
seconds costs three seconds of bytes, however long its recording is.
"""

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from moss.archive.buffers import Buffer
from moss.archive.formats import Format
from moss.archive.tar_stream import TarStreamParser
from moss.archive.wav import BadWav, HeaderWalk, WavFormat, build_wav
from moss.archive.writer import make_framer
from moss.cli.batch import Outcome, Request, transfer
from moss.cli.cuts.cut import Piece
from moss.cli.cuts.decode import can_decode, decode_part
from moss.cli.cuts.ranges import span_of
from moss.cli.destination import NOWHERE, Destination, Sink
from moss.cli.failures import CommandError
from moss.cli.receive import Failure
from moss.cli.transport import Transport
from moss.wire.batch import MISSING_PREFIX, Entry

__all__ = ["AudioPlan", "AudioSink", "Headers", "Part", "plan_part", "plan_parts"]

_ROUNDS_MAX = 16
_KNOWN_MAX = 100_000


class Part(NamedTuple):
    """One member of the archive.

    Attributes:
        name: of the member.
        make: turns the bytes that come into a file that plays; None for a placeholder that is never asked for.
    """

    name: str
    make: Callable[[bytes], bytes] | None = None


class Foreign(NamedTuple):
    """A file of which only the whole can be cut, after it was decoded."""

    reason: str


Form = WavFormat | Foreign | str
"""How a file is stored, or why that is not known."""


class Headers:
    """Formats of recordings, looked at once; of very many the first are forgotten. Threads may share it."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._known: dict[tuple[str, ...], Form] = {}
        self._lock = threading.Lock()

    def look_at(self, request: Request) -> list[Form]:
        """For each entry of a request the format of its file, or why there is none.

        Raises:
            CommandError: the cluster cannot be asked.
        """
        keys = [_key(entry) for entry in request.entries]
        with self._lock:
            found = {key: self._known[key] for key in keys if key in self._known}
        unknown = {key: entry for key, entry in zip(keys, request.entries, strict=True) if key not in found}
        if unknown:
            found |= self._walk(request, unknown)
            with self._lock:
                self._known.update(found)
                while len(self._known) > _KNOWN_MAX:
                    del self._known[next(iter(self._known))]
        return [found[key] for key in keys]

    def _walk(self, request: Request, files: dict[tuple[str, ...], Entry]) -> dict[tuple[str, ...], Form]:
        found: dict[tuple[str, ...], Form] = {}
        walks = {key: HeaderWalk() for key in files}
        for _ in range(_ROUNDS_MAX):
            if not walks:
                return found
            for key, data in zip(list(walks), self._read(request, files, walks), strict=True):
                walk = walks[key]
                try:
                    form = data if isinstance(data, str) else walk.feed(data)
                except BadWav as error:
                    form = Foreign(str(error))
                if form is not None:
                    found[key] = form
                if key in found:
                    del walks[key]
        return found | dict.fromkeys(walks, "its header does not end")

    def _read(
        self, request: Request, files: dict[tuple[str, ...], Entry], walks: dict[tuple[str, ...], HeaderWalk]
    ) -> list[bytes | str]:
        """The wanted bytes of each walk, or why they are not to be had."""
        entries = [with_range(files[key], *walk.wanted) for key, walk in walks.items()]
        asked = request._replace(
            entries=entries, mime=Format.TAR.value, continue_on_error=True, streaming=False, omit_bucket=False
        )
        members = _Members()
        nowhere = Destination(NOWHERE[0])
        outcome = transfer(self._transport, asked, nowhere, _ignore, wrap=lambda _: members)
        if len(members.found) != len(entries):
            raise CommandError(f"malformed response: {len(members.found)} items for {len(entries)} requested")
        reasons = iter(failure.reason for failure in outcome.failures)
        return [
            next(reasons, "missing") if not data and name.startswith(MISSING_PREFIX) else data
            for name, data in members.found
        ]


def _ignore(*_: int, **__: int) -> None:
    """Headers are too short for progress."""


def _key(entry: Entry) -> tuple[str, ...]:
    return (entry.uname, entry.provider, entry.bucket, entry.objname, entry.archpath)


def plan_part(piece: Piece, name: str, form: Form, rate: int | None) -> tuple[Part, int, int]:
    """What of a file is to be fetched for a piece: the part, first byte and number of bytes (0 and 0: all).

    Args:
        rate: samples a second that the user expects; None for what the manifest says.

    Raises:
        CommandError: the file does not have what the cut says.
    """
    if isinstance(form, str):
        piece.fail(f'"{piece.source}": {form}')
    if piece.has_transforms:
        piece.fail("the recording has transforms, which '--audio' does not compute")
    if isinstance(form, Foreign):
        if not can_decode():
            piece.fail(f"\"{piece.source}\": {form.reason}: install 'soundfile' to cut it")
        return Part(name, partial(decode_part, piece, rate)), 0, 0
    columns = piece.columns_of(form.channels)
    start, length = span_of(piece, form.rate, form.frames, rate)
    part = Part(name, partial(_wav_part, piece, form, columns))
    return part, form.data_start + start * form.frame_bytes, length * form.frame_bytes


def _wav_part(piece: Piece, form: WavFormat, columns: tuple[int, ...], samples: bytes) -> bytes:
    try:
        return build_wav(form, columns, samples)
    except BadWav as error:
        piece.fail(str(error))


class AudioPlan(NamedTuple):
    """How one archive of parts is made.

    Attributes:
        request: for the samples, as a TAR.
        parts: members of the archive.
        failures: of the parts that are not asked for.
    """

    request: Request
    parts: list[Part]
    failures: list[Failure]

    def transfer(
        self, transport: Transport, destination: Destination, progress: Callable[..., None],
        archive_format: Format, place: Callable[[Destination], Sink],
    ) -> Outcome:  # fmt: skip
        """Fetch the samples and write the archive.

        Raises:
            CommandError: as `moss.cli.batch.transfer`; a part cannot be made, and failures are not tolerated.
            BadArchive: the answer is no TAR.
        """
        sinks: list[AudioSink] = []

        def wrap(sink: Sink) -> AudioSink:
            tolerate = self.request.continue_on_error
            sinks.append(AudioSink(sink, archive_format, self.parts, tolerate=tolerate))
            return sinks[0]

        if self.request.entries:
            outcome = transfer(transport, self.request, destination, progress, place=place, wrap=wrap)
        else:
            with place(destination) as sink:
                wrap(sink).end()
            outcome = Outcome(0, [], sink.written)
        failures = [*self.failures, *outcome.failures, *sinks[0].failures]
        return outcome._replace(entries=len(self.parts), failures=failures)


def plan_parts(
    headers: Headers, request: Request, pieces: Sequence[Piece], names: Sequence[str], rate: int | None
) -> AudioPlan:
    """Find out what to ask for.

    Args:
        request: for the whole files.
        pieces, names: one for each entry.
        rate: as for `plan_part`.

    Raises:
        CommandError: some file does not have what its cut says, and failures are not tolerated.
    """
    plan = AudioPlan(request._replace(entries=[], mime=Format.TAR.value), [], [])
    for entry, piece, name, form in zip(request.entries, pieces, names, headers.look_at(request), strict=True):
        try:
            part, start, length = plan_part(piece, name, form, rate)
        except CommandError as error:
            if not request.continue_on_error:
                raise
            plan.parts.append(Part(name))
            plan.failures.append(Failure(name, str(error)))
            continue
        plan.parts.append(part)
        plan.request.entries.append(with_range(entry, start, length))
    return plan


def with_range(entry: Entry, start: int, length: int) -> Entry:
    """The same file, another range."""
    return Entry(entry.objname, entry.bucket, entry.provider, entry.uname, entry.archpath, start=start, length=length)


class _Members(Sink):
    """Keeps the members of a TAR."""

    def __init__(self) -> None:
        super().__init__(None)
        self.found: list[tuple[str, bytes]] = []
        self._parser = TarStreamParser()

    def write(self, data: bytes | memoryview) -> None:
        self.written += len(data)
        self.found += [(member.name, bytes(member.payload)) for member in self._parser.feed(data)]

    def commit(self) -> None:
        self._parser.finish()


class AudioSink(Sink):
    """Takes a TAR of what was asked for and writes an archive of files that play.

    Args:
        sink: where the archive goes.
        archive_format: of what is written.
        parts: one for each member of the archive that is written; those that are never asked for become placeholders.
        tolerate: parts that cannot be made become placeholders too, and are listed in `failures`.
    """

    def __init__(self, sink: Sink, archive_format: Format, parts: Sequence[Part], *, tolerate: bool) -> None:
        super().__init__(None)
        self._sink = sink
        self._framer = make_framer(archive_format)
        self._parts = iter(parts)
        self._parser = TarStreamParser()
        self._tolerate = tolerate
        self.failures: list[Failure] = []

    def write(self, data: bytes | memoryview) -> None:
        self.written += len(data)
        for member in self._parser.feed(data):
            name, make = self._next_that_comes()
            if not member.size and member.name.startswith(MISSING_PREFIX):
                self._frame(MISSING_PREFIX + name, b"")
                continue
            try:
                self._frame(name, make(bytes(member.payload)))
            except CommandError as error:
                if not self._tolerate:
                    raise
                self.failures.append(Failure(name, str(error)))
                self._frame(MISSING_PREFIX + name, b"")

    def commit(self) -> None:
        self._parser.finish()
        self.end()

    def end(self) -> None:
        """Write what does not depend on the answer, and the end of the archive."""
        for name, make in self._parts:
            if make is not None:
                raise CommandError(f'malformed response: it ends before "{name}"')
            self._frame(MISSING_PREFIX + name, b"")
        self._put(self._framer.finish())
        self._sink.commit()

    def _next_that_comes(self) -> tuple[str, Callable[[bytes], bytes]]:
        for name, make in self._parts:
            if make is not None:
                return name, make
            self._frame(MISSING_PREFIX + name, b"")
        raise CommandError("malformed response: more items than requested")

    def _frame(self, name: str, data: bytes) -> None:
        self._put(self._framer.frame([name], [len(data)], [data]))

    def _put(self, buffers: Sequence[Buffer]) -> None:
        for buffer in buffers:
            self._sink.write(memoryview(buffer))
