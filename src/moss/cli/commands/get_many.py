"""`ais get --prefix`: many objects, or the files inside many shards, some at a time. Source: spec/cli.md 5.6."""

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import NamedTuple

from moss.cli.context import Context
from moss.cli.destination import STDOUT, Destination
from moss.cli.failures import CommandError, UsageError
from moss.cli.formats import format_count, format_size
from moss.cli.listing import ARCHIVES, FLAG_ARCHIVED, Row, list_objects
from moss.cli.objects.announcing import confirm
from moss.cli.objects.extract import Asked, extract_into, stem_of
from moss.cli.objects.fetch import Wish, open_wish, receive
from moss.cli.objects.transfers import Meter, tolerate, transfer_all
from moss.cli.output import printable
from moss.cli.progress import Progress
from moss.naming.bucket import Bucket, is_valid_object_name
from moss.naming.uri import split_archive_path
from moss.wire.object import ListFlag

__all__ = ["get_many"]

OBJECTS_AT_A_TIME = 4


class Item(NamedTuple):
    """One object, or one file inside of one."""

    name: str
    member: str
    size: int


class Layout:
    """Where items go, and how they are read.

    Args:
        model: how each of them is read.
        shards: names of the shards that are taken apart; empty when none are.
    """

    def __init__(self, context: Context, folder: str, model: Wish, shards: Iterable[str]) -> None:
        self.folder, self.extracts = folder, context.parsed.flag("extract")
        self._model = model
        self._stems = {name: os.path.join(os.path.dirname(name), stem_of(name)) for name in shards}
        counts = Counter(self._stems.values())
        # Shards that differ in their extension only would be mixed in one folder.
        self._stems.update({name: name for name, stem in self._stems.items() if counts[stem] > 1})

    def wish(self, item: Item) -> Wish:
        """How an item is read."""
        return replace(self._model, name=item.name, member=item.member)

    def path(self, item: Item) -> str:
        """Where an item goes: a file, or the folder of a shard that is unpacked."""
        stem = self._stems.get(item.name)
        if stem is None:
            inside = item.name
        elif item.member:
            inside = os.path.join(stem, item.member.lstrip("/"))
        else:
            inside = stem if self.extracts else stem + ".tar"
        return os.path.join(self.folder, inside.lstrip("/"))


def get_many(context: Context, bucket: Bucket, prefix: str, place: str | None, model: Wish) -> None:
    """Get everything with a prefix as files of a folder under their whole names, or as unpacked shards.

    Args:
        place: the folder; the current one when it is None.
        model: how each of them is read.
    """
    parsed = context.parsed
    folder = _folder(place, bucket.cname_of(prefix))
    discards = Destination(folder).is_discarded
    items = list(_items(context, bucket, prefix))
    if not items:
        raise CommandError(f"no objects match {bucket.cname_of(prefix)}")
    what = "archived files" if parsed.flag("archive") else "objects"
    total = sum(item.size for item in items)
    summary = f"GET {format_count(len(items))} {what} from {bucket} (total size {format_size(total, context.units)})"
    confirm(context, summary, f"{summary}: use '--yes' to go on")
    takes_apart = parsed.flag("archive") or parsed.flag("extract") or model.matching
    layout = Layout(context, folder, model, {item.name for item in items} if takes_apart else ())
    may_replace = Asked(context, folder)
    if not (discards or parsed.flag("extract")):  # what archives hold is known later
        for item in items:
            if os.path.lexists(path := layout.path(item)):
                may_replace(path)
    label = printable(bucket.cname_of(prefix))
    outcome = transfer_all(
        items,
        _worker(context, layout, may_replace, discards=discards),
        label=lambda item: printable(layout.wish(item).label),
        workers=parsed.number("num-workers", OBJECTS_AT_A_TIME),
        goes_on=parsed.flag("cont-on-err"),
        progress=Progress(context.console.stderr, label, total=total, items_total=len(items), items=what),
    )
    tolerate(outcome, "GET", what)
    if context.wants_json:
        document = {"bucket": bucket.cname, "prefix": prefix, "size": outcome.size}
        context.console.document(document | {"files": [_row(item, layout) for item in items]})
    elif not parsed.flag("silent"):
        if parsed.flag("verbose"):
            for item in items:
                context.console.result(f"GET {printable(layout.wish(item).label)} as {printable(layout.path(item))}")
        context.console.result(summary if parsed.flag("yes") else "Done")


def _folder(place: str | None, what: str) -> str:
    """The folder to write to.

    Raises:
        UsageError: it is standard output.
        CommandError: it is a file.
    """
    if place == STDOUT:
        raise UsageError("many objects cannot be written to standard output: name a folder")
    folder = place or "."
    if not Destination(folder).is_discarded and os.path.lexists(folder) and not os.path.isdir(folder):
        raise CommandError(f'"{folder}" is not a folder to write {what} to')
    return folder


def _row(item: Item, layout: Layout) -> dict[str, str]:
    row = {"object": item.name, "archpath": item.member, "destination": layout.path(item)}
    return {key: value for key, value in row.items() if value}


def _items(context: Context, bucket: Bucket, prefix: str) -> Iterator[Item]:
    parsed = context.parsed
    wants_files = parsed.flag("archive")
    flags = (ARCHIVES if wants_files else 0) | (ListFlag.CACHED if parsed.flag("cached") else 0)
    inventory = parsed.text("inv-name") or ""
    if inventory or parsed.flag("inventory"):
        flags |= ListFlag.INVENTORY
    rows = list_objects(context.transport, bucket, prefix=prefix, props="name,size", flags=flags, inventory=inventory)
    wanted = (row for row in rows if not row.name.endswith("/") and (not wants_files or row.flags & FLAG_ARCHIVED))
    for row in islice(wanted, parsed.number("limit", 0) or None):
        _check_name(row)
        yield Item(*(split_archive_path(row.name) if wants_files else (row.name, "")), row.size)


def _check_name(row: Row) -> None:
    """The server is not trusted with paths: a valid name has no `..`, and a leading slash is taken away."""
    if not is_valid_object_name(row.name):
        raise CommandError(f'refusing to write "{printable(row.name)}": not a valid object name')


def _worker(context: Context, layout: Layout, may_replace: Asked, *, discards: bool) -> Callable[[Item, Meter], int]:
    """What gets one item."""
    _ = context.transport  # made before the threads start
    verify = context.parsed.flag("checksum")

    def get(item: Item, meter: Meter) -> int:
        wish, path = layout.wish(item), layout.path(item)
        if layout.extracts:
            return extract_into(context, wish, path, may_replace, meter).size
        destination = Destination(os.devnull if discards else path)
        destination.check_no_directory()
        with open_wish(context, wish) as opened, destination.open(sys.stdout.buffer) as sink:
            size = receive(opened, sink, wish, meter.add, verify=verify)
            sink.commit()
        return size

    return get
