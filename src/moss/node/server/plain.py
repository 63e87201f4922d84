"""Recognises plain requests on one object: those that need no more than their path. Pure.

Most requests of a busy node look alike: GET, HEAD or PUT of one object, a plain name, headers that change nothing.
They are recognised here from their bytes in a few microseconds. Whatever is in the least unusual (an escape in the
name, a range, a condition, a checksum, a parameter, a fold in a header) is not plain and goes the ordinary way, which
alone decides what is right and what is an error.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from multidict import CIMultiDict, CIMultiDictProxy

from moss.errors import MossError
from moss.naming.bucket import Bucket, parse_namespace, parse_provider, validate_bucket_name
from moss.wire.query import Query

METHODS = {b"GET": "GET", b"HEAD": "HEAD", b"PUT": "PUT"}
_PREFIX = b"/v1/objects/"
_VERSION = b"HTTP/1.1"
# What a URL may hold unescaped; no component is empty or begins with a dot, no tilde in front.
_NAME = re.compile(rb"(?!~)[\w!$&'()*,;=:@+~-][\w.!$&'()*,;=:@+~-]*(?:/[\w!$&'()*,;=:@+~-][\w.!$&'()*,;=:@+~-]*)*")
_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x20-\x7e]*)")
_PARAMETERS = frozenset({"provider", "namespace", "pid", "utm"})
# Headers that change nothing in the answer to a plain request, whatever they say …
_INDIFFERENT = frozenset({"accept", "accept-encoding", "accept-language", "content-type", "user-agent"})
# … and those that are understood here.
_KNOWN = frozenset({"host", "connection", "content-length", "moss-direct"})
# Clients send the same headers again and again: what they say is kept for so many different blocks of so many bytes.
_BLOCKS_MAX = 512
_BLOCK_BYTES_MAX = 1024


@dataclass(slots=True, frozen=True)
class Fields:
    """The headers of a plain request.

    Attributes:
        content_length: declared size of the body in bytes; None when the header is absent.
    """

    headers: Mapping[str, str]
    content_length: int | None


@dataclass(slots=True)
class PlainRequest:
    """A plain request.

    Attributes:
        address: path and query as sent; ASCII.
        name: of the object; the path has no escapes, so it is part of it as it is.
        is_redirected: both markers of a gateway's redirect are there.
        head_bytes: where the body begins.
    """

    method: str
    address: bytes
    bucket: Bucket
    name: str
    is_redirected: bool
    fields: Fields
    head_bytes: int

    @property
    def headers(self) -> Mapping[str, str]:
        return self.fields.headers

    @property
    def content_length(self) -> int | None:
        return self.fields.content_length

    @property
    def raw_path(self) -> str:
        return self.address.decode()

    @property
    def path(self) -> str:
        return self.address.partition(b"?")[0].decode()

    @property
    def query_string(self) -> str:
        return self.address.partition(b"?")[2].decode()


def recognise(data: bytes) -> PlainRequest | None:
    """Return the plain request that begins `data`, None if there is none or if its head is not there as a whole."""
    end = data.find(b"\r\n\r\n")
    line_end = data.find(b"\r\n", 0, end + 2)
    if end < 0:
        return None
    word, _, rest = data[:line_end].partition(b" ")
    method = METHODS.get(word)
    address, _, version = rest.partition(b" ")
    if method is None or version != _VERSION or not address.startswith(_PREFIX):
        return None
    path, _, query = address.partition(b"?")
    bucket_name, _, raw_name = path[len(_PREFIX) :].partition(b"/")
    if not _NAME.fullmatch(raw_name):
        return None
    place = _place(bucket_name, _without_time(query))
    fields = fields_of(data[line_end + 2 : end])
    if place is None or fields is None:
        return None
    return PlainRequest(method, address, place[0], raw_name.decode(), place[1], fields, end + 4)


def _without_time(query: bytes) -> bytes:
    """Leave the time out that a redirect carries: all else repeats from request to request."""
    before, mark, time = query.partition(b"utm=")
    return before + mark if time.isalnum() else query


@lru_cache(maxsize=4096)
def _place(bucket_name: bytes, query: bytes) -> tuple[Bucket, bool] | None:
    """Read which bucket is meant, and whether a gateway sent the client; None when it is not a plain one."""
    try:
        name, parameters = bucket_name.decode("ascii"), Query(query.decode("ascii"))
        validate_bucket_name(name)
        provider = parse_provider(parameters.get("provider"))
        bucket = Bucket(name, provider, parse_namespace(parameters.get("namespace")))
    except (MossError, UnicodeDecodeError):
        return None
    if bucket.namespace.is_remote or bucket.is_system or not set(parameters) <= _PARAMETERS:
        return None
    return bucket, parameters.is_redirected


_blocks: dict[bytes, Fields | None] = {}


def fields_of(block: bytes) -> Fields | None:
    """Read a block of header lines (without the last line's end); None when one of them is not plain."""
    try:
        return _blocks[block]
    except KeyError:
        fields = _read_fields(block)
    if len(block) <= _BLOCK_BYTES_MAX:
        if len(_blocks) >= _BLOCKS_MAX:
            _blocks.clear()
        _blocks[block] = fields
    return fields


def _read_fields(block: bytes) -> Fields | None:
    found: CIMultiDict[str] = CIMultiDict()
    length = None
    for line in block.split(b"\r\n"):
        match = _LINE.fullmatch(line)
        if match is None:
            return None
        name, value = match[1].decode(), match[2].decode().rstrip()
        kind = name.lower()
        if kind in found or (kind not in _INDIFFERENT and kind not in _KNOWN):
            return None
        if kind == "connection" and value.lower() != "keep-alive":
            return None
        if kind == "content-length":
            if not value.isdigit() or len(value) > 15:
                return None
            length = int(value)
        found[name] = value
    return Fields(CIMultiDictProxy(found), length) if "host" in found else None
