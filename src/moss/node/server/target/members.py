"""Reading members of an archive by plain GET. Source: spec/rest-data.md 7.1, 7.2."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from xxhash import xxh3_64_intdigest

from moss.archive.formats import MAGIC_BYTES, Format, format_of_magic, format_of_name, parse_mime
from moss.archive.reader import Kind, detect_format
from moss.archive.tar_pull import pull_members
from moss.archive.zip_parse import read_directory, read_entry
from moss.errors import ChecksumMismatch, InvalidRequest, MemberNotFound, MossError, ObjectNotFound, OutOfSpace
from moss.naming.bucket import Bucket, is_valid_member_path
from moss.node.delivery import verified_pieces
from moss.node.server.http import Request, Response
from moss.node.server.target import member_select
from moss.node.server.target.member_select import unpacked
from moss.units import quote
from moss.wire import headers

_PIECE_BYTES = 1 << 20


class RangeOfArchive(InvalidRequest):
    """A byte range together with a selection of members."""

    code = "range-of-archive"

    def __init__(self, wanted: str) -> None:
        super().__init__(f"cannot range-read archived content range: {wanted}")


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
        member_select.make_matcher(query.get("archmode"), "")
        if path:
            raise InvalidRequest("archpath and archregx/archmode are mutually exclusive")
    if path and not is_valid_member_path(path):
        raise InvalidRequest(f"invalid archpath {quote(path)} (oname: {quote(name)})")


async def answer(node: Any, request: Request, bucket: Bucket, name: str) -> tuple[Response | None, int]:
    """Answer with one member, or with a TAR of all that match; returns also the bytes of payload."""
    check_query(request, name)
    if headers.RANGE in request.headers:
        raise RangeOfArchive(request.headers[headers.RANGE])
    shard = await asyncio.to_thread(open_shard, node, bucket, name, request.query.get("archmime"))
    path = request.query.get("archpath").removeprefix("/")
    if not path:
        return None, await member_select.send(node, request, shard)
    answer_headers = {headers.CONTENT_TYPE: headers.OCTET_STREAM}
    payload = await asyncio.to_thread(shard.payload, path.removeprefix(f"{name}/"))
    if len(payload) <= _PIECE_BYTES:
        return Response(200, answer_headers, bytes(payload)), len(payload)
    await request.writer.stream(200, answer_headers, _windows(payload), len(payload))
    return None, len(payload)


@dataclass(slots=True)
class Shard:
    """An archive that is being read.

    Attributes:
        format: what it is.
        is_forced: only the client says so; its name says something else. It is read through each time.
    """

    node: Any
    bucket: Bucket
    record: Any
    format: Format
    is_forced: bool = False

    @property
    def cname(self) -> str:
        return self.bucket.cname_of(self.record.name)

    @property
    def is_compressed(self) -> bool:
        return self.format in (Format.TGZ, Format.TAR_LZ4)

    def payload(self, path: str) -> memoryview:
        """Return the checked bytes of one member; a member `./x` is found as `x` too, if there is no other `x`.

        Raises:
            MemberNotFound, BadArchive, ChecksumMismatch: it cannot be had.
        """
        for name in (path, f"./{path}"):
            hit = self._scan(name) if self.is_forced else self._resolve(name)
            if not isinstance(hit, MemberNotFound):
                return _bytes_of(self.node, hit, name, self.cname)
        raise MemberNotFound(path, self.cname, node=self.node.target_name)

    def _resolve(self, path: str) -> Any:
        return self.node.shards.resolve(self.record.extent, self.record.name, [path], cname=self.cname)[0]

    def _scan(self, path: str) -> Any:
        """Read through the archive up to the member."""
        budget = self.node.shards.budget()
        pieces = verified_pieces(self.node.engine, self.record.extent, self.cname)
        if self.format is Format.ZIP:
            for _ in pieces:
                pass
            number, offset, size = self.record.extent[:3]
            view = self.node.engine.segment(number).view[offset : offset + size]
            for entry in read_directory(view):
                if entry.name.removeprefix("/") == path and not entry.is_folder:
                    return budget.keep(read_entry(view, entry), entry.size)
            return MemberNotFound(path, self.cname)
        for member, payload in pull_members(unpacked(pieces, self.format)):
            if member.name.removeprefix("/") == path and member.kind is not Kind.FOLDER:
                return budget.keep(payload, member.size)
        return MemberNotFound(path, self.cname)


def open_shard(node: Any, bucket: Bucket, name: str, mime: str) -> Shard:
    """Look an archive up; `mime` may say what it is when its name does not, or says something else.

    Raises:
        ObjectNotFound: no such object.
        InvalidRequest: the content is not what `mime` says.
        UnknownArchive: nothing says what it is.
    """
    record = _head(node, bucket, name)
    head = node.engine.read(bucket, name, 0, min(MAGIC_BYTES, record.size))
    if not mime:
        return Shard(node, bucket, record, detect_format(name, head))
    said = parse_mime(mime)
    shown = format_of_magic(head)
    if shown is not None and shown is not said:
        raise InvalidRequest(f"{bucket.cname_of(name)}: content is {shown.value}, not {said.value}")
    # A table of members is kept for each version of a shard: it must be that of what its name promises.
    promised = format_of_name(name) or shown
    return Shard(node, bucket, record, said, is_forced=promised is not said)


def _head(node: Any, bucket: Bucket, name: str) -> Any:
    try:
        return node.engine.head(bucket, name)
    except ObjectNotFound:
        raise ObjectNotFound(bucket.cname_of(name), node=node.target_name) from None


def no_room(cname: str, size: int) -> OutOfSpace:
    """Build the error of an archive that is kept elsewhere and is too large for the cache."""
    return OutOfSpace(f"{cname}: no room in the cache for an archive of {size} bytes")


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
