"""Reads TAR headers: pre-POSIX, USTAR, pax and GNU. Pure.

Accepts and refuses what the reference's reader does, with its texts (spec/getbatch.md 7). Links, folders and devices
are reported, never followed. Writing is in `moss.archive.tar`.
"""

from collections.abc import Generator
from enum import IntEnum
from typing import NamedTuple

from moss.archive.buffers import Buffer
from moss.archive.compression import adler32
from moss.archive.limits import DEFAULT_LIMITS, Limits
from moss.errors import ArchiveLimit, BadArchive, TruncatedArchive

__all__ = [
    "ADLER_OF",
    "Extensions",
    "Kind",
    "Member",
    "TarHeader",
    "check_end",
    "checked_header",
    "fast_header",
    "parse_header",
    "parse_number",
    "walk",
]

_BLOCK = 512
_ZEROS = bytes(_BLOCK)
_INVALID = "archive/tar: invalid tar header"


class Kind(IntEnum):
    """What a member is."""

    FILE = 0
    SYMLINK = 1
    HARDLINK = 2
    FOLDER = 3
    SPECIAL = 4
    SPARSE = 5


class Member(NamedTuple):
    """One member of an archive.

    Attributes:
        name: as it is stored; bytes that are no UTF-8 are surrogate escapes.
        size: payload in bytes; 0 for what has none (links, folders, devices).
        data_offset: where the payload begins, from the archive's first byte (unpacked, if it is compressed).
        pax: pax records of this member, None without any.
        header_type: the type byte of a TAR header; `0` for other formats.
    """

    name: str
    size: int
    kind: Kind
    data_offset: int
    pax: dict[str, str] | None = None
    header_type: bytes = b"0"


class TarHeader(NamedTuple):
    """One header block, before pax records and long names are applied. `size` is what follows it, in bytes."""

    name: bytes
    size: int
    type: bytes


_KINDS = {
    b"0": Kind.FILE,
    b"\0": Kind.FILE,
    b"7": Kind.FILE,
    b"1": Kind.HARDLINK,
    b"2": Kind.SYMLINK,
    b"3": Kind.SPECIAL,
    b"4": Kind.SPECIAL,
    b"5": Kind.FOLDER,
    b"6": Kind.SPECIAL,
    b"S": Kind.SPARSE,
}
_FILE = Kind.FILE
# Types without payload, whatever their size field says.
_HEADER_ONLY = frozenset(b"123456")


class _AdlerOf(dict[bytes, int]):
    """The low half of adler32 that a sound header has, by its checksum field.

    adler32 counts modulo 65,521 what the checksum counts without, and is a hundred times faster than `sum`.
    """

    def __missing__(self, field: bytes) -> int:
        if len(self) >= 1 << 16:
            self.clear()
        try:
            stored = parse_number(field)
        except BadArchive:
            expected = -1
        else:
            expected = (1 + stored - 8 * 32 + sum(field)) % 65521
        self[field] = expected
        return expected


ADLER_OF = _AdlerOf()


def checked_header(block: bytes) -> bool:
    """Return whether a block of 512 bytes carries its own checksum, unsigned or (as old programs did) signed."""
    if adler32(block) & 0xFFFF == ADLER_OF[block[148:156]]:
        return True
    try:
        stored = parse_number(block[148:156])
    except BadArchive:
        return False
    signed = sum(byte - 256 if byte > 127 else byte for byte in block[:148] + b" " * 8 + block[156:])
    return stored == signed


def parse_number(field: bytes) -> int:
    """Decode a number field: octal text, or base 256 where the first bit is set.

    Raises:
        BadArchive: neither.
    """
    if field[0] & 0x80:
        if field[0] & 0x40:
            return int.from_bytes(field, "big", signed=True)
        return int.from_bytes(bytes((field[0] & 0x7F,)) + field[1:], "big")
    text = field.strip(b" \0").partition(b"\0")[0]
    if not text:
        return 0
    # int() would also take signs, underscores and prefixes.
    if not text.isdigit():
        raise BadArchive(_INVALID)
    try:
        return int(text, 8)
    except ValueError:
        raise BadArchive(_INVALID) from None


def parse_header(block: bytes) -> TarHeader:
    """Decode one header block of exactly 512 bytes.

    Raises:
        BadArchive: the checksum is wrong, or a number cannot be read.
    """
    if not checked_header(block):
        raise BadArchive(_INVALID)
    name = block[:100].partition(b"\0")[0]
    if block[345] and block[257:263] == b"ustar\0":
        name = block[345:500].partition(b"\0")[0] + b"/" + name
    size = parse_number(block[124:136])
    if size < 0:
        raise BadArchive(_INVALID)
    kind = block[156:157]
    return TarHeader(name, 0 if kind[0] in _HEADER_ONLY else size, kind)


