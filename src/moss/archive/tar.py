"""Writes TAR members, to the byte as the reference does: USTAR where it can, pax where it must. Pure.

All times, owners and groups are zero: the same entries give the same bytes. Reading is in `moss.archive.tar_parse`,
whose public names are here too. Source of the layout: POSIX.1-2017, pax; spec/getbatch.md 4.2.
"""

import posixpath
from collections.abc import Mapping, Sequence

from moss.archive.compression import adler32
from moss.archive.tar_parse import Kind, Member, TarHeader, parse_header, walk

__all__ = [
    "BLOCK_BYTES",
    "END",
    "PADDINGS",
    "Kind",
    "Member",
    "TarHeader",
    "build_header",
    "build_headers",
    "build_pax",
    "is_plain",
    "parse_header",
    "walk",
]

BLOCK_BYTES = 512
# End of archive: two zero blocks, and no filling up to a record of twenty blocks.
END = bytes(2 * BLOCK_BYTES)
# The zeros behind a payload of `size` bytes are `PADDINGS[-size & 511]`.
PADDINGS = [bytes(n) for n in range(BLOCK_BYTES)]

_NAME_BYTES_MAX, _PREFIX_BYTES_MAX = 100, 155
# Eleven octal digits; one byte more needs a pax record.
_SIZE_MAX = 0o77777777777

# A header is put together from few parts: name, `_MIDDLES[len(name)]`, size and mtime, `_TAILS[checksum]`.
_MIDDLES = [bytes(_NAME_BYTES_MAX - n) + b"0000644\0" + b"0000000\0" * 2 for n in range(_NAME_BYTES_MAX + 1)]
_SIZE_AND_TIME = b"%011o\x0000000000000\0"
# Type, link name, magic, version, user, group, device numbers; then prefix and filler.
_BEHIND_CHECKSUM = b"0" + bytes(100) + b"ustar\x0000" + bytes(64) + b"0000000\0" * 2
_TAIL = _BEHIND_CHECKSUM + bytes(167)
# The largest checksum of a header without prefix is below 20,000 (a name of 100 times 0x7f).
_TAILS = [b"%06o\0 " % checksum + _TAIL for checksum in range(20_000)]
# What adler32 of name, size and time (it is one more than their sum) lacks to the checksum: the constant parts, and
# eight blanks in place of the checksum itself.
_CONSTANT_SUM = sum(_MIDDLES[100]) + sum(_TAIL) + 8 * 32 - 1


def build_headers(names: Sequence[str], sizes: Sequence[int]) -> list[bytes]:
    """Build the headers of a window of regular files, 0.4 µs each where no name is unusual.

    Args:
        names: member names; any text.
        sizes: payload sizes in bytes, as many as names.

    Returns:
        For each member 512 bytes, or more where a pax header has to stand before.
    """
    if not names:
        return []
    joined = "\0".join(names)
    if not joined.isascii() or max(map(len, names)) > _NAME_BYTES_MAX or max(sizes) > _SIZE_MAX:
        return [build_header(name, size) for name, size in zip(names, sizes, strict=True)]
    encoded = joined.encode().split(b"\0")
    if len(encoded) != len(names):  # a NUL inside a name
        return [build_header(name, size) for name, size in zip(names, sizes, strict=True)]
    fields = [_SIZE_AND_TIME % size for size in sizes]
    return [
        # adler32 counts modulo 65,521: exact, because no sum of bytes here reaches that.
        b"".join((name, _MIDDLES[len(name)], field, _TAILS[(adler32(field, adler32(name)) & 0xFFFF) + _CONSTANT_SUM]))
        for name, field in zip(encoded, fields, strict=True)
    ]


def build_header(name: str, size: int) -> bytes:
    """Build the header of one regular file: 512 bytes, or a pax header (its own blocks) and 512 bytes.

    A NUL cannot be written in a TAR name and is left out.
    """
    if "\0" in name:
        name = name.replace("\0", "")
    raw = _encoded(name)
    if size <= _SIZE_MAX and raw.isascii():
        if len(raw) <= _NAME_BYTES_MAX:
            return _ustar(raw, size, b"")
        parts = _split(raw)
        if parts is not None:
            return _ustar(parts[1], size, parts[0])
    records = {}
    if len(raw) > _NAME_BYTES_MAX or not raw.isascii():
        records["path"] = name
    if size > _SIZE_MAX:
        records["size"] = str(size)
    short = _ascii(raw)
    header = bytearray(_ustar(short[:_NAME_BYTES_MAX], size if size <= _SIZE_MAX else 0, b""))
    if len(short) > _NAME_BYTES_MAX and header[_NAME_BYTES_MAX - 1] == 0x2F:
        # Some readers take a short name that ends in a slash for a folder, whatever the pax record says.
        header[len(short[:_NAME_BYTES_MAX].rstrip(b"/"))] = 0
        _seal(header)
    return build_pax(records, name) + bytes(header)


