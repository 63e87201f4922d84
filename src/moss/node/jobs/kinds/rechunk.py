"""Kind `rechunk`: stores objects anew as if they had come in parts of another size. Source: spec/rest-data.md 3.11.

The store keeps every object in one piece; parts are what clients are told (`Ais-Chunks-Count`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from moss.errors import BucketNotFound, MossError, ObjectChanged, ObjectNotFound, SegmentGone
from moss.naming.bucket import Bucket
from moss.node.jobs.job import Job
from moss.node.jobs.selection import Selection
from moss.node.storage.objects import ObjectAttributes, ObjectRecord

_TRIES = 8
_BYTES_MAX = 8 << 20


@dataclass(frozen=True, slots=True)
class RechunkPlan:
    """Which objects to cut, and how. Sizes in bytes.

    Attributes:
        chunk_bytes: size of each part but the last.
        limit_bytes: objects of this size or less are stored whole, all of them if it is 0.
        has_versions: the bucket counts versions.
    """

    bucket: Bucket
    selection: Selection
    chunk_bytes: int
    limit_bytes: int
    has_versions: bool = True

    def chunks_of(self, size: int) -> tuple[int, int]:
        """Return number and largest size of the parts of an object; zeros for one that is stored whole."""
        if not self.limit_bytes or size <= self.limit_bytes:
            return (0, 0)
        return (-(-size // self.chunk_bytes), min(size, self.chunk_bytes))


def rechunk_objects(engine: Any, plan: RechunkPlan) -> Callable[[Job], None]:
    """Return the work of one job. Objects that are cut as they should be stay as they are."""

    def work(job: Job) -> None:
        for names in plan.selection.windows(engine, plan.bucket):
            job.check()
            window: list[ObjectRecord] = []
            size = 0
            for record in engine.heads(plan.bucket, names):
                if record is None:
                    continue
                if plan.chunks_of(record.size) == record.chunks:
                    job.count(1, record.size)
                    continue
                window.append(record)
                size += record.size
                if size > _BYTES_MAX:
                    _rewrite(engine, plan, window, job)
                    window, size = [], 0
            _rewrite(engine, plan, window, job)

    return work


def _rewrite(engine: Any, plan: RechunkPlan, records: list[ObjectRecord], job: Job) -> None:
    for _ in range(_TRIES):
        if not records:
            return
        attributes = [
            ObjectAttributes(
                checksum_type=record.checksum_type,
                versioning=plan.has_versions,
                chunks=plan.chunks_of(record.size),
                replaces=record.serial,
            )
            for record in records
        ]
        names = [record.name for record in records]
        future = engine.copy_many(plan.bucket, records, plan.bucket, names, attributes)
        again = []
        for record, found in zip(records, future.result(), strict=True):
            if isinstance(found, (SegmentGone, ObjectChanged)):
                again.append(record.name)
            elif isinstance(found, BucketNotFound):
                raise found
            elif isinstance(found, ObjectNotFound):
                continue
            elif isinstance(found, MossError):
                job.add_error(found.message)
            else:
                job.count(1, record.size)
        records = [record for record in engine.heads(plan.bucket, again) if record is not None]
