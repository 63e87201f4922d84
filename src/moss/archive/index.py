"""The shard index: a binary map from member name to place, for one plain TAR. Pure.

This is the documented object that `index-shard` builds (spec/getbatch.md 10.3), for those who read it. Moss itself
finds members by a table of its own, which covers all formats (`moss.node.storage.shards`).
"""

from dataclasses import dataclass, field

from xxhash import xxh64_intdigest

from moss.archive.buffers import Buffer
from moss.archive.tar_parse import Kind, walk
from moss.errors import BadShardIndex

__all__ = ["ENTRIES_MAX", "IndexEntry", "ShardIndex", "build_shard_index", "pack_shard_index", "unpack_shard_index"]

# The reference refuses more.
ENTRIES_MAX = 1 << 20

_HEADER_BYTES = 11
# Less cannot hold a header and the four fields behind it.
_BYTES_MIN = 15
_META_VERSION, _FORMAT_TAR, _CHECKSUM_XXHASH = 1, 0, 1
_SEED = 1103515245
_TAR_BLOCK = 512


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """Where one file is.

    Attributes:
        offset: of the last header block: the payload begins 512 bytes behind it.
        size: bytes of the payload.
    """

    offset: int
    size: int


@dataclass(slots=True)
class ShardIndex:
    """What an index says.

    Attributes:
        checksum_type, checksum_value, source_size: of the shard that it was built from.
        entries: by name as stored in the shard.
    """

    checksum_type: str
    checksum_value: str
    source_size: int
    entries: dict[str, IndexEntry] = field(default_factory=dict)

    def is_stale(self, *, size: int, checksum_type: str, checksum_value: str) -> bool:
        """Return whether the shard, as it is now, is another than the one that was indexed.

        Source: spec/getbatch.md 10.4.
        """
        if self.source_size != size:
            return True
        if self.checksum_type in ("", "none"):
            return False
        return (self.checksum_type, self.checksum_value) != (checksum_type, checksum_value)


def build_shard_index(shard: Buffer, *, checksum_type: str, checksum_value: str) -> ShardIndex:
    """Index a plain TAR: regular files only, and the first of several with one name.

    Raises:
        BadArchive: it is no TAR, or cut inside a member. One that ends between two members is indexed as far as it
            goes.
        BadShardIndex: too many files.
    """
    index = ShardIndex(checksum_type, checksum_value, len(memoryview(shard)))
    for member in walk(shard):
        if member.kind is Kind.FILE and member.header_type in (b"0", b"\0"):
            index.entries.setdefault(member.name, IndexEntry(member.data_offset - _TAR_BLOCK, member.size))
    _check_count(len(index.entries))
    return index


def pack_shard_index(index: ShardIndex) -> bytes:
    """Encode an index.

    Raises:
        BadShardIndex: too many entries.
    """
    _check_count(len(index.entries))
    parts = [_text(index.checksum_type), _text(index.checksum_value)]
    parts += [_varint(index.source_size), _varint(len(index.entries))]
    for name, entry in index.entries.items():
        parts += (_text(name), _varint(entry.offset), _varint(entry.size))
    payload = b"".join(parts)
    header = bytes((_META_VERSION, _FORMAT_TAR, _CHECKSUM_XXHASH))
    return header + xxh64_intdigest(payload, _SEED).to_bytes(8, "big") + payload


def unpack_shard_index(data: Buffer) -> ShardIndex:
    """Decode an index.

    Raises:
        BadShardIndex: it is of another version, damaged, or impossible.
    """
    data = bytes(data)
    if len(data) < _BYTES_MIN:
        raise BadShardIndex(f"shard index: too short ({len(data)} bytes)")
    if data[0] != _META_VERSION or data[1] != _FORMAT_TAR or data[2] != _CHECKSUM_XXHASH:
        raise BadShardIndex(f"shard index: unknown version, format or checksum type ({data[0]}, {data[1]}, {data[2]})")
    stored = int.from_bytes(data[3:_HEADER_BYTES], "big")
    computed = xxh64_intdigest(data[_HEADER_BYTES:], _SEED)
    if stored != computed:
        raise BadShardIndex(f"shard index: checksum mismatch (stored {stored:016x}, computed {computed:016x})")
    reader = _Reader(data, _HEADER_BYTES)
    index = ShardIndex(reader.text(), reader.text(), reader.number())
    count = reader.number()
    _check_count(count)
    for _ in range(count):
        name, entry = reader.text(), IndexEntry(reader.number(), reader.number())
        if entry.offset + _TAR_BLOCK + entry.size > index.source_size:
            raise BadShardIndex(f"shard index: entry {name!r} ends behind the shard")
        index.entries.setdefault(name, entry)
    return index


def _check_count(count: int) -> None:
    if count > ENTRIES_MAX:
        raise BadShardIndex(f"shard index: too many entries (max {ENTRIES_MAX})")


def _varint(value: int) -> bytes:
    """Encode an unsigned number, seven bits a byte, lowest first (LEB128)."""
    if value < 0x80:
        return bytes((value,))
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _text(text: str) -> bytes:
    raw = text.encode("utf-8", "surrogateescape")
    return _varint(len(raw)) + raw


class _Reader:
    def __init__(self, data: bytes, at: int) -> None:
        self._data, self._at = data, at

    def number(self) -> int:
        value = shift = 0
        while True:
            if self._at >= len(self._data) or shift > 63:
                raise BadShardIndex("shard index: ends inside a number")
            byte = self._data[self._at]
            self._at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def text(self) -> str:
        size = self.number()
        stop = self._at + size
        if stop > len(self._data):
            raise BadShardIndex("shard index: ends inside a name")
        raw, self._at = self._data[self._at : stop], stop
        return raw.decode("utf-8", "surrogateescape")
