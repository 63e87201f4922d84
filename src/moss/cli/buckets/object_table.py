"""Entries of a listing as lines of a table, and as JSON. Pure. Source: spec/cli.md 5.5."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from moss.cli.failures import UsageError
from moss.cli.formats import format_size
from moss.cli.output import printable
from moss.wire.object import EntryFlag, ObjectEntry

__all__ = ["ALL_PROPS", "PROPS", "by_shard", "fields", "line", "parse_props", "status"]

_STATUSES = ("ok", "misplaced(cluster)", "misplaced(mountpath)", "replica", "replica(object-is-missing)")
_REMOTE_STATUSES = (
    (EntryFlag.VERSION_CHANGED, "version-changed"),
    (EntryFlag.VERSION_REMOVED, "deleted"),
    (EntryFlag.HEAD_FAILED, "remote-error"),
)
_JSON_NAMES = {"custom": "custom-md"}


def status(entry: ObjectEntry) -> str:
    """How an object is: in its place, out of it, or not what the cloud has."""
    for flag, text in _REMOTE_STATUSES:
        if entry.flags & flag:
            return text
    if not entry.flags & EntryFlag.CACHED:
        return "n/a"
    place = entry.flags & EntryFlag.STATUS_MASK
    return _STATUSES[place] if place < len(_STATUSES) else "n/a"


def _is(flag: int) -> Callable[[ObjectEntry, str], str]:
    return lambda entry, _: "yes" if entry.flags & flag else "no"


_CELLS: dict[str, Callable[[ObjectEntry, str], str]] = {
    "size": lambda entry, units: "" if entry.is_directory else format_size(entry.size, units),
    "checksum": lambda entry, _: entry.checksum,
    "atime": lambda entry, _: entry.atime,
    "version": lambda entry, _: entry.version,
    "copies": lambda entry, _: str(entry.copies or ""),
    "custom": lambda entry, _: printable(entry.custom),
    "location": lambda entry, _: entry.location,
    "cached": _is(EntryFlag.CACHED),
    "chunked": _is(EntryFlag.CHUNKED),
    "status": lambda entry, _: status(entry),
}
PROPS = ("name", *sorted(_CELLS), "all")
"""What `--props` takes."""
ALL_PROPS = ("size", "checksum", "atime", "version", "copies", "custom", "location", "chunked", "status")


def parse_props(text: str) -> list[str]:
    """The columns that `--props` names, each once; the name is always shown.

    Raises:
        UsageError: an unknown one.
    """
    columns: dict[str, None] = {}
    for prop in (word.strip() for word in text.split(",")):
        if prop == "all":
            columns |= dict.fromkeys(ALL_PROPS)
        elif prop in _CELLS:
            columns[prop] = None
        elif prop not in ("name", ""):
            raise UsageError(f'unknown object property "{prop}" (expecting one of: [{", ".join(PROPS)}])')
    return list(columns)


def by_shard(entries: Sequence[ObjectEntry]) -> list[ObjectEntry]:
    """The entries with the files of each shard right behind it: the server sorts `a.tar/b` behind `a.tar.lz4`."""
    members: dict[str, list[ObjectEntry]] = {entry.name: [] for entry in entries if entry.flags & EntryFlag.IS_ARCHIVE}
    rows: list[ObjectEntry] = []
    for entry in entries:
        shard = entry.name if entry.flags & EntryFlag.IN_ARCHIVE else ""
        while shard and shard not in members:
            shard = shard.rpartition("/")[0]
        (members[shard] if shard else rows).append(entry)
    return [row for entry in rows for row in (entry, *members.get(entry.name, ()))]


def line(entry: ObjectEntry, columns: Iterable[str], units: str) -> list[str]:
    """The cells of an entry, its name first; files in shards are indented."""
    name = ("    " if entry.flags & EntryFlag.IN_ARCHIVE else "") + printable(entry.name)
    return [name, *(_CELLS[column](entry, units) for column in columns)]


def fields(entry: ObjectEntry, columns: Sequence[str]) -> dict[str, Any]:
    """An entry under the names of the API, with exact values."""
    found: dict[str, Any] = {"name": entry.name}
    for column in columns:
        if column in ("cached", "chunked"):
            found[column] = bool(entry.flags & (EntryFlag.CACHED if column == "cached" else EntryFlag.CHUNKED))
        elif column == "status":
            found[column] = status(entry)
        else:
            found[_JSON_NAMES.get(column, column)] = getattr(entry, column)
    if entry.is_directory:
        found["is_directory"] = True
    return found
