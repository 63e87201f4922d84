"""Reads the directory of a ZIP. Pure.

A ZIP may have anything before it and a comment behind it; sizes come from the directory, so data descriptors do not
matter. Entries that overlap, or are larger than declared, are caught when they are read. Source: APPNOTE.TXT 6.3;
spec/getbatch.md 7 for what is an error. Writing is in `moss.archive.zip`.
"""

import struct
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import NamedTuple

from moss.archive.buffers import Buffer
from moss.archive.compression import crc32
from moss.archive.limits import DEFAULT_LIMITS, Limits
from moss.errors import ArchiveLimit, BadArchive

__all__ = [
    "DEFLATED",
    "STORED",
    "ZipEntry",
    "directory_span",
    "inflate",
    "read_directory",
    "read_entry",
    "stored_span",
]

STORED, DEFLATED = 0, 8

_NOT_A_ZIP = "zip: not a valid zip file"
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_LOCAL = struct.Struct("<4s5H3I2H")
_END = struct.Struct("<4s4H2IH")
_END64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR64 = struct.Struct("<4sIQI")
_MAX32, _MAX16 = 0xFFFFFFFF, 0xFFFF
_ENCRYPTED, _UTF8 = 1, 1 << 11
_UNIX = 3
_DECODE_PIECE_BYTES = 1 << 20


class ZipEntry(NamedTuple):
    """One entry of the directory.

    Attributes:
        name: its full name; text of unknown encoding is surrogate escapes where it is no UTF-8.
        size, packed_size: bytes unpacked and as stored.
        method: `STORED`, `DEFLATED`, or one that cannot be read.
        crc: CRC-32 of the unpacked bytes.
        header_offset: of its local header, from the first byte of the file.
        is_encrypted: cannot be read.
        mode: permission bits, 0 if the directory has none.
        modified: date and time as DOS has them, the date in the upper half.
    """

    name: str
    size: int
    packed_size: int
    method: int
    crc: int
    header_offset: int
    is_encrypted: bool
    mode: int = 0
    modified: int = 0

    @property
    def modified_s(self) -> int:
        """Seconds since 1970, as if the date were in UTC; 0 if there is none."""
        date, clock = self.modified >> 16, self.modified & 0xFFFF
        try:
            found = datetime(
                1980 + (date >> 9),
                date >> 5 & 15,
                date & 31,
                clock >> 11,
                clock >> 5 & 63,
                2 * (clock & 31) % 60,
                tzinfo=UTC,
            )
        except ValueError:
            return 0
        return int(found.timestamp())

    @property
    def is_folder(self) -> bool:
        return self.name.endswith("/")


def read_directory(source: Buffer, limits: Limits = DEFAULT_LIMITS) -> list[ZipEntry]:
    """Return the entries of a ZIP in the order of its directory, folders included.

    Raises:
        BadArchive: it is no ZIP, or was cut.
        ArchiveLimit: too many entries.
    """
    view = memoryview(source)
    count, size, offset, end = _find_directory(view)
    # What stands before the archive (a self-extracting program, say) moves all offsets.
    shift = end - size - offset
    if shift < 0 or offset + shift < 0:
        raise BadArchive(_NOT_A_ZIP)
    if count > limits.members_max:
        raise ArchiveLimit(f"zip: more than {limits.members_max} entries")
    entries = list(islice(_central_entries(view[offset + shift : end], shift), limits.members_max + 1))
    # A directory of 65,536 entries more than its end record can count is legal without zip64.
    if len(entries) & _MAX16 != count & _MAX16 or len(entries) > limits.members_max:
        raise BadArchive(_NOT_A_ZIP)
    return entries


def directory_span(source: Buffer) -> tuple[int, int, int]:
    """Return where the directory of a ZIP begins and ends, and by how much a prefix has moved all offsets.

    Raises:
        BadArchive: it is no ZIP, or was cut.
    """
    _, size, offset, end = _find_directory(memoryview(source))
    shift = end - size - offset
    if shift < 0:
        raise BadArchive(_NOT_A_ZIP)
    return end - size, end, shift


def _find_directory(view: memoryview) -> tuple[int, int, int, int]:
    """Return (entries, directory size, directory offset as written, where the directory ends)."""
    tail_start = max(len(view) - _END.size - _MAX16, 0)
    tail = bytes(view[tail_start:])
    at = tail.rfind(b"PK\5\6")
    # The last record whose comment fills the rest exactly, or at least fits into it.
    while at >= 0:
        if at + _END.size <= len(tail):
            record = _END.unpack_from(tail, at)
            if at + _END.size + record[7] <= len(tail):
                break
        at = tail.rfind(b"PK\5\6", 0, at)
    else:
        raise BadArchive(_NOT_A_ZIP)
    end = tail_start + at
    _, _, _, _, count, size, offset, _ = record
    if count == _MAX16 or _MAX32 in (size, offset):
        zip64 = _find_zip64(view, end)
        if zip64 is not None:
            return zip64
    return count, size, offset, end


def _find_zip64(view: memoryview, end: int) -> tuple[int, int, int, int] | None:
    at = end - _LOCATOR64.size
    if at < _END64.size or bytes(view[at : at + 4]) != b"PK\6\7":
        return None
    # Found by where it stands rather than by the locator's offset, which a prefix would falsify.
    written = _LOCATOR64.unpack(view[at:end])[2]
    for start in (at - _END64.size, written):
        if 0 <= start <= at - _END64.size and bytes(view[start : start + 4]) == b"PK\6\6":
            record = _END64.unpack(view[start : start + _END64.size])
            return record[7], record[8], record[9], start
    raise BadArchive(_NOT_A_ZIP)


