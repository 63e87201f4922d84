"""The binding to the HTTP library: aiohttp parses requests, everything else is ours.

One `FaceServer` per port. It turns a parsed request into a `Request`, finds the handler in the table of routes, and
turns what the handler returns or raises into bytes. This is the only module that knows aiohttp.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from aiohttp import web
from aiohttp.web_request import BaseRequest

from moss.errors import InvalidRequest, MossError, TooLarge
from moss.node.server import errors
from moss.node.server.http import Face, Request, Response
from moss.node.server.routes import RouteTable
from moss.node.server.writer import Writer

log = logging.getLogger("moss.server")
# Requests that are no HTTP are answered with 400; a traceback for each would let anyone fill the log.
logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)

# An idle connection, or one whose headers trickle in, is closed after so long (spec/reliability.md 2.3).
IDLE_S_MAX = 20.0
# A body that brings less than this rate for the whole grace time is cut (spec/reliability.md row 23).
SLOW_BODY_GRACE_S = 30.0
SLOW_BODY_BYTES_PER_S_MIN = 1024
READ_BUFFER_BYTES = 1 << 20


class _Body:
    """The body of one request, with the limits that aiohttp does not have."""

    def __init__(self, request: BaseRequest) -> None:
        self._request = request
        # An old client knows no interim answers (RFC 9110, 10.1.1).
        self._is_expected = request.version >= (1, 1) and request.headers.get("Expect", "").lower() == "100-continue"

    def _accept(self) -> None:
        # Only when a handler wants the body: a redirect or an error may precede the client's sending it.
        if self._is_expected and self._request.transport is not None:
            self._request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._is_expected = False

    @property
    def is_unsent(self) -> bool:
        """The client still waits for leave to send the body."""
        return self._is_expected

    async def chunks(self) -> AsyncIterator[bytes]:
        self._accept()
        loop = asyncio.get_running_loop()
        # Since the rate was last looked at. Only waiting for the client counts, not what the handler does meanwhile.
        waited, received = 0.0, 0
        stream = self._request.content
        while True:
            begin = loop.time()
            try:
                async with asyncio.timeout(SLOW_BODY_GRACE_S):
                    chunk = await stream.readany()
            except TimeoutError:
                raise SlowBody(received, SLOW_BODY_GRACE_S) from None
            except web.RequestPayloadError as error:
                raise InvalidRequest(f"the request body is broken: {error}") from error
            if not chunk:
                return
            received += len(chunk)
            waited += loop.time() - begin
            if waited > SLOW_BODY_GRACE_S:
                if received < waited * SLOW_BODY_BYTES_PER_S_MIN:
                    raise SlowBody(received, waited)
                waited, received = 0.0, 0
            yield chunk

    async def read(self, limit: int) -> bytes:
        declared = self._request.content_length
        if declared is not None and declared > limit:
            raise TooLarge(f"the request body has {declared} bytes, more than the limit of {limit}")
        stream = self._request.content
        if stream.is_eof() and not self._is_expected and stream.exception() is None:
            # The usual case, a small body that came with its head: no timer is needed.
            body = stream.read_nowait()
            if len(body) > limit:
                raise TooLarge(f"the request body has {len(body)} bytes, more than the limit of {limit}")
            return body
        parts, size = [], 0
        async for chunk in self.chunks():
            size += len(chunk)
            if size > limit:
                raise TooLarge(f"the request body has more than the limit of {limit} bytes")
            parts.append(chunk)
        return b"".join(parts)


class SlowBody(InvalidRequest):
    """A request body that arrives too slowly."""

    code = "slow-body"

    def __init__(self, received: int, elapsed_s: float) -> None:
        super().__init__(
            f"the request body is too slow: {received} bytes in {elapsed_s:.0f}s, "
            f"at least {SLOW_BODY_BYTES_PER_S_MIN} bytes/s expected"
        )


class _Answered:
    """What aiohttp gets back: an answer whose bytes are sent already."""

    def __init__(self, keep_alive: bool, status: int) -> None:
        self.keep_alive = keep_alive
        self.status = status

    async def prepare(self, request: BaseRequest) -> None:
        return None

    async def write_eof(self) -> None:
        return None


class FaceServer:
    """One port of a node.

    Args:
        node: handed to every handler.
        face: which port this is; routes differ between the two.
        routes: the table of routes.
        pool: threads that drive streamed answers.
        stall_s_max: see `Writer`.
        node_name: `p[id]` or `t[id]`, named in error documents.
    """

    def __init__(
        self, node: Any, face: Face, routes: RouteTable, *, pool: ThreadPoolExecutor, stall_s_max: float, node_name: str
    ) -> None:
        self._node, self._face, self._routes, self._pool = node, face, routes, pool
        self._stall_s_max, self._node_name = stall_s_max, node_name
        self._runner: web.ServerRunner | None = None
        self._sites: list[web.SockSite] = []
        self._is_draining = False
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def start(self, sockets: list[Any]) -> None:
        """Serve on sockets that are bound already."""
        server = web.Server(
            self._serve,
            handler_cancellation=True,
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=IDLE_S_MAX,
            lingering_time=2.0,
            read_bufsize=READ_BUFFER_BYTES,
            max_line_size=64 << 10,
            max_field_size=32 << 10,
        )
        self._runner = web.ServerRunner(server, handle_signals=False, shutdown_timeout=0.5)
        await self._runner.setup()
        for sock in sockets:
            site = web.SockSite(self._runner, sock, backlog=1024)
            await site.start()
            self._sites.append(site)

    def begin_drain(self) -> None:
        """Take no new connections; from now on every answer closes its connection."""
        self._is_draining = True
        for site in self._sites:
            site._server.close()

    async def idle(self) -> None:
        """Wait until no request is being answered."""
        await self._idle.wait()

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _serve(self, raw: BaseRequest) -> _Answered:
        self._in_flight += 1
        self._idle.clear()
        try:
            return await self._exchange(raw)
        finally:
            self._in_flight -= 1
            if not self._in_flight:
                self._idle.set()

    async def _exchange(self, raw: BaseRequest) -> _Answered:
        body = _Body(raw)
        writer = Writer(
            raw.transport,
            raw.writer.drain,
            pool=self._pool,
            is_head=raw.method == "HEAD",
            keep_alive=raw.keep_alive and not self._is_draining,
            is_http10=raw.version < (1, 1),
            stall_s_max=self._stall_s_max,
        )
        peer = raw.transport.get_extra_info("peername") if raw.transport is not None else None
        request = Request(
            method=raw.method,
            raw_path=raw.raw_path,
            headers=raw.headers,
            remote=_address(peer),
            face=self._face,
            content_length=raw.content_length,
            body=body,
            writer=writer,
        )
        response = await self._answer(request)
        if response is not None and not writer.is_started:
            if body.is_unsent or self._is_draining:
                writer.keep_alive = False
            writer.send_whole(response.status, response.headers, response.body)
            await writer.drain()
        elif not writer.is_finished:
            writer.abort()
        return _Answered(writer.keep_alive and not self._is_draining, response.status if response else 200)

    async def _answer(self, request: Request) -> Response | None:
        try:
            handler = self._routes.find(request)
            if isinstance(handler, Response):
                return handler
            return await handler(self._node, request)
        except MossError as error:
            return self._failed(request, error)
        except ConnectionError:
            # The client is gone, or was cut off: there is nobody to tell.
            request.writer.abort()
            return None
        except Exception as error:
            log.exception("%s %s failed", request.method, ascii(request.path))
            return self._failed(request, error)

    def _failed(self, request: Request, error: Exception) -> Response | None:
        if request.writer.is_started:
            request.writer.abort()
            return None
        return errors.error_response(error, request, self._node_name)


def _address(peer: Any) -> str:
    if isinstance(peer, tuple):
        host = f"[{peer[0]}]" if ":" in peer[0] else peer[0]
        return f"{host}:{peer[1]}"
    return ""
