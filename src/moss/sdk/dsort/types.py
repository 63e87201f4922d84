"""What targets tell about a distributed sort. Source: spec/rest-control.md 11.4."""

from typing import Any

import msgspec

from moss.errors import MalformedAnswer
from moss.sdk.bucket_model import BucketModel

__all__ = [
    "DetailedStats",
    "DsortMetrics",
    "JobInfo",
    "LocalExtraction",
    "MetaSorting",
    "PhaseInfo",
    "ShardCreation",
    "ThroughputStats",
    "TimeStats",
    "decode_job_infos",
]


class TimeStats(msgspec.Struct, kw_only=True):
    """Durations of some requests; numbers as text."""

    total_ms: str = "0"
    count: str = "0"
    min_ms: str = "0"
    max_ms: str = "0"
    avg_ms: str = "0"


class ThroughputStats(msgspec.Struct, kw_only=True):
    """Throughputs; numbers as text."""

    total: str = "0"
    count: str = "0"
    min_throughput: str = "0"
    max_throughput: str = "0"
    avg_throughput: str = "0"


class DetailedStats(TimeStats, kw_only=True):
    """Durations and throughputs."""

    total: str = "0"
    min_throughput: str = "0"
    max_throughput: str = "0"
    avg_throughput: str = "0"


class PhaseInfo(msgspec.Struct, kw_only=True):
    """One phase; `elapsed` in nanoseconds."""

    started_time: str = ""
    end_time: str = ""
    elapsed: int = 0
    running: bool = False
    finished: bool = False


class LocalExtraction(PhaseInfo, kw_only=True):
    """Reading the shards."""

    total_count: str = "0"
    extracted_count: str = "0"
    extracted_size: str = "0"
    extracted_record_count: str = "0"
    extracted_to_disk_count: str = "0"
    extracted_to_disk_size: str = "0"
    single_shard_stats: DetailedStats | None = None


class MetaSorting(PhaseInfo, kw_only=True):
    """Sorting the records."""

    sent_stats: TimeStats | None = None
    recv_stats: TimeStats | None = None


class ShardCreation(PhaseInfo, kw_only=True):
    """Making the shards."""

    to_create: str = "0"
    created_count: str = "0"
    moved_shard_count: str = "0"
    req_stats: TimeStats | None = None
    resp_stats: TimeStats | None = None
    local_send_stats: DetailedStats | None = None
    local_recv_stats: DetailedStats | None = None
    single_shard_stats: DetailedStats | None = None


class DsortMetrics(msgspec.Struct, kw_only=True):
    """The three phases, and what went wrong in them."""

    local_extraction: LocalExtraction
    meta_sorting: MetaSorting
    shard_creation: ShardCreation
    aborted: bool | None = None
    archived: bool | None = None
    description: str | None = None
    warnings: list[str] | None = None
    errors: list[str] | None = None
    extended: bool | None = None


class JobInfo(msgspec.Struct, kw_only=True):
    """A sort on one target; durations in nanoseconds, counters as text."""

    id: str
    src_bck: BucketModel = msgspec.field(name="src-bck")
    dst_bck: BucketModel = msgspec.field(name="dst-bck")
    started_time: str | None = None
    finish_time: str | None = None
    extracted_duration: int | None = msgspec.field(name="started_meta_sorting", default=None)
    sorting_duration: int | None = msgspec.field(name="started_shard_creation", default=None)
    creation_duration: int | None = msgspec.field(name="finished_shard_creation", default=None)
    objects: str = msgspec.field(name="loc-objs", default="0")
    bytes: str = msgspec.field(name="loc-bytes", default="0")
    metrics: DsortMetrics = msgspec.field(name="Metrics")
    aborted: bool = False
    archived: bool = False


_decoder: Any = msgspec.json.Decoder(dict[str, JobInfo] | None, strict=False)


def decode_job_infos(body: bytes) -> dict[str, JobInfo]:
    """Read what all targets say about a sort, by the target's id. Raises MalformedAnswer."""
    try:
        return _decoder.decode(body) or {}
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedAnswer(f"not a sort: {error}") from None
