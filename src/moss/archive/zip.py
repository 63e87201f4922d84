"""Writes a ZIP as a stream: stored entries with data descriptors, the directory last. Pure.

Source: spec/getbatch.md 4.5; APPNOTE.TXT 6.3 for the layout. All dates are 1980-01-01, the first that the format
knows. Each entry's comment is its full name, as the reference writes it. Reading is in `moss.archive.zip_parse`.
"""

import struct
from dataclasses import dataclass

from moss.archive.buffers import Buffer
from moss.archive.compression import crc32

__all__ = ["ZipWriter"]

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_END64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR64 = struct.Struct("<4sIQI")

_DESCRIPTOR_FOLLOWS, _UTF8 = 1 << 3, 1 << 11
_DOS_TIME, _DOS_DATE = 0, 1 << 5 | 1
# Modification time in seconds since 1970: zero.
_TIME_EXTRA = b"UT\x05\x00\x01\0\0\0\0"
_VERSION, _VERSION_ZIP64, _MADE_ON_UNIX = 20, 45, 3 << 8
_MODE = 0o100644 << 16
_MAX32, _MAX16 = 0xFFFFFFFF, 0xFFFF


@dataclass(slots=True)
class _Entry:
    name: bytes
    flags: int
    size: int
    offset: int
    crc: int = 0
    written: int = 0

    @property
    def is_large(self) -> bool:
        return self.size >= _MAX32


class ZipWriter:
    """The bytes around the payloads of one ZIP.

    For each entry: `begin`, `data` for each piece (the caller sends the piece itself), `end`; then `finish`.

    Args:
        kept: the directory of a ZIP that is continued, whose entries stand before those that are written now.
        kept_entries: how many it has.
        offset: bytes of that ZIP before its directory, as offsets count.
    """

    def __init__(self, kept: bytes = b"", kept_entries: int = 0, offset: int = 0) -> None:
        self._entries: list[_Entry] = []
        self._kept, self._kept_entries, self._offset = kept, kept_entries, offset

    def begin(self, name: str, size: int) -> bytes:
        """Return the local header of an entry of `size` bytes."""
        raw = name.replace("\0", "").encode("utf-8", "surrogateescape" if _is_encodable(name) else "replace")
        entry = _Entry(raw, _DESCRIPTOR_FOLLOWS | (_UTF8 if _needs_utf8(name) else 0), size, self._offset)
        self._entries.append(entry)
        extra, version = _TIME_EXTRA, _VERSION
        if entry.is_large:
            # Tells whoever reads the stream that the descriptor's sizes have eight bytes.
            extra, version = _TIME_EXTRA + struct.pack("<2H2Q", 1, 16, 0, 0), _VERSION_ZIP64
        header = _LOCAL.pack(b"PK\3\4", version, entry.flags, 0, _DOS_TIME, _DOS_DATE, 0, 0, 0, len(raw), len(extra))
        out = b"".join((header, raw, extra))
        self._offset += len(out)
        return out

    def data(self, piece: Buffer) -> None:
        """Account for the next piece of the payload."""
        entry = self._entries[-1]
        entry.crc = crc32(piece, entry.crc)
        entry.written += len(piece)
        self._offset += len(piece)

    def end(self) -> bytes:
        """Return the data descriptor of the entry."""
        entry = self._entries[-1]
        assert entry.written == entry.size, "payload differs from the size that was announced"
        out = struct.pack("<4sI2Q" if entry.is_large else "<4s3I", b"PK\7\x08", entry.crc, entry.size, entry.size)
        self._offset += len(out)
        return out

    def finish(self) -> list[Buffer]:
        """Return the directory."""
        directory = self._kept + b"".join(map(_central_record, self._entries))
        count, start = self._kept_entries + len(self._entries), self._offset
        out = [directory]
        if count >= _MAX16 or start >= _MAX32 or len(directory) >= _MAX32:
            versions = (_MADE_ON_UNIX | _VERSION_ZIP64, _VERSION_ZIP64)
            out.append(_END64.pack(b"PK\6\6", 44, *versions, 0, 0, count, count, len(directory), start))
            out.append(_LOCATOR64.pack(b"PK\6\7", 0, start + len(directory), 1))
        count16 = min(count, _MAX16)
        sizes = (min(len(directory), _MAX32), min(start, _MAX32))
        out.append(_END.pack(b"PK\5\6", 0, 0, count16, count16, *sizes, 0))
        return out


def _central_record(entry: _Entry) -> bytes:
    extra, version = _TIME_EXTRA, _VERSION
    large = [value for value in (entry.size, entry.size, entry.offset) if value >= _MAX32]
    if large:
        extra += struct.pack(f"<2H{len(large)}Q", 1, 8 * len(large), *large)
        version = _VERSION_ZIP64
    size, offset = min(entry.size, _MAX32), min(entry.offset, _MAX32)
    lengths = (len(entry.name), len(extra), len(entry.name))
    record = _CENTRAL.pack(
        b"PK\1\2", _MADE_ON_UNIX | version, version, entry.flags, 0, _DOS_TIME, _DOS_DATE,
        entry.crc, size, size, *lengths, 0, 0, _MODE, offset,
    )  # fmt: skip
    return b"".join((record, entry.name, extra, entry.name))


def _is_encodable(name: str) -> bool:
    try:
        name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True


def _needs_utf8(name: str) -> bool:
    """Whether a name reads differently in some code page and in UTF-8, and is valid in the latter."""
    if name.isascii() and name.isprintable() and "~" not in name and "\\" not in name:
        return False
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
