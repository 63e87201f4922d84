"""Objects over HTTP as S3, GCS and Azure have in common: look-ups, conditional ranges, large writes in parts."""

import asyncio
import base64
import contextlib
import re
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from datetime import datetime
from email.header import decode_header, make_header
from email.utils import parsedate_to_datetime
from typing import Protocol

from moss.errors import InvalidBody, InvalidName, ObjectChanged, ObjectNotFound, RangeOutOfBounds
from moss.naming.bucket import Bucket, Provider
from moss.node.backends.base import RemoteObject
from moss.node.backends.failures import reading
from moss.node.backends.rest import Answer, Request, RestClient, RestRead, encoded

__all__ = ["PART_BYTES", "EmptyRead", "RestObjects", "decoded", "plain_etag", "seconds_ns", "spelled"]

# Larger bodies are written in parts of this size, or in larger ones where a store would need too many.
PART_BYTES = 8 << 20
_PARTS_MAX = 9000
# What parts under way take in memory, if they are not larger.
_UNDER_WAY_BYTES = 32 << 20
_PLAIN = re.compile(r"(?:[!-~](?:[ -~]*[!-~])?)?")


class RestObjects:
    """Objects of all buckets of one provider. Subclasses say how that provider spells things.

    Attributes:
        prefix: of the provider's own headers.
        version_header: tells the version id of an object.
    """

    prefix = "x-amz-"
    version_header = "x-amz-version-id"

    def __init__(self, provider: Provider, client: RestClient) -> None:
        self.provider, self.client = provider, client

    def request(
        self,
        method: str,
        bucket: str,
        name: str = "",
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Request:
        """Build a request for a bucket or an object.

        Raises:
            InvalidName: the name is not UTF-8; no such store can have it.
        """
        place = Bucket(bucket, self.provider)
        try:
            path = f"/{encoded(bucket)}" + (f"/{encoded(name)}" if name else "")
        except UnicodeEncodeError:
            raise InvalidName(f"{place.cname_of(name)!a}: a store takes names in UTF-8 only") from None
        return Request(method, path, place, name, dict(query or {}), dict(headers or {}), body)

    # -- reading --

    async def head(self, bucket: str, name: str) -> RemoteObject:
        try:
            answer = await self.client.ask(self.request("HEAD", bucket, name))
        except InvalidName as error:
            raise reading(error, Bucket(bucket, self.provider), name) from None
        return self.describe(name, answer.headers, int(answer.headers.get("Content-Length", 0)))

    async def get(
        self, bucket: str, name: str, start: int = 0, length: int = -1, *, etag: str = ""
    ) -> "RestRead | EmptyRead":
        if length == 0:
            return await self._nothing(bucket, name, start, length, etag)
        headers = {"If-Match": f'"{etag}"'} if etag else {}
        if start or length > 0:
            headers["Range"] = f"bytes={start}-" + (str(start + length - 1) if length > 0 else "")
        try:
            request = self.request("GET", bucket, name, headers=headers)
            request.streams = True
            answer = await self.client.ask(request, fine=(416,))
        except InvalidName as error:
            raise reading(error, Bucket(bucket, self.provider), name) from None
        if answer.status == 416:
            return await self._nothing(bucket, name, start, length, etag)
        size, begin, stop = _extent(answer)
        about = self.describe(name, answer.headers, size)
        read = RestRead(request.bucket, about, begin, stop, answer)
        if etag and about.etag and about.etag != etag:
            assert answer.response is not None
            answer.response.close()
            raise ObjectChanged(request.bucket.cname_of(name))
        return read

    async def _nothing(self, bucket: str, name: str, start: int, length: int, etag: str) -> "EmptyRead":
        about = await self.head(bucket, name)
        if etag and about.etag != etag:
            raise ObjectChanged(Bucket(bucket, self.provider).cname_of(name))
        return EmptyRead.of(about, start, length)

    def describe(self, name: str, headers: Mapping[str, str], size: int) -> RemoteObject:
        """Turn the headers of an answer into what we say of an object."""
        mark = f"{self.prefix}meta-"
        version = headers.get(self.version_header, "")
        return RemoteObject(
            name,
            size,
            etag=plain_etag(headers.get("ETag")),
            version="" if version == "null" else version,
            modified_ns=seconds_ns(headers.get("Last-Modified", "")),
            content_type=headers.get("Content-Type", ""),
            custom={
                key.lower().removeprefix(mark): decoded(value)
                for key, value in headers.items()
                if key.lower().startswith(mark)
            },
        )

    # -- writing --

    async def put(
        self, bucket: str, name: str, body: bytes | AsyncIterable[bytes], custom: Mapping[str, str], size: int = -1
    ) -> RemoteObject:
        known = len(body) if isinstance(body, bytes) else size
        part_bytes = max(PART_BYTES, -(-known // _PARTS_MAX))
        pieces = _pieces(body, part_bytes, size)
        first = await anext(pieces, b"")
        second = await anext(pieces, None)
        metadata = {f"{self.prefix}meta-{key}": spelled(value) for key, value in custom.items()}
        if second is None:
            answer = await self.client.ask(self.put_request(bucket, name, first, metadata))
            return self._written(name, len(first), answer, custom)
        upload = await self.begin(bucket, name, metadata)
        try:
            total = await self._send_parts(bucket, name, upload, [first, second], pieces, part_bytes)
            answer = await upload.complete()
        except BaseException:
            with contextlib.suppress(Exception):
                await asyncio.shield(asyncio.create_task(upload.abort()))
            raise
        written = self._written(name, total, answer, custom)
        # Not every store tells the entity tag of what came in parts.
        return written if written.etag else await self.head(bucket, name)

    async def _send_parts(
        self,
        bucket: str,
        name: str,
        upload: "PartsUpload",
        begun: list[bytes],
        pieces: AsyncIterator[bytes],
        part_bytes: int,
    ) -> int:
        slots = asyncio.Semaphore(max(1, _UNDER_WAY_BYTES // part_bytes))
        total = number = 0

        async def send(number: int, part: bytes) -> None:
            try:
                await upload.part(number, part)
            finally:
                slots.release()

        async def parts() -> AsyncIterator[bytes]:
            while begun:
                yield begun.pop(0)
            async for piece in pieces:
                yield piece

        try:
            async with asyncio.TaskGroup() as group:
                async for part in parts():
                    await slots.acquire()
                    number, total = number + 1, total + len(part)
                    group.create_task(send(number, part))
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None
        return total

    def _written(self, name: str, size: int, answer: Answer, custom: Mapping[str, str]) -> RemoteObject:
        version = answer.headers.get(self.version_header, "")
        return RemoteObject(
            name,
            size,
            etag=plain_etag(answer.headers.get("ETag")),
            version="" if version == "null" else version,
            modified_ns=seconds_ns(answer.headers.get("Last-Modified", "")),
            custom=dict(custom),
        )

    async def delete(self, bucket: str, name: str) -> None:
        try:
            await self.client.ask(self.request("DELETE", bucket, name))
        except (ObjectNotFound, InvalidName):
            return

    def put_request(self, bucket: str, name: str, body: bytes, metadata: Mapping[str, str]) -> Request:
        """Build the request that stores a small object."""
        return self.request("PUT", bucket, name, headers=metadata, body=body)

    async def begin(self, bucket: str, name: str, metadata: Mapping[str, str]) -> "PartsUpload":
        """Begin an object that comes in parts."""
        raise NotImplementedError


class PartsUpload(Protocol):
    """An object on its way in parts; not visible before it is complete."""

    async def part(self, number: int, body: bytes) -> None:
        """Send a part; numbers begin at 1, several may be under way."""

    async def complete(self) -> Answer:
        """Make the object visible."""

    async def abort(self) -> None:
        """Let go of the parts."""


class EmptyRead:
    """An answer without bytes. See `moss.node.backends.base.RemoteRead`."""

    def __init__(self, about: RemoteObject, start: int) -> None:
        self.about, self.start, self.stop = about, start, start

    @classmethod
    def of(cls, about: RemoteObject, start: int, length: int) -> "EmptyRead":
        """Read nothing where that is right.

        Raises:
            RangeOutOfBounds: there is nothing at `start`.
        """
        if start > about.size or (start == about.size and start and length):
            raise RangeOutOfBounds(size=about.size, start=start, length=length)
        return cls(about, start)

    async def read(self) -> bytes:
        return b""

    async def chunks(self) -> AsyncIterator[bytes]:
        return
        yield b""


async def _pieces(body: bytes | AsyncIterable[bytes], piece_bytes: int, size: int) -> AsyncIterator[bytes]:
    """Cut a body into pieces of one length, the last one shorter.

    Raises:
        InvalidBody: it has another size than was announced; before the last piece is given away.
    """
    if isinstance(body, bytes):
        if size not in (-1, len(body)):
            raise InvalidBody(f"expected {size} bytes of body, got {len(body)}")
        for at in range(0, len(body), piece_bytes):
            yield body[at : at + piece_bytes]
        return
    held, received = bytearray(), 0
    async for chunk in body:
        held += chunk
        received += len(chunk)
        if size >= 0 and received > size:
            break
        while len(held) > piece_bytes:
            yield bytes(held[:piece_bytes])
            del held[:piece_bytes]
    if size not in (-1, received):
        raise InvalidBody(f"expected {size} bytes of body, got {'more' if received > size else received}")
    if held:
        yield bytes(held)


def _extent(answer: Answer) -> tuple[int, int, int]:
    """Return size of the object, first byte and end of what comes."""
    content_range = answer.headers.get("Content-Range", "")
    if answer.status == 206 and content_range.startswith("bytes "):
        span, _, size = content_range.removeprefix("bytes ").partition("/")
        first, _, last = span.partition("-")
        return int(size), int(first), int(last) + 1
    size = int(answer.headers.get("Content-Length", 0))
    return size, 0, size


def plain_etag(etag: str | None) -> str:
    return (etag or "").removeprefix("W/").strip('"')


def seconds_ns(date: str) -> int:
    """Turn a date, as HTTP or ISO 8601 writes it, into ns since 1970 in whole seconds; 0 for none."""
    try:
        if date[:4].isdigit():
            return int(datetime.fromisoformat(date).timestamp()) * 10**9
        return int(parsedate_to_datetime(date).timestamp()) * 10**9
    except (ValueError, TypeError):
        return 0


def spelled(value: str) -> str:
    """Return a value of user metadata as a header takes it: what is not plain ASCII as RFC 2047 says."""
    if _PLAIN.fullmatch(value) and not value.startswith("=?"):
        return value
    return f"=?UTF-8?B?{base64.b64encode(value.encode('utf-8', 'replace')).decode()}?="


def decoded(value: str) -> str:
    """Return the text of a header value: some stores tell other than ASCII as RFC 2047 says, some as plain UTF-8."""
    if value.startswith("=?") and value.endswith("?="):
        with contextlib.suppress(ValueError, LookupError):
            return str(make_header(decode_header(value)))
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
