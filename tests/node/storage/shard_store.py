"""A store in memory with as much of the engine's interface as shards need."""

from dataclasses import dataclass, field
from pathlib import Path

from xxhash import xxh3_64_intdigest

from moss.errors import ChecksumMismatch, SegmentGone
from moss.node.storage.layout import Extent


@dataclass
class MemorySegment:
    view: memoryview


@dataclass
class MemoryStore:
    """Each object is a segment of its own. Counts what is read as a whole."""

    folder: Path
    segments: dict[int, bytearray] = field(default_factory=dict)
    derived: dict[tuple[int, str], bytes] = field(default_factory=dict)
    verified: list[int] = field(default_factory=list)

    def put(self, payload: bytes) -> Extent:
        number = len(self.segments) + 1
        # As in a segment file there is something before the payload and something behind it.
        self.segments[number] = bytearray(b"h" * 512 + payload + b"t" * 512)
        return number, 512, len(payload), xxh3_64_intdigest(payload), 0, 1000 + number

    def segment(self, number: int) -> MemorySegment:
        if number not in self.segments:
            raise SegmentGone(number)
        return MemorySegment(memoryview(self.segments[number]).toreadonly())

    def verify(self, extent: Extent) -> None:
        number, offset, size, checksum, _, serial = extent
        self.verified.append(serial)
        found = xxh3_64_intdigest(self.segment(number).view[offset : offset + size])
        if found != checksum:
            raise ChecksumMismatch(f"serial {serial}", expected=f"{checksum:016x}", found=f"{found:016x}")

    def put_derived(self, serial: int, kind: str, data: bytes) -> None:
        self.derived[serial, kind] = data

    def get_derived(self, serial: int, kind: str) -> bytes | None:
        return self.derived.get((serial, kind))

    def derived_segment_path(self, serial: int) -> Path:
        return self.folder / "derived" / f"{serial:016x}.segment"
