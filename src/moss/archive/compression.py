"""Streaming compressors of the TAR family. Pure.

The headers of both formats are fixed to the byte (spec/getbatch.md 4.3 and 4.4); what follows is whatever the library
makes of it. The other direction is in `moss.archive.decompression`.
"""

import struct
import zlib
from collections.abc import Sequence

import lz4.block

from moss.archive.buffers import Buffer

try:
    # Three times the speed of zlib, and the same functions.
    from isal import isal_zlib as deflate
except ImportError:  # not on every platform
    deflate = zlib

__all__ = ["GzipStream", "Lz4Stream", "StreamCompressor", "adler32", "crc32", "deflate"]

adler32, crc32 = deflate.adler32, deflate.crc32

# No name, no time, "fastest", unknown system.
_GZIP_HEADER = bytes.fromhex("1f8b08000000000004ff")

# Version 1, independent blocks of at most 256 KiB, no checksums, no content size; and the header's own checksum.
_LZ4_HEADER = bytes.fromhex("04224d186050fb")
_LZ4_BLOCK_BYTES = 256 << 10
_LZ4_END = bytes(4)
_LZ4_STORED = 1 << 31


class StreamCompressor:
    """What a compressor does: pieces in, compressed bytes out."""

    def update(self, buffers: Sequence[Buffer]) -> bytes:
        """Compress pieces; what is returned may lag behind."""
        raise NotImplementedError

    def finish(self) -> bytes:
        """Return all that is left and the end mark. The stream takes nothing afterwards."""
        raise NotImplementedError


class GzipStream(StreamCompressor):
    """One gzip member at the fastest level."""

    def __init__(self) -> None:
        self._deflate = deflate.compressobj(1, zlib.DEFLATED, -15)
        self._head = _GZIP_HEADER
        self._crc = self._size = 0

    def update(self, buffers: Sequence[Buffer]) -> bytes:
        # One call for many small pieces: the library's cost per call is that of kilobytes.
        data = buffers[0] if len(buffers) == 1 else b"".join(buffers)
        self._crc = crc32(data, self._crc)
        self._size += len(data)
        head, self._head = self._head, b""
        return head + self._deflate.compress(data)

    def finish(self) -> bytes:
        return self._head + self._deflate.flush() + struct.pack("<II", self._crc, self._size & 0xFFFFFFFF)


class Lz4Stream(StreamCompressor):
    """One LZ4 frame."""

    def __init__(self) -> None:
        self._head = _LZ4_HEADER
        self._pending = b""

    def update(self, buffers: Sequence[Buffer]) -> bytes:
        data = b"".join((self._pending, *buffers))
        whole = len(data) - len(data) % _LZ4_BLOCK_BYTES
        view = memoryview(data)
        out = [self._head]
        for begin in range(0, whole, _LZ4_BLOCK_BYTES):
            out += _lz4_block(view[begin : begin + _LZ4_BLOCK_BYTES])
        self._head, self._pending = b"", data[whole:]
        return b"".join(out)

    def finish(self) -> bytes:
        out = [self._head]
        if self._pending:
            out += _lz4_block(self._pending)
        return b"".join((*out, _LZ4_END))


def _lz4_block(data: Buffer) -> tuple[bytes, Buffer]:
    """Return length and bytes of one block; a block that does not shrink is stored."""
    packed = lz4.block.compress(data, store_size=False)
    if len(packed) < len(data):
        return struct.pack("<I", len(packed)), packed
    return struct.pack("<I", len(data) | _LZ4_STORED), data
