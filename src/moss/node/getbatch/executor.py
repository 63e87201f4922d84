"""Executes a batch: windows in, archive bytes out, in request order.

`Assembly.windows` is a generator of lists of buffers; whoever drives it decides where they go. It runs in a worker
thread and blocks there. It raises at the first hard error and then has not written the archive's end, so that an
answer that was cut can never be taken for a whole one.
"""

import threading
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate

from xxhash import xxh3_64, xxh3_64_intdigest

from moss.archive.formats import Format
from moss.archive.tar import build_pax
from moss.archive.writer import Framer, make_framer
from moss.errors import Aborted, InvalidRequest, MossError
from moss.node.getbatch.plan import WINDOW_BYTES_MAX, Batch, cut_runs
from moss.node.getbatch.sources import LargePayload, Payload, Sources
from moss.node.getbatch.warmup import Warmup
from moss.node.storage.layout import Extent
from moss.node.storage.records import FLAG_BLOCKS, FLAG_FINISHED_HEADER, FRAME_CHECK_MASK, FRAME_CHECK_SHIFT
from moss.wire.batch import MISSING_PREFIX, ReportRow
from moss.wire.headers import PAX_ERROR, PAX_INDEX, PAX_XXH3

Buffer = bytes | bytearray | memoryview

# Cold data is read so many runs ahead of the one that is being sent.
RUNS_AHEAD = 2
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
    ) -> None:
        self._batch, self._sources = batch, sources
        self._soft_errors_max, self._describe, self._aborted = soft_errors_max, describe, aborted
        self._warmup, self._warmed_until = warmup, 0
        self._outcome = outcome
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
        bytes_max = AT_ONCE_BYTES_MAX if batch.options.format is Format.TAR else AT_ONCE_PACKED_BYTES_MAX
        if sum(extent[2] for extent in extents if extent is not None) > bytes_max:
            return None
        if not self._sources.is_warm(self._sources.open(0, extents)):
            return None
        return [buffer for window in self.windows() for buffer in window]

    def windows(self) -> Iterator[list[Buffer]]:
        """Yield the archive, about `WINDOW_BYTES_MAX` bytes at a time.

        Raises:
            MossError: the first hard error; what was yielded before is then not a whole archive.
        """
        if not self._batch.options.continue_on_error and self._batch.options.streaming:
            self._check_all_exist()
        for start, stop in self._batch.windows():
            extents = self._sources.locate(start, stop)
            members = self._batch.members[start:stop] if self._batch.members is not None else None
            for begin, end in cut_runs(extents, members):
                yield from self._run(start + begin, extents[begin:end])
        yield self._framer.finish()

    def _run(self, start: int, located: Sequence[Extent | None]) -> Iterator[list[Buffer]]:
        if self._aborted.is_set():
            raise Aborted(f"{self._describe()} aborted")
        extents = self._sources.open(start, located)
        if self._sources.warm(start, extents):
            self._warm_ahead(start + len(extents), len(extents))
        if self._is_finished_run(extents):
            yield from self._finished_run(start, extents)
        else:
            yield from self._framed_run(start, self._sources.payloads(start, extents))

    def _check_all_exist(self) -> None:
        """Strict mode: common misses give a clean error before anything is sent (spec/getbatch.md 8.3).

        The first window is not looked at: it is resolved as a whole before its first byte is yielded.
        """
        for start, stop in list(self._batch.windows())[1:]:
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
        if not (self._is_tar_family and self._batch.is_plain) or options.omit_bucket or options.report_checksum:
            return False
        want, mask = FLAG_FINISHED_HEADER, FLAG_FINISHED_HEADER | FLAG_BLOCKS
        return None not in extents and all(extent[4] & mask == want for extent in extents)

    def _finished_run(self, start: int, extents: Sequence[Extent]) -> Iterator[list[Buffer]]:
        """Header, data and padding of each entry are one extent: one slice and one checksum, nothing else."""
        views = {number: self._sources.view(number) for number in {extent[0] for extent in extents}}
        buffers: list[Buffer] = []
        pending = total = 0
        for i, (number, offset, size, _, flags, _) in enumerate(extents):
            frame = views[number][offset - 512 : offset + size + (-size & 511)]
            if xxh3_64_intdigest(frame) & FRAME_CHECK_MASK != flags >> FRAME_CHECK_SHIFT:
                # Header, payload or padding is damaged. The way of all other runs tells which: it makes the header
                # anew and, where the payload is wrong, a placeholder or an error.
                if buffers:
                    yield self._framer.raw(buffers)
                self._add_objects(i, total, extents)
                yield from self._framed_run(start + i, self._sources.payloads(start + i, extents[i:]))
                return
            buffers.append(frame)
            total += size
            pending += len(frame)
            if pending >= WINDOW_BYTES_MAX:
                yield self._framer.raw(buffers)
                buffers, pending = [], 0
        self._add_objects(len(extents), total, extents)
        if buffers:
            yield self._framer.raw(buffers)

    def _add_objects(self, entries: int, total_bytes: int, extents: Sequence[Extent]) -> None:
        self.counts.objects += entries
        self.counts.object_bytes += total_bytes
        if self._outcome is not None:
            self._outcome.sizes += [extent[2] for extent in extents[:entries]]

    # -- all other runs -----------------------------------------------------------------------------

    def _framed_run(self, start: int, payloads: list[Payload]) -> Iterator[list[Buffer]]:
        stop = start + len(payloads)
        names = self._batch.output_names(start, stop)
        if not self._batch.options.report_checksum and set(map(type, payloads)) <= _READY:
            yield from self._ready_run(start, stop, names, payloads)
            return
        run = _Group()
        for i, payload in enumerate(payloads):
            if isinstance(payload, MossError):
                self._soft_error(start + i, payload)
                run.add(MISSING_PREFIX + names[i], b"", self._status_record(start + i, payload))
            elif isinstance(payload, LargePayload):
                yield from self._frame(run)
                run = _Group()
                self._count(start + i, payload.size)
                yield from self._large(start + i, names[i], payload)
                continue
            else:
                self._count(start + i, len(payload))
                run.add(names[i], payload, self._checksum_record(start + i, payload))
            if run.size >= WINDOW_BYTES_MAX:
                yield from self._frame(run)
                run = _Group()
        yield from self._frame(run)

    def _ready_run(
        self, start: int, stop: int, names: list[str], payloads: list[memoryview | bytes]
    ) -> Iterator[list[Buffer]]:
        """Frame a run of which every payload is there as a whole: by columns, in pieces of about a MiB."""
        sizes = list(map(len, payloads))
        ends = list(accumulate(sizes))
        begin = 0
        while begin < len(sizes):
            limit = (ends[begin - 1] if begin else 0) + WINDOW_BYTES_MAX
            end = min(bisect_left(ends, limit) + 1, len(sizes))
            yield self._framer.frame(names[begin:end], sizes[begin:end], payloads[begin:end])
            begin = end
        members = self._batch.members[start:stop] if self._batch.members is not None else ()
        member_sizes = [size for size, path in zip(sizes, members, strict=False) if path]
        self.counts.members += len(member_sizes)
        self.counts.member_bytes += sum(member_sizes)
        self.counts.objects += len(sizes) - len(member_sizes)
        self.counts.object_bytes += sum(sizes) - sum(member_sizes)
        if self._outcome is not None:
            self._outcome.sizes += sizes

    def _frame(self, run: "_Group") -> Iterator[list[Buffer]]:
        if not run.names:
            return
        if not run.records:
            yield self._framer.frame(run.names, [len(payload) for payload in run.payloads], run.payloads)
            return
        buffers: list[Buffer] = []
        for i, (name, payload) in enumerate(zip(run.names, run.payloads, strict=True)):
            if i in run.records:
                buffers += self._framer.raw([build_pax(run.records[i], name)])
            buffers += self._framer.frame([name], [len(payload)], [payload])
        yield buffers

    def _large(self, index: int, name: str, payload: LargePayload) -> Iterator[list[Buffer]]:
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
            self._outcome.sizes.append(0)
            self._outcome.errors[index] = error.message

    def _count(self, index: int, size: int) -> None:
        if self._batch.members is not None and self._batch.members[index]:
            self.counts.members += 1
            self.counts.member_bytes += size
        else:
            self.counts.objects += 1
            self.counts.object_bytes += size
        if self._outcome is not None:
            self._outcome.sizes.append(size)

    def _status_record(self, index: int, error: MossError) -> dict[str, str] | None:
        options = self._batch.options
        if not (options.report_status or options.report_checksum):
            return None
        return {PAX_ERROR: error.message, PAX_INDEX: str(index)}

    def _checksum_record(self, index: int, payload: Buffer) -> dict[str, str] | None:
        if not self._batch.options.report_checksum:
            return None
        return {PAX_INDEX: str(index), PAX_XXH3: f"{xxh3_64_intdigest(payload):016x}"}


class _Group:
    """Entries of a run that are framed together."""

    __slots__ = ("names", "payloads", "records", "size")

    def __init__(self) -> None:
        self.names: list[str] = []
        self.payloads: list[Buffer] = []
        self.records: dict[int, dict[str, str]] = {}
        self.size = 0

    def add(self, name: str, payload: Buffer, record: dict[str, str] | None) -> None:
        if record is not None:
            self.records[len(self.names)] = record
        self.names.append(name)
        self.payloads.append(payload)
        self.size += len(payload) + 512
