"""What one version of a shard holds, as columns. Pure. Format: docs/formats/member-table.md."""

import struct
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from operator import itemgetter
from typing import NamedTuple

from xxhash import xxh3_64_intdigest

from moss.errors import ArchiveLimit, BadArchive, BadRecord, MossError, TruncatedArchive, UnknownArchive

__all__ = ["Failure", "Layout", "MemberColumns", "MemberTable", "Packing", "member_key"]

_FORMAT = 1
# Format, layout, failure kind, flags, failure text bytes, members, unpacked bytes, name bytes.
_HEADER = struct.Struct("<4B2I2Q")
_DIGEST = struct.Struct("<Q")
_AT_OPENING = 1

EMPTY_XXH3 = xxh3_64_intdigest(b"")


class Layout(IntEnum):
    """Where the members are."""

    IN_OBJECT = 0
    UNPACKED = 1
    # Too large to be kept unpacked: the members are not listed, each look is a scan.
    UNLISTED = 2


class Packing(IntEnum):
    """How one member is stored. Everything but `PLAIN` and `DEFLATED` cannot be read."""

    PLAIN = 0
    DEFLATED = 1
    SPARSE = 2
    BAD_CHECKSUM = 3
    BAD_METHOD = 4
    BAD_HEADER = 5


_REFUSALS = {
    Packing.SPARSE: "archive/tar: sparse members are not supported",
    Packing.BAD_CHECKSUM: "zip: checksum error",
    Packing.BAD_METHOD: "zip: unsupported compression algorithm",
    Packing.BAD_HEADER: "zip: not a valid zip file",
}

_FAILURES: tuple[type[BadArchive], ...] = (BadArchive, TruncatedArchive, UnknownArchive, ArchiveLimit)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why the members behind some point of a shard, or all, cannot be read.

    Attributes:
        kind: index of the error class.
        text: the reason; empty for `UnknownArchive`, which says it all.
        at_opening: the shard could not even be opened, which the error says.
    """

    kind: int
    text: str
    at_opening: bool = False

    @classmethod
    def of(cls, error: BadArchive, *, at_opening: bool = False) -> "Failure":
        kind = next((i for i, known in enumerate(_FAILURES) if type(error) is known), 0)
        return cls(kind, "" if kind == _FAILURES.index(UnknownArchive) else error.message, at_opening)

    def error(self, shard_name: str, cname: str) -> BadArchive:
        """Return the error for one member. Source of the texts: spec/getbatch.md 7."""
        if _FAILURES[self.kind] is UnknownArchive:
            return UnknownArchive(shard_name)
        return _FAILURES[self.kind](f"failed to open {cname}: {self.text}" if self.at_opening else self.text)


def member_key(name: str) -> str:
    """Return what names are compared by: one leading slash does not count. Source: spec/getbatch.md 7."""
    return name[1:] if name.startswith("/") else name


class MemberColumns(NamedTuple):
    """Where plain members are. Offsets and sizes in bytes; the checks are their xxh3."""

    offsets: tuple[int, ...]
    sizes: tuple[int, ...]
    checks: tuple[int, ...]


@dataclass(slots=True)
class MemberTable:
    """The members of one version of a shard, the first of each name.

    Attributes:
        layout: where `offsets` count from: the object, or the file that it is unpacked to.
        failure: what asking for a member that is not listed gives; None = there is no such member.
        unpacked_bytes: length of that file.
        offsets, sizes: of each member's bytes as stored, and of its payload. Bytes.
        checks: xxh3 of a plain payload, CRC-32 of a deflated one.
        packings: one byte each.
        packed_sizes: bytes as stored, for deflated members; empty when there are none.
        rows: row of each name (without leading slash).
    """

    layout: Layout = Layout.IN_OBJECT
    failure: Failure | None = None
    unpacked_bytes: int = 0
    offsets: array = field(default_factory=lambda: array("Q"))
    sizes: array = field(default_factory=lambda: array("Q"))
    checks: array = field(default_factory=lambda: array("Q"))
    packings: bytearray = field(default_factory=bytearray)
    packed_sizes: array = field(default_factory=lambda: array("Q"))
    rows: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.offsets)

    def add(self, name: str, offset: int, size: int, check: int, packing: Packing = Packing.PLAIN) -> None:
        """Append a member, unless there is one of that name."""
        key = member_key(name)
        if key in self.rows or "\0" in key:
            return
        self.rows[key] = len(self.offsets)
        self.offsets.append(offset)
        self.sizes.append(size)
        self.checks.append(check)
        self.packings.append(packing)

    def select(self, names: Sequence[str], base: int) -> "MemberColumns | None":
        """Look up many members at once; None if one of them is not listed (under just this name) or not plain.

        Args:
            base: added to each offset.
        """
        rows = list(map(self.rows.get, names))
        if None in rows:
            return None
        if len(rows) == 1:
            (row,) = rows
            if self.packings[row]:
                return None
            return MemberColumns((base + self.offsets[row],), (self.sizes[row],), (self.checks[row],))
        pick = itemgetter(*rows)
        if any(pick(self.packings)):
            return None
        return MemberColumns(tuple(map(base.__add__, pick(self.offsets))), pick(self.sizes), pick(self.checks))

    def refusal(self, row: int) -> MossError | None:
        """Return why a member cannot be read, None if it can."""
        text = _REFUSALS.get(self.packings[row])
        return BadArchive(text) if text else None

    def encode(self) -> bytes:
        text = self.failure.text.encode() if self.failure else b""
        names = "\0".join(self.rows).encode("utf-8", "surrogateescape")
        kind = self.failure.kind + 1 if self.failure else 0
        flags = _AT_OPENING if self.failure and self.failure.at_opening else 0
        header = _HEADER.pack(
            _FORMAT, self.layout, kind, flags, len(text), len(self), self.unpacked_bytes, len(names)
        )  # fmt: skip
        columns = (self.offsets, self.sizes, self.checks, self.packings, self.packed_sizes)
        body = b"".join((header, text, names, *(bytes(column) for column in columns)))
        return body + _DIGEST.pack(xxh3_64_intdigest(body))

    @classmethod
    def decode(cls, data: bytes) -> "MemberTable":
        """Raises BadRecord: damaged, or of another format; the table is to be built again."""
        if len(data) < _HEADER.size + _DIGEST.size or data[0] != _FORMAT:
            raise BadRecord("member table of unknown format")
        if _DIGEST.unpack(data[-_DIGEST.size :])[0] != xxh3_64_intdigest(data[: -_DIGEST.size]):
            raise BadRecord("damaged member table")
        _, layout, kind, flags, text_bytes, count, unpacked_bytes, name_bytes = _HEADER.unpack_from(data)
        at = _HEADER.size
        text = data[at : (at := at + text_bytes)].decode()
        names = data[at : (at := at + name_bytes)].decode("utf-8", "surrogateescape")
        table = cls(Layout(layout), Failure(kind - 1, text, bool(flags & _AT_OPENING)) if kind else None)
        table.unpacked_bytes = unpacked_bytes
        for column in (table.offsets, table.sizes, table.checks):
            column.frombytes(data[at : (at := at + 8 * count)])
        table.packings += data[at : (at := at + count)]
        table.packed_sizes.frombytes(data[at : -_DIGEST.size])
        if count:
            table.rows = {name: row for row, name in enumerate(names.split("\0"))}
        return table
