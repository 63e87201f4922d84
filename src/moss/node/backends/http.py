"""Web servers: objects that have a URL and nothing else. They are read, whole or by range; never listed or written.

A bucket of this provider is the front part of URLs: `ht://data.example.org` is `https://data.example.org/`, and any
other name stands for what its property `extra.http.original_url` says. An object's name is the rest of its URL.
"""

import asyncio
import random
import re
import time
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

import aiohttp
from yarl import URL

from moss.errors import BackendUnavailable, InvalidRequest, ObjectChanged, RangeOutOfBounds, Unsupported
from moss.naming.bucket import Bucket, Provider
from moss.node.backends.base import Page, RemoteBucket, RemoteObject
from moss.node.backends.failures import failure, reason_of
from moss.node.backends.guard import Egress, GuardedResolver
from moss.node.backends.limits import PASSING_STATUSES, Limits
from moss.node.backends.rest import encoded

__all__ = ["HttpBackend", "WebObject", "base_url", "split_object_url"]

_REDIRECTS_MAX = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_CONNECTIONS_MAX = 64
_CHUNK_BYTES = 1 << 20
# An answer that does not tell its size is taken into memory, up to this.
_UNSIZED_BYTES_MAX = 8 << 20
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)\Z")
# Servers that do not know HEAD.
_NO_HEAD = frozenset({403, 405, 501})


@dataclass(frozen=True, slots=True)
class WebObject(RemoteObject):
    """An object as a web server describes it: its entity tag may look like an MD5 and be none."""

    @property
    def md5(self) -> str:
        return ""


def base_url(bucket: str) -> str:
    """Return the URL below which a bucket's objects are, with its slash.

    Args:
        bucket: name of a host, or that URL.
    """
    url = bucket if "://" in bucket else f"https://{bucket}/"
    return url if url.endswith("/") else f"{url}/"


def split_object_url(url: str, name: str) -> str:
    """Return the base URL of the bucket in which the object with a URL has a name.

    Raises:
        InvalidRequest: the URL does not end with the name, or has a query.
    """
    parts = urlsplit(url)
    if parts.query or parts.fragment:
        raise InvalidRequest("original_url: expecting a URL without a query")
    path = unquote(parts.path, errors="surrogateescape")
    if not path.endswith(f"/{name}"):
        raise InvalidRequest(f"original_url: expecting a URL that ends with the object's name /{name}")
    front = path.removesuffix(name)
    return f"{parts.scheme}://{parts.netloc}{encoded(front)}"


