"""Finds members of shards: one table lookup each, after the first read of a shard has built its table.

A member is an extent of the stored object where it lies there as it is (TAR, stored ZIP entries), else bytes: a view of
the unpacked shard on disk (TGZ, TAR.LZ4), or what was decoded (deflated ZIP entries). One shard is read once, whoever
asks how often; a damaged one harms its own members only (better-than-the-reference 4 and 5).
"""

import contextlib
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from xxhash import xxh3_64_intdigest

from moss.archive.decompression import make_decompressor
from moss.archive.formats import Format
from moss.archive.limits import DEFAULT_LIMITS, Limits
from moss.archive.reader import detect_format
from moss.archive.tar_parse import Kind
from moss.archive.tar_parse import Member as TarMember
from moss.archive.tar_pull import pull_members
from moss.archive.zip_parse import inflate, read_directory
from moss.errors import BadArchive, BadRecord, ChecksumMismatch, MemberNotFound, MossError, Unavailable
from moss.node.storage.layout import Extent
from moss.node.storage.member_table import Layout, MemberColumns, MemberTable, Packing, member_key
from moss.node.storage.shard_build import build_table
from moss.node.storage.shard_contents import ContentsCache, ShardContents, list_contents
from moss.node.storage.unpacked import Unfinished, UnpackedCache, spooled

__all__ = [
    "TABLE_KIND",
    "DecodeBudget",
    "Member",
    "MemberColumns",
    "MemberExtent",
    "MemberHit",
    "ShardIndexes",
    "ShardLimits",
]

# (segment number, data offset, size, xxh3, serial of the shard's version)
MemberExtent = tuple[int, int, int, int, int]
MemberHit = MemberExtent | bytes | memoryview

# Under this word a shard's table is kept beside it (`Engine.get_derived`).
TABLE_KIND = "members"
_CONTENTS_KIND = "contents"
_FEED_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class ShardLimits:
    """What shards may take.

    Attributes:
        archive: bounds of what is read from one archive.
        tables_members_max: members of all tables that are kept in memory, about 250 bytes each.
        unpacked_bytes_max: unpacked shards on disk, all together.
        unpacked_shard_bytes_max: one of them; a larger shard is scanned each time.
        decoded_bytes_max: what is decoded into memory within one budget; the rest goes through unnamed files.
        decoded_member_bytes_max: one member that may be decoded into memory.
    """

    archive: Limits = DEFAULT_LIMITS
    tables_members_max: int = 500_000
    unpacked_bytes_max: int = 8 << 30
    unpacked_shard_bytes_max: int = 4 << 30
    decoded_bytes_max: int = 8 << 20
    decoded_member_bytes_max: int = 1 << 20


class _Segment(Protocol):
    view: memoryview


class ShardStore(Protocol):
    """What is needed of the engine."""

    def segment(self, number: int) -> _Segment: ...
    def verify(self, extent: Extent) -> None: ...
    def put_derived(self, serial: int, kind: str, data: bytes) -> object: ...
    def get_derived(self, serial: int, kind: str) -> bytes | None: ...
    def derived_segment_path(self, serial: int) -> Path: ...


@dataclass(slots=True)
class _Shard:
    """A shard whose table is in memory."""

    table: MemberTable
    unpacked: memoryview | None = None
    path: Path | None = None


@dataclass(slots=True)
class DecodeBudget:
    """What may still be decoded into memory; several calls may share one. Made by `ShardIndexes.budget`."""

    bytes_left: int
    member_bytes_max: int
    folder: Path

    def keep(self, pieces: Iterator[bytes | memoryview], size: int) -> bytes | memoryview:
        """Return pieces as one buffer, in memory while the budget lasts."""
        if size <= min(self.bytes_left, self.member_bytes_max):
            self.bytes_left -= size
            return b"".join(pieces)
        return spooled(pieces, self.folder)


@dataclass(frozen=True, slots=True)
class Member:
    """A member as a listing shows it; size in bytes."""

    name: str
    size: int


@dataclass(slots=True)
class _Request:
    """One call of `resolve`."""

    extent: Extent
    name: str
    cname: str
    members: Sequence[str]
    budget: DecodeBudget
    found: list[MemberHit | MossError] = field(default_factory=list)

    def missing(self, member: str) -> MemberNotFound:
        return MemberNotFound(member_key(member), self.cname)


