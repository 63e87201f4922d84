"""Which objects of a bucket a command works on: named one by one, by a template, by a prefix, or all.

Source: spec/cli.md 5.4, 5.6; spec/rest-data.md 6.1.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

from moss.cli.arguments import list_items
from moss.cli.failures import CommandError, UsageError
from moss.cli.formats import brief
from moss.cli.options import Option, Parsed
from moss.cli.output import Console, printable
from moss.errors import MossError
from moss.naming.template import Template, parse_template

__all__ = ["ALL", "LIST", "PREFIX", "SELECTORS", "TEMPLATE", "Choice", "check_alone", "choose", "preview"]

LIST = Option("list", "comma-separated names", value="NAMES")
TEMPLATE = Option("template", "names by template, as in 'shard-{000..999}.tar'; without a range a prefix", value="TEXT")
PREFIX = Option("prefix", "names that start with this", value="PREFIX")
ALL = Option("all", "all objects")
SELECTORS = (LIST, TEMPLATE, PREFIX)

_PREVIEW = 10
_NAMES_SHOWN = 4


class Choice(NamedTuple):
    """Objects of one bucket.

    Attributes:
        names: exactly these; empty for the other kinds.
        template: names with ranges.
        prefix: names that start with this; "" with neither names nor template stands for all.
    """

    names: tuple[str, ...] = ()
    template: Template | None = None
    prefix: str = ""

    @property
    def is_all(self) -> bool:
        return not self.names and self.template is None and not self.prefix

    @property
    def total(self) -> int:
        """How many names it gives; 0 when only the cluster knows."""
        return len(self.names) or (self.template.count or 0 if self.template else 0)

    def __str__(self) -> str:
        """As lines for people show it: `[a b]`, `"f{1..2}.txt"`, `"dir/"`; nothing for all."""
        if self.names:
            if len(self.names) > _NAMES_SHOWN:
                return f"{len(self.names):,} objects ({printable(brief(self.names))})"
            return f"[{' '.join(map(printable, self.names))}]"
        text = self.template.text if self.template else self.prefix
        return f'"{printable(text)}"' if text else ""

    def message(self, list_names: Callable[[str], Iterable[str]]) -> dict[str, Any]:
        """The choice in the message that starts a job.

        Args:
            list_names: existing names that start with a prefix. Asked only for a prefix that the cluster would take
                for a template: `a@1`, `x{1..2}`.

        Raises:
            CommandError: there is no such name.
        """
        if self.names:
            return {"objnames": list(self.names)}
        if self.template is not None:
            return {"template": self.template.text}
        if _reads_as_prefix(self.prefix):
            return {"template": self.prefix}
        found = list(list_names(self.prefix))
        if not found:
            raise CommandError(f"no objects match {self}")
        return {"objnames": found}

    def existing(self, list_names: Callable[[str], Iterable[str]]) -> Iterator[str]:
        """The names, as far as there are objects of these names; those of a list as they are."""
        if self.names:
            return iter(self.names)
        if self.template is None:
            return iter(list_names(self.prefix))
        wanted = set(self.template.expand())
        return (name for name in list_names(self.template.prefix) if name in wanted)


def _reads_as_prefix(text: str) -> bool:
    try:
        template = parse_template(text)
    except MossError:
        return False
    return template.is_prefix and template.prefix == text


def check_alone(parsed: Parsed, options: Sequence[str]) -> str | None:
    """The one of the options that was given, or None.

    Raises:
        UsageError: several were given.
    """
    given = [option for option in options if parsed.given(option)]
    if len(given) > 1:
        raise UsageError(f"flags '--{given[0]}' and '--{given[1]}' are mutually exclusive")
    return given[0] if given else None


def choose(parsed: Parsed, name: str, warn: Callable[[str], None]) -> Choice | None:
    """Work out which objects are meant.

    Args:
        name: what stands behind the bucket in the URI: a prefix when it ends with a slash, a template when it has a
            range, else the name of one object.

    Returns:
        The choice, or None when neither an option nor the URI says anything.

    Raises:
        UsageError: options that contradict each other or the name; a malformed template; an empty list.
    """
    option = check_alone(parsed, [option.name for option in (*SELECTORS, ALL)])
    if option and name:
        raise UsageError(f"object name or prefix ({name}) cannot be used together with '--{option}'")
    if option == LIST.name:
        return Choice(names=tuple(list_items(parsed.text(option) or "", warn)))
    if option == TEMPLATE.name:
        return _of_template(parsed.text(option) or "")
    if option is not None:
        return Choice(prefix=parsed.text(option) or "" if option == PREFIX.name else "")
    if not name:
        return None
    if name.endswith("/"):
        return Choice(prefix=name)
    return _of_template(name) if "{" in name and ".." in name else Choice(names=(name,))


def _of_template(text: str) -> Choice:
    try:
        template = parse_template(text)
    except MossError as error:
        raise UsageError(error.message) from None
    if template.is_prefix:
        return Choice(prefix=template.prefix)
    if template.count is None:
        raise UsageError(f'template "{text}" is endless and names no finite set of objects')
    return Choice(template=template)


def preview(console: Console, lines: Iterable[str], summary: Callable[[int], str]) -> None:
    """Show what would be done: the first lines, how many more there are, and a summary.

    Args:
        summary: makes the last line of the number of lines in all.
    """
    rest = iter(lines)
    shown = list(islice(rest, _PREVIEW))
    for line in shown:
        console.result(f"[DRY RUN] {line}")
    more = sum(1 for _ in rest)
    if more:
        console.result(f"(and {more:,} more)")
    console.result(f"[DRY RUN] {summary(len(shown) + more)}")
