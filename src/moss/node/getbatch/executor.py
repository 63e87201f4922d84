"""Executes a batch: windows in, archive bytes out, in request order.

`Assembly.windows` is a generator of lists of buffers; whoever drives it decides where they go. It runs in a worker
thread and blocks there. It raises at the first hard error and then has not written the archive's end, so that an
answer that was cut can never be taken for a whole one.
"""

import threading
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate, compress, count

from xxhash import xxh3_64, xxh3_64_intdigest

from moss.archive.formats import Format
from moss.archive.tar import build_header, build_pax
from moss.archive.writer import Framer, make_framer
from moss.errors import Aborted, InvalidRequest, MossError
from moss.node.getbatch.cold import ColdEntries
from moss.node.getbatch.payloads import Payload, StreamedPayload
from moss.node.getbatch.plan import WINDOW_BYTES_MAX, Batch, cut_runs
from moss.node.getbatch.sources import Sources
from moss.node.getbatch.warmup import Warmup
from moss.node.storage.layout import Extent
from moss.node.storage.records import FLAG_BLOCKS, FLAG_FINISHED_HEADER, FRAME_CHECK_MASK, FRAME_CHECK_SHIFT
from moss.wire.batch import MISSING_PREFIX, ReportRow
from moss.wire.headers import PAX_ERROR, PAX_INDEX, PAX_XXH3

Buffer = bytes | bytearray | memoryview

# Cold data is read so many runs ahead of the one that is being sent.
RUNS_AHEAD = 2
# Of so many windows what they lack is fetched while one is sent.
WINDOWS_AHEAD = 1
# What leaves the cache before it is read is fetched again; after so many times it is read past the cache.
REFETCHES_MAX = 2
_READY = {memoryview, bytes}
# What is assembled on the event loop itself; about 0.3 ms of work.
AT_ONCE_ENTRIES_MAX = 32
AT_ONCE_BYTES_MAX = 512 << 10
AT_ONCE_PACKED_BYTES_MAX = 64 << 10


class SoftBudgetExceeded(InvalidRequest):
    """More entries are missing than `get_batch.max_soft_errs` allows."""

    code = "soft-budget-exceeded"


@dataclass(slots=True)
class Counts:
    """What one work item delivered. Sizes in bytes; placeholders are in `soft_errors` only."""

    objects: int = 0
    object_bytes: int = 0
    members: int = 0
    member_bytes: int = 0
    soft_errors: int = 0


@dataclass(slots=True)
class Outcome:
    """Per-entry facts for the metadata of a buffered answer."""

    sizes: list[int] = field(default_factory=list)
    errors: dict[int, str] = field(default_factory=dict)

    def rows(self, batch: Batch) -> list[ReportRow]:
        """Return the metadata row of each entry. Source: spec/getbatch.md 5."""
        return [
            ReportRow(
                objname=name,
                archpath=batch.members[i] if batch.members else "",
                bucket=batch.bucket(i).name,
                provider=batch.bucket(i).provider.value,
                err_msg=self.errors.get(i, ""),
                opaque=batch.opaques[i] if batch.opaques else None,
                size=self.sizes[i],
            )
            for i, name in enumerate(batch.names)
        ]


