"""Where received bytes go: a file that appears only when it is whole, standard output, or nowhere.

Source: spec/cli.md 1.3, D2.
"""

import os
import secrets
import stat
from pathlib import Path
from typing import IO, BinaryIO, Self

from moss.cli.failures import CommandError

STDOUT = "-"
NOWHERE = ("/dev/null", "dev/null", "dev/nil")
FILE_MODE = 0o666  # less the user's umask


class Destination:
    """A place that takes bytes and is then either committed or left as it was.

    Usage: `with destination as sink: sink.write(...); sink.commit()`. Leaving without `commit` undoes everything.
    """

    def __init__(self, text: str) -> None:
        self.text = text

    @property
    def is_stdout(self) -> bool:
        return self.text == STDOUT

    @property
    def is_discarded(self) -> bool:
        return self.text in NOWHERE

    @property
    def is_file(self) -> bool:
        """An ordinary file, new or old; not a pipe, a device, standard output or nowhere."""
        return not (self.is_stdout or self.is_discarded or _is_special(self.text))

    def exists(self) -> bool:
        return self.is_file and os.path.lexists(self.text)

    def check_no_directory(self) -> None:
        """Refuse a directory.

        Raises:
            CommandError: `destination "X" is a directory`.
        """
        if not self.is_stdout and os.path.isdir(self.text):
            raise CommandError(f'destination "{self.text.rstrip("/") or "/"}" is a directory')

    def open(self, stdout: BinaryIO) -> "Sink":
        """Start writing. Missing parent directories are made.

        Raises:
            OSError: the place cannot be written to.
        """
        if self.is_discarded:
            return Sink(None)
        if self.is_stdout:
            return Sink(stdout)
        if not self.is_file:
            return Sink(open(self.text, "wb"), owned=True)
        return FileSink(Path(os.path.realpath(self.text)))


class Sink:
    """A place that keeps nothing to undo."""

    def __init__(self, file: IO[bytes] | None, *, owned: bool = False) -> None:
        self.file = file
        self.written = 0
        self._owned = owned

    def write(self, data: bytes | memoryview) -> None:
        self.written += len(data)
        if self.file is not None:
            self.file.write(data)

    def commit(self) -> None:
        """Make what was written stay."""
        if self.file is not None:
            self.file.flush()
            if self._owned:
                self.file.close()

    def rollback(self) -> None:
        """Undo what can be undone."""
        if self.file is not None and self._owned:
            self.file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.rollback()


class FileSink(Sink):
    """Writes beside the file and takes its place at the end."""

    def __init__(self, path: Path) -> None:
        self._made = _make_parents(path)
        self._path = path
        self.temporary = path.with_name(f".{path.name[:200]}.{secrets.token_hex(4)}.part")
        try:
            descriptor = os.open(self.temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, FILE_MODE)
        except OSError:
            self._remove_parents()
            raise
        super().__init__(os.fdopen(descriptor, "w+b", buffering=0), owned=True)
        self._done = False

    def write(self, data: bytes | memoryview) -> None:
        assert self.file is not None
        rest = memoryview(data)
        while rest:  # an unbuffered write may take less than all
            taken = self.file.write(rest)
            self.written += taken
            rest = rest[taken:]

    def commit(self) -> None:
        assert self.file is not None
        self.file.close()
        os.replace(self.temporary, self._path)
        self._done = True

    def rollback(self) -> None:
        if self._done:
            return
        assert self.file is not None
        self.file.close()
        self.temporary.unlink(missing_ok=True)
        self._remove_parents()
        self._done = True

    def _remove_parents(self) -> None:
        for folder in reversed(self._made):
            try:
                folder.rmdir()
            except OSError:  # somebody else has put something there
                return


def _make_parents(path: Path) -> list[Path]:
    missing = []
    folder = path.parent
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    missing.reverse()
    for folder in missing:
        folder.mkdir(exist_ok=True)
    return missing


def _is_special(text: str) -> bool:
    try:
        mode = os.stat(text).st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))
