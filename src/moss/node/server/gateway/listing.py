"""Listing objects of a bucket, page by page. Source: spec/rest-data.md 4."""

import asyncio
import itertools
import re
import urllib.parse
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from moss.errors import InvalidBody, InvalidRequest
from moss.naming.bucket import Bucket, Provider, is_valid_object_name
from moss.node.backends.base import RemoteBucket
from moss.node.config import make_short_id
from moss.node.remote.buckets import enter, known
from moss.node.remote.places import is_kept_elsewhere
from moss.node.server.answers import json_answer, lower_keys
from moss.node.server.gateway import archive_listing, remote_listing, remotes
from moss.node.server.gateway.entries import byte_order, format_custom, format_time
from moss.node.server.gateway.lookup import InvalidObjectName, check_bucket
from moss.node.server.http import Request, Response
from moss.node.storage.layout import Extent
from moss.node.storage.objects import BucketRecord
from moss.node.storage.records import FLAG_CHUNKED
from moss.node.storage.walking import walk_level
from moss.units import quote
from moss.wire import headers
from moss.wire.object import EntryFlag, ListFlag, ListPage, ObjectEntry, encode_list_page

PAGE_ENTRIES_MAX = 10_000

_UUID = re.compile(r"[A-Za-z0-9_-]{6,64}\Z")
_STORE_PAGE = 1000
_MESSAGE_KEYS = {"prefix": str, "uuid": str, "props": str, "continuation_token": str, "flags": str, "target": str,
                 "start_after": str, "time_format": str}  # fmt: skip
_DEFAULT_PROPS = ("name", "size", "cached")
_CHEAP = frozenset({"size", "cached", "status"})
# Flags of an entry by those of its extent.
_FLAGS_OF = {0: EntryFlag.CACHED, FLAG_CHUNKED: EntryFlag.CACHED | EntryFlag.CHUNKED}
# Begins a token that is no name. The character stands for nothing, by definition, so names hardly begin with it.
_ESCAPED = "\ufdd0"


@dataclass(frozen=True, slots=True)
class ListRequest:
    """What a listing asks for.

    Attributes:
        after: names greater than this, in byte order; "" begins at the start.
        columns: properties to fill beside the name.
    """

    prefix: str
    page_size: int
    uuid: str
    after: str
    flags: int
    columns: frozenset[str]
    time_format: str

    @property
    def is_flat(self) -> bool:
        return not self.flags & ListFlag.NO_RECURSION

    @property
    def is_local(self) -> bool:
        """Whether only what is on this node is asked for; archives are opened here."""
        return bool(self.flags & (ListFlag.CACHED | ListFlag.ARCHIVES))

    @property
    def needs_attributes(self) -> bool:
        """Whether more is asked for than what the index's first table holds."""
        return not self.columns <= _CHEAP


def parse_list_request(value: Any) -> ListRequest:
    """Read the `value` of a list message.

    Raises:
        InvalidBody: a key of the wrong type, a negative page size, flags that are no decimal text.
        InvalidObjectName: a prefix with `.` or `..` in it.
    """
    if not isinstance(value, dict):
        raise InvalidBody("invalid list-objects message: expecting a JSON object")
    given = lower_keys(value)
    texts = {}
    for key, kind in _MESSAGE_KEYS.items():
        found = given.get(key)
        if found is not None and not isinstance(found, kind):
            raise InvalidBody(f"invalid list-objects message: {key} must be a string")
        texts[key] = found or ""
    flags = texts["flags"] or "0"
    if not (flags.isascii() and flags.isdigit()) or int(flags) >= 1 << 64:
        raise InvalidBody(f"invalid list-objects message: flags {quote(flags)} is no decimal number")
    prefix = _check_prefix(texts["prefix"])
    return ListRequest(
        prefix=prefix,
        page_size=_page_size(given.get("pagesize")),
        uuid=_check_uuid(texts["uuid"]),
        after=max(texts["start_after"], _name_of_token(texts["continuation_token"]), key=byte_order),
        flags=int(flags),
        columns=_columns(texts["props"], int(flags)),
        time_format=texts["time_format"],
    )


