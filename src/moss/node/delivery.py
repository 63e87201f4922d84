"""Payload bytes of stored objects, checked before they are handed out. Synchronous; may wait for the disk."""

from collections.abc import Iterator
from typing import Any

from xxhash import xxh3_64_intdigest

from moss.errors import ChecksumMismatch

_BLOCK_BYTES = 256 << 10
_PIECE_BYTES = 1 << 20
_HAS_BLOCKS = 2  # flag of an extent: checksums of its blocks are kept


def verified_pieces(
    engine: Any, extent: tuple[int, ...], cname: str, start: int = 0, stop: int | None = None
) -> Iterator[memoryview]:
    """Yield the bytes `start` to `stop` (exclusive) of an extent in pieces of up to 1 MiB, each checked first.

    The pieces are views of the segment's mapping; they stay valid when the object is deleted meanwhile.

    Args:
        cname: printable name of the object, for the error.

    Raises:
        ChecksumMismatch: the bytes on disk are not those that were written; nothing of that piece is yielded.
        SegmentGone: the extent was moved before the first piece: look the object up again.
    """
    number, offset, size, _, flags, serial = extent
    stop = size if stop is None else min(stop, size)
    view = engine.segment(number).view[offset : offset + size]
    blocks = engine.block_checksums(serial) if flags & _HAS_BLOCKS else None
    if blocks is None:
        engine.verify(extent)
        for at in range(start, stop, _PIECE_BYTES):
            yield view[at : min(at + _PIECE_BYTES, stop)]
        return
    at = start
    while at < stop:
        first = at // _BLOCK_BYTES
        end = min(at - at % _BLOCK_BYTES + _PIECE_BYTES, stop)
        _check_blocks(view, blocks, first, -(-end // _BLOCK_BYTES), cname)
        yield view[at:end]
        at = end


def _check_blocks(view: memoryview, blocks: list[int], first: int, last: int, cname: str) -> None:
    for number in range(first, last):
        found = xxh3_64_intdigest(view[number * _BLOCK_BYTES : (number + 1) * _BLOCK_BYTES])
        if found != blocks[number]:
            raise ChecksumMismatch(cname, expected=f"{blocks[number]:016x}", found=f"{found:016x}")
