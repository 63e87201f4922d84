"""Listing objects of a bucket, page by page. Source: spec/rest-data.md 4."""

import asyncio
import itertools
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from moss.errors import InvalidBody, InvalidRequest, MossError, NotFound
from moss.naming.bucket import Bucket, is_valid_object_name
from moss.node.config import make_short_id
from moss.node.server.answers import json_answer, lower_keys
from moss.node.server.gateway.lookup import InvalidObjectName, check_bucket
from moss.node.server.http import Request, Response
from moss.units import quote
from moss.wire import headers
from moss.wire.object import EntryFlag, ListFlag, ListPage, ObjectEntry, encode_list_page

PAGE_ENTRIES_MAX = 10_000

_ARCHIVE_ENDINGS = (".tar", ".tgz", ".tar.gz", ".zip", ".tar.lz4")
_UUID = re.compile(r"[A-Za-z0-9_-]{6,64}\Z")
_STORE_PAGE = 1000
_MESSAGE_KEYS = {"prefix": str, "uuid": str, "props": str, "continuation_token": str, "flags": str, "target": str,
                 "start_after": str, "time_format": str}  # fmt: skip
_DEFAULT_PROPS = ("name", "size", "cached")
_RFC822 = "02 Jan 06 15:04 MST"
# The notation for times is an example: how each part of the reference time is written says how to write it.
_LAYOUT_WORDS = {
    "January": "%B", "Jan": "%b", "Monday": "%A", "Mon": "%a", "MST": "UTC", "2006": "%Y", "Z07:00": "Z",
    "-07:00": "+00:00", "-0700": "+0000", ".999999999": "", "01": "%m", "02": "%d", "03": "%I", "04": "%M",
    "05": "%S", "06": "%y", "15": "%H", "PM": "%p",
}  # fmt: skip
_LAYOUT = re.compile("|".join(map(re.escape, _LAYOUT_WORDS)))


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
        after=max(texts["start_after"], texts["continuation_token"], key=_byte_order),
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