class HttpBackend:
    """All web servers that a node may ask.

    Args:
        egress: which ones these are.
    """

    provider = Provider.HTTP

    def __init__(self, egress: Egress, limits: Limits | None = None) -> None:
        self._egress, self._limits = egress, limits or Limits()
        self._session: aiohttp.ClientSession | None = None

    # -- what there is --

    async def list_buckets(self) -> list[str]:
        return []

    async def head_bucket(self, bucket: str) -> RemoteBucket:
        """Look a bucket up: any host is one that may be asked.

        Raises:
            AccessDenied, InvalidRequest: it may not, or this is no URL.
        """
        self._egress.check_url(base_url(bucket))
        return RemoteBucket(bucket)

    async def list(
        self, bucket: str, prefix: str = "", start_after: str = "", limit: int = 1000, *, one_level: bool = False
    ) -> Page:
        del prefix, start_after, limit, one_level
        raise Unsupported(f"cannot list {_shown(bucket).cname}: web servers list nothing; --cached lists the cache")

    # -- objects --

    async def head(self, bucket: str, name: str) -> RemoteObject:
        response = await self._ask("HEAD", bucket, name, {}, fine=_NO_HEAD)
        size = response.headers.get("Content-Length", "")
        response.release()
        if response.status < 300 and size.isdigit() and "Content-Encoding" not in response.headers:
            return _describe(name, int(size), response.headers)
        # What cannot be told by HEAD is told by the first byte.
        read = await self.get(bucket, name, 0, 1)
        await read.close()
        return read.about

    async def get(self, bucket: str, name: str, start: int = 0, length: int = -1, *, etag: str = "") -> "HttpRead":
        if length == 0:
            return await self._read_nothing(bucket, name, start, etag)
        headers = {}
        if start or length > 0:
            headers["Range"] = f"bytes={start}-{start + length - 1 if length > 0 else ''}"
        if etag:
            headers["If-Match"] = f'"{etag}"'
        response = await self._ask("GET", bucket, name, headers, fine=frozenset({416}))
        try:
            return await self._read(bucket, name, response, start, length, etag)
        except BaseException:
            response.close()
            raise

    async def _read_nothing(self, bucket: str, name: str, start: int, etag: str) -> "HttpRead":
        about = await self.head(bucket, name)
        if etag and about.etag != etag:
            raise ObjectChanged(_shown(bucket).cname_of(name))
        if start > about.size:
            raise RangeOutOfBounds(size=about.size, start=start, length=0)
        return HttpRead(_shown(bucket), about, start, start, None, 0)

    async def _read(
        self, bucket: str, name: str, response: aiohttp.ClientResponse, start: int, length: int, etag: str
    ) -> "HttpRead":
        place = _shown(bucket)
        first, size, body = 0, response.content_length, b""
        if response.status == 416:
            response.close()
            # An empty object has no bytes to ask for.
            about = await self.head(bucket, name) if start or length > 1 else _describe(name, 0, response.headers)
            if start or about.size:
                raise RangeOutOfBounds(size=about.size, start=start, length=length)
            return HttpRead(place, about, 0, 0, None, 0)
        if response.status == 206:
            told = _CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
            if told is None or int(told[1]) > start:
                raise BackendUnavailable(f"HTTP backend failed on {place.cname_of(name)}: malformed Content-Range")
            first, size = int(told[1]), int(told[3])
        elif size is None:
            body = await self._read_unsized(place, name, response)
            size = len(body)
        about = _describe(name, size, response.headers)
        if etag and about.etag != etag:
            raise ObjectChanged(place.cname_of(name))
        if start and start >= size:
            raise RangeOutOfBounds(size=size, start=start, length=length)
        stop = size if length < 0 else min(size, start + length)
        # A server that knows no ranges sends everything.
        return HttpRead(place, about, start, stop, response, start - first, body)

    async def _read_unsized(self, place: Bucket, name: str, response: aiohttp.ClientResponse) -> bytes:
        parts, received = [], 0
        try:
            async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
                received += len(chunk)
                parts.append(chunk)
                if received > _UNSIZED_BYTES_MAX:
                    text = f"it does not tell its size, and has more than {_UNSIZED_BYTES_MAX >> 20} MiB"
                    raise BackendUnavailable(f"HTTP backend failed on {place.cname_of(name)}: {text}")
        except (aiohttp.ClientError, OSError) as error:
            raise failure(place, name, status=0, code="", reason=_cut(error)) from None
        return b"".join(parts)

    async def put(
        self, bucket: str, name: str, body: bytes | AsyncIterable[bytes], custom: Mapping[str, str], size: int = -1
    ) -> RemoteObject:
        del body, custom, size
        raise Unsupported(f"cannot write {_shown(bucket).cname_of(name)}: web servers are read only")

    async def set_custom(self, bucket: str, name: str, about: RemoteObject, custom: Mapping[str, str]) -> RemoteObject:
        del about, custom
        raise Unsupported(f"cannot describe {_shown(bucket).cname_of(name)}: web servers are read only")

    async def delete(self, bucket: str, name: str) -> None:
        raise Unsupported(f"cannot delete {_shown(bucket).cname_of(name)}: web servers are read only")

    # -- requests --

    async def _ask(
        self, method: str, bucket: str, name: str, headers: Mapping[str, str], *, fine: frozenset[int]
    ) -> aiohttp.ClientResponse:
        """Ask, again while that may help; the body of the answer is not read yet."""
        limits = self._limits
        deadline = time.monotonic() + limits.retry_s
        for attempt in range(limits.retries + 1):
            status, reason, asked_s = 0, "", 0.0
            try:
                response = await self._follow(method, base_url(bucket) + encoded(name), headers)
                status = response.status
                if status < 300 or status in fine:
                    return response
                wait = response.headers.get("Retry-After", "")
                asked_s = float(wait) if wait.isdigit() else 0.0
                response.close()
            except (aiohttp.ClientError, OSError) as error:
                reason = reason_of(error) or "cannot be reached"
            pause = max(min(limits.pause_s * 2**attempt, limits.pause_s_max) * random.uniform(0.5, 1), asked_s)
            may_pass = not status or status in PASSING_STATUSES
            if not may_pass or attempt == limits.retries or time.monotonic() + pause > deadline:
                break
            await asyncio.sleep(pause)
        raise failure(_shown(bucket), name, status=404 if status == 410 else status, code="", reason=reason)

    async def _follow(self, method: str, url: str, headers: Mapping[str, str]) -> aiohttp.ClientResponse:
        for _ in range(_REDIRECTS_MAX + 1):
            self._egress.check_url(url)
            response = await self._open().request(
                method, URL(url, encoded=True), headers=headers, allow_redirects=False
            )
            location = response.headers.get("Location")
            if response.status not in _REDIRECTS or not location:
                return response
            response.close()
            url = urljoin(url, location)
        raise BackendUnavailable(f"HTTP backend failed on {urlsplit(url).netloc}: too many redirects")

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            limits = self._limits
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    resolver=GuardedResolver(self._egress), limit=_CONNECTIONS_MAX, use_dns_cache=False
                ),
                timeout=aiohttp.ClientTimeout(
                    total=limits.total_s, sock_connect=limits.connect_s, sock_read=limits.read_s
                ),
                headers={"Accept-Encoding": "identity", "User-Agent": "moss"},
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
            )
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


