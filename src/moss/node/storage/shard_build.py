"""Builds the member table of a shard in one pass over it.

Whatever is wrong with a shard ends up in its table: members that can be read stay readable, the others give the error
that spec/getbatch.md 7 documents.
"""

from collections.abc import Callable, Generator

from xxhash import xxh3_64_intdigest

from moss.archive.decompression import Decompressor, GzipDecompressor, make_decompressor
from moss.archive.formats import Format
from moss.archive.limits import Limits
from moss.archive.reader import detect_format
from moss.archive.tar_parse import Kind, Member, walk
from moss.archive.zip_parse import DEFLATED, STORED, ZipEntry, read_directory, read_entry, stored_span
from moss.errors import ArchiveLimit, BadArchive, TruncatedArchive, UnknownArchive
from moss.node.storage.member_table import EMPTY_XXH3, Failure, Layout, MemberTable, Packing
from moss.node.storage.unpacked import TooLargeToKeep, Unfinished

__all__ = ["build_table"]

# Compressed bytes between two looks at the file that is written.
_FEED_BYTES = 1 << 20


def build_table(
    shard: memoryview, shard_name: str, limits: Limits, begin_unpacking: Callable[[], Unfinished]
) -> tuple[MemberTable, Unfinished | None]:
    """Read a shard once and list its members.

    Args:
        shard: the object's bytes, already verified.
        begin_unpacking: opens a file for what a compressed TAR unpacks to.

    Returns:
        The table, and the file with the unpacked shard where the table needs one.
    """
    try:
        archive_format = detect_format(shard_name, shard)
    except UnknownArchive as error:
        return MemberTable(failure=Failure.of(error)), None
    if archive_format is Format.TAR:
        table = MemberTable()
        _list_tar(table, shard, limits)
        return table, None
    if archive_format is Format.ZIP:
        return _zip_table(shard, limits), None
    return _unpacked_table(shard, archive_format, limits, begin_unpacking)


def _list_tar(table: MemberTable, view: memoryview, limits: Limits) -> bool:
    """Add the members of a TAR to a table. Return whether its end mark was seen."""
    walked = _Walk(walk(view, limits))
    digest, add = xxh3_64_intdigest, table.add
    try:
        for member in walked:
            offset, size, kind = member.data_offset, member.size, member.kind
            if kind is Kind.FILE:
                add(member.name, offset, size, digest(view[offset : offset + size]))
            elif kind is Kind.SPARSE:
                add(member.name, offset, size, 0, Packing.SPARSE)
            elif kind is not Kind.FOLDER:
                # A link is a file without content under its own name, and so is a device.
                add(member.name, offset, 0, EMPTY_XXH3)
    except BadArchive as error:
        table.failure = Failure.of(error)
    return bool(walked.returned)


class _Walk:
    """Iterates a generator and keeps what it returns."""

    def __init__(self, generator: Generator[Member, None, bool]) -> None:
        self._generator = generator
        self.returned = False

    def __iter__(self) -> Generator[Member, None, None]:
        self.returned = yield from self._generator


def _opening_failure(decompressor: Decompressor, error: BadArchive, packed_bytes: int) -> Failure:
    """Return what a compressed shard's members give, after `error` has ended its decompression.

    Only gzip is opened before anything is read from it; of the LZ4 reader every error is one of reading.
    """
    if decompressor.is_open or not isinstance(decompressor, GzipDecompressor):
        return Failure.of(error)
    if not packed_bytes:
        error = BadArchive("EOF")
    return Failure.of(error, at_opening=True)


def _unpacked_table(
    shard: memoryview, archive_format: Format, limits: Limits, begin_unpacking: Callable[[], Unfinished]
) -> tuple[MemberTable, Unfinished | None]:
    if archive_format is Format.TAR_LZ4 and not len(shard):
        return MemberTable(), None  # read like an empty TAR
    decompressor = make_decompressor(archive_format, limits)
    unfinished = begin_unpacking()
    try:
        failure = _unpack(shard, decompressor, unfinished)
        table = MemberTable(Layout.UNPACKED, unpacked_bytes=unfinished.size)
        is_ended = _list_tar(table, unfinished.map(), limits)
        if failure is not None and not is_ended and _is_at_end(table.failure):
            table.failure = failure
        return table, unfinished
    except TooLargeToKeep:
        unfinished.discard()
        return MemberTable(Layout.UNLISTED), None
    except BaseException:
        unfinished.discard()
        raise


def _unpack(shard: memoryview, decompressor: Decompressor, unfinished: Unfinished) -> Failure | None:
    """Unpack as far as possible; return what ended it early."""
    try:
        for begin in range(0, len(shard), _FEED_BYTES):
            for piece in decompressor.feed(shard[begin : begin + _FEED_BYTES]):
                unfinished.append(piece)
        decompressor.finish()
    except (TruncatedArchive, ArchiveLimit) as error:
        # What came out before the cut, or before it was too much, is good.
        return _opening_failure(decompressor, error, len(shard))
    except BadArchive as error:
        unfinished.cut(decompressor.sound_bytes)
        return _opening_failure(decompressor, error, len(shard))
    return None


def _is_at_end(failure: Failure | None) -> bool:
    """Whether a TAR's failure, if any, is only that there was no more of it."""
    return failure is None or failure == Failure.of(TruncatedArchive())


def _zip_table(shard: memoryview, limits: Limits) -> MemberTable:
    table = MemberTable()
    try:
        entries = read_directory(shard, limits)
        if sum(entry.packed_size for entry in entries) > len(shard):
            raise ArchiveLimit("zip: entries overlap")
    except ArchiveLimit as error:
        table.failure = Failure.of(error)
        return table
    except BadArchive as error:
        table.failure = Failure.of(error, at_opening=True)
        return table
    packed_sizes = table.packed_sizes
    for entry in entries:
        if entry.is_folder:
            continue
        before = len(table)
        _add_zip_entry(table, shard, entry, limits)
        if len(table) > before:
            packed_sizes.append(entry.packed_size)
    return table


def _add_zip_entry(table: MemberTable, shard: memoryview, entry: ZipEntry, limits: Limits) -> None:
    try:
        offset, _ = stored_span(shard, entry)
    except BadArchive:
        table.add(entry.name, 0, 0, 0, Packing.BAD_HEADER)
        return
    if entry.is_encrypted or entry.method not in (STORED, DEFLATED):
        table.add(entry.name, offset, entry.size, entry.crc, Packing.BAD_METHOD)
    elif entry.method == DEFLATED:
        table.add(entry.name, offset, entry.size, entry.crc, Packing.DEFLATED)
    else:
        try:
            for payload in read_entry(shard, entry, limits):
                table.add(entry.name, offset, entry.size, xxh3_64_intdigest(payload))
        except BadArchive:
            table.add(entry.name, offset, entry.size, 0, Packing.BAD_CHECKSUM)
