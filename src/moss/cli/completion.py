"""Candidates for the shell: one a line, always status 0, never a message."""

import os
import sys

from moss.cli import main as table


def complete(words: list[str]) -> int:
    """Print the candidates for the word behind `words`."""
    try:
        found = _candidates(words)
    except Exception:  # The shell shows whatever is printed here in the middle of a command line.
        found = []
    for candidate in found:
        print(candidate)
    return 0


def _candidates(words: list[str]) -> list[str]:
    path, rest = table.resolve(words)
    entry = table.COMMANDS.get(path)
    if entry is None:
        depth = len(path)
        below = {w[depth] for w in table.COMMANDS if w[:depth] == path and len(w) > depth}
        return sorted(below | (set(table.ALIASES) if not path else set()))
    command = table.load(entry)
    if rest and rest[-1].startswith("-"):
        return ["--" + option.name for option in command.options]
    if command.complete is None:
        return []
    from moss.cli.context import Context
    from moss.cli.options import parse
    from moss.cli.output import Console

    silent = Console(sys.stdin, open(os.devnull, "w"), open(os.devnull, "w"))  # noqa: SIM115 - lives as long as we do
    return command.complete(Context("ais", parse(command.options, []), silent, os.environ))