class Extensions:
    """What pax headers and GNU long names say of the member that follows them."""

    __slots__ = ("_limits", "long_name", "records")

    # Types whose payload is about another member.
    TYPES = frozenset((b"x", b"X", b"g", b"L", b"K"))

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.records: dict[str, str] | None = None
        self.long_name: bytes | None = None

    @property
    def is_empty(self) -> bool:
        return self.records is None and self.long_name is None

    def check_size(self, size: int) -> None:
        """Refuse an extension that is too long, before it is read."""
        if size > self._limits.extension_bytes_max:
            raise ArchiveLimit("archive/tar: header field too long")

    def add(self, kind: bytes, payload: bytes) -> None:
        """Take the payload of one extension."""
        if kind in (b"x", b"X"):
            self.records = (self.records or {}) | _pax_records(payload)
        elif kind == b"L":
            self.long_name = payload.partition(b"\0")[0]

    def applied(self, header: TarHeader, data_offset: int) -> Member:
        """Return the member of a header with all that was said of it, and forget that."""
        name, size, kind = header.name, header.size, _KINDS.get(header.type, Kind.FILE)
        records = self.records
        if records is not None:
            name, size, kind = self._with_records(records, name, size, kind, header)
        if self.long_name:
            name = self.long_name
        self.records = self.long_name = None
        text = name.decode("utf-8", "surrogateescape")
        if header.type == b"\0" and text.endswith("/"):
            kind = Kind.FOLDER  # what programs before POSIX wrote
        return Member(text, size, kind, data_offset, records, header.type)

    @staticmethod
    def _with_records(
        records: dict[str, str], name: bytes, size: int, kind: Kind, header: TarHeader
    ) -> tuple[bytes, int, Kind]:
        if records.get("path"):
            name = records["path"].encode("utf-8", "surrogateescape")
        if records.get("size") and header.type[0] not in _HEADER_ONLY:
            if not (records["size"].isascii() and records["size"].isdigit() and len(records["size"]) < 20):
                raise BadArchive(_INVALID)
            size = int(records["size"])
        if "GNU.sparse.major" in records or "GNU.sparse.map" in records:
            kind = Kind.SPARSE
            name = records.get("GNU.sparse.name", "").encode("utf-8", "surrogateescape") or name
        return name, size, kind


def _pax_records(payload: bytes) -> dict[str, str]:
    """Decode records `<length> <key>=<value>` and a newline, where the length counts the whole record.

    Raises:
        BadArchive: a record is not of that form, or a path holds a NUL.
    """
    records: dict[str, str] = {}
    at = 0
    while at < len(payload):
        blank = payload.find(b" ", at, at + 20)
        digits = payload[at:blank] if blank > 0 else b""
        length = int(digits) if digits.isdigit() else 0
        record = payload[blank + 1 : at + length]
        key, equals, value = record[:-1].partition(b"=")
        if at + length > len(payload) or not equals or not key or not record.endswith(b"\n"):
            raise BadArchive(_INVALID)
        if key in (b"path", b"linkpath", b"GNU.sparse.name") and b"\0" in value:
            raise BadArchive(_INVALID)
        records[key.decode("utf-8", "surrogateescape")] = value.decode("utf-8", "surrogateescape")
        at += length
    return records


def walk(source: Buffer, limits: Limits = DEFAULT_LIMITS) -> Generator[Member, None, bool]:
    """Yield the members of a TAR in their order. Payloads are not touched.

    An archive may end with two zero blocks, or (as the reference has it) anywhere between two members.

    Args:
        source: the whole archive; only header blocks are copied from it.

    Returns:
        To `yield from`: whether the end mark was seen.

    Raises:
        TruncatedArchive: it ends inside a header or a payload. Members before that have been yielded.
        BadArchive: a header is broken.
        ArchiveLimit: too many members, or a header too long.
    """
    view = memoryview(source)
    end, at, count = len(view), 0, 0
    extensions = Extensions(limits)
    while at < end:
        block = view[at : at + _BLOCK].tobytes()
        if len(block) < _BLOCK:
            raise TruncatedArchive
        if not block[0] and block == _ZEROS:
            check_end(bytes(view[at + _BLOCK : at + 2 * _BLOCK]))
            return True
        at += _BLOCK
        member = fast_header(block, at) if extensions.is_empty else None
        if member is None:
            header = parse_header(block)
            if header.type in Extensions.TYPES:
                extensions.check_size(header.size)
                if at + header.size > end:
                    raise TruncatedArchive
                extensions.add(header.type, bytes(view[at : at + header.size]))
                at += header.size + (-header.size & 511)
                continue
            if header.type == b"S":
                at = _behind_sparse_map(view, block, at)
            member = extensions.applied(header, at)
        size = member[1]
        if at + size > end:
            raise TruncatedArchive
        count += 1
        if count > limits.members_max:
            raise ArchiveLimit(f"archive/tar: more than {limits.members_max} members")
        yield member
        at += size + (-size & 511)
    return False


def check_end(second: bytes) -> None:
    """Check what stands behind a zero block: another one, or nothing.

    Raises:
        BadArchive: it is something else.
        TruncatedArchive: less than a block is left.
    """
    if second and len(second) < _BLOCK:
        raise TruncatedArchive
    if second and second != _ZEROS:
        raise BadArchive(_INVALID)


def _behind_sparse_map(view: memoryview, block: bytes, at: int) -> int:
    """Return where the payload of an old GNU sparse member begins: its map may go on in further blocks."""
    is_continued = block[482]
    while is_continued:
        if at + _BLOCK > len(view):
            raise TruncatedArchive
        is_continued = view[at + 504]
        at += _BLOCK
    return at


def fast_header(block: bytes, data_offset: int) -> Member | None:
    """Decode the header of a regular file with a plain name; None for every other block, sound or not.

    Args:
        block: exactly 512 bytes.
        data_offset: goes into the member as it is.
    """
    digits = block[124:135]
    if block[156] != 0x30 or block[345] or not digits.isdigit():
        return None
    if adler32(block) & 0xFFFF != ADLER_OF[block[148:156]]:
        return None
    name_end = block.find(0)
    try:
        name = block[: name_end if name_end < 100 else 100].decode()
        return tuple.__new__(Member, (name, int(digits, 8), _FILE, data_offset, None, b"0"))
    except ValueError:
        return None
