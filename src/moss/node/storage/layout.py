"""Where things are in the data directory, and the keys and rows of the index. Pure.

Formats: docs/formats/store.md and docs/formats/index.md.
"""

import hashlib
import struct
from dataclasses import dataclass
from pathlib import Path

from moss.errors import InvalidName

__all__ = [
    "FORMAT",
    "Extent",
    "SegmentRow",
    "StorePaths",
    "decode_name",
    "encode_name",
    "long_key",
    "unpack_extents",
]

FORMAT = 1

# (segment number, data offset, size in bytes, xxh3 of the payload, flags, serial)
Extent = tuple[int, int, int, int, int, int]

EXTENT = struct.Struct("<6Q")
U64 = struct.Struct("<Q")
SERIAL_KEY = struct.Struct(">Q")
BUCKET_KEY = struct.Struct(">I")
SEGMENT_ROW = struct.Struct("<6Q")

# LMDB allows 511 bytes; what is longer goes to the overflow table.
KEY_BYTES_MAX = 480
SHORT_NAME_BYTES_MAX = KEY_BYTES_MAX - BUCKET_KEY.size
LONG_PREFIX_BYTES = 440

STATE_ACTIVE, STATE_SEALED, STATE_LARGE = 1, 2, 3
# Nothing needs the segment. The row stays until its file is known to be gone: a file that comes back with a power cut
# must not be taken for a new one.
STATE_DEAD = 4

# Segment numbers from here on are unpacked archives: the rest of the number is the serial of the archive's version.
DERIVED_BIT = 1 << 63
DERIVED_SEGMENT_KIND = "segment"

unpack_extents = EXTENT.iter_unpack


@dataclass(slots=True)
class SegmentRow:
    """What the index knows about one segment. Sizes in bytes.

    Attributes:
        indexed: everything before this offset is in the index.
        live: bytes of records that are still needed.
        serial_min: no object or deletion in the segment has a smaller serial.
    """

    state: int
    worker: int
    capacity: int
    indexed: int
    live: int
    serial_min: int

    def pack(self) -> bytes:
        return SEGMENT_ROW.pack(
            self.state, self.worker, self.capacity, self.indexed, max(self.live, 0), self.serial_min
        )

    @classmethod
    def unpack(cls, row: bytes) -> "SegmentRow":
        return cls(*SEGMENT_ROW.unpack(row))


def encode_name(name: str) -> bytes:
    """Return the bytes of an object name.

    Raises:
        InvalidName: empty, or not the text form of any bytes (a lone surrogate that escapes nothing).
    """
    if not name:
        raise InvalidName('invalid object name ""')
    try:
        return name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise InvalidName(f"invalid object name {name!a}") from None


def decode_name(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def long_key(prefix: bytes, raw: bytes) -> bytes:
    """Return the key in the overflow table: near the right place in byte order, and unique."""
    return prefix + raw[:LONG_PREFIX_BYTES] + hashlib.sha256(raw).digest()[:16]


@dataclass(frozen=True, slots=True)
class StorePaths:
    """The paths of one data directory."""

    root: Path

    @property
    def identity(self) -> Path:
        return self.root / "store.json"

    @property
    def index(self) -> Path:
        return self.root / "index"

    @property
    def buckets(self) -> Path:
        return self.root / "buckets.json"

    @property
    def segments(self) -> Path:
        return self.root / "segments"

    @property
    def incoming(self) -> Path:
        return self.root / "incoming"

    @property
    def derived(self) -> Path:
        return self.root / "derived"

    @property
    def reserve(self) -> Path:
        return self.root / "reserve"

    def lock(self, name: str) -> Path:
        return self.root / f"{name}.lock"

    def worker_lock(self, worker: int) -> Path:
        return self.root / "workers" / f"{worker}.lock"

    def segment(self, number: int) -> Path:
        if number & DERIVED_BIT:
            return self.derived_file(number ^ DERIVED_BIT, DERIVED_SEGMENT_KIND)
        return self.segments / f"{number >> 10:06x}" / f"{number:010d}.tar"

    def derived_file(self, serial: int, kind: str) -> Path:
        return self.derived / f"{serial:016x}.{kind}"
