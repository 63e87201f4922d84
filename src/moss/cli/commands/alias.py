"""`ais alias`: first words of one's own. Source: spec/cli.md 5.14."""

import re
import shlex

from moss.cli import table
from moss.cli.arguments import check_count
from moss.cli.context import Context
from moss.cli.failures import CommandError, UsageError
from moss.cli.flags import JSON, NO_HEADERS
from moss.cli.options import Command
from moss.cli.preferences import Preferences

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_NAME_RULE = "alias must start with a letter and can only contain letters, numbers, hyphens (-), and underscores (_)"


def _show(context: Context) -> None:
    check_count(context.parsed.positionals, [], most=0)
    _print(context, Preferences(context.environ).aliases)


def _print(context: Context, aliases: dict[str, str]) -> None:
    rows = sorted(((alias, command) for alias, command in aliases.items()), key=lambda row: (row[1], row[0]))
    context.show(
        [("ALIAS", "COMMAND"), *([] if context.parsed.flag("no-headers") else [("=====", "=======")]), *rows],
        dict(sorted(aliases.items())),
    )


def _set(context: Context) -> None:
    words = context.parsed.positionals
    check_count(words, ["ALIAS", "COMMAND"], most=None)
    alias, command = words[0], _words(words[1:])
    if not _NAME.fullmatch(alias):
        raise UsageError(_NAME_RULE)
    if alias in table.words_below(()):
        raise UsageError(f'"{alias}" is a command of its own and cannot be an alias')
    preferences = Preferences(context.environ)
    aliases = preferences.aliases
    if command[0] in aliases and command[0] not in table.words_below(()):
        command = [*_words([aliases[command[0]]]), *command[1:]]
    path, rest = table.resolve(command, {})
    # A group stands alone; a command may bring arguments of its own.
    if path not in table.COMMANDS and (rest or not path):
        raise UsageError(f'"{" ".join(words[1:])}" is not AIS command')
    text, old = shlex.join(command), aliases.get(alias)
    preferences.set_aliases(aliases | {alias: text})
    preferences.save()
    if old is None:
        context.console.result(f'Aliased "{text}" = "{alias}"')
    else:
        context.console.result(f'Alias "{alias}" new command "{text}" (was: "{old}")')


def _words(given: list[str]) -> list[str]:
    """The words of a command, given as several words or as one in quotes; without the name of the program."""
    try:
        words = shlex.split(given[0]) if len(given) == 1 else list(given)
    except ValueError as error:
        raise UsageError(f'malformed command "{given[0]}": {error}') from None
    words = words[1:] if words[:1] == [table.PROGRAM] else words
    if not words:
        raise UsageError('missing "COMMAND" argument')
    return words


def _remove(context: Context) -> None:
    check_count(context.parsed.positionals, ["ALIAS"], most=1)
    alias = context.parsed.positionals[0]
    preferences = Preferences(context.environ)
    aliases = preferences.aliases
    if alias not in aliases:
        raise CommandError(f'alias "{alias}" does not exist')
    preferences.set_aliases({name: command for name, command in aliases.items() if name != alias})
    preferences.save()
    context.console.result(f'Alias "{alias}" removed')


def _reset(context: Context) -> None:
    check_count(context.parsed.positionals, [], most=0)
    preferences = Preferences(context.environ)
    preferences.set_aliases(None)
    preferences.save()
    _print(context, preferences.aliases)


def _complete_command(context: Context) -> list[str]:
    words = context.parsed.positionals
    return table.words_below(tuple(words[1:])) if words else []


SHOW = Command(
    usage="",
    summary="show aliases",
    run=_show,
    options=(NO_HEADERS, JSON),
    examples=("ais alias", "ais alias set sc show cluster", "ais alias rm sc"),
)

SET = Command(
    usage="ALIAS COMMAND...",
    summary="make or change an alias",
    run=_set,
    complete=_complete_command,
    notes="A command with options or arguments of its own is given as one word, in quotes.",
    examples=("ais alias set sc show cluster", "ais alias set names 'ls ais://speech --name-only'"),
)

REMOVE = Command(
    usage="ALIAS",
    summary="remove an alias",
    run=_remove,
    complete=lambda context: sorted(Preferences(context.environ).aliases),
    examples=("ais alias rm sc",),
)

RESET = Command(
    usage="", summary="go back to the built-in aliases", run=_reset, options=(NO_HEADERS, JSON),
    examples=("ais alias reset",),
)  # fmt: skip
