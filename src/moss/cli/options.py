"""The grammar of options: one or two dashes, `=value`, any place among the positionals, `--` ends them.

A command says what it accepts in a table of `Option`; nothing here prints or exits.
Source of the grammar: spec/cli.md 1.4.2.
"""

from collections.abc import Callable, Iterable, Sequence
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
        choices: all values that are allowed; empty when any is.
    """

    name: str
    help: str
    value: str = ""
    aliases: tuple[str, ...] = ()
    number: bool = False
    choices: tuple[str, ...] = ()

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
        options: what it accepts besides `--help`.
        notes: paragraphs for its help.
        examples: command lines for its help.
        complete: called with a `Context` of the words so far; returns what may come next, see `moss.cli.candidates`.
    """

    usage: str
    summary: str
    run: Callable[[Any], int | None]
    options: tuple[Option, ...] = ()
    notes: str = ""
    examples: tuple[str, ...] = ()
    complete: Callable[[Any], Iterable[str]] | None = None

    def check_count(self, positionals: Sequence[str]) -> None:
        """Refuse more positionals than the usage shows: none of them is to be ignored in silence.

        Raises:
            UsageError: there are more.
        """
        most = _places(self.usage)
        if most is not None and len(positionals) > most:
            raise UsageError(f'unexpected argument "{positionals[most]}"')


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
            raise UsageError(f"flag provided but not defined: -{name}{_meant(name, known)}")
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
        values[option.name] = _number(name, value) if option.number else _chosen(option, value)
    return Parsed(values, positionals)


def _places(usage: str) -> int | None:
    """How many positionals a usage shows: `[NODE | all] FILE` has two places; None when it has dots."""
    return None if "..." in usage else len(usage.replace(" | ", "|").split())


def _meant(name: str, known: Iterable[str]) -> str:
    """`(did you mean '--recursive'?)` when a known option is near; loaded only for the mistake."""
    from difflib import get_close_matches

    near = get_close_matches(name, [word for word in known if len(word) > 2], 1, 0.7) if len(name) > 2 else []
    return f" (did you mean '--{near[0]}'?)" if near else ""


def _is_option(word: str) -> bool:
    return len(word) > 1 and word[0] == "-"


def _chosen(option: Option, value: str) -> str:
    if option.choices and value not in option.choices:
        *others, last = option.choices
        allowed = f"{', '.join(others)} or {last}" if others else last
        raise UsageError(f"invalid '--{option.name}' \"{value}\" (expecting {allowed})")
    return value


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