def _page_size(found: Any) -> int:
    if found is None:
        return PAGE_ENTRIES_MAX
    if type(found) is not int or found < 0:
        raise InvalidBody("invalid list-objects message: pagesize must be a non-negative integer")
    return min(found or PAGE_ENTRIES_MAX, PAGE_ENTRIES_MAX)


def _check_prefix(prefix: str) -> str:
    prefix = prefix.removesuffix("*")
    if prefix and not is_valid_object_name(prefix.rstrip("/") or "x"):
        raise InvalidObjectName(f"bad list-objects request: invalid prefix {quote(prefix)}")
    return prefix


def _check_uuid(uuid: str) -> str:
    if uuid and not _UUID.match(uuid):
        raise InvalidBody(f"invalid list-objects uuid {quote(uuid)}")
    return uuid or make_short_id()


def _columns(props: str, flags: int) -> frozenset[str]:
    if flags & ListFlag.NAME_ONLY:
        return frozenset()
    known = ("size", "version", "checksum", "atime", "cached", "status", "copies", "custom", "location")
    if not props:
        extra = ("checksum", "atime") if flags & 1 else ()
        return frozenset(_DEFAULT_PROPS[1:] + extra)
    columns = {word for word in known if word in props}
    return frozenset(columns | {"size"} if flags & ListFlag.NAME_SIZE else columns)


async def list_objects(node: Any, request: Request, bucket: Bucket, value: Any) -> Response:
    """Answer one page, in JSON or MessagePack as the client asks."""
    wanted = parse_list_request(value)
    record = await _record(node, bucket, wanted.flags)
    is_remote = is_kept_elsewhere(record)
    if is_remote:
        remote_listing.check(bucket, wanted, lower_keys(value))
    elif wanted.flags & ListFlag.NOT_CACHED:
        raise InvalidRequest(f"{bucket.cname} is not a remote bucket - cannot list 'not cached' objects")
    if wanted.flags & ListFlag.INVENTORY and lower_keys(value).get("start_after"):
        text = "invalid list via native bucket inventory: start_after is not supported"
        place = f"{bucket.cname}: the request to list via native bucket inventory has invalid or unsupported flags"
        raise InvalidRequest(f"{place}: {text}")
    if wanted.flags & (ListFlag.DIFF | ListFlag.INVENTORY) and not is_remote:
        raise InvalidRequest(f"{bucket.cname} is not a remote bucket - cannot compare or list inventories")
    target = value.get("target")
    if target and target != node.target_id:
        raise InvalidRequest(f"{node.target_name}: list-objects failure: node {target} not present in Smap")
    node.metrics.add_at_gateway("lst.n", bucket.cname)
    is_packed = headers.MSGPACK in request.headers.get("Accept", "")
    # Web servers list nothing: of their buckets there is what was fetched.
    if is_remote and not wanted.is_local and bucket.provider is not Provider.HTTP:
        entries, token = await remote_listing.build(node, node.remotes.place(record), wanted)
        if not record.id and not wanted.flags & ListFlag.DONT_ADD_REMOTE:
            await enter(node.engine, bucket, RemoteBucket(bucket.name), remotes.store_props(node))
        body = encode_page(wanted, entries, token, is_packed)
    else:
        body = await asyncio.to_thread(build_page, node, bucket, wanted, is_packed)
    if is_packed:
        return Response(200, {headers.CONTENT_TYPE: headers.MSGPACK}, body)
    return json_answer(request, body.rstrip(b"\n"))


async def _record(node: Any, bucket: Bucket, flags: int) -> BucketRecord:
    """Return the record of a bucket to list. A store's bucket that is new is entered, but not if flags say otherwise:
    then its record has no id."""
    if flags & (ListFlag.DONT_ADD_REMOTE | ListFlag.DONT_HEAD_REMOTE) and not flags & ListFlag.BUCKET_PRESENT:
        is_new = bucket.is_remote and known(node.engine, bucket) is None
        if is_new and node.remotes.backend(bucket) is not None:
            return remotes.passing_record(node, bucket)
    elif not flags & ListFlag.BUCKET_PRESENT:
        await remotes.know(node, bucket)
    return check_bucket(node, bucket)


