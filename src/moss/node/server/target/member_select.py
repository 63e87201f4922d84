"""Reading many members of an archive at once: which ones match, and a TAR of them as they stand.

Names, sizes, modes and times are kept, folders and links come along when they match, from every format. Before the
first byte it is known that something matches, and of what is kept unpacked also that the archive is whole: a short
TAR never looks whole (better-than-the-reference 10). Source: spec/rest-data.md 7.2.
"""

import asyncio
import itertools
import re
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import re2
from xxhash import xxh3_64_intdigest

from moss.archive.buffers import Buffer
from moss.archive.decompression import make_decompressor
from moss.archive.formats import Format
from moss.archive.tar import END, PADDINGS
from moss.archive.tar_pull import pull_entries
from moss.archive.zip_parse import ZipEntry, read_directory, read_entry, stored_span
from moss.errors import ArchiveLimit, ChecksumMismatch, InvalidRequest, MemberNotFound
from moss.node.delivery import verified_pieces
from moss.node.server.http import Request
from moss.node.storage.shard_contents import ShardContents
from moss.units import quote
from moss.wire import headers

_MODES = ("regexp", "prefix", "suffix", "substr", "wdskey")
_WINDOW_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Matcher:
    """A test on member paths; a member `./x` is known as `x` too, as it is listed.

    Attributes:
        matches: the test on one path.
        sample: all members of one WebDataset sample are wanted, of this key; None for every other test.
    """

    matches: Callable[[str], object]
    sample: str | None = None

    def __call__(self, name: str) -> bool:
        return bool(self.matches(name) or (name[:2] == "./" and self.matches(name[2:])))

    def rows(self, contents: ShardContents) -> list[int]:
        """Return which members of a TAR match."""
        if self.sample is not None:
            return contents.rows_of(self.sample, _sample_key)
        matches = self.matches
        return [
            row for row, name in enumerate(contents.names) if matches(name) or (name[:2] == "./" and matches(name[2:]))
        ]


def make_matcher(mode: str, pattern: str) -> Matcher:
    """Return the test of a matching mode.

    Raises:
        InvalidRequest: an unknown mode, or a pattern that is no regular expression.
    """
    mode = mode or "prefix"
    if mode not in _MODES:
        expected = " ".join(_MODES)
        raise InvalidRequest(f"invalid matching mode {quote(mode)}, expecting one of: [{expected}]")
    if not pattern:
        return Matcher(lambda path: True)
    if mode == "regexp":
        return Matcher(_expression(pattern))
    if mode == "prefix":
        return Matcher(re.compile(re.escape(pattern)).match)
    if mode == "suffix":
        return Matcher(lambda path: path.endswith(pattern))
    if mode == "substr":
        return Matcher(lambda path: pattern in path)
    return Matcher(lambda path: _sample_key(path) == pattern, sample=pattern)


def _expression(pattern: str) -> Callable[[str], object]:
    """Return the search of a regular expression, which takes time in proportion to the name, whatever the pattern."""
    options = re2.Options()
    options.log_errors, options.never_capture = False, True
    try:
        search = re2.compile(pattern.encode("utf-8", "surrogateescape"), options).search
    except re2.error as error:
        reason = error.args[0] if error.args else ""
        reason = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else reason
        raise InvalidRequest(f"invalid regular expression {quote(pattern)}: {reason}") from None
    return lambda path: search(path.encode("utf-8", "surrogateescape"))


def _sample_key(path: str) -> str:
    """Return a member path without its last extension; folders keep their dots."""
    folder, slash, base = path.removeprefix("./").removeprefix("/").rpartition("/")
    stem, dot, _ = base.rpartition(".")
    return f"{folder}{slash}{stem if dot else base}"


async def send(node: Any, request: Request, shard: Any) -> int:
    """Stream the TAR of all members that match; returns the bytes that were sent.

    Args:
        shard: what `members.open_shard` found.

    Raises:
        MemberNotFound: none matches.
        BadArchive: the archive breaks off before that can be said.
        ChecksumMismatch: it is damaged on disk.
    """
    selection = _Selection(node, shard, make_matcher(request.query.get("archmode"), request.query.get("archregx")))
    for is_last in (False, True):
        source, length = await asyncio.to_thread(selection.prepare)
        if source is None:
            raise MemberNotFound(request.query.get("archregx"), shard.cname, node=node.target_name)
        answer = {headers.CONTENT_TYPE: Format.TAR.content_type}
        try:
            await request.writer.stream(200, answer, source, length)
            break
        except ChecksumMismatch:
            if is_last or request.writer.is_started or not shard.is_compressed:
                raise
            # Only the unpacked copy on disk is damaged, for all we know: make a new one.
            node.shards.forget(shard.record.serial)
    return selection.sent