def build_pax(records: Mapping[str, str], name: str) -> bytes:
    """Build an extra pax header, which belongs to the member that follows it.

    Args:
        records: keyword to value; written sorted by keyword. Values hold no NUL where they are a path.
        name: the name of the member that follows; the header's own name is made from it.

    Returns:
        Header, records and padding: a whole number of blocks.
    """
    folder, base = posixpath.split(name)
    own = _ascii(_encoded(_clean(f"{folder}/PaxHeaders.0/{base}" if folder else f"PaxHeaders.0/{base}")))
    data = b"".join(_pax_record(_encoded(key), _encoded(records[key])) for key in sorted(records))
    header = bytearray(BLOCK_BYTES)
    own = own[:_NAME_BYTES_MAX].rstrip(b"/")
    header[: len(own)] = own
    header[100:124] = b"0000000\0" * 3
    header[124:148] = b"%011o\x0000000000000\0" % len(data)
    header[156:157] = b"x"
    header[257:265] = b"ustar\x0000"
    _seal(header)
    return bytes(header) + data + PADDINGS[-len(data) & 511]


def is_plain(name: str) -> bool:
    """Whether a name fits a USTAR header, so that its header is exactly one block (below 8 GiB)."""
    if not name.isascii() or "\0" in name:
        return False
    return len(name) <= _NAME_BYTES_MAX or _split(name.encode()) is not None


def _encoded(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def _ascii(raw: bytes) -> bytes:
    return raw if raw.isascii() and 0 not in raw else bytes(byte for byte in raw if 0 < byte < 128)


def _clean(path: str) -> str:
    """Normalise the name of a pax header as the reference does: single slashes, no dots."""
    if "//" not in path and "/." not in path and not path.startswith(".") and not path.endswith("/"):
        return path
    cleaned = posixpath.normpath(path)
    # Python keeps two leading slashes, for POSIX reasons.
    return "/" + cleaned.lstrip("/") if cleaned.startswith("//") else cleaned


def _split(raw: bytes) -> tuple[bytes, bytes] | None:
    """Split a long ASCII name into (prefix, name) at the last slash that USTAR allows, None if there is none."""
    length = min(len(raw), _PREFIX_BYTES_MAX + 1)
    if length == len(raw) and raw.endswith(b"/"):
        length -= 1
    at = raw.rfind(b"/", 0, length)
    name_bytes = len(raw) - at - 1
    if at <= 0 or not 0 < name_bytes <= _NAME_BYTES_MAX:
        return None
    return raw[:at], raw[at + 1 :]


def _ustar(raw: bytes, size: int, prefix: bytes) -> bytes:
    field = _SIZE_AND_TIME % size
    if not prefix:
        checksum = (adler32(field, adler32(raw)) & 0xFFFF) + _CONSTANT_SUM
        return b"".join((raw, _MIDDLES[len(raw)], field, _TAILS[checksum]))
    header = bytearray(b"".join((raw, _MIDDLES[len(raw)], field, bytes(8), _BEHIND_CHECKSUM, prefix.ljust(167, b"\0"))))
    _seal(header)
    return bytes(header)


def _seal(header: bytearray) -> None:
    """Write the checksum of a header."""
    header[148:156] = b" " * 8
    # adler32 counts modulo 65,521, which no sum of these bytes reaches: names are ASCII, and most of a header is zeros.
    header[148:156] = b"%06o\0 " % ((adler32(header) & 0xFFFF) - 1)


def _pax_record(key: bytes, value: bytes) -> bytes:
    """Return `<length> <key>=<value>` and a newline, where the length counts itself."""
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    if len(str(length)) + rest != length:
        length = rest + len(str(length))
    return b"%d %b=%b\n" % (length, key, value)
