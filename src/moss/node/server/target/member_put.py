"""Writing one file into an archive object. Source: spec/rest-data.md 7.3.

The body is received first, then the archive is made anew from what it was, and committed only if it still is that:
members that several clients add at the same time are all there afterwards.
"""

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import partial
from pathlib import Path
from typing import IO, Any

from moss.archive.formats import MAGIC_BYTES, Format, format_of_magic, format_of_name, parse_mime
from moss.errors import (
    BadArchive,
    ChecksumMismatch,
    InvalidBody,
    InvalidRequest,
    ObjectNotFound,
    OutOfSpace,
)
from moss.naming.bucket import Bucket, is_valid_member_path
from moss.node.archiving import ArchiveUpload, existing_archive, grow
from moss.node.server.bucket_rules import decode_rules
from moss.node.server.http import Request, Response
from moss.node.server.target import attributes, remote_writes
from moss.node.storage.index import space_error
from moss.node.storage.objects import ObjectAttributes, ObjectRecord, make_hasher
from moss.units import quote
from moss.wire import headers

_MEMORY_BYTES_MAX = 1 << 20
_PIECE_BYTES = 1 << 20


class UnknownExtension(InvalidRequest):
    """An archive's name that does not say its format."""

    code = "unknown-extension"


class Mode(IntEnum):
    """What happens to an archive that is there, or not there: the values of the header `Ais-Pine`."""

    REPLACE = 0
    APPEND = 1
    APPEND_OR_CREATE = 2


@dataclass(frozen=True, slots=True)
class Addition:
    """One file on its way into an archive."""

    bucket: Bucket
    archive: str
    member: str
    mode: Mode
    mime: str
    attributes: ObjectAttributes

    @property
    def cname(self) -> str:
        return self.bucket.cname_of(self.archive)


def check_query(request: Request, name: str) -> None:
    """Refuse impossible member paths, before anyone is asked.

    Raises:
        InvalidRequest: the path has `.` or `..` components, or ends in a slash.
    """
    path = request.query.get("archpath")
    if path and not (member_of(path) and is_valid_member_path(member_of(path))):
        raise InvalidRequest(f"invalid archpath {quote(path)} (oname: {quote(name)})")


def member_of(path: str) -> str:
    """Return the member that `archpath` names: one leading slash does not count."""
    return path.removeprefix("/")


async def put_member(node: Any, request: Request, bucket: Bucket, name: str, bucket_record: Any) -> Response:
    """Serve PUT with `archpath`.

    Raises:
        InvalidRequest: unknown flags, an impossible path.
        InvalidBody: no body, or one without a length.
        ObjectNotFound: the archive has to be there and is not.
        UnknownExtension, UnknownMime: nothing says what kind of archive it is.
        InvalidRequest: the object is no archive.
    """
    check_query(request, name)
    given = attributes.parse_attributes(request, bucket_record)
    announced = (given.checksum_type, given.checksum_value)
    addition = Addition(
        bucket=bucket,
        archive=name,
        member=member_of(request.query.get("archpath")),
        mode=_mode(request, bucket.cname_of(name)),
        mime=request.query.get("archmime"),
        # What the client says of the file does not hold for the archive. Neither counts a version up (recorded).
        attributes=replace(
            given,
            checksum_type=decode_rules(bucket_record.props).checksum.type,
            checksum_value="",
            versioning=False,
            previous_version=None,
        ),
    )
    if not request.content_length:
        what = "empty" if request.content_length == 0 else "of unknown size (Content-Length is missing)"
        raise InvalidBody(f"failed to archive {addition.cname}: the request body is {what}")
    place = node.remotes.place(bucket_record)
    if place is not None and addition.mode is not Mode.REPLACE:
        await remote_writes.fresh(node, place, name)
    await asyncio.to_thread(_check_existing, node.engine, addition)
    with ExitStack() as stack:
        body = stack.enter_context(_Body(node.options.data / "run"))
        await body.receive(request, announced, addition.cname)
        record = await node.writes.run(partial(_write, node.writes, addition, body))
    node.metrics.add_many({"put.n": 1, "put.size": body.size})
    return Response(200, attributes.describe(record))


