"""HTTP over aiohttp. Twin of `moss.sdk.transport.blocking`: same names, same promises."""

import asyncio
from asyncio import sleep
from collections.abc import AsyncIterator, Mapping
from time import monotonic
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from moss.sdk.errors import ConnectFailed, ConnectTimedOut, ReadTimedOut, TransportError, compatible
from moss.sdk.transport.http1 import Body, Headers, Settings, lost

__all__ = ["Response", "Transport", "monotonic", "sleep"]

_READ_BUFFER_BYTES = 512 * 1024
_UPLOAD_PIECE_BYTES = 256 * 1024
_DRAIN_BYTES_MAX = 256 * 1024


class Response:
    """An answer whose body is read piece by piece, by one task. Attributes as in the blocking twin."""

    __slots__ = ("_answer", "_pending", "headers", "is_complete", "length", "status", "url")

    def __init__(self, answer: aiohttp.ClientResponse, url: str, *, has_body: bool) -> None:
        self._answer: aiohttp.ClientResponse | None = answer
        self._pending = memoryview(b"")
        self.status = answer.status
        self.headers = Headers(answer.headers.items())
        self.url = url
        text = self.headers.get("content-length", "")
        self.length = 0 if not has_body or self.status in (204, 304) else int(text) if text.isdigit() else None
        self.is_complete = self.length == 0
        if self.is_complete:
            self._release()

    async def receive_into(self, view: memoryview) -> int:
        """Receive some bytes of the body into `view`; 0 only at the end of the whole body. Errors as in the twin."""
        if not self._pending:
            if self.is_complete:
                return 0
            self._pending = memoryview(await self._receive())
            if not self._pending:
                self.is_complete = True
                self._release()
                return 0
        count = min(len(self._pending), len(view))
        view[:count] = self._pending[:count]
        self._pending = self._pending[count:]
        return count

    async def _receive(self) -> bytes:
        if self._answer is None:
            raise ValueError("the answer was closed before its end")
        try:
            return await self._answer.content.readany()
        except TimeoutError as error:
            self.close()
            raise compatible(ReadTimedOut)(f"{self.url} was silent for too long") from error
        except (aiohttp.ClientError, OSError) as error:
            self.close()
            raise lost(f"the answer was cut off: {error}") from error

    async def read(self) -> bytes:
        """Receive the rest of the body."""
        pieces = [bytes(self._pending)]
        self._pending = memoryview(b"")
        while not self.is_complete and (piece := await self._receive()):
            pieces.append(piece)
        self.is_complete = True
        self._release()
        return b"".join(pieces)

    async def finish(self) -> None:
        """Done with the answer: a short rest is read so that the connection can be used again, else it is closed."""
        self._pending = memoryview(b"")
        budget = _DRAIN_BYTES_MAX
        try:
            while not self.is_complete and self._answer is not None and budget > 0:
                piece = await self._receive()
                self.is_complete = not piece
                budget -= len(piece)
        except TransportError:
            pass
        if self.is_complete:
            self._release()
        self.close()

    def close(self) -> None:
        """Give the connection up; harmless when the answer is complete or closed."""
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.close()

    def _release(self) -> None:
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.release()

    def __del__(self) -> None:
        if getattr(self, "_answer", None) is not None:
            self.close()


class Transport:
    """Connections of one client, one pool for each event loop that uses it.

    Args:
        resolver: looks host names up; None leaves it to the library. With one of one's own, no proxies are used.
    """

    def __init__(self, settings: Settings, resolver: AbstractResolver | None = None) -> None:
        self.settings, self._resolver = settings, resolver
        self._session: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: Body = None, length: int | None = None
    ) -> Response:
        """Send one request and receive the head of the answer. Arguments and errors as in the blocking twin."""
        fields = dict(headers)
        is_buffer = isinstance(body, bytes | bytearray | memoryview)
        if is_buffer:
            length = len(body)
            data: Any = bytes(body)
        else:
            data = None if body is None else _pieces_of(body)
            if body is not None and length is not None:
                fields["Content-Length"] = str(length)
        waits = body is not None and (length is None or length >= self.settings.expect_continue_bytes_min)
        try:
            answer = await self._pool().request(
                method, URL(url, encoded=True), headers=fields, data=data, allow_redirects=False, expect100=waits
            )
        except (aiohttp.ConnectionTimeoutError, aiohttp.ServerTimeoutError) as error:
            is_read = isinstance(error, aiohttp.SocketTimeoutError)
            raise compatible(ReadTimedOut if is_read else ConnectTimedOut)(f"{url}: {error}") from error
        except aiohttp.ClientConnectorError as error:
            raise compatible(ConnectFailed)(f"cannot connect: {error}") from error
        except (aiohttp.ClientError, OSError) as error:
            raise lost(f"{url}: the connection broke: {error!r}") from error
        return Response(answer, url, has_body=method != "HEAD")

    def _pool(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        if self._session is None or self._loop is not loop:
            settings = self.settings
            ssl: Any = True
            if settings.ca_cert or settings.client_cert or not settings.verify:
                from moss.sdk.transport.tls import build_context

                ssl = build_context(settings)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, ssl=ssl, resolver=self._resolver),
                timeout=aiohttp.ClientTimeout(
                    total=None, sock_connect=settings.connect_timeout_s, sock_read=settings.read_timeout_s
                ),
                auto_decompress=False,
                read_bufsize=_READ_BUFFER_BYTES,
                max_line_size=64 * 1024,
                max_field_size=64 * 1024,
                trust_env=self._resolver is None,
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=("User-Agent", "Accept-Encoding", "Content-Type"),
            )
            self._loop = loop
        return self._session

    async def close(self) -> None:
        """Close the connections; the transport can be used again."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()


async def _pieces_of(body: Any) -> AsyncIterator[bytes]:
    if hasattr(body, "__aiter__"):
        async for piece in body:
            yield piece
    elif hasattr(body, "read"):
        while piece := await asyncio.to_thread(body.read, _UPLOAD_PIECE_BYTES):
            yield piece
    else:
        for piece in body:
            yield piece