class ShardIndexes:
    """The member tables of all shards. Thread-safe; calls block while a shard is read for the first time.

    Args:
        engine: the store; of its interface only `ShardStore` is used.
    """

    def __init__(self, engine: ShardStore, limits: ShardLimits | None = None) -> None:
        self._engine, self._limits = engine, limits or ShardLimits()
        self._folder = engine.derived_segment_path(0).parent
        self._cache = UnpackedCache(
            self._folder,
            bytes_max=self._limits.unpacked_bytes_max,
            shard_bytes_max=self._limits.unpacked_shard_bytes_max,
        )
        self._lock = threading.Lock()
        self._shards: OrderedDict[int, _Shard] = OrderedDict()
        self._members_kept = 0
        self._building: dict[int, Future[_Shard]] = {}
        self._contents = ContentsCache(self._limits.tables_members_max)

    def resolve(
        self,
        shard: Extent,
        shard_name: str,
        members: Sequence[str],
        *,
        cname: str = "",
        budget: DecodeBudget | None = None,
    ) -> list[MemberHit | MossError]:
        """Find members of one shard; a thousand cost hardly more than one.

        Args:
            shard: where the object is, as the engine located it.
            shard_name: its name: the extension tells the format.
            members: member paths; a leading slash does not count. May repeat.
            cname: the shard's printable name, for error texts.
            budget: shared by calls whose results are held together; else the call has one of its own.

        Returns:
            For each member an extent, whose xxh3 is to be verified by whoever reads it, or its verified bytes, or the
            error that it gives (`MemberNotFound`, `BadArchive`, `ArchiveLimit`, `ChecksumMismatch`).

        Raises:
            ChecksumMismatch: the shard is damaged on disk.
            SegmentGone: locate the shard again.
        """
        request = _Request(shard, shard_name, cname or shard_name, members, budget or self.budget())
        found = self._shard(shard, shard_name)
        if found.table.layout is Layout.IN_OBJECT:
            return self._in_object(request, found.table)
        if found.table.layout is Layout.UNPACKED:
            return self._in_unpacked(request, found)
        return self._scanned(request)

    def resolve_columns(
        self, shard: Extent, shard_name: str, members: Sequence[str], *, cname: str, budget: DecodeBudget
    ) -> MemberColumns | list[MemberHit | MossError]:
        """Do what `resolve` does, by columns if all members lie in the shard as they are: a third of the time.

        The columns' offsets count from the beginning of the shard's segment, `shard[0]`.
        """
        table = self._shard(shard, shard_name).table
        if table.layout is Layout.IN_OBJECT:
            columns = table.select(members, shard[1])
            if columns is not None:
                return columns
        return self.resolve(shard, shard_name, members, cname=cname, budget=budget)

    def list_members(self, shard: Extent, shard_name: str) -> list[Member]:
        """List the regular files of a shard in their order, without leading slash; one name may stand there twice.

        Of a TAR that breaks off, the files before the break.

        Raises:
            BadArchive: the shard is no archive, or nothing of it can be read.
        """
        if detect_format(shard_name, self._view(shard)) is Format.ZIP:
            self._engine.verify(shard)
            entries = read_directory(self._view(shard), self._limits.archive)
            return [Member(member_key(entry.name), entry.size) for entry in entries if not entry.is_folder]
        found = self.contents(shard, shard_name)
        if found is None:
            pulled = (member for member, _ in self._pulled(shard, shard_name))
            return [Member(member_key(member.name), member.size) for member in pulled if member.kind is Kind.FILE]
        contents, _ = found
        if contents.failure is not None and not len(contents):
            raise contents.failure.error(shard_name, shard_name)
        return [Member(member_key(name), size) for name, size in contents.files()]

    def contents(self, shard: Extent, shard_name: str) -> tuple[ShardContents, memoryview] | None:
        """Return all that a TAR, compressed or not, holds, and its unpacked bytes; None if those are not kept.

        What is read of the bytes has to be compared with the checksums of the contents.

        Raises:
            BadArchive: it is no archive, or a ZIP.
            ChecksumMismatch: the shard is damaged on disk.
            SegmentGone: locate the shard again.
        """
        view, failure = self._view(shard), None
        archive_format = detect_format(shard_name, view)
        if archive_format is Format.ZIP:
            raise BadArchive("a ZIP has no TAR headers")
        if archive_format is not Format.TAR:
            found = self._shard(shard, shard_name)
            if found.table.layout is Layout.UNLISTED:
                return None
            failure = found.table.failure
            if found.unpacked is not None:
                view = found.unpacked
        else:
            found = None

        def make() -> ShardContents:
            stored = self._stored_contents(shard[5])
            if stored is not None:
                return stored
            if found is None:
                self._engine.verify(shard)
            contents = list_contents(view, self._limits.archive)
            contents.failure = failure or contents.failure
            with contextlib.suppress(Unavailable):
                self._engine.put_derived(shard[5], _CONTENTS_KIND, contents.encode())
            return contents

        return self._contents.get(shard[5], make), view

    def _stored_contents(self, serial: int) -> ShardContents | None:
        data = self._engine.get_derived(serial, _CONTENTS_KIND)
        if data is None:
            return None
        try:
            return ShardContents.decode(bytes(data))
        except BadRecord:
            return None

    def forget(self, serial: int) -> None:
        """Let go of a version that was deleted, and of its unpacked file."""
        with self._lock:
            found = self._shards.pop(serial, None)
            if found is not None:
                self._members_kept -= len(found.table)
        self._contents.forget(serial)
        self._cache.drop(self._engine.derived_segment_path(serial))

    # -- tables ------------------------------------------------------------------------------------------

    def _shard(self, extent: Extent, name: str) -> _Shard:
        """Return a shard's table: from memory, from the store, or built now; once for all who wait for it."""
        serial = extent[5]
        with self._lock:
            found = self._shards.get(serial)
            if found is not None:
                self._shards.move_to_end(serial)
                return found
            building = self._building.get(serial)
            if building is None:
                mine = self._building[serial] = Future()
        if building is not None:
            return building.result()
        try:
            found = self._stored(serial) or self._built(extent, name)
        except BaseException as error:
            self._end_building(serial, None)
            mine.set_exception(error)
            raise
        self._end_building(serial, found)
        mine.set_result(found)
        return found

    def _end_building(self, serial: int, found: _Shard | None) -> None:
        with self._lock:
            del self._building[serial]
            if found is None:
                return
            self._shards[serial] = found
            self._members_kept += len(found.table)
            while self._members_kept > self._limits.tables_members_max and len(self._shards) > 1:
                _, oldest = self._shards.popitem(last=False)
                self._members_kept -= len(oldest.table)

    def _stored(self, serial: int) -> _Shard | None:
        data = self._engine.get_derived(serial, TABLE_KIND)
        if data is None:
            return None
        try:
            table = MemberTable.decode(bytes(data))
        except BadRecord:
            return None
        if table.layout is not Layout.UNPACKED:
            return _Shard(table)
        path = self._engine.derived_segment_path(serial)
        unpacked = self._cache.map(path, table.unpacked_bytes)
        return None if unpacked is None else _Shard(table, unpacked, path)

    def _built(self, extent: Extent, name: str) -> _Shard:
        # What the members' own checksums are computed from must be what was stored.
        self._engine.verify(extent)
        table, unfinished = build_table(self._view(extent), name, self._limits.archive, self._cache.begin)
        serial = extent[5]
        found = _Shard(table)
        if unfinished is not None:
            found.unpacked, found.path = unfinished.map(), self._engine.derived_segment_path(serial)
            self._publish(unfinished, found.path)
        # A table that cannot be kept is built again another time.
        with contextlib.suppress(Unavailable):
            self._engine.put_derived(serial, TABLE_KIND, table.encode())
        return found

    def _publish(self, unfinished: Unfinished, path: Path) -> None:
        with contextlib.suppress(OSError):
            self._cache.publish(unfinished, path)

    def _view(self, extent: Extent) -> memoryview:
        number, offset, size = extent[:3]
        return self._engine.segment(number).view[offset : offset + size]

    # -- members -----------------------------------------------------------------------------------------

    def _in_object(self, request: _Request, table: MemberTable) -> list[MemberHit | MossError]:
        number, start, _, _, _, serial = request.extent
        rows, packings = table.rows, table.packings
        offsets, sizes, checks = table.offsets, table.sizes, table.checks
        found = request.found
        for member in request.members:
            row = rows.get(member_key(member), -1)
            if row < 0:
                found.append(self._unlisted(request, table, member))
            elif not packings[row]:
                found.append((number, start + offsets[row], sizes[row], checks[row], serial))
            elif packings[row] == Packing.DEFLATED:
                found.append(self._inflated(request, table, row))
            else:
                found.append(table.refusal(row) or request.missing(member))
        return found

    def _inflated(self, request: _Request, table: MemberTable, row: int) -> MemberHit | MossError:
        size, packed_size, offset = table.sizes[row], table.packed_sizes[row], table.offsets[row]
        packed = self._view(request.extent)[offset : offset + packed_size]
        try:
            return request.budget.keep(inflate(packed, size, table.checks[row], self._limits.archive), size)
        except MossError as error:
            return error

    def _in_unpacked(self, request: _Request, shard: _Shard) -> list[MemberHit | MossError]:
        table, path = shard.table, shard.path
        assert shard.unpacked is not None
        assert path is not None
        self._cache.touch(path)
        for member in request.members:
            row = table.rows.get(member_key(member), -1)
            if row < 0:
                request.found.append(self._unlisted(request, table, member))
            elif table.packings[row]:
                request.found.append(table.refusal(row) or request.missing(member))
            else:
                request.found.append(self._unpacked_member(request, shard, member, row))
        return request.found

    def _unpacked_member(self, request: _Request, shard: _Shard, member: str, row: int) -> MemberHit | MossError:
        table = shard.table
        for is_last in (False, True):
            assert shard.unpacked is not None
            offset, size = table.offsets[row], table.sizes[row]
            payload = shard.unpacked[offset : offset + size]
            digest = xxh3_64_intdigest(payload)
            if digest == table.checks[row]:
                return payload
            if not is_last:
                # The unpacked file is only a copy: make a new one.
                self.forget(request.extent[5])
                try:
                    rebuilt = self._rebuilt(request)
                except MossError as error:
                    return error
                if rebuilt.table.layout is not Layout.UNPACKED or len(rebuilt.table) <= row:
                    break
                shard.unpacked = rebuilt.unpacked
        name = f"{member_key(member)} in {request.cname}"
        return ChecksumMismatch(name, expected=f"{table.checks[row]:016x}", found=f"{digest:016x}")

    def _rebuilt(self, request: _Request) -> _Shard:
        self._engine.put_derived(request.extent[5], TABLE_KIND, b"")
        return self._shard(request.extent, request.name)

    @staticmethod
    def _unlisted(request: _Request, table: MemberTable, member: str) -> MossError:
        if table.failure is None:
            return request.missing(member)
        return table.failure.error(request.name, request.cname)

    def budget(self) -> DecodeBudget:
        """Return a new budget, for calls whose results are held together."""
        limits = self._limits
        return DecodeBudget(limits.decoded_bytes_max, limits.decoded_member_bytes_max, self._folder)

    # -- shards that are too large to be kept unpacked ------------------------------------------------------

    def _scanned(self, request: _Request) -> list[MemberHit | MossError]:
        """Read through the shard until all members that are asked for were met."""
        wanted = {member_key(member) for member in request.members}
        hits: dict[str, MemberHit | MossError] = {}
        budget = request.budget
        failure: MossError | None = None
        try:
            for member, payload in self._pulled(request.extent, request.name):
                key = member_key(member.name)
                if key in wanted and key not in hits:
                    hits[key] = self._kept(member.kind, payload, member.size, budget)
                    if len(hits) == len(wanted):
                        break
        except BadArchive as error:
            failure = error
        for member in request.members:
            hit = hits.get(member_key(member))
            request.found.append(failure or request.missing(member) if hit is None else hit)
        return request.found

    @staticmethod
    def _kept(kind: Kind, payload: Iterator[memoryview], size: int, budget: DecodeBudget) -> MemberHit | MossError:
        if kind is Kind.SPARSE:
            return BadArchive("archive/tar: sparse members are not supported")
        return budget.keep(payload, size)

    def _pulled(self, extent: Extent, name: str) -> Iterator[tuple[TarMember, Iterator[memoryview]]]:
        shard = self._view(extent)
        decompressor = make_decompressor(detect_format(name, shard), self._limits.archive)

        def pieces() -> Iterator[bytes]:
            for begin in range(0, len(shard), _FEED_BYTES):
                yield from decompressor.feed(shard[begin : begin + _FEED_BYTES])
            decompressor.finish()

        for member, payload in pull_members(pieces(), self._limits.archive):
            if member.kind is not Kind.FOLDER:
                yield member, payload
