"""Reads archives of all four formats, whole ones and ones that arrive in pieces.

Nothing is ever written to a file system and no link is followed: names are only text. What damaged or hostile
archives give is always one of `BadArchive`, `TruncatedArchive`, `ArchiveLimit`.
"""

from collections.abc import Generator, Iterable, Iterator
from typing import BinaryIO

from moss.archive.buffers import Buffer
from moss.archive.decompression import make_decompressor
from moss.archive.formats import MAGIC_BYTES, Format, format_of_magic, format_of_name
from moss.archive.limits import DEFAULT_LIMITS, Limits
from moss.archive.tar_parse import Kind, Member, walk
from moss.archive.tar_stream import ReceivedMember, TarStreamParser
from moss.archive.zip_parse import read_directory, read_entry, stored_span
from moss.errors import BadArchive, TruncatedArchive, UnknownArchive

__all__ = [
    "Kind",
    "Limits",
    "Member",
    "ReceivedMember",
    "StreamParser",
    "TarStreamParser",
    "detect_format",
    "read_members",
    "stream_members",
]

_CHUNK_BYTES = 1 << 20


def detect_format(name: str, head: Buffer) -> Format:
    """Return the format of an archive: by its extension if that is known, else by its first bytes.

    Raises:
        UnknownArchive: neither tells.

    Source: spec/getbatch.md 7.
    """
    found = format_of_name(name) or format_of_magic(memoryview(head)[:MAGIC_BYTES])
    if found is None:
        raise UnknownArchive(name)
    return found


class StreamParser:
    """Takes the pieces of one archive of the TAR family, compressed or not, in order. Pure.

    Args:
        archive_format: what the pieces are.
        member_bytes_max: a larger member is refused before its payload is kept; None for any size.
    """

    def __init__(
        self, archive_format: Format = Format.TAR, *, member_bytes_max: int | None = None,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:  # fmt: skip
        assert archive_format.is_tar_family, "the directory of a ZIP comes last"
        self._tar = TarStreamParser(member_bytes_max=member_bytes_max, limits=limits)
        self._decompressor = None if archive_format is Format.TAR else make_decompressor(archive_format, limits)

    def feed(self, piece: Buffer) -> Iterable[ReceivedMember]:
        """Return the members that this piece completes; use them up before the next call.

        The piece must not be changed while one of the payloads is in use.

        Raises:
            BadArchive: the archive is damaged, or longer or denser than the limits.
        """
        return self._tar.feed(piece) if self._decompressor is None else self._unpacked(piece)

    def finish(self) -> None:
        """Declare the end of input.

        Raises:
            TruncatedArchive: the end mark, or that of the compression, is missing.
        """
        self._tar.finish()
        if self._decompressor is not None:
            self._decompressor.finish()

    def _unpacked(self, piece: Buffer) -> Iterator[ReceivedMember]:
        assert self._decompressor is not None
        for unpacked in self._decompressor.feed(piece):
            yield from self._tar.feed(unpacked)


def stream_members(
    source: BinaryIO | Iterable[Buffer],
    archive_format: Format = Format.TAR,
    *,
    chunk_bytes: int = _CHUNK_BYTES,
    member_bytes_max: int | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Iterator[ReceivedMember]:
    """Yield the members of a TAR, TGZ or TAR.LZ4 as they arrive, about a microsecond each.

    Every member is yielded, placeholders and links (with an empty payload) too.

    Args:
        source: a file object whose `read(n)` gives at most n bytes and none at the end, or the pieces themselves.
        chunk_bytes: what is asked of a file object at once.

    Raises:
        TruncatedArchive: the input ends before the two zero blocks that end an archive, or inside the compression.
            Members that had arrived have been yielded.
        BadArchive: the archive is damaged.
    """
    parser = StreamParser(archive_format, member_bytes_max=member_bytes_max, limits=limits)
    read = getattr(source, "read", None)
    pieces = iter(lambda: read(chunk_bytes), b"") if read is not None else source
    for piece in pieces:
        yield from parser.feed(piece)
    parser.finish()


def read_members(
    source: Buffer, archive_format: Format, *, limits: Limits = DEFAULT_LIMITS
) -> Iterator[tuple[Member, Buffer]]:
    """Yield the members of a whole archive with their payloads, in order; folders too.

    Lenient as the reference is: a TAR may end between two members, without an end mark.

    Args:
        source: the archive. Payloads of plain TARs and of stored ZIP entries are views of it.

    Raises:
        TruncatedArchive, BadArchive, ArchiveLimit: the archive is cut, damaged or too large; members before that
            have been yielded.
    """
    if archive_format is Format.ZIP:
        yield from _zip_members(source, limits)
        return
    failure = None
    if archive_format is not Format.TAR:
        source, failure = _unpacked(source, archive_format, limits)
    view = memoryview(source)
    try:
        is_ended = yield from _tar_members(view, limits)
    except TruncatedArchive as error:
        raise failure or error from None
    if failure is not None and not is_ended:
        raise failure


def _tar_members(view: memoryview, limits: Limits) -> Generator[tuple[Member, Buffer], None, bool]:
    members = walk(view, limits)
    while True:
        try:
            member = next(members)
        except StopIteration as ended:
            return ended.value
        yield member, view[member.data_offset : member.data_offset + member.size]


def _zip_members(source: Buffer, limits: Limits) -> Iterator[tuple[Member, Buffer]]:
    for entry in read_directory(source, limits):
        kind = Kind.FOLDER if entry.is_folder else Kind.FILE
        member = Member(entry.name, entry.size, kind, stored_span(source, entry)[0])
        pieces = list(read_entry(source, entry, limits))
        yield member, pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _unpacked(source: Buffer, archive_format: Format, limits: Limits) -> tuple[bytes, BadArchive | None]:
    """Unpack as far as possible; return that and what ended it early."""
    decompressor = make_decompressor(archive_format, limits)
    pieces: list[bytes] = []
    try:
        for piece in decompressor.feed(source):
            pieces.append(piece)
        decompressor.finish()
    except TruncatedArchive as error:
        return b"".join(pieces), error
    except BadArchive as error:
        return b"".join(pieces)[: decompressor.sound_bytes], error
    return b"".join(pieces), None