def _byte_order(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


async def list_objects(node: Any, request: Request, bucket: Bucket, value: Any) -> Response:
    """Answer one page, in JSON or MessagePack as the client asks."""
    wanted = parse_list_request(value)
    check_bucket(node, bucket)
    if wanted.flags & ListFlag.NOT_CACHED:
        raise InvalidRequest(f"{bucket.cname} is not a remote bucket - cannot list 'not cached' objects")
    if wanted.flags & ListFlag.INVENTORY and lower_keys(value).get("start_after"):
        text = "invalid list via native bucket inventory: start_after is not supported"
        place = f"{bucket.cname}: the request to list via native bucket inventory has invalid or unsupported flags"
        raise InvalidRequest(f"{place}: {text}")
    if wanted.flags & (ListFlag.DIFF | ListFlag.INVENTORY):
        raise InvalidRequest(f"{bucket.cname} is not a remote bucket - cannot compare or list inventories")
    target = value.get("target")
    if target and target != node.target_id:
        raise InvalidRequest(f"{node.target_name}: list-objects failure: node {target} not present in Smap v1")
    node.metrics.add_at_gateway("lst.n", bucket.cname)
    is_packed = headers.MSGPACK in request.headers.get("Accept", "")
    body = await asyncio.to_thread(_build_page, node, bucket, wanted, is_packed)
    if is_packed:
        return Response(200, {headers.CONTENT_TYPE: headers.MSGPACK}, body)
    return json_answer(request, body.rstrip(b"\n"))


def _build_page(node: Any, bucket: Bucket, wanted: ListRequest, is_packed: bool) -> bytes:
    entries = list(itertools.islice(_entries(node, bucket, wanted), wanted.page_size))
    token = entries[-1].name if len(entries) == wanted.page_size else ""
    page = ListPage(uuid=wanted.uuid, continuation_token=token, entries=entries)
    return encode_list_page(page, packed=is_packed)


def _entries(node: Any, bucket: Bucket, wanted: ListRequest) -> Iterator[ObjectEntry]:
    """Yield entries behind the token, in byte order of their names."""
    if wanted.flags & ListFlag.ARCHIVES:
        yield from _archive_entries(node, bucket, wanted)
        return
    if wanted.is_flat:
        for record in _records(node, bucket, wanted.prefix, wanted.after):
            yield _object_entry(node, record, wanted)
        return
    yield from _folder_entries(node, bucket, wanted)


def _records(node: Any, bucket: Bucket, prefix: str, after: str) -> Iterator[Any]:
    while True:
        page = node.engine.list_objects(bucket, prefix=prefix, start_after=after, limit=_STORE_PAGE)
        yield from page
        if len(page) < _STORE_PAGE:
            return
        after = page[-1].name


def _folder_entries(node: Any, bucket: Bucket, wanted: ListRequest) -> Iterator[ObjectEntry]:
    """Yield the level of the prefix's last slash: objects, and one entry with a slash for each folder."""
    prefix = "" if wanted.prefix == "/" else wanted.prefix
    level = prefix.rfind("/") + 1
    after, folder = wanted.after, ""
    while True:
        page = node.engine.list_objects(bucket, prefix=prefix, start_after=after, limit=_STORE_PAGE)
        for record in page:
            after = record.name
            slash = record.name.find("/", level)
            if slash < 0:
                yield _object_entry(node, record, wanted)
                continue
            name = record.name[: slash + 1]
            if name == folder:
                continue
            folder = name
            if _byte_order(name) > _byte_order(wanted.after):
                yield ObjectEntry(name=name, flags=EntryFlag.IS_DIRECTORY)
            # Nearly everything in the folder lies before this; what does not is dropped above.
            after = name + "\U0010ffff"
            break
        else:
            if len(page) < _STORE_PAGE:
                return


def _archive_entries(node: Any, bucket: Bucket, wanted: ListRequest) -> Iterator[ObjectEntry]:
    """Yield objects, and behind each archive its members."""
    after = _byte_order(wanted.after)
    # The token, or what is listed from, may be an archive or lie in one: its members come behind it.
    begin = _parent_archive(wanted.after + "/") or wanted.after
    records: Iterable[Any] = _records(node, bucket, _parent_archive(wanted.prefix) or wanted.prefix, begin)
    if begin.endswith(_ARCHIVE_ENDINGS):
        records = _with_parent(node, bucket, begin, records)
    for record in records:
        members = _members(node, bucket, record) if record.name.endswith(_ARCHIVE_ENDINGS) else None
        if _byte_order(record.name) > after and record.name.startswith(wanted.prefix):
            entry = _object_entry(node, record, wanted)
            entry.flags |= EntryFlag.IS_ARCHIVE if members is not None else 0
            yield entry
        for name, size in members or ():
            if _byte_order(name) > after and name.startswith(wanted.prefix):
                yield ObjectEntry(name=name, size=size, flags=EntryFlag.CACHED | EntryFlag.IN_ARCHIVE)


def _parent_archive(name: str) -> str:
    """Return the front of a name that ends as an archive does and has something behind it, or ""."""
    found = re.search(r"(.*?(?:\.tar\.gz|\.tar\.lz4|\.tar|\.tgz|\.zip))/", name)
    return found.group(1) if found else ""


def _with_parent(node: Any, bucket: Bucket, parent: str, rest: Iterable[Any]) -> Iterator[Any]:
    try:
        yield node.engine.head(bucket, parent)
    except NotFound:
        pass
    yield from rest


def _members(node: Any, bucket: Bucket, record: Any) -> list[tuple[str, int]] | None:
    """Return full name and size of the regular files of an archive, by name; None when it cannot be read."""
    try:
        found = node.shards.list_members(record.extent, record.name)
    except MossError:
        return None
    members = {}
    for member in found:
        inner = member.name.lstrip("/").removeprefix("./")
        members.setdefault(f"{record.name}/{inner}", member.size)
    return sorted(members.items(), key=lambda item: _byte_order(item[0]))


def _object_entry(node: Any, record: Any, wanted: ListRequest) -> ObjectEntry:
    columns = wanted.columns
    return ObjectEntry(
        name=record.name,
        size=record.size if "size" in columns else 0,
        checksum=record.checksum_value if "checksum" in columns else "",
        version=record.version if "version" in columns else "",
        atime=_format_time(record.created_ns, wanted.time_format) if "atime" in columns else "",
        location=f"{node.target_name}:mp[/]" if "location" in columns else "",
        custom=_format_custom(record.custom) if "custom" in columns else "",
        copies=1 if "copies" in columns else 0,
        flags=EntryFlag.CACHED,
    )


def _format_custom(custom: dict[str, str]) -> str:
    return "[" + " ".join(f"{key}:{value}" for key, value in sorted(custom.items())) + "]" if custom else ""


def _format_time(ns: int, layout: str) -> str:
    form = _LAYOUT.sub(lambda found: _LAYOUT_WORDS[found[0]], (layout or _RFC822).replace("%", "%%"))
    return time.strftime(form, time.gmtime(ns // 1_000_000_000))
