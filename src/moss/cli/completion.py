"""Candidates for the shell: one a line, always status 0, never a message. Source: spec/cli.md 5.15."""

import os
import re
import sys
from typing import TYPE_CHECKING

from moss.cli import table

if TYPE_CHECKING:
    from moss.cli.context import Context
    from moss.cli.options import Command, Option


WORD = "AIS_COMPLETION_WORD"
_BELOW_BUCKET = re.compile(r"[a-z0-9]+://[^/]+/")


def complete(words: list[str]) -> int:
    """Print the candidates for the word behind `words`; when the last of them begins with a dash, for that one.

    Scripts of `ais completion` tell the unfinished word in `AIS_COMPLETION_WORD`, which makes names below buckets
    possible, and an option that is complete different from one that is not.
    """
    try:
        found = _candidates(words, os.environ.get(WORD))
    except Exception:  # The shell shows whatever is printed here in the middle of a command line.
        found = []
    for candidate in found:
        print(candidate)
    return 0


def _candidates(words: list[str], unfinished: str | None) -> list[str]:
    from moss.cli.aliases import load_aliases

    aliases = load_aliases(os.environ)
    path, rest = table.resolve(words, aliases)
    if words and words[0] == "help" and not rest[1:]:
        return table.words_below(())
    below = [] if rest else table.words_below(path)
    if not path and not rest:
        below = sorted({*below, *aliases})
    entry = table.COMMANDS.get(path)
    if entry is None:
        return below
    command = table.load(entry)
    if rest and rest[-1].startswith("-"):
        return _behind_option(command, rest, is_complete=unfinished is not None and not unfinished.startswith("-"))
    return below + _names(command, rest, unfinished or "")


def _behind_option(command: "Command", rest: list[str], *, is_complete: bool) -> list[str]:
    """Options, or the values of the last one."""
    word, has_value, _ = rest[-1].partition("=")
    option = _option(command, word)
    if option is not None and has_value:
        return [f"{word}={choice}" for choice in option.choices]
    if option is not None and (option.value or is_complete):
        return list(option.choices) if option.value else _names(command, rest, "")
    return ["--" + option.name for option in command.options]


def _option(command: "Command", word: str) -> "Option | None":
    name = word.lstrip("-")
    return next((option for option in command.options if name in (option.name, *option.aliases)), None)


def _names(command: "Command", rest: list[str], unfinished: str) -> list[str]:
    if command.complete is None:
        return []
    context = _context(command, rest)
    if _BELOW_BUCKET.match(unfinished) and any(form in command.usage for form in ("BUCKET/", "BUCKET[/", "SRC")):
        from moss.cli.candidates import names_below

        return names_below(context, unfinished)
    return list(command.complete(context))


def _context(command: "Command", rest: list[str]) -> "Context":
    """A context of the words so far, as far as they make sense, with a console that says nothing."""
    from moss.cli.context import Context
    from moss.cli.failures import UsageError
    from moss.cli.options import Parsed, parse
    from moss.cli.output import Console

    try:
        parsed = parse(command.options, rest)
    except UsageError:
        parsed = Parsed({}, [word for word in rest if not word.startswith("-")])
    silent = Console(sys.stdin, open(os.devnull, "w"), open(os.devnull, "w"))  # noqa: SIM115 - lives as long as we do
    return Context(table.PROGRAM, parsed, silent, os.environ)
