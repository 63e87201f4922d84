"""The binding to the HTTP library: aiohttp parses requests, everything else is ours.

One `FaceServer` per port. It turns a parsed request into a `Request`, finds the handler in the table of routes, and
turns what the handler returns or raises into bytes. Only this module and `express` know aiohttp.
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
from moss.node.server.express import ExpressConnection, ExpressWay, Wakeups, address_of
from moss.node.server.gateway import clusters
from moss.node.server.http import Face, Request, Response
from moss.node.server.routes import RouteTable
from moss.node.server.writer import Writer
from moss.wire import headers
from moss.wire.errors import encode_error

log = logging.getLogger("moss.server")
# Requests that are no HTTP are answered with 400; a traceback for each would let anyone fill the log.
logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)

# An idle connection, or one whose headers trickle in, is closed after so long (spec/reliability.md 2.3).
IDLE_S_MAX = 20.0
# A body that brings less than this rate for the whole grace time is cut (spec/reliability.md row 23).
SLOW_BODY_GRACE_S = 30.0
SLOW_BODY_BYTES_PER_S_MIN = 1024
READ_BUFFER_BYTES = 1 << 20
_ERROR_HEADERS = {headers.CONTENT_TYPE: headers.JSON, headers.CONTENT_TYPE_OPTIONS: headers.NOSNIFF}
# Says that a bucket is a web server's, which nodes without leave to ask any do not know.
_WEB = "provider=ht"
# What is still under way after the drain gets so long when the server stops.
_SHUTDOWN_S = 0.5


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
        express: what answers plain requests on objects at once, if anything.
    """

    def __init__(
        self,
        node: Any,
        face: Face,
        routes: RouteTable,
        *,
        pool: ThreadPoolExecutor,
        stall_s_max: float,
        node_name: str,
        express: ExpressWay | None = None,
    ) -> None:
        self.node, self.pool, self.stall_s_max, self.express = node, pool, stall_s_max, express
        self.is_draining = False
        self._face, self._routes, self._node_name = face, routes, node_name
        self._server: web.Server | None = None
        self._listeners: list[asyncio.Server] = []
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, sockets: list[Any]) -> None:
        """Serve on sockets that are bound already."""
        loop = asyncio.get_running_loop()
        self.wakeups = Wakeups(loop)
        self._server = web.Server(self._serve, handler_cancellation=True)
        for sock in sockets:
            self._listeners.append(await loop.create_server(self._connection, sock=sock, backlog=1024))

    def _connection(self) -> ExpressConnection:
        return ExpressConnection(
            self,
            self._server,
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=IDLE_S_MAX,
            lingering_time=2.0,
            read_bufsize=READ_BUFFER_BYTES,
            max_line_size=64 << 10,
            max_field_size=32 << 10,
        )

    def begin_drain(self) -> None:
        """Take no new connections; from now on every answer closes its connection."""
        self.is_draining = True
        for listener in self._listeners:
            listener.close()

    async def idle(self) -> None:
        """Wait until no request is being answered."""
        await self._idle.wait()

    async def stop(self) -> None:
        for listener in self._listeners:
            listener.close()
        if self._server is not None:
            self._server.pre_shutdown()
            await self._server.shutdown(_SHUTDOWN_S)

    def began(self) -> None:
        """Count an answer that is being made."""
        self._in_flight += 1
        self._idle.clear()

    def ended(self) -> None:
        """Count it no longer."""
        self._in_flight -= 1
        if not self._in_flight:
            self._idle.set()

    def keep(self, task: "asyncio.Task[None]") -> None:
        """Hold on to a task until it is done: the event loop alone does not."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def not_http(self, status: int, message: str, remote: str) -> web.Response:
        """Answer what the library could not parse: with the document that all other errors have, and the end."""
        # Further lines of the message show where in the client's bytes.
        reason = f"invalid HTTP request: {message.partition(chr(10))[0].rstrip(':') or 'malformed'}"
        document = encode_error(reason, status=status, remote_addr=remote, node=self._node_name)
        answer = web.Response(status=status, body=document, headers={"Server": "moss", **_ERROR_HEADERS})
        answer.force_close()
        return answer

    async def _serve(self, raw: BaseRequest) -> _Answered:
        self.began()
        try:
            return await self._exchange(raw)
        finally:
            self.ended()

    async def _exchange(self, raw: BaseRequest) -> _Answered:
        body = _Body(raw)
        writer = Writer(
            raw.transport,
            raw.writer.drain,
            pool=self.pool,
            is_head=raw.method == "HEAD",
            keep_alive=raw.keep_alive and not self.is_draining,
            is_http10=raw.version < (1, 1),
            stall_s_max=self.stall_s_max,
        )
        request = Request(
            method=raw.method,
            raw_path=raw.raw_path,
            headers=raw.headers,
            remote=address_of(raw.transport),
            face=self._face,
            content_length=raw.content_length,
            body=body,
            writer=writer,
        )
        response = await self._answer(request)
        if response is not None and not writer.is_started:
            if body.is_unsent or self.is_draining:
                writer.keep_alive = False
            writer.send_whole(response.status, response.headers, response.body)
            await writer.drain()
        elif not writer.is_finished:
            writer.abort()
        return _Answered(writer.keep_alive and not self.is_draining, response.status if response else 200)

    async def _answer(self, request: Request) -> Response | None:
        try:
            handler = self._routes.find(request)
            if isinstance(handler, Response):
                return handler
            query = request.query_string
            if query and _may_be_elsewhere(query) and (_WEB in query or self.node.remotes):
                await clusters.admit(self.node, request)
            return await handler(self.node, request)
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


def _may_be_elsewhere(query: str) -> bool:
    """Tell whether a query may name a bucket that is kept elsewhere."""
    return "provider=" in query or "namespace=" in query or "_to=" in query
