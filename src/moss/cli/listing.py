"""Listing buckets and objects, page by page. Source: spec/rest-data.md 3.7 and 4."""

import json
from collections.abc import Iterator
from typing import Any

from moss.cli.buckets.actions import message
from moss.cli.transport import Transport, bucket_query, path_of
from moss.naming.bucket import Bucket, parse_namespace, parse_provider
from moss.wire.headers import ACCEPT, CONTENT_TYPE, INVENTORY_NAME, JSON, MSGPACK
from moss.wire.object import EntryFlag, ListFlag, ListMessage, ListPage, ObjectEntry, decode_list_page

NAME_ONLY, ARCHIVES, NO_RECURSION = ListFlag.NAME_ONLY, ListFlag.ARCHIVES, ListFlag.NO_RECURSION
FLAG_ARCHIVED, FLAG_DIRECTORY, FLAG_CACHED = EntryFlag.IN_ARCHIVE, EntryFlag.IS_DIRECTORY, EntryFlag.CACHED
Row = ObjectEntry


_PRESENT = "2"
"""Of the buckets only those that the cluster has; the value of `presence`."""


def list_buckets(transport: Transport, provider: str = "", *, present: bool = False, **query: str) -> list[Bucket]:
    """All buckets that the cluster knows, of one provider when it is given.

    Args:
        present: leave out those that only a backend knows.
        query: further conditions, such as `namespace`.
    """
    query |= {"provider": provider} if provider else {}
    query |= {"presence": _PRESENT} if present else {}
    headers, body = {CONTENT_TYPE: JSON}, message("list")
    with transport.request("GET", path_of("buckets"), query=query, headers=headers, body=body) as answer:
        rows = json.loads(answer.read_all())
    return [_bucket(row) for row in rows]


def complete_buckets(context) -> list[str]:
    """The buckets of the cluster, as candidates for the shell."""
    return [bucket.cname for bucket in list_buckets(context.transport)]


def _bucket(row: dict[str, Any]) -> Bucket:
    namespace = row.get("namespace") or {}
    where = parse_namespace(f"@{namespace.get('uuid', '')}#{namespace.get('name', '')}")
    return Bucket(row["name"], parse_provider(row.get("provider", "")), where)


def list_objects(
    transport: Transport, bucket: Bucket, *, prefix: str = "", props: str = "", flags: int = 0, limit: int = 0,
    start_after: str = "", page_size: int = 0, inventory: str = "",
) -> Iterator[Row]:  # fmt: skip
    """Entries in the order of the server, at most `limit` when it is not 0. Arguments as for `list_pages`."""
    pages = list_pages(
        transport, bucket, prefix=prefix, props=props, flags=flags, limit=limit, start_after=start_after,
        page_size=page_size, inventory=inventory,
    )  # fmt: skip
    for page in pages:
        yield from page


def list_pages(
    transport: Transport, bucket: Bucket, *, prefix: str = "", props: str = "", flags: int = 0, limit: int = 0,
    start_after: str = "", page_size: int = 0, inventory: str = "",
) -> Iterator[list[Row]]:  # fmt: skip
    """Pages in the order of the server; a page is asked for when the one before it was taken.

    Args:
        props: comma list of what to tell of each object besides its name.
        flags: of `ListFlag`.
        limit: entries in all; 0 gives all there are.
        page_size: entries of a page; 0 leaves it to the server.
        inventory: list from this inventory; with `ListFlag.INVENTORY`.
    """
    value = ListMessage(prefix=prefix, props=props, flags=str(flags), start_after=start_after)
    headers = {CONTENT_TYPE: JSON, ACCEPT: MSGPACK} | ({INVENTORY_NAME: inventory} if inventory else {})
    path, query = path_of("buckets", bucket.name), bucket_query(bucket)
    left = limit
    while True:
        value.pagesize = min(left, page_size or left) if limit else page_size
        with transport.request("GET", path, query=query, headers=headers, body=message("list", value)) as answer:
            page: ListPage[Row] = decode_list_page(answer.read_all(), answer.headers.get(CONTENT_TYPE) or "")
        rows = page.entries or []
        yield rows[:left] if limit else rows
        left -= len(rows)
        if not page.continuation_token or (limit and left <= 0):
            return
        value.uuid, value.continuation_token = page.uuid, page.continuation_token


def list_names(transport: Transport, bucket: Bucket, prefix: str, *, flags: int = 0) -> Iterator[str]:
    """Names of objects that start with a prefix, without folders."""
    rows = list_objects(transport, bucket, prefix=prefix, props="name", flags=flags | NAME_ONLY)
    return (row.name for row in rows if not row.name.endswith("/"))