def build_page(node: Any, bucket: Bucket, wanted: ListRequest, is_packed: bool) -> bytes:
    """Return one page of a listing, as MessagePack or as JSON. Reads the index: not for the event loop."""
    if wanted.flags & ListFlag.ARCHIVES:
        entries = archive_listing.list_page(
            node,
            bucket,
            wanted,
            lambda prefix, after: _records(node, bucket, prefix, after),
            lambda record: _object_entry(node, record, wanted),
        )
    elif not wanted.is_flat:
        entries = _folder_page(node, bucket, wanted)
    elif wanted.needs_attributes:
        records = node.engine.list_objects(bucket, wanted.prefix, wanted.after, wanted.page_size)
        entries = [_object_entry(node, record, wanted) for record in records]
    else:
        entries = _plain_entries(
            node.engine.list_extents(bucket, wanted.prefix, wanted.after, wanted.page_size), wanted
        )
    return encode_page(wanted, entries, entries[-1].name if len(entries) >= wanted.page_size else "", is_packed)


def encode_page(wanted: ListRequest, entries: list[ObjectEntry], last: str, is_packed: bool) -> bytes:
    """Return a page as MessagePack or as JSON.

    Args:
        last: name that the next page goes on behind, "" at the end.
    """
    page = ListPage(uuid=wanted.uuid, continuation_token=_token_of(last), entries=entries)
    return encode_list_page(page, packed=is_packed)


def _token_of(name: str) -> str:
    """Return what continues a listing behind a name: the name, escaped when answers cannot hold it as it is."""
    if not name.startswith(_ESCAPED) and name.encode("utf-8", "replace").decode() == name:
        return name
    return _ESCAPED + urllib.parse.quote(name.encode("utf-8", "surrogateescape"))


def _name_of_token(token: str) -> str:
    if not token.startswith(_ESCAPED):
        return token
    return urllib.parse.unquote_to_bytes(token.removeprefix(_ESCAPED)).decode("utf-8", "surrogateescape")


def _plain_entries(rows: Iterable[tuple[str, Extent]], wanted: ListRequest) -> list[ObjectEntry]:
    """Make entries of names, sizes and flags; nothing else is read."""
    shows_size = "size" in wanted.columns
    return [
        ObjectEntry(name=name, size=extent[2] if shows_size else 0, flags=_FLAGS_OF[extent[4] & FLAG_CHUNKED])
        for name, extent in rows
    ]


def _records(node: Any, bucket: Bucket, prefix: str, after: str) -> Iterator[Any]:
    while True:
        page = node.engine.list_objects(bucket, prefix=prefix, start_after=after, limit=_STORE_PAGE)
        yield from page
        if len(page) < _STORE_PAGE:
            return
        after = page[-1].name


def _folder_page(node: Any, bucket: Bucket, wanted: ListRequest) -> list[ObjectEntry]:
    """Return the level of the prefix's last slash: objects, and one entry with a slash for each folder."""
    prefix = "" if wanted.prefix == "/" else wanted.prefix
    after = byte_order(wanted.after)
    found = (
        (name, extent)
        for name, extent in walk_level(node.engine, bucket, prefix, wanted.after)
        if extent is not None or byte_order(name) > after
    )
    rows = list(itertools.islice(found, wanted.page_size))
    objects = [(name, extent) for name, extent in rows if extent is not None]
    if wanted.needs_attributes:
        records = node.engine.heads(bucket, [name for name, _ in objects])
        entries = [_object_entry(node, record, wanted) for record in records if record is not None]
    else:
        entries = _plain_entries(objects, wanted)
    by_name = {entry.name: entry for entry in entries}
    by_name |= {name: ObjectEntry(name=name, flags=EntryFlag.IS_DIRECTORY) for name, extent in rows if extent is None}
    return [by_name[name] for name, _ in rows if name in by_name]


def _object_entry(node: Any, record: Any, wanted: ListRequest) -> ObjectEntry:
    columns = wanted.columns
    return ObjectEntry(
        name=record.name,
        size=record.size if "size" in columns else 0,
        checksum=record.checksum_value if "checksum" in columns else "",
        version=record.version if "version" in columns else "",
        atime=format_time(record.created_ns, wanted.time_format) if "atime" in columns else "",
        location=f"{node.target_name}:mp[/]" if "location" in columns else "",
        custom=format_custom(record.custom) if "custom" in columns else "",
        copies=1 if "copies" in columns else 0,
        flags=_FLAGS_OF[record.extent[4] & FLAG_CHUNKED],
    )
