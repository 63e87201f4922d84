"""Listing what is inside archives, between the objects of a bucket. Source: spec/rest-data.md 4.6.

Members are called `<archive>/<member>`; everything comes in byte order of the names, so that a page may begin behind
any of them without knowing more than its name.
"""

import heapq
from collections.abc import Callable, Iterator
from typing import Any

from moss.errors import MossError, NotFound
from moss.naming.bucket import Bucket
from moss.wire.object import EntryFlag, ObjectEntry

__all__ = ["ENDINGS", "list_page"]

ENDINGS = (".tar", ".tgz", ".tar.gz", ".zip", ".tar.lz4")

_Keyed = tuple[bytes, int, ObjectEntry]


def list_page(
    node: Any,
    bucket: Bucket,
    wanted: Any,
    records: Callable[[str, str], Iterator[Any]],
    entry_of: Callable[[Any], ObjectEntry],
) -> list[ObjectEntry]:
    """Return one page of objects and members.

    Members of one name stay on one page, which then may be larger than asked for: a name is all that a token holds.

    Args:
        wanted: a `ListRequest`.
        records: gives the objects with a prefix and behind a name, in order.
        entry_of: makes the entry of an object.
    """
    page: list[ObjectEntry] = []
    for _, _, entry in _merged(node, bucket, wanted, records, entry_of):
        if len(page) >= wanted.page_size and entry.name != page[-1].name:
            break
        page.append(entry)
    return page


def _merged(
    node: Any,
    bucket: Bucket,
    wanted: Any,
    records: Callable[[str, str], Iterator[Any]],
    entry_of: Callable[[Any], ObjectEntry],
) -> Iterator[_Keyed]:
    """Yield objects and members in byte order, equal names as they stand in the archive."""
    after, prefix = _byte_order(wanted.after), wanted.prefix
    pending: list[_Keyed] = []
    number = 0

    def add(members: list[tuple[str, int]]) -> None:
        nonlocal number
        for name, size in members:
            if name.startswith(prefix) and _byte_order(name) > after:
                number += 1
                entry = ObjectEntry(name=name, size=size, flags=EntryFlag.CACHED | EntryFlag.IN_ARCHIVE)
                heapq.heappush(pending, (_byte_order(name), number, entry))

    for record in _archives_before(node, bucket, wanted.after, prefix):
        add(_members(node, record) or [])
    for record in records(prefix, wanted.after):
        key = _byte_order(record.name)
        while pending and pending[0][0] < key:
            yield heapq.heappop(pending)
        members = _members(node, record) if record.name.endswith(ENDINGS) else None
        entry = entry_of(record)
        if members is not None:
            entry.flags |= EntryFlag.IS_ARCHIVE
        yield key, 0, entry
        add(members or [])
    while pending:
        yield heapq.heappop(pending)


def _archives_before(node: Any, bucket: Bucket, after: str, prefix: str) -> Iterator[Any]:
    """Yield archives that are not listed themselves, but may hold members that are.

    Their names are fronts of what the page begins behind, or of the prefix.
    """
    found = set(_fronts(after)) | {front for front in _fronts(prefix) if prefix.startswith(f"{front}/")}
    for name in sorted(found):
        is_listed = name.startswith(prefix) and _byte_order(name) > _byte_order(after)
        if is_listed or not (name.startswith(prefix) or prefix.startswith(f"{name}/")):
            continue
        try:
            yield node.engine.head(bucket, name)
        except NotFound:
            continue


def _fronts(text: str) -> Iterator[str]:
    """Yield the fronts of a text that are called as archives are, and behind which members may lie."""
    for end in range(1, len(text) + 1):
        # A member's next character is a slash: where a larger one stands, all members lie before.
        if text[:end].endswith(ENDINGS) and text[end : end + 1] <= "/":
            yield text[:end]


def _members(node: Any, record: Any) -> list[tuple[str, int]] | None:
    """Return full name and size of the regular files of an archive; None when it cannot be read."""
    try:
        found = node.shards.list_members(record.extent, record.name)
    except MossError:
        return None
    return [(f"{record.name}/{member.name.lstrip('/').removeprefix('./')}", member.size) for member in found]


def _byte_order(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")
