"""The grammar of options: one or two dashes, `=value`, any place among the positionals, `--` ends them.

A command says what it accepts in a table of `Option`; nothing here prints or exits.
Source of the grammar: spec/cli.md 1.4.2.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from moss.cli.failures import UsageError

TRUE_WORDS = frozenset(("1", "t", "true", "y", "yes", "on"))
FALSE_WORDS = frozenset(("0", "f", "false", "n", "no", "off"))


class Option(NamedTuple):
    """One option of a command.

    Attributes:
        name: long name without dashes.
        help: what it does, in the imperative.
        value: name of its value in the help; empty for a boolean option.
        aliases: further names without dashes.
        number: whether the value is a whole number.
    """

    name: str
    help: str
    value: str = ""
    aliases: tuple[str, ...] = ()
    number: bool = False

    def spelled(self) -> str:
        """How the help shows it: `-f, --spec PATH`."""
        names = [("-" if len(name) == 1 else "--") + name for name in (self.name, *self.aliases)]
        names.sort(key=len)
        return ", ".join(names) + (f" {self.value}" if self.value else "")


class Parsed(NamedTuple):
    """The words of a command line, sorted. Options that were not given are not in `values`."""

    values: dict[str, str | bool | int]
    positionals: list[str]

    def given(self, name: str) -> bool:
        return name in self.values

    def text(self, name: str) -> str | None:
        """The value of an option, None when it was not given."""
        value = self.values.get(name)
        return None if value is None else str(value)

    def flag(self, name: str) -> bool:
        return bool(self.values.get(name, False))

    def number(self, name: str, default: int) -> int:
        return int(self.values.get(name, default))


class Command(NamedTuple):
    """What a command is called with and what it does.

    Attributes:
        usage: its positionals, as in `[SRC ...] DST`.
        summary: one line, imperative.
        run: called with a `Context`; returns the exit status or None for 0.
    """

    usage: str
    summary: str
    run: Callable[[Any], int | None]
    options: tuple[Option, ...] = ()
    notes: str = ""
    examples: tuple[str, ...] = ()
    complete: Callable[[Any], list[str]] | None = None


HELP = Option("help", "show this help", aliases=("h",))


def parse(options: Sequence[Option], words: Sequence[str]) -> Parsed:
    """Sort words into options and positionals. The last of several values of an option wins.

    Raises:
        UsageError: unknown option, missing value, value of the wrong kind.
    """
    known = {name: option for option in options for name in (option.name, *option.aliases)}
    values: dict[str, str | bool | int] = {}
    positionals: list[str] = []
    queue = iter(range(len(words)))
    for at in queue:
        word = words[at]
        if word == "--":
            positionals.extend(words[at + 1 :])
            break
        if not _is_option(word):
            positionals.append(word)
            continue
        name, has_value, value = word.lstrip("-").partition("=")
        option = known.get(name)
        if option is None or word.startswith("---"):
            raise UsageError(f"flag provided but not defined: -{name}")
        if not option.value:
            values[option.name] = _boolean(name, value) if has_value else True
            continue
        if not has_value:
            following = words[at + 1] if at + 1 < len(words) else None
            # A known option is never meant as a value: `--list --streaming` has forgotten its list.
            if following is None or (_is_option(following) and following.lstrip("-").partition("=")[0] in known):
                raise UsageError(f"flag needs an argument: -{name}")
            value = following
            next(queue)
        values[option.name] = _number(name, value) if option.number else value
    return Parsed(values, positionals)


def _is_option(word: str) -> bool:
    return len(word) > 1 and word[0] == "-"


def _boolean(name: str, value: str) -> bool:
    word = value.lower()
    if word in TRUE_WORDS:
        return True
    if word in FALSE_WORDS:
        return False
    raise UsageError(f'invalid boolean value "{value}" for -{name}: expecting true or false')


def _number(name: str, value: str) -> int:
    digits = value.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()):
        raise UsageError(f'invalid value "{value}" for flag -{name}: expecting a whole number')
    return int(value)
