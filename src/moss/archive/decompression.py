"""Streaming decompressors of the TAR family: bounded pieces out of bytes that anybody may have made. Pure.

Any number of gzip members or LZ4 frames in a row are one stream, as the command line tools have it.
"""

import zlib
from collections.abc import Iterator
from typing import Any

import lz4.frame

from moss.archive.buffers import Buffer
from moss.archive.compression import deflate
from moss.archive.formats import Format
from moss.archive.limits import DEFAULT_LIMITS, Limits
from moss.errors import ArchiveLimit, BadArchive, TruncatedArchive

__all__ = ["Decompressor", "GzipDecompressor", "Lz4Decompressor", "make_decompressor"]

# Pieces that come out are at most so long.
_PIECE_BYTES = 1 << 20
# What goes in at once: a library that stops at the bound above copies the unused input each time.
_FEED_BYTES = 64 << 10


class Decompressor:
    """Takes the pieces of one compressed stream in order.

    Attributes:
        is_open: the first header was sound.
        packed_bytes, unpacked_bytes: what went in and came out.
        sound_bytes: how much of what came out lies in members or frames that have ended, and whose checksum (if they
            have one) was right. When damage is noticed, nothing behind that can be trusted: a wrong byte shows later
            than where it is, or only in the checksum at the end. (A stream that is merely cut is another matter.)
    """

    _MAGIC_BYTES_MIN = 4

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self._limits = limits
        self._codec: Any = None
        self._head = b""
        self.is_open = False
        self.packed_bytes = self.unpacked_bytes = self.sound_bytes = 0

    def feed(self, data: Buffer) -> Iterator[bytes]:
        """Yield what comes out, in pieces of at most 1 MiB; to be used up before the next call.

        Raises:
            BadArchive: the data is not of the format, or damaged.
            ArchiveLimit: too much comes out.
        """
        view = memoryview(data)
        for begin in range(0, len(view), _FEED_BYTES):
            part = bytes(view[begin : begin + _FEED_BYTES])
            self.packed_bytes += len(part)
            piece, self._head = self._head + part, b""
            while piece:
                if self._codec is None:
                    if len(piece) < self._MAGIC_BYTES_MIN:
                        self._head = piece
                        break
                    self._codec = self._open(piece)
                    self.is_open = True
                piece = yield from self._drain(piece)

    def finish(self) -> None:
        """Declare the end of input.

        Raises:
            TruncatedArchive: it ends inside a member or frame, or before the first.
        """
        if self._codec is not None or self._head or not self.is_open:
            raise TruncatedArchive

    def _drain(self, piece: bytes) -> Iterator[bytes]:
        """Yield all that one piece unpacks to; return what of it belongs to the next member."""
        codec = self._codec
        while True:
            try:
                out = codec.decompress(piece, _PIECE_BYTES)
            except (zlib.error, deflate.error, RuntimeError, EOFError) as error:
                raise BadArchive(self._reason(error)) from None
            if out:
                self._account(len(out))
                yield out
            if codec.eof:
                self._codec = None
                self.sound_bytes = self.unpacked_bytes
                return codec.unused_data or b""
            piece = self._unconsumed(codec)
            if not piece and len(out) < _PIECE_BYTES:
                return b""

    def _account(self, size: int) -> None:
        self.unpacked_bytes += size
        limits, total = self._limits, self.unpacked_bytes
        if total > limits.unpacked_bytes_max:
            raise ArchiveLimit(f"archive unpacks to more than {limits.unpacked_bytes_max} bytes")
        if total > limits.ratio_free_bytes and total > limits.ratio_max * self.packed_bytes:
            raise ArchiveLimit(f"archive unpacks to more than {limits.ratio_max} times its size")

    def _open(self, piece: bytes) -> Any:
        """Check the first bytes of a member or frame, and return a decoder for it."""
        raise NotImplementedError

    def _unconsumed(self, codec: Any) -> bytes:
        return b""

    def _reason(self, error: Exception) -> str:
        raise NotImplementedError


class GzipDecompressor(Decompressor):
    """One or more gzip members; the checksum of each is verified at its end."""

    def _open(self, piece: bytes) -> Any:
        if not piece.startswith(b"\x1f\x8b\x08"):
            raise BadArchive("gzip: invalid header")
        return deflate.decompressobj(31)

    def _unconsumed(self, codec: Any) -> bytes:
        return codec.unconsumed_tail

    def _reason(self, error: Exception) -> str:
        text = str(error).lower()
        if any(word in text for word in ("header", "wrapper", "method")):
            return "gzip: invalid header"
        if "check" in text:
            return "gzip: invalid checksum"
        return f"flate: corrupt input before offset {self.packed_bytes}"


class Lz4Decompressor(Decompressor):
    """One or more LZ4 frames; skippable frames are skipped."""

    def _open(self, piece: bytes) -> Any:
        is_skippable = piece[1:4] == b"\x2a\x4d\x18" and piece[0] >> 4 == 5
        if not is_skippable and not piece.startswith(b"\x04\x22\x4d\x18"):
            raise BadArchive("lz4: bad magic number")
        return lz4.frame.LZ4FrameDecompressor()

    def _reason(self, error: Exception) -> str:
        code = str(error).rpartition("ERROR_")[2]
        return f"lz4: corrupt input ({code}) before offset {self.packed_bytes}"


def make_decompressor(archive_format: Format, limits: Limits = DEFAULT_LIMITS) -> Decompressor:
    """Return a decompressor for one of the two compressed formats."""
    if archive_format is Format.TGZ:
        return GzipDecompressor(limits)
    assert archive_format is Format.TAR_LZ4, f"{archive_format} is not a compressed TAR"
    return Lz4Decompressor(limits)
