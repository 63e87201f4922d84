"""Where the payloads of a window are: from names to verified bytes.

Every payload is a slice of a memory map (or, for a member that must be decoded, bytes), checked against its
recorded checksum. What cannot be delivered is the error that says why, in the entry's place: one bad object or shard
harms its own entries only.
"""

import contextlib
from collections.abc import Mapping, Sequence
from itertools import repeat

from xxhash import xxh3_64_intdigest

from moss.errors import (
    BucketNotFound,
    ChecksumMismatch,
    MemberNotFound,
    MossError,
    ObjectNotFound,
    SegmentGone,
)
from moss.naming.bucket import plain_object_name
from moss.node.getbatch import warmup
from moss.node.getbatch.payloads import LargePayload, Payload
from moss.node.getbatch.plan import Batch
from moss.node.storage.bucket_calls import without_finished_header
from moss.node.storage.engine import Engine
from moss.node.storage.layout import Extent
from moss.node.storage.records import FLAG_BLOCKS
from moss.node.storage.segments import Segment
from moss.node.storage.shards import DecodeBudget, MemberColumns, MemberExtent, ShardIndexes

# Segments may vanish between lookup and opening (compaction), objects be replaced; each lookup sees a newer state.
_LOCATE_TRIES = 4
# Segments that are kept open from run to run. One that is held stays on disk.
_SEGMENTS_KEPT_MAX = 64


