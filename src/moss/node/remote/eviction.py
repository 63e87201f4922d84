"""Keeps the cache inside its limits: what was used longest ago goes first.

Use is known by segment, not by object: noting that a segment was opened costs a hot read nothing, objects that were
fetched together lie and age together, and the time stands at the segment's file, where all processes see it and where
it outlives a restart. Only what is known to be in its store is evicted.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from moss.errors import BucketNotFound, MossError, SegmentGone
from moss.node.remote.attributes import is_from_store
from moss.node.remote.places import Place, Remotes
from moss.node.remote.shards import LISTED_EXTENSIONS, RemoteShards
from moss.node.storage.engine import Engine
from moss.node.storage.locks import Turns
from moss.node.storage.objects import ObjectRecord

__all__ = ["CacheKeeper", "Evicted", "Limits"]

_WINDOW = 1000
# Below its limit the cache is brought down to this share of it, so that not every object makes room for itself.
_LOW_SHARE = 0.9


@dataclass(frozen=True, slots=True)
class Limits:
    """When objects leave the cache.

    Attributes:
        cache_bytes_max: of all cached objects together, 0 for no such limit.
        high_percent: of the disk's space, used by whatever; above it objects are evicted …
        low_percent: … until no more is used than this.
    """

    cache_bytes_max: int = 0
    high_percent: int = 90
    low_percent: int = 75


@dataclass(slots=True)
class Evicted:
    """What one pass evicted."""

    objects: int = 0
    size: int = 0


class CacheKeeper:
    """Evicts cached objects. Blocking; for threads of its own.

    Args:
        limits: asked at each pass.
        report: called with number and bytes of what was evicted.
    """

    def __init__(
        self,
        engine: Engine,
        remotes: Remotes,
        shards: RemoteShards,
        limits: Callable[[], Limits],
        report: Callable[[int, int], None],
    ) -> None:
        self._engine, self._remotes, self._shards = engine, remotes, shards
        self._limits, self._report = limits, report
        self._turns = Turns()

    def run(self, *, check: Callable[[], None] = lambda: None) -> Evicted:
        """Evict what is above the limits.

        Args:
            check: called between windows; what it raises ends the pass.
        """
        with self._turns.wait("run"):
            self._engine.note_use()
            evicted = Evicted()
            sizes = self._segment_sizes() if self._is_too_full() else {}
            excess = self._excess(sum(sizes.values()))
            if sizes and excess > 0:
                self._evict(excess, sizes, evicted, check)
            if evicted.objects:
                self._report(evicted.objects, evicted.size)
                self._engine.compact()
            return evicted

    def _is_too_full(self) -> bool:
        """Tell whether it is worth while to tell the cached objects from those that are the node's own."""
        limits, stats = self._limits(), self._engine.stats()
        used = stats["disk_bytes"] - stats["free_bytes"]
        is_above = used > stats["disk_bytes"] * limits.high_percent // 100
        return is_above or 0 < limits.cache_bytes_max < stats["live_bytes"]

    def _excess(self, cached: int) -> int:
        """Return how many of the bytes that are cached have to go."""
        limits, stats = self._limits(), self._engine.stats()
        total = stats["disk_bytes"]
        used = total - stats["free_bytes"]
        excess = used - total * limits.low_percent // 100 if used > total * limits.high_percent // 100 else 0
        if 0 < limits.cache_bytes_max < cached:
            excess = max(excess, cached - int(limits.cache_bytes_max * _LOW_SHARE))
        return excess

    def _places(self) -> Iterator[Place]:
        for record in self._engine.list_buckets():
            place = self._remotes.place(record)
            if place is not None and place.evicts:
                yield place

    def _segment_sizes(self) -> dict[int, int]:
        """Return how many bytes of objects that may be evicted lie in each segment."""
        sizes: dict[int, int] = {}
        for place in self._places():
            after = ""
            while page := self._page(place, after):
                for _, extent in page:
                    sizes[extent[0]] = sizes.get(extent[0], 0) + extent[2]
                after = page[-1][0]
        return sizes

    def _page(self, place: Place, after: str) -> list:
        try:
            return self._engine.list_extents(place.record.bucket, start_after=after, limit=_WINDOW)
        except BucketNotFound:
            return []

    def _evict(self, excess: int, sizes: dict[int, int], evicted: Evicted, check: Callable[[], None]) -> None:
        victims: set[int] = set()
        gone = 0
        for number in sorted(sizes, key=self._last_use):
            if gone >= excess:
                break
            victims.add(number)
            gone += sizes[number]
        for place in self._places():
            after = ""
            while (page := self._page(place, after)) and evicted.size < excess:
                check()
                after = page[-1][0]
                names = [name for name, extent in page if extent[0] in victims]
                if names:
                    self._evict_window(place, names, excess, evicted)

    def _evict_window(self, place: Place, names: list[str], excess: int, evicted: Evicted) -> None:
        bucket = place.record.bucket
        chosen: list[ObjectRecord] = []
        size = 0
        for record in self._engine.heads(bucket, names):
            if evicted.size + size >= excess:
                break
            if record is not None and is_from_store(record):
                chosen.append(record)
                size += record.size
        for record in chosen:
            if record.name.endswith(LISTED_EXTENSIONS):
                self._shards.keep(place, record)
        outcomes = self._engine.delete_many(bucket, [record.name for record in chosen]).result()
        for record, error in zip(chosen, outcomes, strict=True):
            if not isinstance(error, MossError):
                evicted.objects += 1
                evicted.size += record.size

    def _last_use(self, number: int) -> float:
        try:
            return os.fstat(self._engine.segment(number).fd).st_atime
        except (OSError, SegmentGone):
            return 0.0
