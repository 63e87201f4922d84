"""The express way: plain requests on one object are answered as soon as their bytes are there.

`ExpressConnection` is the HTTP library's connection with one addition: between two requests it looks whether the next
one is plain (`moss.node.server.plain`). If so it is answered from here, without a task, a parser or a thread;
every other byte goes to the library unchanged. The answers are the same, made by the same functions; a plain request
that turns out not to be one (the object is cold, large or missing, the bucket forbids it) goes the ordinary way too.
"""

import asyncio
import contextlib
import logging
import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Protocol

from aiohttp import web

from moss.errors import MossError
from moss.node.server.http import Response
from moss.node.server.plain import PlainRequest, recognise
from moss.node.server.writer import Writer, head_bytes

if TYPE_CHECKING:
    from moss.node.server.app import FaceServer

log = logging.getLogger("moss.server")

# A body that has not come as a whole after so long is left to the ordinary way, which knows what slow is.
COLLECT_S_MAX = 2.0
# So much may come in while an answer is being made; then the client has to wait.
_HELD_BYTES_MAX = 256 << 10
# The library closes what is idle; of a request that is served here it knows nothing.
_NOT_IDLE_S = 3600.0
_UNKNOWN = -1
_NO_BODY = memoryview(b"")


class Pending:
    """An answer that is not there yet.

    Args:
        future: of another thread.
        finish: makes the answer from the done future, in the event loop.
    """

    __slots__ = ("finish", "future")

    def __init__(self, future: "Future[Any]", finish: Callable[["Future[Any]"], Response]) -> None:
        self.future, self.finish = future, finish


class ExpressWay(Protocol):
    """What a face does with plain requests; a module for each face."""

    def put_terms(self, node: Any, request: PlainRequest) -> tuple[int, bool]:
        """Return the largest body of a PUT in bytes (-1: not for this way), and whether it is needed for the answer."""

    def handle(self, node: Any, request: PlainRequest, body: memoryview, remote: str) -> Response | Pending | None:
        """Serve a read without a body, or a PUT that `put_terms` takes. None: not plain after all; nothing happened.

        Raises:
            MossError: the same.
        """


