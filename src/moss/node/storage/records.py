"""Records of a segment: what is written before a payload, and how it is read again. Pure.

Format: docs/formats/segment.md.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from struct import Struct

from xxhash import xxh3_64_intdigest

from moss.archive.tar import build_header, is_plain
from moss.errors import BadRecord, TooLarge
from moss.node.storage.layout import FORMAT, decode_name

__all__ = [
    "BLOCK_BYTES",
    "FLAG_BLOCKS",
    "FLAG_CHUNKED",
    "FLAG_FINISHED_HEADER",
    "FLAG_SHARD_INDEX",
    "Record",
    "RecordCodec",
    "checksum_blocks",
    "frame_check",
    "payload_header",
]

FLAG_FINISHED_HEADER = 1
FLAG_BLOCKS = 2
FLAG_SHARD_INDEX = 4
FLAG_CHUNKED = 8
FRAME_CHECK_SHIFT = 32
FRAME_CHECK_MASK = 0xFFFFFFFF

# Large objects have a checksum for each block of this size.
BLOCK_BYTES = 256 * 1024

TAR_BLOCK = 512
TAR_END = bytes(2 * TAR_BLOCK)
PAX_NAME = b"PaxHeaders.0/moss"
SEGMENT_RECORD_BYTES = 2 * TAR_BLOCK
LARGE_PAYLOAD_OFFSET = 16384
SIZE_MAX_USTAR = 0o77777777777

# Bounds of what a damaged length may make us read.
_BODY_BYTES_MAX = 1 << 30
_PLACE = Struct("<QQ")


@dataclass(slots=True)
class Record:
    """One record as found in a segment. Offsets are in the segment, sizes in bytes.

    Attributes:
        kind: `segment`, `object`, `deletion`, `attributes` or `blocks`.
        stop: where the next record begins.
        flags: those of the extent, frame check included.
        custom: JSON bytes, empty for none.
        chunks: number of parts that the object was put together from and size of the largest; zeros if it was not.
        blocks: checksum of each payload block, 8 bytes little-endian each.
    """

    kind: str
    start: int
    stop: int
    bucket: str = ""
    bucket_id: int = 0
    name: bytes = b""
    serial: int = 0
    data_offset: int = 0
    size: int = 0
    xxh3: int = 0
    created_ns: int = 0
    version: str = ""
    checksum_type: str = "none"
    checksum_value: str = ""
    flags: int = 0
    attributes_serial: int = 0
    custom: bytes = b""
    chunks: tuple[int, int] = (0, 0)
    blocks: bytes = b""
    fields: dict[bytes, bytes] = field(default_factory=dict)


def pax(key: bytes, value: bytes) -> bytes:
    """Return one pax record, `<length> <key>=<value>` and a newline; the length counts itself."""
    rest = len(key) + len(value) + 3
    if rest < 98:
        length = rest + 2 if rest > 8 else rest + 1
    else:
        length = rest + len(str(rest))
        if rest + len(str(length)) != length:
            length = rest + len(str(length))
    return b"%d %b=%b\n" % (length, key, value)


def parse_pax(body: bytes) -> dict[bytes, bytes]:
    """Parse pax records.

    Raises:
        ValueError: a length is no number or does not fit.
    """
    fields = {}
    at = 0
    while at < len(body):
        space = body.index(b" ", at, at + 12)
        length = int(body[at:space])
        end = at + length
        if length < 5 or end > len(body) or body[end - 1] != 0x0A:
            raise ValueError("bad pax length")
        key, _, value = body[space + 1 : end - 1].partition(b"=")
        fields[key] = value
        at = end
    return fields


@lru_cache(maxsize=4096)
def pax_header(kind: bytes, size: int) -> bytes:
    """Return the constant header block of pax data of `size` bytes; `kind` is `x` or `g`."""
    return _header(PAX_NAME, kind, b"0000000\0", size)


@lru_cache(maxsize=4096)
def folder_header(bucket_name: str) -> bytes:
    """Return the header of a bucket's folder: it ends records without payload, because pax data needs a member."""
    return _header(f"{bucket_name}/".encode(), b"5", b"0000755\0", 0)


def _header(name: bytes, kind: bytes, mode: bytes, size: int) -> bytes:
    block = bytearray(TAR_BLOCK)
    block[: len(name)] = name
    block[100:124] = mode + b"0000000\0" * 2
    block[124:148] = b"%011o\x0000000000000\0" % size
    block[148:156] = b" " * 8
    block[156:157] = kind
    block[257:265] = b"ustar\x0000"
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


_HEX, _DECIMAL = b"X" * 16, b"Y" * 19
_KINDS = {kind: pax(b"MOSS.kind", kind.encode()) for kind in ("segment", "object", "deletion", "attributes", "blocks")}
_OBJECT_NUMBERS = (
    (pax(b"MOSS.serial", _HEX) + pax(b"MOSS.xxh3", _HEX) + pax(b"MOSS.flags", _HEX) + pax(b"MOSS.created", _DECIMAL))
    .replace(_HEX, b"%016x")
    .replace(_DECIMAL, b"%019d")
)
_SERIAL = pax(b"MOSS.serial", _HEX).replace(_HEX, b"%016x")
_FLAGS = pax(b"MOSS.flags", _HEX).replace(_HEX, b"%016x")
_ATTRIBUTES_SERIAL = pax(b"MOSS.attributes_serial", _HEX).replace(_HEX, b"%016x")
_CHECK = pax(b"MOSS.check", _HEX).replace(_HEX, b"%016x")
_CHECK_BYTES = len(pax(b"MOSS.check", _HEX))


