"""Unpacking archives into a folder, without trusting their names and without holding them in memory."""

import mmap
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from moss.archive.formats import Format
from moss.archive.reader import detect_format
from moss.archive.tar_parse import Kind
from moss.cli.destination import Destination, FileSink
from moss.cli.failures import CommandError
from moss.cli.output import printable
from moss.naming.bucket import is_valid_object_name

__all__ = ["Unpacked", "unpack"]

_HEAD_BYTES = 512
Buffer = bytes | bytearray | memoryview


class Unpacked(NamedTuple):
    """How many files were written, their bytes, and the names of the members that are no files (links, devices)."""

    files: int
    size: int
    skipped: list[str]


def unpack(
    pieces: Iterator[bytes],
    name: str,
    folder: str,
    *,
    archive_format: Format | None = None,
    may_replace: Callable[[str], object] = lambda path: None,
    tell: Callable[[str, int], object] = lambda member, size: None,
) -> Unpacked:
    """Write the files of an archive into a folder, each of them only when it is whole.

    Args:
        pieces: the archive.
        name: of the archive, whose ending says the format; its first bytes do otherwise.
        folder: is made when it is not there.
        archive_format: format, when it is known otherwise.
        may_replace: is asked before a file is replaced, by its path; raises when it must not be.
        tell: is told the name and the size of each file.

    Raises:
        CommandError: a name that leads out of the folder.
        BadArchive: it is no archive, or damaged. Files before the damage have been written.
        UnknownArchive: neither name nor content say what it is.
    """
    head = next(pieces, b"")
    while len(head) < _HEAD_BYTES and (more := next(pieces, b"")):
        head += more
    whole = _chained(head, pieces)
    archive_format = archive_format or detect_format(name, head[:_HEAD_BYTES])
    members = _zip_members(whole) if archive_format is Format.ZIP else _tar_members(whole, archive_format)
    files = size = 0
    skipped: list[str] = []
    for member_name, kind, payload in members:
        if kind is Kind.FOLDER:
            continue
        if kind not in (Kind.FILE, Kind.SPARSE):
            skipped.append(member_name)
            continue
        path = _path_of(folder, member_name)
        if os.path.lexists(path):
            may_replace(path)
        written = _write(path, payload)
        files, size = files + 1, size + written
        tell(member_name, written)
    return Unpacked(files, size, skipped)


def _chained(head: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield head
    yield from rest


def _path_of(folder: str, member: str) -> str:
    relative = member.removeprefix("./").lstrip("/")
    if not is_valid_object_name(relative) or "\0" in relative:
        raise CommandError(f'refusing to write "{printable(member)}": it leads out of the folder')
    return os.path.join(folder, relative)


def _write(path: str, payload: Iterable[Buffer]) -> int:
    Destination(path).check_no_directory()
    with FileSink(Path(path)) as sink:
        for piece in payload:
            sink.write(piece)
        sink.commit()
        return sink.written


Members = Iterator[tuple[str, Kind, Iterable[Buffer]]]


def _tar_members(pieces: Iterator[bytes], archive_format: Format) -> Members:
    from moss.archive.tar_pull import pull_members

    if archive_format is not Format.TAR:
        pieces = _decompressed(pieces, archive_format)
    for member, payload in pull_members(pieces):
        yield member.name, member.kind, payload


def _decompressed(pieces: Iterator[bytes], archive_format: Format) -> Iterator[bytes]:
    from moss.archive.decompression import make_decompressor

    decompressor = make_decompressor(archive_format)
    for piece in pieces:
        yield from decompressor.feed(piece)
    decompressor.finish()


def _zip_members(pieces: Iterator[bytes]) -> Members:
    """A ZIP has its table of contents at the end: it is received into a file without a name first."""
    from moss.archive.zip_parse import read_directory, read_entry

    with tempfile.TemporaryFile() as file:
        for piece in pieces:
            file.write(piece)
        file.flush()
        if not file.tell():
            return
        # Not closed by hand: payloads that are still in use are views of it.
        view = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        for entry in read_directory(view):
            kind = Kind.FOLDER if entry.is_folder else Kind.FILE
            yield entry.name, kind, read_entry(view, entry)