class Sources:
    """Finds and checks payloads for one batch. Used by one thread at a time."""

    def __init__(self, engine: Engine, shards: ShardIndexes, batch: Batch, node_name: str) -> None:
        self._engine, self._shards, self._batch, self._node_name = engine, shards, batch, node_name
        self._bucket_ids = [engine.get_bucket(bucket).id for bucket in batch.buckets]
        self._segments: dict[int, Segment] = {}
        # Payloads that came from the stores behind buckets and not into the cache, and what went wrong there.
        self.fetched: Mapping[int, Payload] = {}

    def locate(self, start: int, stop: int) -> list[Extent | None]:
        """Look up the objects of a window, in one view of the store.

        Returns:
            An extent for each entry, None where the object does not exist.

        Raises:
            BucketNotFound: a bucket was destroyed since the batch began, even if there is one of that name again.
        """
        names = self._batch.names[start:stop]
        extents = self._find(names, start)
        if None in extents and any(name.startswith("/") for name in names):
            # Objects are stored without slashes in front. Looked for only here: names like that are rare. The header
            # that is stored with such an object has another name than was asked for.
            found = self._find([plain_object_name(name) for name in names], start)
            for i, extent in enumerate(found):
                if extents[i] is None and extent is not None:
                    extents[i] = (*extent[:4], without_finished_header(extent[4]), extent[5])
        return extents

    def _find(self, names: Sequence[str], start: int) -> list[Extent | None]:
        batch = self._batch
        if batch.bucket_of is None:
            # Of a shard many members are asked for at a time: it is looked up once.
            distinct = names if batch.members is None else list(dict.fromkeys(names))
            extents = self._engine.locate(batch.buckets[0], distinct, self._bucket_ids[0])
            if len(distinct) < len(names):
                return list(map(dict(zip(distinct, extents, strict=True)).__getitem__, names))
            return extents
        used = batch.bucket_of[start : start + len(names)]
        extents = self._engine.locate_mixed([self._bucket_ids[which] for which in used], names)
        self._check_buckets(set(used))
        return extents

    def _check_buckets(self, used: set[int]) -> None:
        """After a lookup: what is gone with its bucket is not a missing object."""
        for which in used:
            bucket = self._batch.buckets[which]
            if self._engine.get_bucket(bucket).id != self._bucket_ids[which]:
                raise BucketNotFound(bucket.cname, is_remote=bucket.is_remote)

    def open(self, start: int, extents: Sequence[Extent | None]) -> Sequence[Extent | None]:
        """Open the segments of a run that was located; looks it up again when they have moved meanwhile."""
        for _ in range(_LOCATE_TRIES):
            numbers = {extent[0] for extent in extents if extent is not None}
            if len(self._segments) > _SEGMENTS_KEPT_MAX:
                self._segments = {number: self._segments[number] for number in numbers & self._segments.keys()}
            try:
                self._open(numbers)
            except SegmentGone as error:
                gone = error
                extents = self.locate(start, start + len(extents))
                continue
            return extents
        raise gone

    def _open(self, numbers: set[int]) -> None:
        for number in numbers - self._segments.keys():
            self._segments[number] = self._engine.segment(number)

    def warm(self, start: int, extents: Sequence[Extent | None]) -> bool:
        """Bring the objects of an open run into memory if they are not there; return whether any was cold."""
        if self._batch.members is not None:
            # Of a shard only members are read: they are brought in when it is known where they are.
            members = self._batch.members[start : start + len(extents)]
            if all(members):
                return False
            extents = [None if member else extent for member, extent in zip(members, extents, strict=True)]
        return self._bring_in(extents)

    def _bring_in(self, places: Sequence[warmup.Place | None]) -> bool:
        if not warmup.is_cold(places, self._segments):
            return False
        warmup.read_ahead(places, self._segments)
        return True

    def is_warm(self, extents: Sequence[Extent | None]) -> bool:
        """Tell whether all of an open run can be read without waiting for a disk."""
        return warmup.is_warm(extents, self._segments)

    def warm_later(self, start: int, stop: int) -> None:
        """Bring objects into memory that are not yet located; for other threads than the batch's own.

        Best effort: whatever is wrong is found when their turn comes.
        """
        with contextlib.suppress(MossError):
            extents = self.locate(start, stop)
            segments = {number: self._engine.segment(number) for number in {e[0] for e in extents if e is not None}}
            warmup.read_ahead(extents, segments)

    def view(self, number: int) -> memoryview:
        return self._segments[number].view

    def payloads(self, start: int, extents: Sequence[Extent | None]) -> list[Payload]:
        """Return the verified payload, or the error, of each entry of an open run."""
        found: list[Payload] = [b""] * len(extents)
        wanted = self._read_objects(start, extents, found)
        if wanted:
            self._read_members(start, wanted, extents, found)
        return found

    def _read_objects(self, start: int, extents: Sequence[Extent | None], found: list[Payload]) -> dict[int, list[int]]:
        """Fill in whole objects and what is missing.

        Returns:
            The rows that ask for members instead, by the serial of their shard.
        """
        members, segments = self._batch.members, self._segments
        paths = members[start : start + len(extents)] if members is not None else repeat("")
        wanted: dict[int, list[int]] = {}
        rows: list[int] = []
        for i, (extent, path) in enumerate(zip(extents, paths, strict=False)):
            if extent is None:
                found[i] = self._absent(start + i)
            elif path:
                wanted.setdefault(extent[5], []).append(i)
            elif extent[4] & FLAG_BLOCKS:
                found[i] = self._large(start + i, extent)
            else:
                rows.append(i)
                found[i] = segments[extent[0]].view[extent[1] : extent[1] + extent[2]]
        self._verify(start, rows, [extents[i][3] for i in rows], found)
        return wanted

    def _verify(self, start: int, rows: Sequence[int], checks: Sequence[int], found: list[Payload]) -> None:
        """Compare payloads with their checksums, and cut them to the ranges that are asked for."""
        digests = [xxh3_64_intdigest(found[i]) for i in rows]
        if digests != list(checks):
            for i, digest, check in zip(rows, digests, checks, strict=True):
                if digest != check:
                    found[i] = self._damaged(start + i, check, digest)
        if self._batch.starts is not None:
            for i in rows:
                if isinstance(found[i], memoryview):
                    found[i] = self._ranged(start + i, found[i])

    def _read_members(
        self, start: int, wanted: dict[int, list[int]], extents: Sequence[Extent | None], found: list[Payload]
    ) -> None:
        """Fill in members of shards. All are brought into memory before the first is read."""
        columns: list[tuple[list[int], int, MemberColumns]] = []
        hits: dict[int, object] = {}
        places: list[warmup.Place] = []
        budget = self._shards.budget()
        for rows in wanted.values():
            number, resolved = self._resolved(start, rows, extents[rows[0]], budget)
            if isinstance(resolved, MemberColumns):
                columns.append((rows, number, resolved))
                places += zip(repeat(number), resolved.offsets, resolved.sizes)
            else:
                hits.update(zip(rows, resolved, strict=True))
                places += [hit for hit in resolved if type(hit) is tuple]
        self._bring_in(places)
        for rows, number, resolved in columns:
            view = self._segments[number].view
            for i, at, size in zip(rows, resolved.offsets, resolved.sizes, strict=True):
                found[i] = view[at : at + size]
            self._verify(start, rows, resolved.checks, found)
        for i, hit in hits.items():
            found[i] = self._hit(start + i, hit)

    def _resolved(
        self, start: int, rows: list[int], shard: Extent, budget: DecodeBudget
    ) -> tuple[int, MemberColumns | Sequence[object]]:
        """Resolve all wanted members of one shard with one look into its table; their segments are open then.

        Returns:
            The number of the shard's segment, and what `ShardIndexes.resolve_columns` returns.
        """
        batch, first = self._batch, start + rows[0]
        name, wanted = batch.names[first], [batch.members[start + i] for i in rows]
        cname = batch.bucket(first).cname_of(name)
        for _ in range(_LOCATE_TRIES):
            try:
                found = self._shards.resolve_columns(shard, name, wanted, cname=cname, budget=budget)
                self._open({shard[0]})
                return shard[0], found
            except SegmentGone as error:
                gone = error
            except MossError as error:
                return shard[0], [error] * len(rows)
            # Compacted away, or replaced, in between: look where it is now.
            again = self.locate(first, first + 1)[0]
            if again is None:
                return shard[0], [self.missing(first)] * len(rows)
            shard = again
        return shard[0], [gone] * len(rows)

    def _hit(self, index: int, hit: object) -> Payload:
        payload = self._extent_of(index, hit) if type(hit) is tuple else self._decoded(index, hit)
        return payload if isinstance(payload, MossError) else self._ranged(index, payload)

    def _extent_of(self, index: int, hit: MemberExtent) -> memoryview | MossError:
        """Return the checked bytes of a member that lies somewhere as it is."""
        number, offset, size, checksum, _ = hit
        payload = self._segments[number].view[offset : offset + size]
        digest = xxh3_64_intdigest(payload)
        if digest != checksum:
            return self._damaged(index, checksum, digest)
        return payload

    def _decoded(self, index: int, hit: object) -> memoryview | MossError:
        """Return a member that the shard's reader has decoded and checked, or why there is none."""
        if isinstance(hit, MemberNotFound):
            cname = self._batch.bucket(index).cname_of(self._batch.names[index])
            return MemberNotFound(self._batch.members[index].removeprefix("/"), cname, node=self._node_name)
        return hit if isinstance(hit, MossError) else memoryview(hit)

    def _large(self, index: int, extent: Extent) -> Payload:
        number, offset, size, _, _, serial = extent
        span = self._batch.span(index, size)
        if isinstance(span, MossError):
            return span
        blocks = self._engine.block_checksums(serial)
        if blocks is None:
            return self._replaced(index)
        return LargePayload(self._cname(index), self._segments[number], offset, size, blocks, *span)

    def _replaced(self, index: int) -> Payload:
        """Return what took the place of a large object after the window was looked up."""
        return self.payloads(index, self.open(index, self.locate(index, index + 1)))[0]

    def _ranged(self, index: int, payload: memoryview) -> Payload:
        span = self._batch.span(index, len(payload))
        if isinstance(span, MossError):
            return span
        start, length = span
        return payload[start : start + length]

    def _cname(self, index: int) -> str:
        batch = self._batch
        cname = batch.bucket(index).cname_of(batch.names[index])
        if batch.members is not None and batch.members[index]:
            return f"{batch.members[index].removeprefix('/')} in {cname}"
        return cname

    def _damaged(self, index: int, expected: int, found: int) -> ChecksumMismatch:
        return ChecksumMismatch(self._cname(index), expected=f"{expected:016x}", found=f"{found:016x}")

    def _absent(self, index: int) -> Payload:
        """Return what there is of an entry whose object is not on this node."""
        found = self.fetched.get(index)
        # An object that its store does not have either is missing like all others.
        return self.missing(index) if found is None or isinstance(found, ObjectNotFound) else found

    def missing(self, index: int) -> MossError:
        """An object, or the shard of a member, that does not exist. Source: spec/getbatch.md 8.4."""
        batch = self._batch
        return ObjectNotFound(batch.bucket(index).cname_of(batch.names[index]), node=self._node_name)

    def first_missing(self, start: int, stop: int) -> MossError | None:
        """Check a window's objects and plain ranges without reading any payload."""
        batch = self._batch
        if batch.starts is None and batch.bucket_of is None:
            names = batch.names[start:stop]
            distinct = names if batch.members is None else list(dict.fromkeys(names))
            if self._engine.has_all(batch.buckets[0], distinct, self._bucket_ids[0]):
                return None
        extents = self.locate(start, stop)
        if batch.starts is None and None not in extents:
            return None
        for i, extent in enumerate(extents):
            if extent is None:
                return self.missing(start + i)
            if batch.starts is not None and not (batch.members and batch.members[start + i]):
                span = self._batch.span(start + i, extent[2])
                if isinstance(span, MossError):
                    return span
        return None
