"""Watching an archive as it streams past: which members it holds, and whether it ends properly.

A watcher is fed every piece of the archive in order and gives back what is to be kept of it. The bytes stay as they
are, except that the status records that we asked the server for are taken out of a TAR again.
"""

import zlib
from collections.abc import Callable
from typing import NamedTuple

from moss.archive.limits import DEFAULT_LIMITS
from moss.archive.tar import build_pax
from moss.archive.tar_parse import Extensions, TarHeader, parse_header
from moss.cli.failures import CommandError
from moss.wire.headers import PAX_ERROR

BLOCK = 512
_ZEROS = bytes(BLOCK)
_OURS = "MOSS."
_PIECE_BYTES = 1 << 20


class Seen(NamedTuple):
    """One member of the archive.

    Attributes:
        error: why it is a placeholder, when the server has said so.
    """

    name: str
    size: int
    error: str = ""


class TarWatcher:
    """Reads the headers of a TAR that passes by."""

    def __init__(self) -> None:
        self.members: list[Seen] = []
        self._rest = b""  # of a header that is not here in full
        self._skip = 0  # payload and padding still to pass
        self._zero_blocks = 0
        self._extensions = Extensions(DEFAULT_LIMITS)

    @property
    def complete(self) -> bool:
        return self._zero_blocks >= 2

    @property
    def whole_members(self) -> int:
        return len(self.members) - bool(self._skip)

    def feed(self, data: bytes) -> list[bytes | memoryview]:
        """Take the next piece; return what is to be kept of it and of what was held back.

        Raises:
            BadArchive: the bytes are no TAR.
        """
        whole = self._rest + data if self._rest else data
        view = memoryview(whole)
        end = len(whole)
        kept: list[bytes | memoryview] = []
        at = keep_from = 0
        while True:
            if self._skip:
                step = min(self._skip, end - at)
                at += step
                self._skip -= step
            if self.complete:
                at = end
            if end - at < BLOCK:
                break
            block = whole[at : at + BLOCK]
            if block == _ZEROS:
                self._zero_blocks += 1
                at += BLOCK
                continue
            header = parse_header(block)
            if header.type not in Extensions.TYPES:
                self._member(header)
                at += BLOCK
                continue
            self._extensions.check_size(header.size)
            padded = BLOCK + header.size + (-header.size & 511)
            if end - at < padded:
                break
            replaced = self._extension(header, whole[at + BLOCK : at + BLOCK + header.size])
            if replaced is not None:
                kept += [view[keep_from:at], replaced]
                keep_from = at + padded
            at += padded
        self._rest = whole[at:]
        kept.append(view[keep_from:at])
        return kept

    def _extension(self, header: TarHeader, payload: bytes) -> bytes | None:
        """Take an extension in; return what replaces it, None when it stays as it is."""
        self._extensions.add(header.type, payload)
        if header.type != b"x" or _OURS.encode() not in payload:
            return None
        alone = Extensions(DEFAULT_LIMITS)
        alone.add(header.type, payload)
        others = {key: value for key, value in (alone.records or {}).items() if not key.startswith(_OURS)}
        return build_pax(others, header.name.decode("utf-8", "surrogateescape")) if others else b""

    def _member(self, header: TarHeader) -> None:
        self._zero_blocks = 0
        member = self._extensions.applied(header, 0)
        self.members.append(Seen(member.name, member.size, (member.pax or {}).get(PAX_ERROR, "")))
        self._skip = member.size + (-member.size & 511)


class CompressedTarWatcher:
    """Unpacks a compressed TAR only to look at it; what is kept are the compressed bytes."""

    def __init__(self, make: Callable[[], object]) -> None:
        self._make = make
        self._stream = make()
        self._tar = TarWatcher()
        self._finished = False

    @property
    def members(self) -> list[Seen]:
        return self._tar.members

    @property
    def complete(self) -> bool:
        return self._finished and self._tar.complete

    @property
    def whole_members(self) -> int:
        return self._tar.whole_members

    def feed(self, data: bytes) -> list[bytes | memoryview]:
        try:
            for piece in self._unpack(data):
                self._tar.feed(piece)
        except (zlib.error, RuntimeError, EOFError) as error:
            raise CommandError(f"the answer is no archive of the wanted format: {error}") from None
        return [data]

    def _unpack(self, data: bytes):
        while data:
            if self._finished:
                self._stream, self._finished = self._make(), False
            stream = self._stream
            piece = stream.decompress(data, _PIECE_BYTES)
            if piece:
                yield piece
            while not stream.eof and (rest := getattr(stream, "unconsumed_tail", b"")):
                yield stream.decompress(rest, _PIECE_BYTES)
            while not stream.eof and not getattr(stream, "needs_input", True):
                yield stream.decompress(b"", _PIECE_BYTES)
            self._finished = stream.eof
            data = (stream.unused_data or b"") if stream.eof else b""


class ZipWatcher:
    """A ZIP says what it holds at its end only: the members are read from the finished file."""

    def __init__(self) -> None:
        self.members: list[Seen] = []
        self.complete = False
        self.whole_members = 0

    def feed(self, data: bytes) -> list[bytes | memoryview]:
        return [data]

    def read(self, file) -> None:
        """Look at the finished archive.

        Raises:
            CommandError: it has no directory.
        """
        import zipfile

        file.seek(0)
        try:
            with zipfile.ZipFile(file) as archive:
                self.members = [Seen(info.filename, info.file_size) for info in archive.infolist()]
        except (zipfile.BadZipFile, OSError):
            return
        self.complete = True
        self.whole_members = len(self.members)


def make_watcher(extension: str) -> TarWatcher | CompressedTarWatcher | ZipWatcher:
    """The watcher for an archive of that extension."""
    if extension == ".zip":
        return ZipWatcher()
    if extension in (".tgz", ".tar.gz"):
        return CompressedTarWatcher(lambda: zlib.decompressobj(31))
    if extension == ".tar.lz4":
        import lz4.frame

        return CompressedTarWatcher(lz4.frame.LZ4FrameDecompressor)
    return TarWatcher()