class Assembly:
    """The assembly of one answer.

    Args:
        soft_errors_max: as many placeholders are fine, one more is a hard error.
        describe: the work item's name, for error texts.
        aborted: set when the job is stopped.
        warmup: reads later windows ahead when the data is cold.
        outcome: filled when given (buffered answers).
        cold: fetches what is kept elsewhere; None when all buckets are this node's own.
    """

    def __init__(
        self,
        batch: Batch,
        sources: Sources,
        *,
        soft_errors_max: int,
        describe: Callable[[], str],
        aborted: threading.Event,
        warmup: Warmup,
        outcome: Outcome | None = None,
        cold: ColdEntries | None = None,
    ) -> None:
        self._batch, self._sources = batch, sources
        self._soft_errors_max, self._describe, self._aborted = soft_errors_max, describe, aborted
        self._warmup, self._warmed_until = warmup, 0
        self._outcome, self._cold = outcome, cold
        self._framer: Framer = make_framer(batch.options.format)
        self._is_tar_family = batch.options.format.is_tar_family
        self.counts = Counts()

    def at_once(self) -> list[Buffer] | None:
        """Return the whole archive if it is small and in memory; None means: use `windows`, in a thread.

        Waking a thread costs more than such an answer, and this one touches no page that is not there.

        Raises:
            MossError: as `windows`.
        """
        batch = self._batch
        if len(batch) > AT_ONCE_ENTRIES_MAX or not batch.is_plain:
            return None
        extents = self._sources.locate(0, len(batch))
        if self._cold is not None and self._cold.lacks(0, extents):
            return None
        bytes_max = AT_ONCE_BYTES_MAX if batch.options.format is Format.TAR else AT_ONCE_PACKED_BYTES_MAX
        if sum(extent[2] for extent in extents if extent is not None) > bytes_max:
            return None
        extents = self._sources.open(0, extents)
        if self._cold is not None and None in extents:
            return None
        if not self._sources.is_warm(extents):
            return None
        buffers = [buffer for window in self._opened_run(0, extents) for buffer in window]
        return buffers + self._framer.finish()

    def windows(self) -> Iterator[list[Buffer]]:
        """Yield the archive, about `WINDOW_BYTES_MAX` bytes at a time.

        Raises:
            MossError: the first hard error; what was yielded before is then not a whole archive.
        """
        if not self._batch.options.continue_on_error and self._batch.options.streaming:
            self._check_all_exist()
        for start, stop, extents in self._located():
            members = self._batch.members[start:stop] if self._batch.members is not None else None
            for begin, end in cut_runs(extents, members):
                yield from self._run(start + begin, extents[begin:end])
        yield self._framer.finish()

    def _located(self) -> Iterator[tuple[int, int, Sequence[Extent | None]]]:
        """Yield (start, stop, extents) of each window. What the next one lacks is fetched while one is sent."""
        windows = ((start, stop, self._sources.locate(start, stop)) for start, stop in self._batch.windows())
        cold = self._cold
        if cold is None:
            yield from windows
            return
        ahead: deque[tuple[int, int, Sequence[Extent | None], bool]] = deque()
        for start, stop, extents in windows:
            ahead.append((start, stop, extents, cold.announce(start, extents)))
            if len(ahead) > WINDOWS_AHEAD:
                yield self._settled(*ahead.popleft())
        while ahead:
            yield self._settled(*ahead.popleft())

    def _settled(
        self, start: int, stop: int, extents: Sequence[Extent | None], is_announced: bool
    ) -> tuple[int, int, Sequence[Extent | None]]:
        if not is_announced:
            return start, stop, extents
        found = self._sources.fetched = self._cold.settle(start)
        extents = self._sources.locate(start, stop)
        # What the store said counts more than an older version that is still here.
        return start, stop, [None if start + i in found else extent for i, extent in enumerate(extents)]

    def _completed(self, start: int, extents: Sequence[Extent | None]) -> Sequence[Extent | None]:
        """Fetch what left the cache after it had been found there: evicted objects are not missing."""
        if self._cold is None or None not in extents:
            return extents
        # Ends: what was read past the cache cannot leave it.
        for attempt in count():
            fetched = self._sources.fetched
            rows = [
                row
                for row, extent in enumerate(extents, start)
                if extent is None and row not in fetched and self._cold.is_elsewhere(row)
            ]
            if not rows:
                return extents
            found = self._cold.fetch(rows, is_kept=attempt < REFETCHES_MAX)
            self._sources.fetched = {**fetched, **found}
            located = self._sources.locate(start, start + len(extents))
            extents = self._sources.open(
                start, [None if row in self._sources.fetched else extent for row, extent in enumerate(located, start)]
            )
        raise AssertionError("unreachable")

    def close(self) -> None:
        """Fetch nothing more; from any thread."""
        if self._cold is not None:
            self._cold.close()

    def _run(self, start: int, located: Sequence[Extent | None]) -> Iterator[list[Buffer]]:
        extents = self._completed(start, self._sources.open(start, located))
        if self._sources.warm(start, extents):
            self._warm_ahead(start + len(extents), len(extents))
        yield from self._opened_run(start, extents)

    def _opened_run(self, start: int, extents: Sequence[Extent | None]) -> Iterator[list[Buffer]]:
        if self._aborted.is_set():
            raise Aborted(f"{self._describe()} aborted")
        if self._is_finished_run(extents):
            yield from self._finished_run(start, extents)
        else:
            yield from self._framed_run(start, self._sources.payloads(start, extents))

    def _check_all_exist(self) -> None:
        """Strict mode: common misses give a clean error before anything is sent (spec/getbatch.md 8.3).

        The first window is not looked at: it is resolved as a whole before its first byte is yielded.
        """
        for start, stop in list(self._batch.windows())[1:]:
            # What is kept elsewhere is known to exist when it is here.
            if self._cold is not None and any(map(self._cold.is_elsewhere, range(start, stop))):
                continue
            error = self._sources.first_missing(start, stop)
            if error is not None:
                raise error

    def _warm_ahead(self, start: int, entries: int) -> None:
        """Have what follows a cold run of so many entries read by the warmup workers."""
        stop = min(start + RUNS_AHEAD * entries, len(self._batch))
        for begin in range(max(start, self._warmed_until), stop, entries):
            self._warmed_until = min(begin + entries, stop)
            self._warmup.submit(partial(self._sources.warm_later, begin, self._warmed_until))

    # -- runs in which every entry is stored just as it is asked for ------------------------------

    def _is_finished_run(self, extents: Sequence[Extent | None]) -> bool:
        options = self._batch.options
        if self._cold is not None and None in extents:
            return False
        if not (self._is_tar_family and self._batch.is_plain) or options.omit_bucket or options.report_checksum:
            return False
        want, mask = FLAG_FINISHED_HEADER, FLAG_FINISHED_HEADER | FLAG_BLOCKS
        return {extent[4] & mask for extent in extents if extent is not None} <= {want}

    def _finished_run(self, start: int, extents: Sequence[Extent | None]) -> Iterator[list[Buffer]]:
        """Header, data and padding of each entry are one extent: one slice and one checksum, nothing else.

        Objects that are missing change nothing for their neighbours.
        """
        if not self._batch.options.continue_on_error and None in extents:
            # Before anything of the run is sent.
            raise self._sources.missing(start + extents.index(None))
        views = {number: self._sources.view(number) for number in {extent[0] for extent in extents if extent}}
        buffers: list[Buffer] = []
        pending = total = objects = 0
        for i, extent in enumerate(extents):
            if extent is None:
                buffers.append(self._placeholder(start + i))
                continue
            number, offset, size, _, flags, _ = extent
            frame = views[number][offset - 512 : offset + size + (-size & 511)]
            if xxh3_64_intdigest(frame) & FRAME_CHECK_MASK != flags >> FRAME_CHECK_SHIFT:
                # Header, payload or padding is damaged. The way of all other runs tells which: it makes the header
                # anew and, where the payload is wrong, a placeholder or an error.
                if buffers:
                    yield self._framer.raw(buffers)
                self._add_objects(objects, total, extents[:i])
                yield from self._framed_run(start + i, self._sources.payloads(start + i, extents[i:]))
                return
            buffers.append(frame)
            objects += 1
            total += size
            pending += len(frame)
            if pending >= WINDOW_BYTES_MAX:
                yield self._framer.raw(buffers)
                buffers, pending = [], 0
        self._add_objects(objects, total, extents)
        if buffers:
            yield self._framer.raw(buffers)

    def _placeholder(self, index: int) -> bytes:
        """Account for a missing object; return the blocks that stand for it."""
        error, name = self._sources.missing(index), MISSING_PREFIX + self._batch.output_names(index, index + 1)[0]
        self._soft_error(index, error)
        record = self._status_record(index, error)
        return (build_pax(record, name) if record else b"") + build_header(name, 0)

    def _add_objects(self, objects: int, total_bytes: int, extents: Sequence[Extent | None]) -> None:
        self.counts.objects += objects
        self.counts.object_bytes += total_bytes
        if self._outcome is not None:
            self._outcome.sizes += [0 if extent is None else extent[2] for extent in extents]

    # -- all other runs -----------------------------------------------------------------------------

    def _framed_run(self, start: int, payloads: list[Payload]) -> Iterator[list[Buffer]]:
        """Frame a run by columns; only what is too large to be checked as a whole interrupts them."""
        names = self._batch.output_names(start, start + len(payloads))
        records: dict[int, dict[str, str]] = {}
        missing: set[int] = set()
        large: list[int] = []
        if not set(map(type, payloads)) <= _READY:
            for i, payload in enumerate(payloads):
                if isinstance(payload, StreamedPayload):
                    large.append(i)
                elif isinstance(payload, MossError):
                    self._soft_error(start + i, payload)
                    missing.add(i)
                    names[i], payloads[i] = MISSING_PREFIX + names[i], b""
                    record = self._status_record(start + i, payload)
                    if record:
                        records[i] = record
        if self._batch.options.report_checksum:
            records |= {
                i: {PAX_INDEX: str(start + i), PAX_XXH3: f"{xxh3_64_intdigest(payload):016x}"}
                for i, payload in enumerate(payloads)
                if i not in missing and not isinstance(payload, StreamedPayload)
            }
        if large:
            sizes = [payload.size if isinstance(payload, StreamedPayload) else len(payload) for payload in payloads]
        else:
            sizes = list(map(len, payloads))
        columns = _Columns(names, sizes, payloads, records)
        begin = 0
        for i in large:
            yield from self._stretch(columns, begin, i)
            yield from self._large(start + i, names[i], payloads[i])
            begin = i + 1
        yield from self._stretch(columns, begin, len(payloads))
        self._count(start, sizes, missing)

    def _stretch(self, columns: "_Columns", begin: int, stop: int) -> Iterator[list[Buffer]]:
        """Frame entries whose payloads are there as a whole, in pieces of about a MiB."""
        ends = list(accumulate(columns.sizes[begin:stop]))
        at, done = 0, 0
        while at < len(ends):
            end = min(bisect_left(ends, done + WINDOW_BYTES_MAX) + 1, len(ends))
            yield self._framed(columns, begin + at, begin + end)
            at, done = end, ends[end - 1]

    def _framed(self, columns: "_Columns", begin: int, stop: int) -> list[Buffer]:
        before = None
        if columns.records:
            found = ((i, columns.records.get(i)) for i in range(begin, stop))
            before = {i - begin: build_pax(record, columns.names[i]) for i, record in found if record}
        names, sizes, payloads = columns.names[begin:stop], columns.sizes[begin:stop], columns.payloads[begin:stop]
        return self._framer.frame(names, sizes, payloads, before)

    def _large(self, index: int, name: str, payload: StreamedPayload) -> Iterator[list[Buffer]]:
        buffers: list[Buffer] = []
        if self._batch.options.report_checksum:
            digest = xxh3_64()
            for piece in payload.pieces():
                digest.update(piece)
            buffers += self._framer.raw([build_pax({PAX_INDEX: str(index), PAX_XXH3: digest.hexdigest()}, name)])
        buffers += self._framer.begin(name, payload.size)
        pending = 0
        for piece in payload.pieces():
            buffers += self._framer.data(piece)
            pending += len(piece)
            if pending >= WINDOW_BYTES_MAX:
                yield buffers
                buffers, pending = [], 0
                if self._aborted.is_set():
                    raise Aborted(f"{self._describe()} aborted")
        yield buffers + self._framer.end()

    # -- errors and counts -----------------------------------------------------------------------------

    def _soft_error(self, index: int, error: MossError) -> None:
        """Account for one entry that cannot be delivered; raise when that ends the work item."""
        if not self._batch.options.continue_on_error:
            raise error
        self.counts.soft_errors += 1
        if self.counts.soft_errors > self._soft_errors_max:
            raise SoftBudgetExceeded(
                f"{self._describe()} exceeded soft-errors limit: {self.counts.soft_errors} "
                f"(max: {self._soft_errors_max})"
            )
        if self._outcome is not None:
            self._outcome.errors[index] = error.message

    def _count(self, start: int, sizes: list[int], missing: set[int]) -> None:
        """Count what a run delivers."""
        paths = self._batch.members
        is_member = [bool(path) for path in paths[start : start + len(sizes)]] if paths is not None else None
        total, count = sum(sizes), len(sizes) - len(missing)
        member_bytes = sum(compress(sizes, is_member)) if is_member else 0
        members = sum(is_member) - sum(is_member[i] for i in missing) if is_member else 0
        self.counts.members += members
        self.counts.member_bytes += member_bytes
        self.counts.objects += count - members
        self.counts.object_bytes += total - member_bytes
        if self._outcome is not None:
            self._outcome.sizes += sizes

    def _status_record(self, index: int, error: MossError) -> dict[str, str] | None:
        options = self._batch.options
        if not (options.report_status or options.report_checksum):
            return None
        return {PAX_ERROR: error.message, PAX_INDEX: str(index)}


@dataclass(slots=True)
class _Columns:
    """A run that is ready to be framed: names, sizes and payloads; extra pax records of some entries."""

    names: list[str]
    sizes: list[int]
    payloads: list[Payload]
    records: dict[int, dict[str, str]]
