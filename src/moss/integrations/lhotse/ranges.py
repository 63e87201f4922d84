"""Random access to one object: a file that fetches the blocks it needs and keeps some of them."""

import io
from collections import OrderedDict
from typing import Any

from moss.sdk.errors import AISError

__all__ = ["RangeReader"]

_BLOCK_BYTES = 256 * 1024
_BLOCKS_MAX = 16


class _RawRanges(io.RawIOBase):
    """The unbuffered half: one bounded GET for each run of blocks that is not there yet."""

    def __init__(self, obj: Any, block_bytes: int, blocks_max: int) -> None:
        self._object, self._block_bytes, self._blocks_max = obj, block_bytes, blocks_max
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._position, self._size = 0, -1
        self.requests = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def size(self) -> int:
        if self._size < 0:
            self._size = self._object.head("size").size
        return self._size

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: None}[whence]
        position = offset + (self.size() if base is None else base)
        if position < 0:
            raise ValueError(f"negative seek position {position}")
        self._position = position
        return position

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        number, offset = divmod(self._position, self._block_bytes)
        block = self._block(number, max(-(-(offset + len(view)) // self._block_bytes), 1))
        piece = block[offset : offset + len(view)]
        view[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)

    def _block(self, number: int, count: int) -> bytes:
        """A block; when it is not there it is fetched, with those of the `count` from it on that are not there either.

        The last block of the object is short, blocks behind it are empty.
        """
        if number in self._blocks:
            self._blocks.move_to_end(number)
            return self._blocks[number]
        wanted = 1
        while wanted < min(count, self._blocks_max) and number + wanted not in self._blocks:
            wanted += 1
        first = number * self._block_bytes
        data = self._fetch(first, first + wanted * self._block_bytes - 1)
        for index in range(wanted):
            start = index * self._block_bytes
            self._blocks[number + index] = data[start : start + self._block_bytes]
        self._blocks.move_to_end(number)
        while len(self._blocks) > self._blocks_max:
            self._blocks.popitem(last=False)
        return self._blocks[number]

    def _fetch(self, first: int, last: int) -> bytes:
        self.requests += 1
        try:
            return bytes(self._object.get_reader(byte_range=f"bytes={first}-{last}").read_all())
        except AISError as error:
            if error.status_code == 416:  # Behind the end.
                return b""
            raise


class RangeReader(io.BufferedReader):
    """An object as a file to jump around in: for indexes, tar shards and the like.

    Every request asks for whole blocks and no more, so that the connection stays open; blocks are kept, the latest
    used ones. Use `get_reader().as_file()` to read from the beginning to the end.

    Args:
        obj: an `Object` of the SDK.
        block_bytes: bytes of a block.
        blocks_max: blocks kept.

    Raises:
        ErrObjNotFound: by a read: the object does not exist.
        ValueError: a block or a number of blocks that is not positive.
    """

    def __init__(self, obj: Any, block_bytes: int = _BLOCK_BYTES, blocks_max: int = _BLOCKS_MAX) -> None:
        if block_bytes < 1 or blocks_max < 1:
            raise ValueError(f"expected positive numbers, found {block_bytes} bytes and {blocks_max} blocks")
        self._ranges = _RawRanges(obj, block_bytes, blocks_max)
        super().__init__(self._ranges, min(block_bytes, io.DEFAULT_BUFFER_SIZE))

    @property
    def requests(self) -> int:
        """GETs sent so far."""
        return self._ranges.requests
