"""Which entries of a bucket a listing asks for, and which of them it shows. Source: spec/cli.md 5.5."""

import re
from collections.abc import Callable
from typing import NamedTuple

from moss.cli.buckets.choice import check_alone
from moss.cli.failures import UsageError
from moss.cli.options import Parsed
from moss.errors import MossError
from moss.naming.template import parse_template
from moss.wire.object import EntryFlag, ListFlag, ObjectEntry

__all__ = ["Filter", "check_flags", "list_flags", "parse_filter"]

_EXCLUSIVE = (
    ("diff", "not-cached"), ("cached", "not-cached"), ("diff", "name-only"), ("prefix", "template"),
    ("archive", "nr"), ("count-only", "summary"),
)  # fmt: skip
_COUNTS = ("limit", "page-size", "max-pages")
_FLAGS = {
    "cached": ListFlag.CACHED,
    "not-cached": ListFlag.NOT_CACHED,
    "all": ListFlag.MISSING,
    "archive": ListFlag.ARCHIVES,
    "name-only": ListFlag.NAME_ONLY,
    "count-only": ListFlag.NAME_ONLY,
    "nr": ListFlag.NO_RECURSION,
    "no-dirs": ListFlag.NO_DIRS,
    "diff": ListFlag.DIFF,
    "skip-lookup": ListFlag.DONT_HEAD_REMOTE,
    "dont-add": ListFlag.DONT_ADD_REMOTE,
    "inventory": ListFlag.INVENTORY,
}


class Filter(NamedTuple):
    """What to list and what to show of it.

    Attributes:
        prefix: for the server.
        shows: whether an entry is among what the user named; None shows all.
        hides: entries that do not count at all, matched or not; None hides none.
    """

    prefix: str
    shows: Callable[[ObjectEntry], bool] | None = None
    hides: Callable[[ObjectEntry], bool] | None = None


def check_flags(parsed: Parsed) -> None:
    """Refuse options that exclude each other, and counts that are none.

    Raises:
        UsageError: `flags '--cached' and '--not-cached' are mutually exclusive`.
    """
    for pair in _EXCLUSIVE:
        check_alone(parsed, pair)
    for option in _COUNTS:
        if (count := parsed.number(option, 0)) < 0:
            raise UsageError(f"'--{option}' cannot be negative, got {count}")


def list_flags(parsed: Parsed) -> int:
    """The flags of the list message."""
    flags = 0
    for option, flag in _FLAGS.items():
        flags |= flag if parsed.flag(option) else 0
    return flags | (ListFlag.INVENTORY if parsed.given("inv-name") else 0)


def parse_filter(parsed: Parsed, name: str) -> Filter:
    """Work out what is listed.

    Args:
        name: what stands behind the bucket; a prefix.

    Raises:
        UsageError: contradictions, a malformed template or regular expression.
    """
    for option in ("prefix", "template"):
        if name and parsed.given(option):
            raise UsageError(f"object name or prefix ({name}) cannot be used together with '--{option}'")
    prefix, names = parsed.text("prefix") or name, None
    if (text := parsed.text("template")) is not None:
        try:
            template = parse_template(text)
            prefix, names = template.prefix, None if template.is_prefix else frozenset(template.expand())
        except MossError as error:
            raise UsageError(error.message) from None
    try:
        pattern = re.compile(parsed.text("regex") or "") if parsed.given("regex") else None
    except re.error as error:
        raise UsageError(f"invalid regular expression: {error}") from None

    def shows(entry: ObjectEntry) -> bool:
        return (names is None or entry.name in names) and (pattern is None or bool(pattern.search(entry.name)))

    hidden = _hidden(parsed)
    return Filter(prefix, None if names is None and pattern is None else shows, hidden)


def _hidden(parsed: Parsed) -> Callable[[ObjectEntry], bool] | None:
    no_dirs, only_chunked = parsed.flag("no-dirs"), parsed.flag("chunked")
    if not no_dirs and not only_chunked:
        return None
    # The server keeps folders in listings of its own buckets, whatever the flag says.
    return lambda entry: (no_dirs and entry.is_directory) or (only_chunked and not entry.flags & EntryFlag.CHUNKED)
