"""Reading cut manifests: one JSON object a line; plain, gzip or LZ4.

A manifest may have millions of lines: it is read piece by piece, and what is kept at a time is one piece and one line.
Source: spec/cli.md 3.3.
"""

import os
from collections.abc import Callable, Iterator
from io import RawIOBase
from itertools import chain
from typing import BinaryIO, NamedTuple, NoReturn

from moss.archive.decompression import Decompressor, make_decompressor
from moss.archive.formats import Format
from moss.archive.limits import Limits
from moss.cli.failures import CommandError
from moss.errors import BadArchive, TruncatedArchive

__all__ = ["LINE_BYTES_MAX", "Line", "Manifest", "open_file", "pieces_of_file"]

LINE_BYTES_MAX = 16 << 20
PIECE_BYTES = 256 << 10
_SLICE_BYTES = 8 << 10
_BOM = b"\xef\xbb\xbf"
_EXTENSIONS = {".gz": Format.TGZ, ".gzip": Format.TGZ, ".lz4": Format.TAR_LZ4}
_MAGICS = {b"\x1f\x8b": Format.TGZ, b"\x04\x22\x4d\x18": Format.TAR_LZ4}
_NAMES = {Format.TGZ: "gzip", Format.TAR_LZ4: "LZ4"}
# Memory is bounded line by line, so neither the size nor the density of the whole needs a bound.
_LIMITS = Limits(unpacked_bytes_max=1 << 62, ratio_max=1 << 20)


class Line(NamedTuple):
    """One line that is not blank.

    Attributes:
        number: counts from 1, blank lines too.
        text: without its end.
    """

    number: int
    text: bytes


class Manifest:
    """A manifest that is read once, from its beginning.

    Args:
        name: of the file or object, whose end tells the compression; for messages.
        pieces: the content as it is stored.
        size: bytes of all pieces, 0 when unknown.
        close: called when it is done with.
    """

    def __init__(
        self, name: str, pieces: Iterator[bytes], *, size: int = 0, close: Callable[[], None] | None = None
    ) -> None:
        self.name = name
        self._raw, self._close = pieces, close
        self._size, self._position = size, 0  # of the file as it is stored
        self._unpacked = self._taken = 0  # what came out of it, and what of that has been yielded

    @property
    def share(self) -> float:
        """About how much of it has been yielded, from 0 to 1; 0 when that cannot be known."""
        if not self._size or not self._unpacked:
            return 0.0
        return self._position / self._size * (self._taken / self._unpacked)

    def lines(self) -> Iterator[Line]:
        """Yield the lines that are not blank; a byte order mark at the start is skipped.

        Raises:
            CommandError: a line is too long, or the compressed data is not what the name says, damaged, or cut short.
        """
        number, rest = 0, b""
        try:
            for piece in self._pieces():
                self._unpacked += len(piece)
                complete = (rest + piece if rest else piece).split(b"\n")
                rest = complete.pop()
                for text in complete:
                    number += 1
                    self._taken += len(text) + 1
                    if len(text) > LINE_BYTES_MAX:
                        _refuse_length(number)
                    if number == 1:
                        text = text.removeprefix(_BOM)
                    if text and not text.isspace():
                        yield Line(number, text)
                if len(rest) > LINE_BYTES_MAX:
                    _refuse_length(number + 1)
        except TruncatedArchive:
            raise CommandError(f"{self.name}: compressed data ends early (after line {number})") from None
        except BadArchive as error:
            raise CommandError(f"{self.name}: compressed data is damaged after line {number}: {error}") from None
        if number == 0:
            rest = rest.removeprefix(_BOM)
        if rest and not rest.isspace():
            yield Line(number + 1, rest)

    def close(self) -> None:
        if self._close is not None:
            self._close()

    def __enter__(self) -> "Manifest":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _pieces(self) -> Iterator[bytes]:
        first = next(self._raw, b"")
        decompressor = self._decompressor(first)
        for piece in chain((first,), self._raw):
            if decompressor is None:
                self._position += len(piece)
                yield piece
                continue
            # In slices, so that the share is about right: what they unpack to may be many times as large.
            for at in range(0, len(piece), _SLICE_BYTES):
                part = piece[at : at + _SLICE_BYTES]
                self._position += len(part)
                yield from decompressor.feed(part)
        if decompressor is not None:
            decompressor.finish()

    def _decompressor(self, first: bytes) -> Decompressor | None:
        # The name decides; where it says nothing, the first bytes do.
        of_magic = next((form for magic, form in _MAGICS.items() if first.startswith(magic)), None)
        of_name = next((form for end, form in _EXTENSIONS.items() if self.name.endswith(end)), None)
        if of_name is not None and of_name is not of_magic:
            if not first:
                raise TruncatedArchive
            kind = _NAMES[of_name]
            raise CommandError(f"{self.name}: not {'an' if kind == 'LZ4' else 'a'} {kind} file")
        return make_decompressor(of_magic, _LIMITS) if of_magic is not None else None


def open_file(path: str) -> Manifest:
    """A manifest in a local file.

    Raises:
        CommandError: it cannot be opened.
    """
    try:
        file = open(path, "rb", buffering=0)  # noqa: SIM115 (closed with the manifest)
        size = os.fstat(file.fileno()).st_size
        file.read(0)  # a directory shows here
    except OSError as error:
        raise CommandError(f"open {path}: {(error.strerror or str(error)).lower()}") from None
    return Manifest(path, pieces_of_file(file), size=size, close=file.close)


def pieces_of_file(file: RawIOBase | BinaryIO) -> Iterator[bytes]:
    """Read a file to its end."""
    while piece := file.read(PIECE_BYTES):
        yield piece


def _refuse_length(number: int) -> NoReturn:
    raise CommandError(f"cut at line {number} exceeds {LINE_BYTES_MAX >> 20}MiB")
