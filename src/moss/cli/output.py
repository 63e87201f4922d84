"""What a command prints: results on standard output, everything else on standard error.

Tables keep the layout of the reference (spec/cli.md 5.2): cells separated by tabs that reach the next multiple of
eight, so that a screen shows columns and a script can split at tabs.
"""

import sys
from collections.abc import Iterable, Sequence
from typing import TextIO

from moss.cli.failures import Canceled, CommandError
from moss.cli.options import FALSE_WORDS, TRUE_WORDS

TAB_WIDTH = 8
CYAN, BLUE, RED, PLAIN = "\x1b[96m", "\x1b[94m", "\x1b[91m", "\x1b[0m"


class Console:
    """The three standard streams of one run.

    Args:
        color: whether words such as `Error:` are coloured on standard error.
    """

    def __init__(self, stdin: TextIO, stdout: TextIO, stderr: TextIO, *, color: bool = False) -> None:
        self.stdin, self.stdout, self.stderr = stdin, stdout, stderr
        self.color = color

    @classmethod
    def standard(cls) -> "Console":
        import os

        return cls(sys.stdin, sys.stdout, sys.stderr, color=sys.stderr.isatty() and not os.environ.get("NO_COLOR"))

    def result(self, text: str) -> None:
        print(text, file=self.stdout)

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

    def _message(self, word: str, color: str, text: str) -> None:
        self.stdout.flush()
        print(f"{color}{word}{PLAIN}{text}" if self.color else word + text, file=self.stderr)


def printable(name: str) -> str:
    """A name that stays on one line and leaves the terminal alone: control characters become escapes."""
    if name.isprintable():
        return name
    return "".join(c if c.isprintable() or "\udc80" <= c <= "\udcff" else ascii(c)[1:-1] for c in name)


def table(rows: Iterable[Sequence[str]], *, closed: bool = False) -> str:
    """Lay out rows of equal length, the header first.

    Args:
        closed: end every line with a tab and a blank, as listings of objects do.
    """
    lines = [[cell if at == 0 else " " + cell for at, cell in enumerate(row)] for row in rows]
    if closed:
        lines = [[*line, " "] for line in lines]
    if not lines:
        return ""
    stops = [_round_up(max(len(line[at]) for line in lines) + 1) for at in range(len(lines[0]) - 1)]
    return "".join(
        "".join(cell + "\t" * -(-(stop - len(cell)) // TAB_WIDTH) for cell, stop in zip(line, stops, strict=False))
        + line[-1]
        + "\n"
        for line in lines
    )


def _round_up(width: int) -> int:
    return -(-width // TAB_WIDTH) * TAB_WIDTH


def format_size(size: int, units: str) -> str:
    """A size in the units that the user asked for: `iec`, `si` or `raw`."""
    from moss.units import format_iec, format_si

    if units == "raw":
        return str(size)
    return format_si(size) if units == "si" else format_iec(size)
