"""Framers: entries in, archive bytes out, in order. Pure.

All formats answer to one protocol, so that whoever assembles does not know which one is written. Payloads are passed
on, never copied, where nothing is compressed.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from moss.archive.buffers import Buffer
from moss.archive.compression import GzipStream, Lz4Stream, StreamCompressor
from moss.archive.formats import Format
from moss.archive.tar import END, PADDINGS, build_header, build_headers
from moss.archive.zip import ZipWriter

__all__ = ["CompressedTarFramer", "Framer", "TarFramer", "ZipFramer", "make_framer"]


class Framer(Protocol):
    """Writes one archive.

    The order of calls: any number of `frame`, `raw`, or `begin` with `data` and `end`; then `finish` once. An archive
    that was not finished lacks its end mark and cannot be taken for a whole one.
    """

    content_type: str

    def frame(
        self,
        names: Sequence[str],
        sizes: Sequence[int],
        payloads: Sequence[Buffer],
        before: Mapping[int, bytes] | None = None,
    ) -> list[Buffer]:
        """Frame a window of whole entries; `before` holds TAR blocks to stand before some of them (TAR family only)."""

    def begin(self, name: str, size: int) -> list[Buffer]:
        """Begin one entry whose payload comes in pieces."""

    def data(self, piece: Buffer) -> list[Buffer]:
        """Frame the next piece of the entry that was begun."""

    def end(self) -> list[Buffer]:
        """End the entry that was begun; exactly its size must have come."""

    def raw(self, buffers: Sequence[Buffer]) -> list[Buffer]:
        """Take finished TAR blocks (headers, pax headers, whole entries). TAR family only."""

    def finish(self) -> list[Buffer]:
        """End the archive."""


def make_framer(archive_format: Format) -> Framer:
    """Return a new framer for a format."""
    if archive_format is Format.TAR:
        return TarFramer()
    if archive_format is Format.TGZ:
        return CompressedTarFramer(Format.TGZ.content_type, GzipStream())
    if archive_format is Format.TAR_LZ4:
        return CompressedTarFramer(Format.TAR_LZ4.content_type, Lz4Stream())
    return ZipFramer()


class TarFramer:
    """Plain TAR."""

    content_type = Format.TAR.content_type

    def __init__(self) -> None:
        self._size = self._left = 0

    def frame(
        self,
        names: Sequence[str],
        sizes: Sequence[int],
        payloads: Sequence[Buffer],
        before: Mapping[int, bytes] | None = None,
    ) -> list[Buffer]:
        paddings = PADDINGS
        headers = build_headers(names, sizes)
        for i, blocks in (before or {}).items():
            headers[i] = blocks + headers[i]
        return [
            buffer
            for header, size, payload in zip(headers, sizes, payloads, strict=True)
            for buffer in ((header, payload, paddings[-size & 511]) if size & 511 else (header, payload))
        ]

    def begin(self, name: str, size: int) -> list[Buffer]:
        assert not self._left, "the entry before was not ended"
        self._size = self._left = size
        return [build_header(name, size)]

    def data(self, piece: Buffer) -> list[Buffer]:
        self._left -= len(piece)
        assert self._left >= 0, "more payload than the header says"
        return [piece]

    def end(self) -> list[Buffer]:
        assert not self._left, "less payload than the header says"
        return [PADDINGS[-self._size & 511]] if self._size & 511 else []

    def raw(self, buffers: Sequence[Buffer]) -> list[Buffer]:
        return list(buffers)

    def finish(self) -> list[Buffer]:
        assert not self._left, "the last entry was not ended"
        return [END]


class CompressedTarFramer:
    """A TAR through a compressor."""

    def __init__(self, content_type: str, compressor: StreamCompressor) -> None:
        self.content_type = content_type
        self._tar, self._compressor = TarFramer(), compressor

    def frame(
        self,
        names: Sequence[str],
        sizes: Sequence[int],
        payloads: Sequence[Buffer],
        before: Mapping[int, bytes] | None = None,
    ) -> list[Buffer]:
        return self._pack(self._tar.frame(names, sizes, payloads, before))

    def begin(self, name: str, size: int) -> list[Buffer]:
        return self._pack(self._tar.begin(name, size))

    def data(self, piece: Buffer) -> list[Buffer]:
        return self._pack(self._tar.data(piece))

    def end(self) -> list[Buffer]:
        return self._pack(self._tar.end())

    def raw(self, buffers: Sequence[Buffer]) -> list[Buffer]:
        return self._pack(self._tar.raw(buffers))

    def finish(self) -> list[Buffer]:
        return [self._compressor.update(self._tar.finish()), self._compressor.finish()]

    def _pack(self, buffers: list[Buffer]) -> list[Buffer]:
        packed = self._compressor.update(buffers) if buffers else b""
        return [packed] if packed else []


class ZipFramer:
    """Stored ZIP."""

    content_type = Format.ZIP.content_type

    def __init__(self) -> None:
        self._zip = ZipWriter()

    def frame(
        self,
        names: Sequence[str],
        sizes: Sequence[int],
        payloads: Sequence[Buffer],
        before: Mapping[int, bytes] | None = None,
    ) -> list[Buffer]:
        assert not before, "TAR blocks have no place in a ZIP"
        buffers: list[Buffer] = []
        for name, size, payload in zip(names, sizes, payloads, strict=True):
            buffers.append(self._zip.begin(name, size))
            self._zip.data(payload)
            buffers += (payload, self._zip.end()) if size else (self._zip.end(),)
        return buffers

    def begin(self, name: str, size: int) -> list[Buffer]:
        return [self._zip.begin(name, size)]

    def data(self, piece: Buffer) -> list[Buffer]:
        self._zip.data(piece)
        return [piece]

    def end(self) -> list[Buffer]:
        return [self._zip.end()]

    def raw(self, buffers: Sequence[Buffer]) -> list[Buffer]:
        raise AssertionError("TAR blocks have no place in a ZIP")

    def finish(self) -> list[Buffer]:
        return self._zip.finish()
