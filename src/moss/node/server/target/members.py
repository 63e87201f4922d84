"""Reading members of an archive by plain GET. Source: spec/rest-data.md 7.1, 7.2."""

import asyncio
import re
from collections.abc import Callable, Iterator
from typing import Any

from xxhash import xxh3_64_intdigest

from moss.archive.formats import Format, parse_mime
from moss.archive.writer import make_framer
from moss.errors import ChecksumMismatch, InvalidRequest, MemberNotFound, MossError, ObjectNotFound
from moss.naming.bucket import Bucket, is_valid_member_path
from moss.node.server.http import Request, Response
from moss.units import quote
from moss.wire import headers

_PIECE_BYTES = 1 << 20
_WINDOW_MEMBERS = 256
_MODES = ("regexp", "prefix", "suffix", "substr", "wdskey")


class RangeOfArchive(InvalidRequest):
    """A byte range together with a selection of members."""

    code = "range-of-archive"


def is_wanted(request: Request) -> bool:
    """Tell whether a GET asks for members rather than for the object."""
    query = request.query
    if query.get("archpath") not in ("", "/"):
        return True
    return "archmode" in query and bool(query.get("archmode") or query.get("archregx"))


async def answer(node: Any, request: Request, bucket: Bucket, name: str) -> tuple[Response | None, int]:
    """Answer with one member, or with a TAR of all that match; returns also the bytes of payload."""
    query = request.query
    path = query.get("archpath").removeprefix("/")
    if path and "archmode" in query and query.get("archmode"):
        raise InvalidRequest("archpath and archregx/archmode are mutually exclusive")
    if headers.RANGE in request.headers:
        raise RangeOfArchive(f"cannot range-read archived content range: {request.headers[headers.RANGE]}")
    shard_name = _shard_name(name, query.get("archmime"))
    if path:
        return await _one(node, request, bucket, name, shard_name, path)
    return await _many(node, request, bucket, name, shard_name)


def _shard_name(name: str, mime: str) -> str:
    """Return the name whose extension says how to read the archive."""
    return f"{name}{parse_mime(mime).value}" if mime else name


async def _one(
    node: Any, request: Request, bucket: Bucket, name: str, shard_name: str, path: str
) -> tuple[Response | None, int]:
    if not is_valid_member_path(path):
        raise InvalidRequest(f"invalid archpath {quote(path)} (oname: {quote(name)})")
    path = path.removeprefix(f"{name}/")
    record = await asyncio.to_thread(_head, node, bucket, name)
    answer_headers = {headers.CONTENT_TYPE: headers.OCTET_STREAM}
    payload = await asyncio.to_thread(_payload, node, bucket, record, shard_name, path)
    if len(payload) <= _PIECE_BYTES:
        return Response(200, answer_headers, bytes(payload)), len(payload)
    await request.writer.stream(200, answer_headers, _windows(payload), len(payload))
    return None, len(payload)


def _head(node: Any, bucket: Bucket, name: str) -> Any:
    try:
        return node.engine.head(bucket, name)
    except ObjectNotFound:
        raise ObjectNotFound(bucket.cname_of(name), node=node.target_name) from None


def _payload(node: Any, bucket: Bucket, record: Any, shard_name: str, path: str) -> memoryview:
    """Return the checked bytes of one member."""
    cname = bucket.cname_of(record.name)
    hit = node.shards.resolve(record.extent, shard_name, [path], cname=cname)[0]
    return _bytes_of(node, hit, path, cname)


def _bytes_of(node: Any, hit: Any, path: str, cname: str) -> memoryview:
    if isinstance(hit, MemberNotFound):
        raise MemberNotFound(path, cname, node=node.target_name)
    if isinstance(hit, MossError):
        raise hit
    if not isinstance(hit, tuple):
        return memoryview(hit)
    number, offset, size, expected, _ = hit
    payload = node.engine.segment(number).view[offset : offset + size]
    found = xxh3_64_intdigest(payload)
    if found != expected:
        raise ChecksumMismatch(f"{path} in {cname}", expected=f"{expected:016x}", found=f"{found:016x}")
    return payload


def _windows(payload: memoryview) -> Iterator[list[memoryview]]:
    for at in range(0, len(payload), _PIECE_BYTES):
        yield [payload[at : at + _PIECE_BYTES]]


# -- many -------------------------------------------------------------------------------------------


async def _many(node: Any, request: Request, bucket: Bucket, name: str, shard_name: str) -> tuple[Response | None, int]:
    matches = make_matcher(request.query.get("archmode"), request.query.get("archregx"))
    record = await asyncio.to_thread(_head, node, bucket, name)
    found = await asyncio.to_thread(node.shards.list_members, record.extent, shard_name)
    paths = [member.name for member in found if matches(member.name)]
    if not paths:
        raise MemberNotFound(request.query.get("archregx"), bucket.cname_of(name), node=node.target_name)
    windows = _framed(node, bucket, record, shard_name, paths)
    await request.writer.stream(200, {headers.CONTENT_TYPE: Format.TAR.content_type}, windows)
    return None, sum(member.size for member in found if matches(member.name))


def make_matcher(mode: str, pattern: str) -> Callable[[str], bool]:
    """Return the test of a matching mode on member paths.

    Raises:
        InvalidRequest: an unknown mode, or a pattern that is no regular expression.
    """
    mode = mode or "prefix"
    if mode not in _MODES:
        expected = " ".join(_MODES)
        raise InvalidRequest(f"invalid matching mode {quote(mode)}, expecting one of: [{expected}]")
    if not pattern:
        return lambda path: True
    if mode == "regexp":
        try:
            expression = re.compile(pattern)
        except re.error as error:
            raise InvalidRequest(f"invalid regular expression {quote(pattern)}: {error}") from None
        return lambda path: expression.search(path) is not None
    if mode == "prefix":
        return lambda path: path.startswith(pattern)
    if mode == "suffix":
        return lambda path: path.endswith(pattern)
    if mode == "substr":
        return lambda path: pattern in path
    return lambda path: _sample_key(path) == pattern


def _sample_key(path: str) -> str:
    """Return a member path without its last extension; folders keep their dots."""
    folder, slash, base = path.removeprefix("/").rpartition("/")
    stem, dot, _ = base.rpartition(".")
    return f"{folder}{slash}{stem if dot else base}"


def _framed(node: Any, bucket: Bucket, record: Any, shard_name: str, paths: list[str]) -> Iterator[list[Any]]:
    framer = make_framer(Format.TAR)
    cname = bucket.cname_of(record.name)
    for at in range(0, len(paths), _WINDOW_MEMBERS):
        window = paths[at : at + _WINDOW_MEMBERS]
        hits = node.shards.resolve(record.extent, shard_name, window, cname=cname)
        payloads = [_bytes_of(node, hit, path, cname) for path, hit in zip(window, hits, strict=True)]
        yield framer.frame(window, [len(payload) for payload in payloads], payloads)
    yield framer.finish()
