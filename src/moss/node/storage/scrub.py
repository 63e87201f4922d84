"""Checks all stored objects against their checksums, and the index against the segments."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from xxhash import xxh3_64_intdigest

from moss.errors import BadRecord, MossError, SegmentGone
from moss.naming.bucket import Bucket
from moss.node.storage.layout import Extent, decode_name
from moss.node.storage.parts import Parts
from moss.node.storage.records import (
    BLOCK_BYTES,
    FLAG_BLOCKS,
    FLAG_FINISHED_HEADER,
    FRAME_CHECK_SHIFT,
    SEGMENT_RECORD_BYTES,
    TAR_BLOCK,
    frame_check,
)

__all__ = ["Damage", "ScrubReport", "scrub"]

_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Damage:
    """One object that is not what was written."""

    bucket: Bucket
    name: str
    reason: str


@dataclass(slots=True)
class ScrubReport:
    """What one run found; sizes in bytes."""

    objects: int = 0
    checked_bytes: int = 0
    damaged: list[Damage] = field(default_factory=list)


def scrub(parts: Parts, *, bytes_per_s_max: float, stop: Callable[[], bool]) -> ScrubReport:
    """Check every object: payload, blocks, the record before it, and that the index means this record.

    Args:
        bytes_per_s_max: reads no faster; 0 for as fast as possible.
        stop: asked between objects; True ends the run early.
    """
    report = ScrubReport()
    started = time.monotonic()
    with parts.index.env.begin() as txn:
        buckets = list(parts.buckets.all(txn).values())
    for record in buckets:
        after = b""
        while True:
            # A short transaction for each page: one that lasts would keep the index from reusing its pages.
            with parts.index.env.begin() as txn:
                rows = [row for row, _ in zip(parts.index.scan(txn, record.id, b"", after), range(_PAGE), strict=False)]
            if not rows:
                break
            for name, extent in rows:
                if stop():
                    return report
                _check(parts, record.bucket, record.id, name, extent, report)
                _wait(report.checked_bytes, bytes_per_s_max, started)
            after = rows[-1][0]
    return report


def _wait(checked_bytes: int, bytes_per_s_max: float, started: float) -> None:
    if bytes_per_s_max:
        ahead_s = checked_bytes / bytes_per_s_max - (time.monotonic() - started)
        if ahead_s > 0:
            time.sleep(min(ahead_s, 1.0))


def _check(parts: Parts, bucket: Bucket, bucket_id: int, name: bytes, extent: Extent, report: ScrubReport) -> None:
    reason = ""
    for _ in range(4):
        try:
            reason = _find_damage(parts, bucket_id, name, extent)
        except SegmentGone:
            reason = "its segment is missing"
        except MossError as error:
            reason = error.message
        if not reason:
            break
        # It may have been moved, replaced or deleted meanwhile.
        with parts.index.env.begin() as txn:
            current = parts.index.find(txn, bucket_id, name)
        if current is None:
            return
        if current == extent:
            break
        extent = current
    report.objects += 1
    report.checked_bytes += extent[2]
    if reason:
        report.damaged.append(Damage(bucket, decode_name(name), reason))


def _find_damage(parts: Parts, bucket_id: int, name: bytes, extent: Extent) -> str:
    number, offset, size, xxh3, flags, serial = extent
    view = parts.segments.get(number).view
    payload = view[offset : offset + size]
    if len(payload) != size or xxh3_64_intdigest(payload) != xxh3:
        return "payload differs from its checksum"
    end = offset + size + (-size & 511)
    with parts.index.env.begin() as txn:
        record_bytes = parts.index.attributes_of(txn, serial).record_bytes
        blocks = parts.index.block_checksums(txn, serial)
    if flags & FLAG_FINISHED_HEADER:
        frame = view[offset - TAR_BLOCK : offset if flags & FLAG_BLOCKS else end]
        if frame_check(frame) != flags >> FRAME_CHECK_SHIFT:
            return "header or padding differs from its checksum"
    if flags & FLAG_BLOCKS and blocks != _block_checksums(payload):
        return "checksums of blocks differ"
    start = SEGMENT_RECORD_BYTES if flags & FLAG_BLOCKS else end - record_bytes
    record = parts.codec.parse(number, view, start)
    if record is None or (record.bucket_id, record.name, record.serial) != (bucket_id, name, serial):
        raise BadRecord("the index names another record")
    return ""


def _block_checksums(payload: memoryview) -> list[int]:
    return [xxh3_64_intdigest(payload[at : at + BLOCK_BYTES]) for at in range(0, len(payload), BLOCK_BYTES)]