class _Selection:
    """The members of one archive that match."""

    def __init__(self, node: Any, shard: Any, matcher: Matcher) -> None:
        self._engine, self._shards, self._shard, self._matcher = node.engine, node.shards, shard, matcher
        self.sent = 0

    def prepare(self) -> tuple[Iterator[list[Buffer]] | None, int | None]:
        """Return the answer's windows and its length if that is known; no windows when nothing matches."""
        shard = self._shard
        if shard.format is Format.ZIP:
            return self._from_zip(), None
        kept = None
        if not shard.is_forced:
            kept = self._shards.contents(shard.record.extent, shard.record.name)
        if kept is None:
            return self._from_stream(), None
        contents, view = kept
        if contents.failure is not None:
            raise contents.failure.error(shard.record.name, shard.cname)
        rows = self._matcher.rows(contents)
        if not rows:
            return None, None
        sizes = (contents.stops[row] - contents.start(row) for row in rows)
        length = sum(size + (-size & 511) for size in sizes) + len(END)
        return self._counted(_slices(contents, view, rows, shard.cname)), length

    def _counted(self, buffers: Iterator[Buffer]) -> Iterator[list[Buffer]]:
        """Put buffers together to windows, and the end mark behind the last."""
        window: list[Buffer] = []
        size = 0
        for buffer in itertools.chain(buffers, (END,)):
            window.append(buffer)
            size += len(buffer)
            if size >= _WINDOW_BYTES:
                self.sent += size
                yield window
                window, size = [], 0
        self.sent += size
        if window:
            yield window

    # -- archives that are read through ------------------------------------------------------------------

    def _from_stream(self) -> Iterator[list[Buffer]] | None:
        """Look for the first match, then begin again from the start."""
        if not any(self._matcher(member.name) for member, _, _ in self._entries()):
            return None
        return self._counted(self._streamed())

    def _entries(self) -> Iterator[Any]:
        shard = self._shard
        packed = verified_pieces(self._engine, shard.record.extent, shard.cname)
        return pull_entries(unpacked(packed, shard.format))

    def _streamed(self) -> Iterator[Buffer]:
        for member, head, payload in self._entries():
            if self._matcher(member.name):
                yield head
                yield from payload
                yield PADDINGS[-member.size & 511]

    # -- ZIP -------------------------------------------------------------------------------------------

    def _from_zip(self) -> Iterator[list[Buffer]] | None:
        record = self._shard.record
        # The directory is believed only when the object is what was stored.
        for _ in verified_pieces(self._engine, record.extent, self._shard.cname):
            pass
        number, offset, size = record.extent[:3]
        view = self._engine.segment(number).view[offset : offset + size]
        directory = read_directory(view)
        if sum(entry.packed_size for entry in directory) > len(view):
            raise ArchiveLimit("zip: entries overlap")
        entries = [entry for entry in directory if self._matcher(entry.name)]
        if not entries:
            return None
        for entry in entries:
            stored_span(view, entry)
        return self._counted(_unzipped(view, entries))


def _slices(contents: ShardContents, view: memoryview, rows: list[int], cname: str) -> Iterator[Buffer]:
    """Yield members as they stand, checked; neighbours in one piece."""
    begin = end = 0
    for row in rows:
        start, stop = contents.start(row), contents.stops[row]
        found = xxh3_64_intdigest(view[start:stop])
        if found != contents.checks[row]:
            name = f"{contents.names[row]} in {cname}"
            raise ChecksumMismatch(name, expected=f"{contents.checks[row]:016x}", found=f"{found:016x}")
        if start == end and end - begin < _WINDOW_BYTES:
            end = stop
            continue
        if end > begin:
            yield view[begin:end]
        begin, end = start, stop
    yield view[begin:end]
    yield PADDINGS[-(end - begin) & 511]


def unpacked(packed: Iterator[memoryview], archive_format: Format) -> Iterator[Buffer]:
    """Yield what the pieces of an archive of the TAR family unpack to.

    Raises:
        BadArchive: the compression is broken.
    """
    if archive_format is Format.TAR:
        yield from packed
        return
    decompressor = make_decompressor(archive_format)
    for piece in packed:
        yield from decompressor.feed(piece)
    decompressor.finish()


def _unzipped(view: memoryview, entries: list[ZipEntry]) -> Iterator[Buffer]:
    for entry in entries:
        yield _tar_header(entry)
        if entry.is_folder:
            continue
        yield from read_entry(view, entry)
        yield PADDINGS[-entry.size & 511]


def _tar_header(entry: ZipEntry) -> bytes:
    member = tarfile.TarInfo(entry.name.replace("\0", ""))
    member.type = tarfile.DIRTYPE if entry.is_folder else tarfile.REGTYPE
    member.mode = entry.mode or (0o755 if entry.is_folder else 0o644)
    member.mtime = entry.modified_s
    member.size = 0 if entry.is_folder else entry.size
    return member.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