def _mode(request: Request, cname: str) -> Mode:
    text = request.headers.get(headers.PINE, "") or "0"
    if text not in ("0", "1", "2"):
        raise InvalidRequest(f"failed to archive {cname}: invalid flags {quote(text)} in the request")
    return Mode(int(text))


# -- the body ---------------------------------------------------------------------------------------


class _Body:
    """The file, received whole: in memory when it is small, else in a file without a name."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._parts = folder, bytearray()
        self._file: IO[bytes] | None = None
        self.size = 0

    def __enter__(self) -> "_Body":
        return self

    def __exit__(self, *exception: object) -> None:
        if self._file is not None:
            self._file.close()

    async def receive(self, request: Request, announced: tuple[str, str], cname: str) -> None:
        checksum_type, expected = announced
        hasher = make_hasher(checksum_type)
        async for chunk in request.body_chunks():
            self.size += len(chunk)
            if expected:
                hasher.update(chunk)
            self._parts += chunk
            if len(self._parts) > _MEMORY_BYTES_MAX:
                await asyncio.to_thread(self._spill)
        if self.size != request.content_length:
            raise InvalidBody(f"expected {request.content_length} bytes of body, got {self.size}")
        if expected and hasher.hexdigest() != expected:
            raise ChecksumMismatch(cname, expected=expected, found=hasher.hexdigest())

    def _spill(self) -> None:
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - closed at exit
            self._file.write(self._parts)
        except OSError as error:
            if space_error(error):
                raise OutOfSpace("no space left on the node's disk") from error
            raise
        self._parts.clear()

    def pieces(self) -> Iterator[bytes | bytearray]:
        """Yield the bytes, from the first one each time."""
        if self._file is not None:
            self._file.seek(0)
            while piece := self._file.read(_PIECE_BYTES):
                yield piece
        if self._parts:
            yield self._parts


# -- the archive ------------------------------------------------------------------------------------


def _check_existing(engine: Any, addition: Addition) -> None:
    """Find what speaks against the request before its body is taken."""
    existing = existing_archive(engine, addition.bucket, addition.archive)
    if existing is None and addition.mode is Mode.APPEND:
        raise ObjectNotFound(addition.cname)
    _format(engine, addition, existing if addition.mode is not Mode.REPLACE else None)


def _write(engine: Any, addition: Addition, body: _Body) -> ObjectRecord:
    return grow(addition.bucket, addition.archive, lambda: _write_once(engine, addition, body))


def _write_once(engine: Any, addition: Addition, body: _Body) -> ObjectRecord:
    existing = None
    wanted = addition.attributes
    if addition.mode is not Mode.REPLACE:
        existing = existing_archive(engine, addition.bucket, addition.archive)
        if existing is None and addition.mode is Mode.APPEND:
            raise ObjectNotFound(addition.cname)
        wanted = replace(wanted, replaces=existing.serial if existing else 0)
    archive_format = _format(engine, addition, existing)
    with ArchiveUpload(engine, addition.bucket, addition.archive, archive_format, wanted) as archive:
        if existing is not None:
            try:
                archive.keep(existing)
            except BadArchive as error:
                raise InvalidRequest(f"failed to archive {addition.cname}: {error.message}") from error
        archive.add(addition.member, body.size, body.pieces())
        return archive.commit().result()


def _format(engine: Any, addition: Addition, existing: ObjectRecord | None) -> Format:
    """Tell the format: what the client says, else the name's extension, else the first bytes of what is there."""
    if addition.mime:
        return parse_mime(addition.mime)
    found = format_of_name(addition.archive)
    if found is None and existing is not None:
        head = engine.read(addition.bucket, addition.archive, 0, min(MAGIC_BYTES, existing.size))
        found = format_of_magic(head)
    if found is None:
        base = addition.archive.rsplit("/", 1)[-1]
        dot = base.rfind(".")
        extension = base[dot:] if dot >= 0 else ""
        raise UnknownExtension(f"unknown filename extension ({quote(addition.archive)}, {quote(extension)})")
    return found
