"""One HTTP client for all stores that are spoken to directly: signed requests, repeated while that makes sense.

What `obstore` cannot do goes this way: buckets, listings, names that it cannot spell, large writes.
"""

import asyncio
import random
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote
from urllib.request import getproxies_environment, proxy_bypass_environment

import aiohttp
from multidict import CIMultiDictProxy
from yarl import URL

from moss.errors import BackendUnavailable
from moss.naming.bucket import Bucket
from moss.node.backends.base import RemoteObject
from moss.node.backends.failures import code_in, failure, reason_of
from moss.node.backends.limits import PASSING_STATUSES, Limits

__all__ = ["Answer", "Request", "RestClient", "RestRead", "encoded"]

# Of an error's text so much is read.
_ERROR_BYTES_MAX = 64 << 10
_CHUNK_BYTES = 1 << 20
_CONNECTIONS_MAX = 64


def encoded(text: str) -> str:
    """Return a name or a value as it stands in a URL; slashes stay. Names that are no UTF-8 raise ValueError."""
    return quote(text, safe="/-_.~")


@dataclass(slots=True)
class Request:
    """What is asked of a store.

    Attributes:
        path: as it stands in the URL, with its slash.
        query: parameters, not encoded.
        bucket, name: what it is about, for errors.
        streams: the body of the answer is read piece by piece.
    """

    method: str
    path: str
    bucket: Bucket
    name: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    streams: bool = False

    def url(self, base: str) -> str:
        query = "&".join(
            f"{quote(key, safe='-_.~')}={quote(value, safe='-_.~')}" for key, value in sorted(self.query.items())
        )
        return base + self.path + (f"?{query}" if query else "")


@dataclass(slots=True)
class Answer:
    """What a store answered. `response` is set for one that is streamed, and has to be closed."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes = b""
    response: aiohttp.ClientResponse | None = None

    @property
    def code(self) -> str:
        """The store's own word for a failure."""
        return self.headers.get("x-ms-error-code") or code_in(self.body.decode("utf-8", "replace"))


Sign = Callable[[Request], Awaitable[str]]


class RestClient:
    """Asks one store.

    Args:
        sign: returns the URL of a request and adds to its headers what proves who asks.
        trust: returns the certificates to trust, None for the system's.
        moved: tells whether an answer means that the same request has to go to another place now.
    """

    def __init__(
        self,
        sign: Sign,
        limits: Limits,
        trust: Callable[[], ssl.SSLContext | None] = lambda: None,
        moved: Callable[[Request, Answer], bool] = lambda request, answer: False,
    ) -> None:
        self._sign, self.limits, self._trust, self._moved = sign, limits, trust, moved
        self._session: aiohttp.ClientSession | None = None

    async def ask(self, request: Request, *, fine: tuple[int, ...] = ()) -> Answer:
        """Ask, again while that may help.

        Args:
            fine: statuses of failures that are returned instead of raised.

        Raises:
            BackendUnavailable, BackendDenied, BucketNotFound, ObjectNotFound, ObjectChanged: as the store says.
        """
        deadline = time.monotonic() + self.limits.retry_s
        headers = dict(request.headers)
        for attempt in range(self.limits.retries + 1):
            request.headers = dict(headers)
            status, code, reason, asked_s = 0, "", "", 0.0
            try:
                answer = await self._ask_once(request)
                if answer.status < 300 or answer.status in fine:
                    return answer
                status, code = answer.status, answer.code
                if self._moved(request, answer) and attempt < self.limits.retries:
                    continue
                asked_s = _retry_after(answer.headers)
            except (aiohttp.ClientError, OSError, TimeoutError, ssl.SSLError) as error:
                reason = reason_of(error) or "cannot be reached"
            may_pass = status in PASSING_STATUSES or not status
            pause = max(self._pause(attempt), asked_s)
            if not may_pass or attempt == self.limits.retries or time.monotonic() + pause > deadline:
                break
            await asyncio.sleep(pause)
        raise failure(request.bucket, request.name, status=status, code=code, reason=reason)

    async def _ask_once(self, request: Request) -> Answer:
        url = URL(await self._sign(request), encoded=True)
        limits = self.limits
        total_s = limits.connect_s + limits.read_s + len(request.body) / limits.slow_bytes_per_s
        response = await self._open().request(
            request.method,
            url,
            headers=request.headers,
            data=request.body or None,
            allow_redirects=False,
            proxy=_proxy(url),
            timeout=aiohttp.ClientTimeout(
                total=limits.total_s if request.streams else total_s,
                sock_connect=limits.connect_s,
                sock_read=limits.read_s,
            ),
        )
        if request.streams and response.status < 300:
            return Answer(response.status, response.headers, response=response)
        async with response:
            if response.status < 300:
                return Answer(response.status, response.headers, await response.read())
            return Answer(response.status, response.headers, await response.content.read(_ERROR_BYTES_MAX))

    def _pause(self, attempt: int) -> float:
        return min(self.limits.pause_s * 2**attempt, self.limits.pause_s_max) * (0.5 + random.random() / 2)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=_CONNECTIONS_MAX, ssl=self._trust() or True),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                skip_auto_headers=("Content-Type", "Accept-Encoding"),
            )
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


class RestRead:
    """One answer. See `moss.node.backends.base.RemoteRead`."""

    def __init__(self, bucket: Bucket, about: RemoteObject, start: int, stop: int, answer: Answer) -> None:
        self._bucket, self._answer = bucket, answer
        self.about, self.start, self.stop = about, start, stop

    async def read(self) -> bytes:
        return b"".join([chunk async for chunk in self.chunks()])

    async def chunks(self) -> AsyncIterator[bytes]:
        response, received = self._answer.response, 0
        assert response is not None
        try:
            async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
                received += len(chunk)
                yield chunk
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            reason = reason_of(error) or "the answer broke off"
            raise failure(self._bucket, self.about.name, status=0, code="", reason=reason) from None
        finally:
            response.close()
        if received != self.stop - self.start:
            raise cut_off(self._bucket, self.about.name, self.stop - self.start, received)


def cut_off(bucket: Bucket, name: str, expected: int, received: int) -> BackendUnavailable:
    """Build the error for an answer that has another length than it was to have."""
    word = f"{bucket.provider.display_name} backend"
    return BackendUnavailable(f"{word} cut off {bucket.cname_of(name)}: expected {expected} bytes, got {received}")


def _retry_after(headers: Mapping[str, str]) -> float:
    # Stores tell seconds; a date is not worth the trouble.
    text = headers.get("Retry-After", "")
    return float(text) if text.isdigit() else 0.0


def _proxy(url: URL) -> str | None:
    """Return the proxy that the environment names for a URL; what `~/.netrc` says is not for stores."""
    proxies = getproxies_environment()
    found = proxies.get(url.scheme) if proxies else None
    return found if found and not proxy_bypass_environment(url.host or "", proxies) else None