class HttpRead:
    """One answer. See `moss.node.backends.base.RemoteRead`.

    Args:
        response: None for an object without content.
        skip: bytes of the answer before those that are wanted.
        body: all of the answer, if it was read already.
    """

    def __init__(
        self,
        bucket: Bucket,
        about: RemoteObject,
        start: int,
        stop: int,
        response: aiohttp.ClientResponse | None,
        skip: int,
        body: bytes = b"",
    ) -> None:
        self.about, self.start, self.stop = about, start, stop
        self._bucket, self._response, self._skip, self._body = bucket, response, skip, body

    async def read(self) -> bytes:
        return b"".join([chunk async for chunk in self.chunks()])

    async def chunks(self) -> AsyncIterator[bytes]:
        left, skip = self.stop - self.start, self._skip
        try:
            async for chunk in self._pieces():
                piece = chunk[skip : skip + left]
                skip = max(0, skip - len(chunk))
                left -= len(piece)
                if piece:
                    yield piece
                if not left:
                    break
        except (aiohttp.ClientError, OSError) as error:
            raise failure(self._bucket, self.about.name, status=0, code="", reason=_cut(error)) from None
        finally:
            await self.close()
        if left:
            expected = self.stop - self.start
            place = self._bucket.cname_of(self.about.name)
            raise BackendUnavailable(f"HTTP backend cut off {place}: expected {expected} bytes, got {expected - left}")

    async def _pieces(self) -> AsyncIterator[bytes]:
        if self._body:
            yield self._body
        elif self._response is not None and self.stop > self.start:
            async for chunk in self._response.content.iter_chunked(_CHUNK_BYTES):
                yield chunk

    async def close(self) -> None:
        """Let go of the connection."""
        if self._response is not None:
            # What was read to its end is used again.
            self._response.release() if self._response.content.at_eof() else self._response.close()


def _shown(bucket: str) -> Bucket:
    """Return what stands for a bucket in messages: `ht://host:port/folder`."""
    parts = urlsplit(base_url(bucket))
    return Bucket(f"{parts.netloc}{unquote(parts.path)}".rstrip("/"), Provider.HTTP)


def _describe(name: str, size: int, headers: Mapping[str, Any]) -> WebObject:
    etag = headers.get("ETag", "").strip()
    # A weak tag does not promise the same bytes.
    etag = "" if etag.startswith("W/") else etag.strip('"')
    modified_ns = _time_ns(headers.get("Last-Modified", ""))
    if not etag and not modified_ns:
        # Nobody can tell whether it changes: then it has, whenever it is looked at.
        modified_ns = time.time_ns() // 10**9 * 10**9
    return WebObject(
        name, size, etag=etag, modified_ns=modified_ns, content_type=headers.get("Content-Type", "").strip()
    )


def _time_ns(text: str) -> int:
    try:
        return int(parsedate_to_datetime(text).timestamp()) * 10**9
    except (ValueError, TypeError):
        return 0


def _cut(error: BaseException) -> str:
    return reason_of(error) or "the answer broke off"
