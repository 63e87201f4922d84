"""Reading members of an archive by plain GET. Source: spec/rest-data.md 7.1, 7.2."""

import asyncio
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from xxhash import xxh3_64_intdigest

from moss.archive.formats import MAGIC_BYTES, Format, format_of_magic, format_of_name, parse_mime
from moss.archive.reader import Kind, read_members
from moss.archive.writer import make_framer
from moss.errors import ChecksumMismatch, InvalidRequest, MemberNotFound, MossError, ObjectNotFound
from moss.naming.bucket import Bucket, is_valid_member_path
from moss.node.delivery import verified_pieces
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


def check_query(request: Request, name: str) -> None:
    """Refuse selections that contradict themselves, before anyone is asked.

    Raises:
        InvalidRequest: a member path together with a mode, or an impossible one of either.
    """
    query = request.query
    path = query.get("archpath").removeprefix("/")
    if "archmode" in query and (query.get("archmode") or query.get("archregx")):
        make_matcher(query.get("archmode"), "")
        if path:
            raise InvalidRequest("archpath and archregx/archmode are mutually exclusive")
    if path and not is_valid_member_path(path):
        raise InvalidRequest(f"invalid archpath {quote(path)} (oname: {quote(name)})")


async def answer(node: Any, request: Request, bucket: Bucket, name: str) -> tuple[Response | None, int]:
    """Answer with one member, or with a TAR of all that match; returns also the bytes of payload."""
    check_query(request, name)
    if headers.RANGE in request.headers:
        raise RangeOfArchive(f"cannot range-read archived content range: {request.headers[headers.RANGE]}")
    shard = await asyncio.to_thread(_open, node, bucket, name, request.query.get("archmime"))
    path = request.query.get("archpath").removeprefix("/")
    if not path:
        return await _many(node, request, shard)
    answer_headers = {headers.CONTENT_TYPE: headers.OCTET_STREAM}
    payload = await asyncio.to_thread(shard.payload, path.removeprefix(f"{name}/"))
    if len(payload) <= _PIECE_BYTES:
        return Response(200, answer_headers, bytes(payload)), len(payload)
    await request.writer.stream(200, answer_headers, _windows(payload), len(payload))
    return None, len(payload)


@dataclass(slots=True)
class _Shard:
    """An archive that is being read.

    Attributes:
        forced: the format that the client says it has although its name says another; read by scanning.
    """

    node: Any
    bucket: Bucket
    record: Any
    forced: Format | None = None

    @property
    def cname(self) -> str:
        return self.bucket.cname_of(self.record.name)

    def payload(self, path: str) -> memoryview:
        """Return the checked bytes of one member."""
        return self.payloads([path])[0]

    def payloads(self, paths: list[str]) -> list[memoryview]:
        """Return the checked bytes of several members.

        Raises:
            MemberNotFound, BadArchive, ChecksumMismatch: of the first one that cannot be had.
        """
        if self.forced is not None:
            found = {member.name.removeprefix("/"): payload for member, payload in self._scan()}
            hits = [found.get(path, MemberNotFound(path, self.cname)) for path in paths]
        else:
            shards = self.node.shards
            hits = shards.resolve(self.record.extent, self.record.name, paths, cname=self.cname)
        return [_bytes_of(self.node, hit, path, self.cname) for path, hit in zip(paths, hits, strict=True)]

    def names(self) -> list[str]:
        if self.forced is not None:
            return list(dict.fromkeys(member.name for member, _ in self._scan()))
        return [member.name for member in self.node.shards.list_members(self.record.extent, self.record.name)]

    def _scan(self) -> Iterator[Any]:
        data = b"".join(verified_pieces(self.node.engine, self.record.extent, self.cname))
        assert self.forced is not None
        return ((member, payload) for member, payload in read_members(data, self.forced) if member.kind is Kind.FILE)


def _open(node: Any, bucket: Bucket, name: str, mime: str) -> _Shard:
    """Look an archive up; `mime` may say what it is when its name does not, or says something else.

    Raises:
        ObjectNotFound: no such object.
        InvalidRequest: the content is not what `mime` says.
    """
    record = _head(node, bucket, name)
    if not mime:
        return _Shard(node, bucket, record)
    said = parse_mime(mime)
    head = node.engine.read(bucket, name, 0, min(MAGIC_BYTES, record.size))
    shown = format_of_magic(head)
    if shown is not None and shown is not said:
        raise InvalidRequest(f"{bucket.cname_of(name)}: content is {shown.value}, not {said.value}")
    # A table of members is kept for each version of a shard: it must be that of what its name promises.
    promised = format_of_name(name) or shown
    return _Shard(node, bucket, record, None if promised is said else said)


def _head(node: Any, bucket: Bucket, name: str) -> Any:
    try:
        return node.engine.head(bucket, name)
    except ObjectNotFound:
        raise ObjectNotFound(bucket.cname_of(name), node=node.target_name) from None


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


async def _many(node: Any, request: Request, shard: _Shard) -> tuple[Response | None, int]:
    matches = make_matcher(request.query.get("archmode"), request.query.get("archregx"))
    paths = [name for name in await asyncio.to_thread(shard.names) if matches(name)]
    if not paths:
        raise MemberNotFound(request.query.get("archregx"), shard.cname, node=node.target_name)
    counted = [0]
    await request.writer.stream(200, {headers.CONTENT_TYPE: Format.TAR.content_type}, _framed(shard, paths, counted))
    return None, counted[0]


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


def _framed(shard: _Shard, paths: list[str], counted: list[int]) -> Iterator[list[Any]]:
    framer = make_framer(Format.TAR)
    for at in range(0, len(paths), _WINDOW_MEMBERS):
        window = paths[at : at + _WINDOW_MEMBERS]
        payloads = shard.payloads(window)
        counted[0] += sum(map(len, payloads))
        yield framer.frame(window, [len(payload) for payload in payloads], payloads)
    yield framer.finish()