def payload_header(bucket_name: str, name: str, size: int) -> tuple[bytes, bytes, bool]:
    """Return (the 512 bytes before the payload, pax records that must precede them, header is finished)."""
    member = f"{bucket_name}/{name}"
    header = build_header(member, size)
    if len(header) == TAR_BLOCK and "\0" not in member:
        return header, b"", True
    records = b""
    if "\0" not in member and not is_plain(member):
        records = pax(b"path", member.encode("utf-8", "surrogateescape"))
    if size > SIZE_MAX_USTAR:
        records += pax(b"size", b"%d" % size)
    return header[-TAR_BLOCK:], records, False


def frame_check(frame: bytes | memoryview) -> int:
    """Return what the upper half of an extent's flags holds for these bytes."""
    return xxh3_64_intdigest(frame) & FRAME_CHECK_MASK


def checksum_blocks(payload: memoryview) -> bytes:
    """Return XXH3-64 of each block of a payload, 8 bytes little-endian each."""
    return b"".join(
        xxh3_64_intdigest(payload[at : at + BLOCK_BYTES]).to_bytes(8, "little")
        for at in range(0, len(payload), BLOCK_BYTES)
    )


def encode_custom(custom: Mapping[str, str]) -> bytes:
    if not custom:
        return b""
    return json.dumps(dict(custom), separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogateescape")


def decode_custom(raw: bytes) -> dict[str, str]:
    """Return custom metadata.

    Raises:
        BadRecord: it is damaged.
    """
    try:
        return json.loads(raw.decode("utf-8", "surrogateescape")) if raw else {}
    except ValueError as error:
        raise BadRecord("damaged custom metadata") from error


@dataclass(frozen=True, slots=True)
class RecordCodec:
    """Encodes and parses the records of one store.

    Attributes:
        store_id: the seed of all checks.
    """

    store_id: int

    def encode_segment(self, number: int) -> bytes:
        """Return the record that begins segment `number`."""
        body = (
            _KINDS["segment"]
            + pax(b"MOSS.format", b"%d" % FORMAT)
            + pax(b"MOSS.store", b"%016x" % self.store_id)
            + pax(b"MOSS.segment", b"%016x" % number)
        )
        body = self._sealed(number, 0, body, b"")
        return pax_header(b"g", len(body)) + body + bytes(-len(body) & 511)

    def encode_object(
        self,
        segment: int,
        offset: int,
        owner: bytes,
        record: Record,
        header: bytes,
        extra: bytes,
        *,
        fill_to: int = 0,
    ) -> bytes:
        """Return everything that stands before a payload.

        Args:
            owner: `encode_owner` of bucket and name.
            header, extra: see `payload_header`.
            fill_to: length of the result, a multiple of 512; 0 for the shortest.

        Raises:
            TooLarge: the record does not fit into `fill_to` bytes.
        """
        parts = [
            extra,
            _KINDS["object"],
            owner,
            _OBJECT_NUMBERS % (record.serial, record.xxh3, record.flags, record.created_ns),
            pax(b"MOSS.version", record.version.encode()),
        ]
        if record.checksum_type != "none":
            parts.append(pax(b"MOSS.checksum", f"{record.checksum_type}:{record.checksum_value}".encode()))
        if record.attributes_serial:
            parts.append(_ATTRIBUTES_SERIAL % record.attributes_serial)
        if record.chunks[0]:
            parts.append(_chunks(record.chunks))
        if record.custom:
            parts.append(pax(b"MOSS.custom", record.custom))
        body = b"".join(parts)
        if fill_to:
            body += _filler(fill_to - 2 * TAR_BLOCK - len(body) - _CHECK_BYTES)
        body = self._sealed(segment, offset, body, header)
        return b"".join((pax_header(b"x", len(body)), body, bytes(-len(body) & 511), header))

    def encode_deletion(self, segment: int, offset: int, owner: bytes, bucket_name: str, serial: int) -> bytes:
        return self._bare(segment, offset, bucket_name, _KINDS["deletion"] + owner + _SERIAL % serial)

    def encode_attributes(self, segment: int, offset: int, owner: bytes, bucket_name: str, record: Record) -> bytes:
        body = _KINDS["attributes"] + owner + _SERIAL % record.serial + _FLAGS % record.flags
        body += _ATTRIBUTES_SERIAL % record.attributes_serial
        if record.chunks[0]:
            body += _chunks(record.chunks)
        if record.custom:
            body += pax(b"MOSS.custom", record.custom)
        return self._bare(segment, offset, bucket_name, body)

    def encode_blocks(self, segment: int, offset: int, bucket_name: str, serial: int, blocks: bytes) -> bytes:
        text = b"".join(b"%016x" % int.from_bytes(blocks[i : i + 8], "little") for i in range(0, len(blocks), 8))
        body = _KINDS["blocks"] + _SERIAL % serial + pax(b"MOSS.blocks", text)
        return self._bare(segment, offset, bucket_name, body)

    def _bare(self, segment: int, offset: int, bucket_name: str, body: bytes) -> bytes:
        header = folder_header(bucket_name)
        body = self._sealed(segment, offset, body, header)
        return pax_header(b"x", len(body)) + body + bytes(-len(body) & 511) + header

    def _check(self, segment: int, offset: int, body: bytes, header: bytes) -> int:
        return xxh3_64_intdigest(_PLACE.pack(segment, offset) + body + header, self.store_id)

    def _sealed(self, segment: int, offset: int, body: bytes, header: bytes) -> bytes:
        return body + _CHECK % self._check(segment, offset, body, header)

    def parse(self, segment: int, view: memoryview, start: int) -> Record | None:
        """Parse the record at an offset of a segment.

        Returns:
            None where the segment ends: at a block of zeros, or at the end of `view`.

        Raises:
            BadRecord: there is something else.
        """
        block = bytes(view[start : start + TAR_BLOCK])
        if not block.strip(b"\0"):
            return None
        try:
            return self._parse(segment, view, start, block)
        except (ValueError, KeyError, IndexError) as error:
            raise BadRecord(f"segment {segment}: damaged record at {start}") from error

    def _parse(self, segment: int, view: memoryview, start: int, block: bytes) -> Record:
        length = int(block[124:135], 8)
        typeflag = block[156:157]
        if typeflag not in (b"x", b"g") or not _CHECK_BYTES < length <= _BODY_BYTES_MAX:
            raise ValueError("no record")
        if block != pax_header(typeflag, length):
            raise ValueError("damaged header")
        at = start + TAR_BLOCK
        body = bytes(view[at : at + length])
        at += length + (-length & 511)
        header = bytes(view[at : at + TAR_BLOCK]) if typeflag == b"x" else b""
        stop = at + len(header)
        if len(body) != length or stop > len(view):
            raise ValueError("cut off")
        if body != self._sealed(segment, start, body[:-_CHECK_BYTES], header):
            raise ValueError("wrong check")
        return _interpret(parse_pax(body), start, stop, header)


def _chunks(chunks: tuple[int, int]) -> bytes:
    return pax(b"MOSS.chunks", b"%d:%d" % chunks)


def encode_owner(bucket_uname: str, bucket_id: int, name: bytes) -> bytes:
    """Return the pax records that say whose record it is."""
    return _bucket_records(bucket_uname, bucket_id) + pax(b"MOSS.name", name)


@lru_cache(maxsize=1024)
def _bucket_records(uname: str, bucket_id: int) -> bytes:
    return pax(b"MOSS.bucket", uname.encode()) + pax(b"MOSS.bucket_id", b"%016x" % bucket_id)


def _filler(room: int) -> bytes:
    """Return a `comment` record of exactly `room` bytes."""
    if not room:
        return b""
    for digits in (2, 3, 4, 5, 6, 7):
        blanks = room - digits - len(b" comment=\n")
        if blanks >= 0 and len(str(room)) == digits:
            return b"%d comment=%b\n" % (room, b" " * blanks)
    raise TooLarge("custom metadata is too large for an object of this size")


def _interpret(fields: dict[bytes, bytes], start: int, stop: int, header: bytes) -> Record:
    kind = fields[b"MOSS.kind"].decode()
    record = Record(kind, start, stop, fields=fields)
    if kind == "segment":
        return record
    record.serial = int(fields[b"MOSS.serial"], 16)
    if kind == "blocks":
        text = fields[b"MOSS.blocks"]
        record.blocks = b"".join(int(text[i : i + 16], 16).to_bytes(8, "little") for i in range(0, len(text), 16))
        return record
    record.bucket = decode_name(fields[b"MOSS.bucket"])
    record.bucket_id = int(fields[b"MOSS.bucket_id"], 16)
    record.name = fields[b"MOSS.name"]
    record.attributes_serial = int(fields.get(b"MOSS.attributes_serial", b"0"), 16)
    record.flags = int(fields.get(b"MOSS.flags", b"0"), 16)
    record.custom = fields.get(b"MOSS.custom", b"")
    count, _, largest = fields.get(b"MOSS.chunks", b"0:0").partition(b":")
    record.chunks = (int(count), int(largest))
    if kind == "object":
        size = int(fields[b"size"]) if b"size" in fields else int(header[124:135], 8)
        record.size, record.data_offset, record.stop = size, stop, stop + size + (-size & 511)
        record.xxh3 = int(fields[b"MOSS.xxh3"], 16)
        record.created_ns = int(fields[b"MOSS.created"])
        record.version = fields[b"MOSS.version"].decode()
        kind_of, _, value = fields.get(b"MOSS.checksum", b"none:").partition(b":")
        record.checksum_type, record.checksum_value = kind_of.decode(), value.decode()
    return record
