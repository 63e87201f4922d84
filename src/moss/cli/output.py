"""What a command prints and asks: results on standard output, everything else on standard error."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TextIO

from moss.cli.failures import Canceled, CommandError
from moss.cli.options import FALSE_WORDS, TRUE_WORDS
from moss.cli.tables import table

__all__ = ["Console", "has_color", "printable"]

CYAN, BLUE, RED, GREEN, PLAIN = "\x1b[96m", "\x1b[94m", "\x1b[91m", "\x1b[92m", "\x1b[0m"


class Console:
    """The three standard streams of one run.

    Args:
        color: whether words such as `Error:` are coloured on standard error.
    """

    def __init__(self, stdin: TextIO, stdout: TextIO, stderr: TextIO, *, color: bool = False) -> None:
        self.stdin, self.stdout, self.stderr = stdin, stdout, stderr
        self.color = color

    @classmethod
    def standard(cls, environ: Mapping[str, str]) -> "Console":
        """The streams of this process; colours on a terminal, unless the environment or the configuration says no."""
        return cls(sys.stdin, sys.stdout, sys.stderr, color=has_color(sys.stderr, environ))

    def result(self, text: str) -> None:
        print(text, file=self.stdout)

    def table(self, rows: Iterable[Sequence[str]], *, closed: bool = False) -> None:
        """Print rows as a table, the header first; see `moss.cli.tables.table`."""
        self.stdout.write(table(rows, closed=closed))

    def document(self, value: Any) -> None:
        """Print one JSON document: what `--json` is for. Structures of msgspec are written under their field names."""
        import json

        # A value that holds names of the wire is not sorted: its order is the server's.
        print(json.dumps(value, indent=2, ensure_ascii=False, default=_plain), file=self.stdout)

    def warn(self, text: str) -> None:
        self._message("Warning: ", CYAN, text)

    def note(self, text: str) -> None:
        self._message("Note: ", BLUE, text)

    def error(self, text: str, *hints: str) -> None:
        self._message("Error: ", RED, text)
        for hint in hints:
            print(hint, file=self.stderr)

    def plain_message(self, text: str) -> None:
        print(text, file=self.stderr)

    def usage_error(self, invoked: str, usage: str, text: str) -> None:
        """Three lines at most: what is wrong, how it is called, where to read more."""
        print(f"Incorrect '{invoked}' usage: {text}.", file=self.stderr)
        print(f"Usage: {invoked} {usage} [options]".replace("  ", " "), file=self.stderr)
        print(f"See '{invoked} --help'", file=self.stderr)

    def confirm(self, question: str, *, unanswered: str) -> None:
        """Ask until the answer is yes or no.

        Args:
            unanswered: the error when the input ends before an answer.

        Raises:
            Canceled: the answer is No, or an empty line.
            CommandError: the input ended.
        """
        while True:
            print(f"{question} [Y/N]: ", end="", file=self.stdout, flush=True)
            line = self.stdin.readline()
            if not line:
                print(file=self.stdout)
                raise CommandError(unanswered)
            answer = line.strip().lower()
            if answer in TRUE_WORDS:
                return
            if not answer or answer in FALSE_WORDS:
                raise Canceled
            print("Invalid input! Choose 'Y' for 'Yes' or 'N' for 'No'", file=self.stderr)

    def phrase(self, question: str, phrase: str) -> None:
        """Ask for a phrase in full, which no option replaces, until it is typed.

        Raises:
            Canceled: an empty line, or the input ended.
        """
        while True:
            print(f"{question} ", end="", file=self.stdout, flush=True)
            line = self.stdin.readline()
            if line.strip() == phrase:
                return
            if not line.strip():
                raise Canceled
            print(f"Invalid input! Type '{phrase}' in full, or an empty line to cancel", file=self.stderr)

    def ask(self, question: str, *, unanswered: str, secret: bool = False) -> str:
        """Ask for a line of text.

        Args:
            unanswered: the error when there is no answer.
            secret: do not show what is typed on a terminal.

        Raises:
            CommandError: the input ended, or the line is empty.
        """
        if secret and self.stdin.isatty():
            from getpass import getpass

            answer = getpass(question, stream=self.stderr)
        else:
            print(question, end="", file=self.stderr, flush=True)
            answer = self.stdin.readline()
        if not answer.strip():
            raise CommandError(unanswered)
        return answer.rstrip("\r\n")

    def _message(self, word: str, color: str, text: str) -> None:
        self.stdout.flush()
        print(f"{color}{word}{PLAIN}{text}" if self.color else word + text, file=self.stderr)


def has_color(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether colours are shown on a stream: a terminal, and neither `NO_COLOR` nor `no_color` in the configuration."""
    if not stream.isatty() or environ.get("NO_COLOR") or environ.get("TERM") == "dumb":
        return False
    from moss.cli.settings import is_set

    return not is_set(environ, "no_color")


def printable(name: str) -> str:
    """A name that stays on one line and leaves the terminal alone: control characters become escapes."""
    if name.isprintable():
        return name
    return "".join(c if c.isprintable() or "\udc80" <= c <= "\udcff" else ascii(c)[1:-1] for c in name)


def _plain(value: Any) -> Any:
    """What `json` cannot write: structures, enumerations, times, bytes."""
    import msgspec

    return msgspec.to_builtins(value)
