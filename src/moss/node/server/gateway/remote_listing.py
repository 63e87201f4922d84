"""Listing buckets that are kept elsewhere: what the store lists, joined with what is in the cache.

Source: spec/rest-data.md 4, 8.
"""

import asyncio
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from moss.errors import BucketNotFound, InvalidRequest
from moss.naming.bucket import Bucket
from moss.node.backends.base import Page, RemoteObject
from moss.node.remote import Place
from moss.node.remote.attributes import custom_of, is_from_store, is_same
from moss.node.remote.listing import page_of
from moss.node.server.gateway.entries import byte_order, format_custom, format_time
from moss.node.storage.layout import Extent
from moss.node.storage.objects import ObjectRecord
from moss.node.storage.walking import walk
from moss.units import quote
from moss.wire.object import EntryFlag, ListFlag, ObjectEntry

__all__ = ["build", "check"]

# Of what the store says of an object so much is shown in listings. Source: rest-data 8 (recorded).
_SHOWN = ("ETag", "LastModified")


def check(bucket: Bucket, wanted: Any, given: dict[str, Any]) -> None:
    """Refuse what cannot be asked of a bucket that is kept elsewhere.

    Args:
        wanted: a `ListRequest`.
        given: the message that it was read from.
    """
    if wanted.flags & ListFlag.INVENTORY:
        raise InvalidRequest(f"bucket {quote(bucket.cname)} has no inventories")
    start_after = given.get("start_after")
    if start_after and bucket.is_remote and not wanted.is_local:
        raise InvalidRequest(
            f"list-objects option --start_after ({start_after}) not yet supported for remote buckets ({bucket.cname})"
        )
    if wanted.is_local and wanted.flags & (ListFlag.NOT_CACHED | ListFlag.DIFF):
        raise InvalidRequest(f"{bucket.cname}: cannot list what is in the cluster alone together with what is not")


async def build(node: Any, place: Place, wanted: Any) -> tuple[list[ObjectEntry], str]:
    """Return the entries of one page, and the name that the next one goes on behind ("" at the end).

    Raises:
        BackendUnavailable, BackendDenied, BucketNotFound: as the store says.
    """
    prefix = "" if wanted.prefix == "/" and not wanted.is_flat else wanted.prefix
    entries: list[ObjectEntry] = []
    after = wanted.after
    while True:
        limit = _limit(place, wanted.page_size - len(entries))
        page = await page_of(place, prefix, after, limit, one_level=not wanted.is_flat)
        entries += await asyncio.to_thread(_join, node, place, wanted, page, prefix, after)
        after = page.next_after
        if len(entries) > wanted.page_size:
            # What the store's page holds beyond this one is asked for again.
            entries = entries[: wanted.page_size]
            return entries, entries[-1].name
        # Of a cloud's bucket one page of the store makes one page here; those of this cluster's own are as long as
        # their clients expect, but for what is filtered out.
        is_one_page = place.record.bucket.is_remote or wanted.flags & ListFlag.NOT_CACHED
        if not after or len(entries) == wanted.page_size or is_one_page:
            return entries, after


def _limit(place: Place, limit: int) -> int:
    """Return how many objects to ask the store for, which may have limits of its own."""
    most = msgspec.json.decode(place.record.props)["extra"]["aws"].get("max_pagesize", 0)
    return min(limit, most) if most > 0 else limit


# -- one page of a store --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Cached:
    """What is in the cache of one page's names; records only where they are needed."""

    records: dict[str, ObjectRecord]
    names: frozenset[str]


def _join(node: Any, place: Place, wanted: Any, page: Page, prefix: str, after: str) -> list[ObjectEntry]:
    """Make the entries of a store's page. Reads the index: not for the event loop."""
    is_remote = place.record.bucket.is_remote
    # Names that end with a slash stand for folders that some programs make; no object here is called so.
    objects = [row for row in page.objects if not row.name.endswith("/") or (is_remote and row.name != prefix)]
    cached = _look_up(node, place, wanted, [row.name for row in objects])
    entries = []
    for row in objects:
        is_cached = row.name in cached.names
        if row.name.endswith("/"):
            entry = ObjectEntry(name=row.name, flags=EntryFlag.IS_DIRECTORY)
        elif is_cached and wanted.flags & ListFlag.NOT_CACHED:
            continue
        else:
            entry = _entry(node, place, wanted, row, cached.records.get(row.name), is_cached=is_cached)
        entries.append(entry)
    entries += [
        ObjectEntry(name=folder, flags=EntryFlag.IS_DIRECTORY)
        for folder in page.folders
        if byte_order(folder) > byte_order(after)
    ]
    if wanted.flags & ListFlag.NO_DIRS and is_remote:
        entries = [entry for entry in entries if not entry.is_directory]
    entries += _only_here(node, place, wanted, page, prefix, after)
    entries.sort(key=lambda entry: byte_order(entry.name))
    return entries