def _central_entries(directory: memoryview, shift: int) -> Iterator[ZipEntry]:
    at, end = 0, len(directory)
    while at < end:
        if at + _CENTRAL.size > end:
            raise BadArchive(_NOT_A_ZIP)
        record = _CENTRAL.unpack_from(directory, at)
        magic, made_by, _, flags, method, clock, date, crc, packed, size, name_bytes, extra_bytes, comment_bytes = (
            record[:13]
        )
        offset = record[16]
        mode = record[15] >> 16 & 0o777 if made_by >> 8 == _UNIX else 0
        at += _CENTRAL.size
        if magic != b"PK\1\2" or at + name_bytes + extra_bytes + comment_bytes > end:
            raise BadArchive(_NOT_A_ZIP)
        name = bytes(directory[at : at + name_bytes]).decode("utf-8", "surrogateescape")
        if _MAX32 in (size, packed, offset):
            extra = bytes(directory[at + name_bytes : at + name_bytes + extra_bytes])
            size, packed, offset = _zip64_values(extra, (size, packed, offset))
        is_encrypted = bool(flags & _ENCRYPTED)
        yield ZipEntry(name, size, packed, method, crc, offset + shift, is_encrypted, mode, date << 16 | clock)
        at += name_bytes + extra_bytes + comment_bytes


def _zip64_values(extra: bytes, values: tuple[int, int, int]) -> tuple[int, int, int]:
    """Replace the values that do not fit into 32 bits by those of the zip64 extra field."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, at)
        at += 4
        if kind == 1:
            large = list(struct.unpack_from(f"<{min(length, len(extra) - at) // 8}Q", extra, at))
            if len(large) < values.count(_MAX32):
                raise BadArchive(_NOT_A_ZIP)
            size, packed, offset = (large.pop(0) if value == _MAX32 else value for value in values)
            return size, packed, offset
        at += length
    return values


def stored_span(source: Buffer, entry: ZipEntry) -> tuple[int, int]:
    """Return (offset, size) of an entry's bytes as stored, read from its local header.

    Raises:
        BadArchive: there is no local header, or the entry does not fit in the file.
    """
    view = memoryview(source)
    at = entry.header_offset
    if at + _LOCAL.size > len(view):
        raise BadArchive(_NOT_A_ZIP)
    record = _LOCAL.unpack(view[at : at + _LOCAL.size])
    start = at + _LOCAL.size + record[9] + record[10]
    if record[0] != b"PK\3\4" or start + entry.packed_size > len(view):
        raise BadArchive(_NOT_A_ZIP)
    return start, entry.packed_size


def read_entry(source: Buffer, entry: ZipEntry, limits: Limits = DEFAULT_LIMITS) -> Iterator[Buffer]:
    """Yield an entry's unpacked bytes in pieces, its checksum verified behind the last.

    Raises:
        BadArchive: the entry is damaged, encrypted, or packed by a method that is not known.
        ArchiveLimit: it is larger than one decoded member may be.
    """
    if entry.is_encrypted or entry.method not in (STORED, DEFLATED):
        raise BadArchive("zip: unsupported compression algorithm")
    start, packed_size = stored_span(source, entry)
    packed = memoryview(source)[start : start + packed_size]
    if entry.method == STORED:
        if entry.size != packed_size or crc32(packed) != entry.crc:
            raise BadArchive("zip: checksum error")
        yield packed
        return
    yield from inflate(packed, entry.size, entry.crc, limits)


def inflate(packed: Buffer, size: int, crc: int, limits: Limits = DEFAULT_LIMITS) -> Iterator[bytes]:
    """Yield what a deflated entry unpacks to, in pieces; it must be `size` bytes of checksum `crc`.

    Raises:
        BadArchive: it is not. At most one byte more than announced has been decoded then.
        ArchiveLimit: it is larger than one decoded member may be.
    """
    if size > limits.decoded_bytes_max:
        raise ArchiveLimit(f"zip: entry of {size} bytes (max {limits.decoded_bytes_max})")
    packed = memoryview(packed)
    # zlib, not isal: short members are faster with it, and it never reads beyond the end of a raw stream.
    codec = zlib.decompressobj(-15)
    found_crc = found_size = 0
    for begin in range(0, len(packed), _DECODE_PIECE_BYTES):
        piece: Buffer = packed[begin : begin + _DECODE_PIECE_BYTES]
        while not codec.eof:
            try:
                # One byte more than declared is enough to notice a bomb.
                out = codec.decompress(piece, min(_DECODE_PIECE_BYTES, size - found_size + 1))
            except zlib.error:
                raise BadArchive("flate: corrupt input") from None
            found_crc, found_size = crc32(out, found_crc), found_size + len(out)
            if found_size > size:
                raise BadArchive("zip: checksum error")
            if out:
                yield out
            piece = codec.unconsumed_tail
            if not piece and len(out) < _DECODE_PIECE_BYTES:
                break
    if found_size != size or found_crc != crc or not codec.eof:
        raise BadArchive("zip: checksum error")
