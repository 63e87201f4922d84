"""What one batch asks for, as columns, and how it is cut into windows. Pure.

A batch of 100,000 entries is a handful of lists, not 100,000 objects: a column that no entry uses is None and costs
nothing, and everything behind this module works on slices of the columns (windows).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from moss.archive.formats import Format, parse_mime
from moss.errors import RangeOutOfBounds
from moss.naming.bucket import Bucket
from moss.node.storage.layout import Extent
from moss.wire.batch import BatchRequest, Entry

# The first window is small: the client waits for it, and for nothing else, before its first byte.
FIRST_WINDOW_ENTRIES_MAX = 64
# Later ones are at most so many entries …
WINDOW_ENTRIES_MAX = 512
# … and is written out as soon as it holds so many bytes.
WINDOW_BYTES_MAX = 1 << 20
# What of a window is opened, read ahead and checked at one time: a run, of at most so many bytes (or one entry) …
RUN_BYTES_MAX = 8 << 20
# … in at most so many segments; each one takes two file descriptors.
RUN_SEGMENTS_MAX = 128


@dataclass(slots=True)
class Options:
    """How a batch is to be answered.

    Attributes:
        format: archive format of the answer.
        continue_on_error: soft errors become placeholders.
        omit_bucket: names in the archive are without the bucket.
        streaming: the archive alone, sent while it is assembled; else multipart with metadata first.
        report_status: a placeholder is preceded by a pax record that says why (TAR family).
        report_checksum: every entry is preceded by a pax record with its checksum (TAR family).
    """

    format: Format
    continue_on_error: bool
    omit_bucket: bool
    streaming: bool
    report_status: bool = False
    report_checksum: bool = False


@dataclass(slots=True)
class Batch:
    """One batch.

    Attributes:
        names: object names, in request order.
        buckets: the distinct buckets.
        bucket_of: index into `buckets` for each entry; None when all entries use `buckets[0]`.
        members: member path for each entry ("" = the whole object); None when no entry has one.
        starts, lengths: byte ranges (0, 0 = all; length -1 = to the end); None when no entry has one.
        opaques: bytes to be echoed; None when no entry has any.
    """

    options: Options
    names: list[str]
    buckets: list[Bucket]
    bucket_of: list[int] | None = None
    members: list[str] | None = None
    starts: list[int] | None = None
    lengths: list[int] | None = None
    opaques: list[bytes | None] | None = None

    def __len__(self) -> int:
        return len(self.names)

    @property
    def is_plain(self) -> bool:
        """Only whole objects: the fast way applies."""
        return self.members is None and self.starts is None

    def windows(self) -> Iterator[tuple[int, int]]:
        """Yield (start, stop) of each window, half-open."""
        start, stop = 0, FIRST_WINDOW_ENTRIES_MAX
        while start < len(self.names):
            yield start, min(stop, len(self.names))
            start, stop = stop, stop + WINDOW_ENTRIES_MAX

    def bucket(self, index: int) -> Bucket:
        return self.buckets[self.bucket_of[index] if self.bucket_of else 0]

    def bucket_number(self, index: int) -> int:
        return self.bucket_of[index] if self.bucket_of else 0

    def span(self, index: int, size: int) -> tuple[int, int] | RangeOutOfBounds:
        """Return (start, length) that an entry asks of `size` bytes. Source: spec/getbatch.md 9."""
        if self.starts is None:
            return 0, size
        start, length = self.starts[index], self.lengths[index]
        if not start and not length:
            return 0, size
        if start >= size or (length > 0 and start + length > size):
            return RangeOutOfBounds(size=size, start=start, length=length)
        return start, size - start if length < 0 else length

    def output_names(self, start: int, stop: int) -> list[str]:
        """Return the member names in the answer for a window.

        Source: spec/getbatch.md 6.
        """
        names = self.names[start:stop]
        if self.members is not None:
            names = [
                f"{name}/{path.removeprefix('/')}" if path else name
                for name, path in zip(names, self.members[start:stop], strict=True)
            ]
        if self.options.omit_bucket:
            return names
        if self.bucket_of is None:
            prefix = self.buckets[0].name + "/"
            return [prefix + name for name in names]
        prefixes = [bucket.name + "/" for bucket in self.buckets]
        return [prefixes[which] + name for which, name in zip(self.bucket_of[start:stop], names, strict=True)]


def cut_runs(extents: Sequence[Extent | None], members: Sequence[str] | None = None) -> Iterator[tuple[int, int]]:
    """Cut a window into runs: yield (begin, end), half-open, of each.

    Args:
        members: the window's member paths, if any: the size of a shard says nothing about that of its members.
    """
    if members is not None and all(members):
        total = 0
    elif members is not None:
        total = sum([e[2] for e, path in zip(extents, members, strict=True) if e is not None and not path])
    else:
        total = sum([extent[2] for extent in extents if extent is not None])
    if total <= RUN_BYTES_MAX and len({e[0] for e in extents if e is not None}) <= RUN_SEGMENTS_MAX:
        yield 0, len(extents)
        return
    begin = total = 0
    segments: set[int] = set()
    for i, extent in enumerate(extents):
        if extent is None:
            continue
        number, size = extent[0], 0 if members is not None and members[i] else extent[2]
        is_full = number not in segments and len(segments) >= RUN_SEGMENTS_MAX
        if i > begin and (is_full or total + size > RUN_BYTES_MAX):
            yield begin, i
            begin, total = i, 0
            segments.clear()
        segments.add(number)
        total += size
    yield begin, len(extents)


def build_batch(request: BatchRequest, *, report_status: bool = False, report_checksum: bool = False) -> Batch:
    """Turn a decoded request into columns.

    Raises:
        UnknownMime: the format is none that we can write.
    """
    entries: Sequence[Entry] = request.entries
    options = Options(
        format=parse_mime(request.mime),
        continue_on_error=request.continue_on_error,
        omit_bucket=request.omit_bucket,
        streaming=request.streaming,
    )
    if options.format is not Format.ZIP and options.streaming:
        options.report_status, options.report_checksum = report_status, report_checksum
    batch = Batch(options, request.names, request.buckets, request.bucket_of)
    if request.has_members:
        batch.members = [entry.archpath for entry in entries]
    if request.has_ranges:
        batch.starts = [entry.start for entry in entries]
        batch.lengths = [entry.length for entry in entries]
    if request.has_opaque and not options.streaming:
        batch.opaques = [entry.opaque for entry in entries]
    return batch
