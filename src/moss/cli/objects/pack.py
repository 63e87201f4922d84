"""Making an archive here, before it is sent as one object."""

from collections.abc import Iterable, Iterator
from typing import IO

from moss.archive.formats import Format, format_of_name, parse_mime
from moss.archive.writer import make_framer
from moss.cli.failures import CommandError, UsageError
from moss.errors import MossError

__all__ = ["format_for", "pack"]

Entries = Iterable[tuple[str, int, Iterator[bytes]]]


def format_for(name: str, mime: str = "") -> Format:
    """The format of an archive that is to be made.

    Raises:
        UsageError: neither `mime` nor the extension of the name say it.
    """
    if mime:
        try:
            return parse_mime(mime)
        except MossError as error:
            raise UsageError(error.message) from None
    found = format_of_name(name)
    if found is None:
        raise UsageError(f'unknown extension of archive "{name}" (expecting .tar, .tgz, .tar.gz, .tar.lz4 or .zip)')
    return found


def pack(out: IO[bytes], archive_format: Format, entries: Entries) -> int:
    """Write an archive; return its size in bytes.

    Args:
        entries: name, size, and exactly that many bytes, of each file.

    Raises:
        CommandError: a file has another size than it had.
    """
    framer = make_framer(archive_format)
    written = 0

    def write(buffers) -> None:
        nonlocal written
        for buffer in buffers:
            written += out.write(buffer)

    for name, size, pieces in entries:
        write(framer.begin(name, size))
        left = size
        for piece in pieces:
            left -= len(piece)
            if left < 0:
                break
            write(framer.data(piece))
        if left:
            raise CommandError(f'"{name}" has changed while it was read: it had {size} bytes')
        write(framer.end())
    write(framer.finish())
    return written
