"""What the modules of one open store share, and its settings."""

from dataclasses import dataclass, field

from moss.node.storage.buckets import BucketTable
from moss.node.storage.index import MAP_BYTES, Index
from moss.node.storage.layout import StorePaths
from moss.node.storage.records import RecordCodec
from moss.node.storage.segments import Segments

__all__ = ["EngineOptions", "Parts"]


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """Settings of an engine. Sizes in bytes, times in seconds.

    Attributes:
        segment_bytes_max: a segment is sealed at this size; on small disks at 1/64 of the disk.
        small_object_bytes_max: larger objects are segments of their own.
        commit_wait_s_max: how long a group of puts may wait for more of them; a lone put does not wait.
        commit_puts_max: changes in one group.
        sync: acknowledged means on stable storage; False only for throw-away data.
        worker: number of this process among those that have the directory open.
        reserve_bytes: given up so that deletes work when the disk is full.
        headroom_bytes: puts are refused when less is free; None is one segment, so that compaction has room.
        index_bytes_max: largest size of the index; address space only.
        compact_in_background: reclaim dead space without being asked.
    """

    segment_bytes_max: int = 256 << 20
    small_object_bytes_max: int = 1 << 20
    commit_wait_s_max: float = 0.002
    commit_puts_max: int = 64
    sync: bool = True
    worker: int = 0
    reserve_bytes: int = 4 << 20
    headroom_bytes: int | None = None
    index_bytes_max: int = MAP_BYTES
    compact_in_background: bool = True


@dataclass(slots=True)
class Parts:
    """The parts of one open store.

    Attributes:
        segment_bytes: capacity of new segments, for this disk.
        lost: (segment, start, stop) of damage that recovery passed over.
    """

    options: EngineOptions
    paths: StorePaths
    codec: RecordCodec
    index: Index
    buckets: BucketTable
    segments: Segments
    segment_bytes: int
    lost: list[tuple[int, int, int]] = field(default_factory=list)

    @property
    def headroom_bytes(self) -> int:
        wanted = self.options.headroom_bytes
        return self.segment_bytes if wanted is None else wanted
