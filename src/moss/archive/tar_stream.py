"""Reads a TAR that arrives in pieces. Pure: bytes in, members out.

This is the receiving end of a batch: about a microsecond for each member, payloads are slices of what was fed. It is
strict where `tar_parse.walk` is lenient: an archive without its end mark was cut, however well it may look.
"""

import sys
from typing import NamedTuple

from moss.archive.buffers import Buffer
from moss.archive.compression import adler32
from moss.archive.limits import DEFAULT_LIMITS, Limits
from moss.archive.tar_parse import ADLER_OF, Extensions, Kind, Member, parse_header
from moss.errors import ArchiveLimit, BadArchive, TruncatedArchive

__all__ = ["ReceivedMember", "TarStreamParser"]

_BLOCK = 512
_ZEROS = bytes(_BLOCK)


class ReceivedMember(NamedTuple):
    """One member of a stream.

    Attributes:
        name: as it stands in the archive.
        size: bytes of the payload.
        pax: pax records, empty without any.
        payload: a view of the piece that it came in, or bytes of its own where it came in several. It stays valid
            for as long as it is kept, and keeps that piece in memory.
    """

    name: str
    size: int
    pax: dict[str, str]
    payload: Buffer


_NO_RECORDS: dict[str, str] = {}


class TarStreamParser:
    """Takes the pieces of one TAR in order and returns its members as they become complete.

    Args:
        member_bytes_max: a larger member is refused before its payload is kept; None for any size.
    """

    def __init__(self, *, member_bytes_max: int | None = None, limits: Limits = DEFAULT_LIMITS) -> None:
        self._limits, self._member_bytes_max = limits, member_bytes_max
        self._extensions = Extensions(limits)
        self._rest = b""
        # The payload that is not complete yet: its member (or the type of an extension), pieces, what is missing.
        self._member: Member | bytes | None = None
        self._pieces: list[Buffer] = []
        self._missing = 0
        # Padding of the member before, still to come.
        self._skip = 0
        self._zero_blocks = 0

    @property
    def is_ended(self) -> bool:
        """Whether the end mark was seen; all that follows is ignored."""
        return self._zero_blocks == 2

    def feed(self, piece: Buffer) -> list[ReceivedMember]:
        """Take the next piece; it must not be changed while one of the returned payloads is in use.

        Raises:
            BadArchive: a header is broken.
            ArchiveLimit: a member or header is longer than allowed.
        """
        members: list[ReceivedMember] = []
        if self._zero_blocks == 2:
            return members
        at = 0
        if self._member is not None or self._skip:
            at = self._continue(memoryview(piece), members)
            if at < 0:
                return members
        if self._rest:
            # At most one block is ever left over, so this copies no payload twice.
            piece, at = b"".join((self._rest, memoryview(piece)[at:])), 0
            self._rest = b""
        self._parse(piece, at, members)
        return members

    def finish(self) -> None:
        """Declare the end of input.

        Raises:
            TruncatedArchive: the end mark is missing.
        """
        if self._zero_blocks < 2:
            raise TruncatedArchive("unexpected EOF: the archive ends before its end mark")

    def _parse(self, piece: Buffer, at: int, members: list[ReceivedMember]) -> None:
        view, end = memoryview(piece), len(piece)
        while True:
            if self._extensions.is_empty and not self._zero_blocks:
                at = self._parse_plain(view, at, members)
            if at + _BLOCK > end:
                break
            at = self._parse_one(view, at, members)
            if at < 0:
                return
        # `at` may be beyond the end: the rest of a padding is still to come.
        self._skip = max(at - end, 0)
        self._rest = view[at:].tobytes()

    def _parse_plain(self, view: memoryview, at: int, members: list[ReceivedMember]) -> int:
        """Parse files with plain names that are whole in this piece; return where something else begins.

        This is `tar_parse.fast_header` written out: a call for each member would cost a fifth of all.
        """
        end, size_max = len(view), sys.maxsize if self._member_bytes_max is None else self._member_bytes_max
        new, add, cls, no_records, adler_of = tuple.__new__, members.append, ReceivedMember, _NO_RECORDS, ADLER_OF
        while (behind := at + _BLOCK) <= end:
            block = view[at:behind].tobytes()
            digits = block[124:135]
            if block[156] != 0x30 or block[345] or not digits.isdigit():
                break
            if adler32(block) & 0xFFFF != adler_of[block[148:156]]:
                break
            name_end = block.find(0)
            try:
                name = block[: name_end if name_end < 100 else 100].decode()
                size = int(digits, 8)
            except ValueError:
                break
            stop = behind + size
            if stop > end or size > size_max:
                break
            add(new(cls, (name, size, no_records, view[behind:stop])))
            at = stop + (-size & 511)
        return at

    def _parse_one(self, view: memoryview, at: int, members: list[ReceivedMember]) -> int:
        """Parse any one header and what belongs to it. Return where the next is, -1 when this piece is used up."""
        block = view[at : at + _BLOCK].tobytes()
        at += _BLOCK
        if block == _ZEROS:
            self._zero_blocks += 1
            return -1 if self._zero_blocks == 2 else at
        if self._zero_blocks:
            raise BadArchive("archive/tar: invalid tar header")
        header = parse_header(block)
        member: Member | bytes
        if header.type in Extensions.TYPES:
            self._extensions.check_size(header.size)
            member, size = header.type, header.size
        else:
            member = _checked(self._extensions.applied(header, 0))
            size = member.size
        if self._member_bytes_max is not None and size > self._member_bytes_max:
            raise ArchiveLimit(f"archive/tar: member of {size} bytes (max {self._member_bytes_max})")
        if at + size > len(view):
            self._member, self._pieces, self._missing = member, [view[at:]], at + size - len(view)
            return -1
        if isinstance(member, bytes):
            self._extensions.add(member, bytes(view[at : at + size]))
        else:
            members.append(ReceivedMember(member.name, size, member.pax or _NO_RECORDS, view[at : at + size]))
        return at + size + (-size & 511)

    def _continue(self, view: memoryview, members: list[ReceivedMember]) -> int:
        """Go on inside a payload or padding. Return where the next header begins, −1 if not in this piece."""
        at = 0
        if self._member is not None:
            take = min(self._missing, len(view))
            self._pieces.append(view[:take])
            self._missing -= take
            if self._missing:
                return -1
            at = take
            self._complete(members)
        skip = min(self._skip, len(view) - at)
        self._skip -= skip
        at += skip
        return at if at < len(view) else -1

    def _complete(self, members: list[ReceivedMember]) -> None:
        payload = b"".join(self._pieces)
        member, self._member, self._pieces = self._member, None, []
        self._skip = -len(payload) & 511
        if isinstance(member, bytes):
            self._extensions.add(member, payload)
        elif member is not None:
            members.append(ReceivedMember(member.name, member.size, member.pax or _NO_RECORDS, payload))


def _checked(member: Member) -> Member:
    if member.kind is Kind.SPARSE:
        raise BadArchive(f"archive/tar: sparse member {member.name!r} is not supported")
    return member
