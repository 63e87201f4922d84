"""`ais search`: which command does it? Source: spec/cli.md 5.13."""

import re
from collections.abc import Iterator

from moss.cli import table
from moss.cli.aliases import load_aliases
from moss.cli.arguments import check_count
from moss.cli.context import Context
from moss.cli.failures import UsageError
from moss.cli.flags import JSON
from moss.cli.options import Command, Option
from moss.cli.synonyms import SYNONYMS, means


def _search(context: Context) -> None:
    parsed = context.parsed
    pattern = parsed.text("regex")
    if pattern is not None:
        found = [line for line in _corpus(context) if _compiled(pattern).search(line)]
        _print(context, found)
        return
    words = parsed.positionals
    check_count(words, ["keyword"], most=None)
    _warn_of_synonyms(context, words)
    found = sorted(line for line in _corpus(context) if all(_matches(line.split()[1:], word) for word in words))
    if found or context.wants_json:
        _print(context, found)
        return
    tip = " ".join(words)
    context.console.result(f"No matches (use '--regex' to include more results, e.g.: 'ais search --regex {tip}')\n")


def _print(context: Context, found: list[str]) -> None:
    if context.wants_json:
        context.console.document(found)
        return
    for line in found:
        context.console.result(line)


def _corpus(context: Context) -> Iterator[str]:
    """Every command as its full list of words, then those that aliases make."""
    commands = [words for words in table.COMMANDS if words != ("search",)]
    for words in commands:
        yield " ".join((table.PROGRAM, *words))
    for alias, path in sorted(load_aliases(context.environ).items()):
        for words in commands:
            if words[: len(path)] == path:
                yield " ".join((table.PROGRAM, alias, *words[len(path) :]))


def _matches(command: list[str], word: str) -> bool:
    return any(other == word or other.startswith(word + "-") or means(other, word) for other in command)


def _warn_of_synonyms(context: Context, words: list[str]) -> None:
    for at, word in enumerate(words):
        for other in words[at + 1 :]:
            if other in SYNONYMS.get(word, ()) or word in SYNONYMS.get(other, ()):
                both = f'"{word}" and "{other}" are "similar"'
                context.console.warn(f"{both} (search results may include either/or combinations)")


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise UsageError(f'invalid regular expression "{pattern}": {error}') from None


def _complete(_context: Context) -> list[str]:
    return sorted({word for words in table.COMMANDS for word in words})


SEARCH = Command(
    usage="KEYWORD [KEYWORD...]",
    summary="find commands by words, or by words that mean the same",
    run=_search,
    complete=_complete,
    options=(Option("regex", "search the text of commands for a regular expression", value="REGEX"), JSON),
    examples=("ais search copy", "ais search create user", "ais search --regex 'mv|cp'"),
)
