"""Listings of objects: entries, pages in both encodings, flags, and the message that asks for a page.

Source: spec/rest-data.md 4.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Generic, TypeVar

import msgspec

from moss.errors import MalformedAnswer
from moss.wire.headers import MSGPACK
from moss.wire.text import printable_utf8

__all__ = [
    "EntryFlag",
    "ListFlag",
    "ListMessage",
    "ListPage",
    "ObjectEntry",
    "decode_list_page",
    "encode_list_page",
]


class ListFlag:
    """Bits of `ListMessage.flags`: what to list, and how."""

    CACHED = 1 << 0
    MISSING = 1 << 1
    DELETED = 1 << 2
    ARCHIVES = 1 << 3
    NAME_ONLY = 1 << 4
    NAME_SIZE = 1 << 5
    BUCKET_PRESENT = 1 << 6
    DONT_HEAD_REMOTE = 1 << 7
    DONT_ADD_REMOTE = 1 << 8
    NOT_CACHED = 1 << 9
    ONLY_REMOTE_PROPS = 1 << 10
    NO_RECURSION = 1 << 11
    DIFF = 1 << 12
    NO_DIRS = 1 << 13
    IS_S3 = 1 << 14
    INVENTORY = 1 << 15


class EntryFlag:
    """Bits of `ObjectEntry.flags`: the low five are the location status, 0 when all is well."""

    STATUS_MASK = 0x1F
    CACHED = 1 << 6
    IN_ARCHIVE = 1 << 7
    IS_DIRECTORY = 1 << 8
    IS_ARCHIVE = 1 << 9
    VERSION_CHANGED = 1 << 10
    VERSION_REMOVED = 1 << 11
    HEAD_FAILED = 1 << 12
    CHUNKED = 1 << 13


class ObjectEntry(msgspec.Struct, omit_defaults=True, gc=False):
    """One line of a listing; fields at their default are not sent. Wire names are those of MessagePack."""

    name: str = msgspec.field(name="n")
    """Object, virtual directory (trailing slash), or `object/member`."""
    checksum: str = msgspec.field(default="", name="cs")
    atime: str = msgspec.field(default="", name="a")
    """Access time, formatted as the request wished."""
    version: str = msgspec.field(default="", name="v")
    location: str = msgspec.field(default="", name="t")
    custom: str = msgspec.field(default="", name="m")
    """`[k:v k:v]`."""
    size: int = msgspec.field(default=0, name="s")
    """Bytes; decimal text in JSON."""
    copies: int = msgspec.field(default=0, name="c")
    flags: int = msgspec.field(default=0, name="f")

    @property
    def is_cached(self) -> bool:
        return bool(self.flags & EntryFlag.CACHED)

    @property
    def is_directory(self) -> bool:
        return bool(self.flags & EntryFlag.IS_DIRECTORY)


Entry = TypeVar("Entry", bound=ObjectEntry)


class ListPage(msgspec.Struct, Generic[Entry], kw_only=True):
    """One page; all four keys are always there, and `Entries` is never nil in MessagePack."""

    uuid: str = msgspec.field(default="", name="UUID")
    """The same on all pages; never empty in an answer."""
    continuation_token: str = msgspec.field(default="", name="ContinuationToken")
    """Empty on the last page."""
    entries: list[Entry] | None = msgspec.field(default=None, name="Entries")
    flags: int = msgspec.field(default=0, name="Flags")
    """Bit 0: a rebalance may make the page incomplete."""


class ListMessage(msgspec.Struct, kw_only=True):
    """What `value` of the `list` message says. Field order is the order on the wire."""

    prefix: str = ""
    pagesize: int = 0
    uuid: str = ""
    props: str = ""
    continuation_token: str = ""
    flags: str = "0"
    """Decimal text."""
    target: str = ""
    start_after: str = ""
    time_format: str = ""


class _JsonEntry(msgspec.Struct, omit_defaults=True):
    name: str
    checksum: str = ""
    atime: str = ""
    version: str = ""
    location: str = ""
    custom: str = msgspec.field(default="", name="custom-md")
    size: str = ""
    copies: int = 0
    flags: int = 0


class _JsonPage(msgspec.Struct):
    uuid: str = ""
    continuation_token: str = ""
    entries: list[_JsonEntry] | None = None
    flags: int = 0


_packer = msgspec.msgpack.Encoder()
_json_encoder = msgspec.json.Encoder()
_json_decoder = msgspec.json.Decoder(_JsonPage)


def encode_list_page(page: ListPage, *, packed: bool) -> bytes:
    """Write a page as MessagePack, or as JSON with a newline; an empty page has `[]` in the one, null in the other.

    Names that are no UTF-8 are shown with U+FFFD: both encodings hold text.
    """
    entries = page.entries or []
    try:
        return _encode_page(page, entries, packed)
    except UnicodeEncodeError:
        return _encode_page(page, [_printable(entry) for entry in entries], packed)


def _encode_page(page: ListPage, entries: Sequence[ObjectEntry], packed: bool) -> bytes:
    token = printable_utf8(page.continuation_token)
    if packed:
        whole = ListPage(uuid=page.uuid, continuation_token=token, entries=list(entries), flags=page.flags)
        return _packer.encode(whole)
    lines = [
        _JsonEntry(
            entry.name, entry.checksum, entry.atime, entry.version, entry.location, entry.custom,
            str(entry.size) if entry.size else "", entry.copies, entry.flags,
        )
        for entry in entries
    ]  # fmt: skip
    return _json_encoder.encode(_JsonPage(page.uuid, token, lines or None, page.flags)) + b"\n"


def _printable(entry: ObjectEntry) -> ObjectEntry:
    return msgspec.structs.replace(
        entry, name=printable_utf8(entry.name), location=printable_utf8(entry.location),
        custom=printable_utf8(entry.custom),
    )  # fmt: skip


@lru_cache
def _unpacker(entry: type[Entry]) -> "msgspec.msgpack.Decoder[ListPage[Entry]]":
    return msgspec.msgpack.Decoder(ListPage[entry])  # type: ignore[valid-type]


def decode_list_page(
    body: bytes | bytearray | memoryview, content_type: str, entry: type[Entry] = ObjectEntry
) -> ListPage[Entry]:
    """Read a page in the encoding that the answer's content type names.

    Args:
        entry: the class of the entries, `ObjectEntry` or one derived from it.

    Raises:
        MalformedAnswer: not such a page.
    """
    try:
        if content_type.partition(";")[0].strip().lower() == MSGPACK:
            page = _unpacker(entry).decode(body)
            page.entries = page.entries or []
            return page
        plain = _json_decoder.decode(body)
        entries = [
            entry(
                line.name, line.checksum, line.atime, line.version, line.location, line.custom,
                int(line.size or 0), line.copies, line.flags,
            )
            for line in plain.entries or []
        ]  # fmt: skip
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
        raise MalformedAnswer(f"not a page of a listing: {error}") from None
    return ListPage(uuid=plain.uuid, continuation_token=plain.continuation_token, entries=entries, flags=plain.flags)
