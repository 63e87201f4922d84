"""Listing buckets and objects, page by page."""

import json
from collections.abc import Iterator
from typing import Any

import msgspec

from moss.cli.transport import Transport, bucket_query, path_of
from moss.naming.bucket import Bucket, parse_namespace, parse_provider
from moss.wire.headers import ACCEPT, CONTENT_TYPE, JSON, MSGPACK

NAME_ONLY = 1 << 4
ARCHIVES = 1 << 3
NO_RECURSION = 1 << 11
FLAG_ARCHIVED = 1 << 7
FLAG_DIRECTORY = 1 << 8
FLAG_CACHED = 1 << 6


class Row(msgspec.Struct, gc=False):
    """One entry of a listing, under the short names of the wire (spec/rest-data.md 4.2)."""

    name: str = msgspec.field(name="n", default="")
    checksum: str = msgspec.field(name="cs", default="")
    atime: str = msgspec.field(name="a", default="")
    version: str = msgspec.field(name="v", default="")
    location: str = msgspec.field(name="t", default="")
    custom: str = msgspec.field(name="m", default="")
    size: int = msgspec.field(name="s", default=0)
    copies: int = msgspec.field(name="c", default=0)
    flags: int = msgspec.field(name="f", default=0)


class _Page(msgspec.Struct):
    uuid: str = msgspec.field(name="UUID", default="")
    token: str = msgspec.field(name="ContinuationToken", default="")
    entries: list[Row] | None = msgspec.field(name="Entries", default=None)


def list_buckets(transport: Transport, provider: str = "") -> list[Bucket]:
    """All buckets that the cluster knows, of one provider when it is given."""
    query = {"provider": provider} if provider else None
    body = _message(None)
    with transport.request("GET", path_of("buckets"), query=query, headers={CONTENT_TYPE: JSON}, body=body) as answer:
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
    start_after: str = "", page_size: int = 0,
) -> Iterator[Row]:  # fmt: skip
    """Entries in the order of the server, at most `limit` when it is not 0."""
    value = {
        "prefix": prefix, "pagesize": page_size, "uuid": "", "props": props, "continuation_token": "",
        "flags": str(flags), "target": "",
    }  # fmt: skip
    if start_after:
        value["start_after"] = start_after
    headers = {CONTENT_TYPE: JSON, ACCEPT: MSGPACK}
    left = limit
    while True:
        if left:
            value["pagesize"] = min(left, page_size or left)
        path = path_of("buckets", bucket.name)
        with transport.request(
            "GET", path, query=bucket_query(bucket), headers=headers, body=_message(value)
        ) as answer:
            page = msgspec.msgpack.decode(answer.read_all(), type=_Page)
        rows = page.entries or []
        yield from rows[:left] if left else rows
        if limit:
            left -= len(rows)
        if not page.token or (limit and left <= 0):
            return
        value["uuid"], value["continuation_token"] = page.uuid, page.token


def _message(value: dict[str, Any] | None) -> bytes:
    return msgspec.json.encode({"action": "list", "name": "", "value": value})
