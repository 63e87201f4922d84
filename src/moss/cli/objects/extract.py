"""Reading an archive, or what is selected of it, into a folder."""

from threading import Lock

from moss.archive.formats import Format, format_of_name, parse_mime
from moss.cli.context import Context
from moss.cli.failures import CommandError
from moss.cli.objects.fetch import Wish, open_wish
from moss.cli.objects.transfers import Meter
from moss.cli.objects.unpack import Unpacked, unpack
from moss.cli.output import printable
from moss.errors import MossError

__all__ = ["Asked", "extract_into", "stem_of"]


class Asked:
    """Asks once whether files may be replaced; `--yes` answers for the user.

    Args:
        folder: where the files are.
    """

    def __init__(self, context: Context, folder: str) -> None:
        self._console, self._folder = context.console, folder
        self._is_sure, self._lock = context.parsed.flag("yes"), Lock()

    def __call__(self, path: str) -> None:
        """Be told of a file that would be replaced.

        Raises:
            Canceled: the answer is no.
            CommandError: there is none.
        """
        with self._lock:
            if self._is_sure:
                return
            self._console.confirm(
                f'overwrite existing files in "{self._folder}"',
                unanswered=f"\"{path}\" already exists (use '--yes' to overwrite)",
            )
            self._is_sure = True


def extract_into(context: Context, wish: Wish, folder: str, may_replace: Asked, meter: Meter) -> Unpacked:
    """Write the files of an archive into a folder; see `unpack`.

    Raises:
        CommandError: there is no such object, or it is no archive that can be read to its end.
    """
    archive_format = Format.TAR if wish.matching else parse_mime(wish.mime) if wish.mime else None
    with open_wish(context, wish) as opened:

        def pieces():
            for piece in opened.pieces():
                meter.add(len(piece))
                yield piece

        try:
            return unpack(pieces(), wish.name, folder, archive_format=archive_format, may_replace=may_replace)
        except MossError as error:
            raise CommandError(f"{printable(wish.label)}: {error.message}") from None


def stem_of(name: str) -> str:
    """The base name of an archive without its extension: where it is unpacked to when nothing else is said."""
    base = name.rpartition("/")[2]
    archive_format = format_of_name(base)
    if archive_format is None:
        return base + ".d"
    for ending in (".tar.gz", ".tar.lz4", ".tgz", ".tar", ".zip"):
        if base.endswith(ending) and base != ending:
            return base.removesuffix(ending)
    return base + ".d"