class Wakeups:
    """Brings what other threads have finished into the event loop: one call for all that is done together."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._done: deque[Callable[[], None]] = deque()
        self._is_scheduled = False

    def call(self, function: Callable[[], None]) -> None:
        """Have a function called in the event loop; from any thread."""
        # The order matters: what is appended while the mark is set, `_run` has still to take.
        self._done.append(function)
        if not self._is_scheduled:
            self._is_scheduled = True
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(self._run)

    def _run(self) -> None:
        self._is_scheduled = False
        while self._done:
            self._done.popleft()()


class ExpressConnection(web.RequestHandler):
    """One connection of a face.

    What is used of the library beyond its protocol methods: `_waiter` (set while it waits for a request), `_messages`
    (requests that it has parsed and not begun), and the time at which it closes an idle connection.
    """

    __slots__ = ("_address", "_body", "_busy", "_face", "_fd", "_held", "_rest", "_skip", "_timer")

    def __init__(self, face: "FaceServer", server: web.Server, **options: Any) -> None:
        super().__init__(server, loop=asyncio.get_running_loop(), **options)
        self._face = face
        self._address, self._fd = "", -1
        self._rest = 0  # bytes that the library still gets of its request; _UNKNOWN: all there are
        self._skip = 0  # bytes of a body that nobody wants
        self._busy = False  # an answer of ours is being made
        self._held: list[bytes] = []  # what came meanwhile
        self._body: tuple[PlainRequest, bytearray] | None = None  # a request whose body is coming
        self._timer: asyncio.TimerHandle | None = None

    # -- events of the connection --

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._fd = transport.get_extra_info("socket").fileno()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._body, self._held = None, []
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._busy:
            self._hold(data)
        elif self._face.express is None:
            super().data_received(data)
        elif self._body is not None:
            self._collect(data)
        elif self._rest or not data:
            self._pass_on(data)
        else:
            self._begin(data)

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """Answer what is no HTTP."""
        return self._face.not_http(status, message or "", address_of(self.transport))

    # -- the two ways --

    def _pass_on(self, data: bytes) -> None:
        if self._rest > 0:
            self._rest = self._rest - len(data) if self._rest >= len(data) else _UNKNOWN
        super().data_received(data)

    def _begin(self, data: bytes) -> None:
        """Look at the beginning of a request."""
        if self._skip:
            skipped = min(self._skip, len(data))
            self._skip -= skipped
            data = data[skipped:]
            if not data:
                return
        while data:
            request = recognise(data) if self._is_idle() else None
            if request is None:
                self._ordinary(data)
                return
            length, bytes_max, needs_body = request.fields.content_length or 0, 0, False
            if request.method == "PUT":
                bytes_max, needs_body = self._face.express.put_terms(self._face.node, request)
            if length > bytes_max:
                self._ordinary(data)
                return
            data = self._serve(request, data, needs_body)

    def _is_idle(self) -> bool:
        """Nothing is under way on this connection, and the library waits for the next request."""
        waiter = self._waiter
        return (
            waiter is not None
            and not waiter.done()
            and not self._messages
            and not self._face.is_draining
            and not self.transport.get_write_buffer_size()
        )

    def _ordinary(self, data: bytes) -> None:
        """Leave a request to the library, and note where it ends if that can be told."""
        self._rest = _rest_of(data)
        super().data_received(data)

    def _serve(self, request: PlainRequest, data: bytes, needs_body: bool) -> bytes:
        """Serve a plain request that begins `data`, or begin to; returns what is to be looked at next."""
        end = request.head_bytes + (request.content_length or 0)
        if needs_body and len(data) < end:
            self._body = (request, bytearray(data))
            self._timer = self._loop.call_later(COLLECT_S_MAX, self._give_up)
            self._next_keepalive_close_time = self._loop.time() + _NOT_IDLE_S
            return b""
        body = memoryview(data)[request.head_bytes : end] if needs_body else _NO_BODY
        if not self._answer(request, body):
            self._ordinary(data)
            return b""
        # After an early answer, what is still to come of the body is read and dropped.
        self._skip = max(0, end - len(data))
        rest = data[end:]
        if self._busy:
            self._hold(rest)
            return b""
        return rest

    def _collect(self, data: bytes) -> None:
        request, collected = self._body
        collected += data
        if len(collected) < request.head_bytes + request.content_length:
            return
        self._stop_timer()
        self._body = None
        rest = self._serve(request, bytes(collected), True)
        if rest:
            self._begin(rest)

    def _give_up(self) -> None:
        _, collected = self._body
        self._body = self._timer = None
        self._ordinary(bytes(collected))

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # -- answers --

    def _answer(self, request: PlainRequest, body: memoryview) -> bool:
        """Answer a request, now or when it is done; False when it is not plain after all."""
        if not self._address:
            self._address = address_of(self.transport)
        try:
            outcome = self._face.express.handle(self._face.node, request, body, self._address)
        except MossError:
            return False  # the ordinary way finds the same error, and words it
        except Exception:
            log.exception("%s %s failed on the express way", request.method, ascii(request.path))
            return False
        if outcome is None:
            return False
        if isinstance(outcome, Pending):
            self._wait(request, outcome)
        else:
            self._send(request, outcome)
        return True

    def _wait(self, request: PlainRequest, pending: Pending) -> None:
        self._set_busy()

        def finish() -> None:
            if self.transport is not None and not self.transport.is_closing():
                try:
                    self._send(request, pending.finish(pending.future))
                except Exception:
                    log.exception("%s %s failed", request.method, ascii(request.path))
                    self.transport.abort()
            self._set_free()

        pending.future.add_done_callback(lambda _: self._face.wakeups.call(finish))

    def _send(self, request: PlainRequest, answer: Response) -> None:
        body = answer.body if request.method != "HEAD" else b""
        if request.method != "HEAD":
            answer.headers.setdefault("Content-Length", str(len(body)))
        if self._face.is_draining:
            answer.headers["Connection"] = "close"
        head = head_bytes(answer.status, answer.headers)
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        try:
            sent = os.writev(self._fd, (head, body))
        except BlockingIOError:
            sent = 0
        except OSError:
            self.transport.abort()
            return
        if sent < len(head) + len(body):
            self._send_rest((head + body)[sent:])
        if self._face.is_draining:
            self.transport.close()

    def _send_rest(self, data: bytes) -> None:
        """Leave to the transport what the socket does not take now; the next request waits until it is gone."""
        self.transport.write(data)
        writer = Writer(self.transport, self._drain_helper, pool=self._face.pool, stall_s_max=self._face.stall_s_max)
        is_first = not self._busy
        if is_first:
            self._set_busy()
        task = self._loop.create_task(_drained(writer))
        self._face.keep(task)
        if is_first:
            task.add_done_callback(lambda _: self._set_free())

    def _set_busy(self) -> None:
        self._busy = True
        self._face.began()
        self._next_keepalive_close_time = self._loop.time() + _NOT_IDLE_S

    def _set_free(self) -> None:
        self._busy = False
        self._face.ended()
        if self.transport is None or self.transport.is_closing():
            return
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        if self._held:
            data = b"".join(self._held)
            self._held = []
            self.transport.resume_reading()
            self.data_received(data)

    def _hold(self, data: bytes) -> None:
        if not data:
            return
        self._held.append(data)
        if sum(map(len, self._held)) > _HELD_BYTES_MAX:
            self.transport.pause_reading()


async def _drained(writer: Writer) -> None:
    try:
        await writer.drain()
    except ConnectionError:
        writer.abort()


def _rest_of(data: bytes) -> int:
    """Return how many bytes are still to come of the one request that begins `data`; _UNKNOWN if that is not clear."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return _UNKNOWN
    length = 0
    for line in data[:end].split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        kind = name.lower()
        if kind in (b"transfer-encoding", b"upgrade", b"expect") or not name.isascii() or name[:1] in b" \t":
            return _UNKNOWN
        if kind == b"content-length":
            if length or not value.strip().isdigit():
                return _UNKNOWN
            length = int(value)
    rest = end + 4 + length - len(data)
    return rest if rest >= 0 else _UNKNOWN


def address_of(transport: asyncio.BaseTransport | None) -> str:
    """Return `ip:port` of the peer, empty when it is gone."""
    peer = transport.get_extra_info("peername") if transport is not None else None
    if isinstance(peer, tuple):
        host = f"[{peer[0]}]" if ":" in peer[0] else peer[0]
        return f"{host}:{peer[1]}"
    return ""