def _look_up(node: Any, place: Place, wanted: Any, names: Sequence[str]) -> _Cached:
    if wanted.flags & ListFlag.ONLY_REMOTE_PROPS:
        return _Cached({}, frozenset())
    bucket = place.record.bucket
    try:
        if wanted.needs_attributes or wanted.flags & ListFlag.DIFF:
            found = {record.name: record for record in node.engine.heads(bucket, names) if record is not None}
            return _Cached(found, frozenset(found))
        extents = node.engine.locate(bucket, names)
    except BucketNotFound:  # not entered
        return _Cached({}, frozenset())
    return _Cached({}, frozenset(name for name, extent in zip(names, extents, strict=True) if extent is not None))


def _entry(
    node: Any, place: Place, wanted: Any, row: RemoteObject, record: ObjectRecord | None, *, is_cached: bool
) -> ObjectEntry:
    columns = wanted.columns
    is_current = record is not None and is_same(record, row)
    flags = EntryFlag.CACHED if is_cached else 0
    if record is not None and wanted.flags & ListFlag.DIFF and not is_current:
        flags |= EntryFlag.VERSION_CHANGED
    entry = ObjectEntry(name=row.name, size=row.size if "size" in columns else 0, flags=flags)
    if not wanted.needs_attributes:
        return entry
    if "checksum" in columns:
        entry.checksum = row.md5
    if "version" in columns:
        entry.version = row.version or (record.version if is_current and record is not None else "")
    if "custom" in columns:
        told = custom_of(row, place.backend.provider)
        entry.custom = format_custom({key: told[key] for key in _SHOWN if key in told})
    if record is not None:
        _describe_cached(node, wanted, record, entry)
    return entry


def _describe_cached(node: Any, wanted: Any, record: ObjectRecord, entry: ObjectEntry) -> None:
    if "atime" in wanted.columns:
        entry.atime = format_time(record.created_ns, wanted.time_format)
    if "location" in wanted.columns:
        entry.location = f"{node.target_name}:mp[/]"
    if "copies" in wanted.columns:
        entry.copies = 1


# -- objects that only the cache has ----------------------------------------------------------------------


def _only_here(node: Any, place: Place, wanted: Any, page: Page, prefix: str, after: str) -> list[ObjectEntry]:
    """Return entries of objects within a page's stretch that the store does not list.

    Those that were put into a bucket before it had a store behind it belong to it like the others. Those that the store
    does not have any more are shown when differences are asked for.
    """
    shows_removed = bool(wanted.flags & ListFlag.DIFF)
    is_shown = shows_removed or not place.record.bucket.is_remote
    if not is_shown or not wanted.is_flat or wanted.flags & ListFlag.NOT_CACHED:
        return []
    listed = {row.name for row in page.objects}
    names = (name for name, _ in _stretch(node, place, prefix, after, page.next_after) if name not in listed)
    try:
        records = node.engine.heads(place.record.bucket, list(itertools.islice(names, wanted.page_size)))
    except BucketNotFound:  # not entered
        return []
    entries = []
    for record in records:
        if record is None or (is_from_store(record) and not shows_removed):
            continue
        entry = ObjectEntry(
            name=record.name, size=record.size if "size" in wanted.columns else 0, flags=EntryFlag.CACHED
        )
        if is_from_store(record):
            entry.flags |= EntryFlag.VERSION_REMOVED
        if "checksum" in wanted.columns:
            entry.checksum = record.checksum_value
        if "version" in wanted.columns:
            entry.version = record.version
        if "custom" in wanted.columns:
            entry.custom = format_custom(record.custom)
        _describe_cached(node, wanted, record, entry)
        entries.append(entry)
    return entries


def _stretch(node: Any, place: Place, prefix: str, after: str, last: str) -> Iterator[tuple[str, Extent]]:
    """Yield what is in the cache from behind one name up to another; "" is the end."""
    end = byte_order(last)
    for row in walk(node.engine, place.record.bucket, prefix, after):
        if end and byte_order(row[0]) > end:
            return
        yield row
