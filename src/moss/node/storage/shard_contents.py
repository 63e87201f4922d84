"""All that a TAR holds, in its order: folders, links and doubled names too, which the member table leaves out.

For reading many members as they are, headers included, and for listings. Format: docs/formats/shard-contents.md.
"""

import struct
import threading
from array import array
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field

from xxhash import xxh3_64_intdigest

from moss.archive.limits import Limits
from moss.archive.tar_parse import Kind, walk
from moss.errors import BadArchive, BadRecord, TruncatedArchive
from moss.node.storage.member_table import Failure

__all__ = ["ContentsCache", "ShardContents", "list_contents"]

_FORMAT = 1
# Format, failure kind, failure text bytes, members, name bytes.
_HEADER = struct.Struct("<2BH2xIQ")
_TEXT_BYTES_MAX = 1 << 15
_AT_OPENING = 0x80


@dataclass(slots=True)
class ShardContents:
    """The members of one TAR as columns. A member begins where the one before it ends, the first at 0.

    Attributes:
        names: as they are stored.
        kinds: `Kind` of each, one byte.
        sizes: of the payloads, in bytes.
        stops: where each ends, padding included as far as it is there; bytes from the first of the (unpacked) TAR.
        checks: xxh3 of each member's bytes, header and padding included.
        failure: what broke the archive off behind the last of them.
        groups: rows by a key of their names, for who asks often; not stored.
    """

    names: list[str] = field(default_factory=list)
    kinds: bytearray = field(default_factory=bytearray)
    sizes: array = field(default_factory=lambda: array("Q"))
    stops: array = field(default_factory=lambda: array("Q"))
    checks: array = field(default_factory=lambda: array("Q"))
    failure: Failure | None = None
    groups: dict[str, list[int]] | None = field(default=None, compare=False, repr=False)

    def __len__(self) -> int:
        return len(self.names)

    def start(self, row: int) -> int:
        """Return where the first header block of a member begins."""
        return self.stops[row - 1] if row else 0

    def files(self) -> Iterator[tuple[str, int]]:
        """Yield name and size of the regular files."""
        for name, kind, size in zip(self.names, self.kinds, self.sizes, strict=True):
            if kind == Kind.FILE:
                yield name, size

    def rows_of(self, key: str, key_of: Callable[[str], str]) -> list[int]:
        """Return the rows whose names have a key; after the first call that costs nothing. Always the same `key_of`."""
        if self.groups is None:
            groups: dict[str, list[int]] = {}
            for row, name in enumerate(self.names):
                groups.setdefault(key_of(name), []).append(row)
            self.groups = groups
        return self.groups.get(key, [])

    def encode(self) -> bytes:
        names = "\0".join(self.names).encode("utf-8", "surrogateescape")
        text = self.failure.text.encode()[:_TEXT_BYTES_MAX] if self.failure else b""
        kind = self.failure.kind + 1 if self.failure else 0
        if self.failure and self.failure.at_opening:
            kind |= _AT_OPENING
        header = _HEADER.pack(_FORMAT, kind, len(text), len(self), len(names))
        columns = (bytes(self.kinds), self.sizes.tobytes(), self.stops.tobytes(), self.checks.tobytes())
        return b"".join((header, text, names, *columns))

    @classmethod
    def decode(cls, data: bytes) -> "ShardContents":
        """Raises BadRecord: of another format; the contents are to be listed again."""
        if len(data) < _HEADER.size or data[0] != _FORMAT:
            raise BadRecord("shard contents of unknown format")
        _, kind, text_bytes, count, name_bytes = _HEADER.unpack_from(data)
        at = _HEADER.size
        if len(data) != at + text_bytes + name_bytes + count * (1 + 3 * 8):
            raise BadRecord("damaged shard contents")
        text = data[at : (at := at + text_bytes)].decode(errors="replace")
        names = data[at : (at := at + name_bytes)].decode("utf-8", "surrogateescape")
        at_opening = bool(kind & _AT_OPENING)
        contents = cls(failure=Failure((kind & ~_AT_OPENING) - 1, text, at_opening) if kind else None)
        contents.names = names.split("\0") if count else []
        contents.kinds += data[at : (at := at + count)]
        for column in (contents.sizes, contents.stops, contents.checks):
            column.frombytes(data[at : (at := at + 8 * count)])
        if len(contents.names) != count:
            raise BadRecord("damaged shard contents")
        return contents


def list_contents(view: memoryview, limits: Limits) -> ShardContents:
    """Read through a TAR once; what is wrong with it ends the list and is noted there."""
    contents = ShardContents()
    begin = 0
    try:
        for member in walk(view, limits):
            end = member.data_offset + member.size
            stop = min(end + (-end & 511), len(view))
            contents.names.append(member.name.replace("\0", ""))
            contents.kinds.append(member.kind)
            contents.sizes.append(member.size)
            contents.stops.append(stop)
            contents.checks.append(xxh3_64_intdigest(view[begin:stop]))
            begin = stop
    except BadArchive as error:
        contents.failure = Failure.of(error)
    if begin & 511 and contents.failure is None:
        # Nobody writes a TAR that ends inside the padding of a member.
        contents.failure = Failure.of(TruncatedArchive())
    return contents


class ContentsCache:
    """Contents of shards in memory, the last used; each is made once for all who wait for it. Thread-safe.

    Args:
        members_max: members of all that are kept, about 150 bytes each.
    """

    def __init__(self, members_max: int) -> None:
        self._members_max = members_max
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, ShardContents] = OrderedDict()
        self._members = 0
        self._making: dict[int, Future[ShardContents]] = {}

    def get(self, serial: int, make: Callable[[], ShardContents]) -> ShardContents:
        """Return what is kept for one version of a shard, or what `make` gives; its errors reach all who wait."""
        with self._lock:
            found = self._kept.get(serial)
            if found is not None:
                self._kept.move_to_end(serial)
                return found
            making = self._making.get(serial)
            if making is None:
                mine = self._making[serial] = Future()
        if making is not None:
            return making.result()
        try:
            found = make()
        except BaseException as error:
            with self._lock:
                del self._making[serial]
            mine.set_exception(error)
            raise
        with self._lock:
            del self._making[serial]
            self._kept[serial] = found
            self._members += len(found)
            while self._members > self._members_max and len(self._kept) > 1:
                _, oldest = self._kept.popitem(last=False)
                self._members -= len(oldest)
        mine.set_result(found)
        return found

    def forget(self, serial: int) -> None:
        with self._lock:
            found = self._kept.pop(serial, None)
            if found is not None:
                self._members -= len(found)
