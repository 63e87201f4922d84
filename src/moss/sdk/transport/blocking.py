"""HTTP over plain sockets. No threads; connections belong to the process that opened them (safe after fork).

Twin of `moss.sdk.transport.aio`. Why sockets: docs/decisions/0003-sdk-transport.md.
"""

import io
import os
import select
import socket
from collections import deque
from collections.abc import Mapping
from time import monotonic, sleep
from typing import Any

from moss.sdk.errors import ConnectFailed, ConnectTimedOut, ReadTimedOut, TransportError, compatible
from moss.sdk.transport.http1 import (
    HEAD_BYTES_MAX,
    Body,
    ChunkedDecoder,
    Headers,
    Origin,
    Settings,
    build_head,
    lost,
    parse_head,
    split_url,
)
from moss.sdk.transport.memory import LARGE_BYTES_MIN, prefer_large_pages

__all__ = ["Response", "Transport", "monotonic", "sleep"]

_RECEIVE_BYTES = 64 * 1024
_UPLOAD_PIECE_BYTES = 256 * 1024
_DRAIN_BYTES_MAX = 256 * 1024


class Connection:
    """One socket and the bytes that were received behind the last head."""

    __slots__ = ("origin", "pending", "settings", "sock", "was_used")

    def __init__(self, origin: Origin, settings: Settings) -> None:
        self.origin, self.settings = origin, settings
        self.pending = memoryview(b"")
        self.was_used = False
        self.sock = self._connect()

    def _connect(self) -> socket.socket:
        origin, timeout = self.origin, self.settings.connect_timeout_s
        try:
            sock = socket.create_connection((origin.host, origin.port), timeout=timeout)
            try:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if origin.scheme == "https":
                    sock = _wrap_tls(sock, origin, self.settings)
                sock.settimeout(self.settings.read_timeout_s)
            except BaseException:
                sock.close()
                raise
            return sock
        except TimeoutError as error:
            text = f"no connection to {origin.netloc} within {timeout} s"
            raise compatible(ConnectTimedOut)(text) from error
        except (OSError, UnicodeError) as error:
            raise compatible(ConnectFailed)(f"cannot connect to {origin.netloc}: {error}") from error

    def is_stale(self) -> bool:
        """True when the other end has closed (or said something unasked) while the connection was idle."""
        if not hasattr(select, "poll"):
            return bool(select.select([self.sock], [], [], 0)[0])
        poller = select.poll()
        poller.register(self.sock, select.POLLIN)
        return bool(poller.poll(0))

    def receive_into(self, view: memoryview) -> int:
        """Fill a part of `view`; 0 at the end of the stream."""
        if self.pending:
            count = min(len(self.pending), len(view))
            view[:count] = self.pending[:count]
            self.pending = self.pending[count:]
            return count
        try:
            return self.sock.recv_into(view)
        except TimeoutError as error:
            text = f"{self.origin.netloc} was silent for {self.settings.read_timeout_s} s"
            raise compatible(ReadTimedOut)(text) from error
        except OSError as error:
            raise lost(f"the connection to {self.origin.netloc} broke: {error}") from error

    def read_head(self) -> tuple[int, Headers, bool]:
        """Receive the head of the next answer; what follows it stays pending."""
        received = bytearray()
        buffer = memoryview(bytearray(_RECEIVE_BYTES))
        while True:
            count = self.receive_into(buffer)
            if not count:
                raise lost(f"{self.origin.netloc} closed the connection without an answer")
            searched = max(0, len(received) - 3)
            received += buffer[:count]
            end = received.find(b"\r\n\r\n", searched)
            if end >= 0:
                self.pending = memoryview(bytes(received))[end + 4 :]
                return parse_head(bytes(received[:end]))
            if len(received) > HEAD_BYTES_MAX:
                raise lost("the head of the answer is too long")

    def close(self) -> None:
        self.sock.close()


def _wrap_tls(sock: socket.socket, origin: Origin, settings: Settings) -> socket.socket:
    return _tls_context(settings).wrap_socket(sock, server_hostname=origin.host)


_contexts: dict[Any, Any] = {}


def _tls_context(settings: Settings) -> Any:
    key = (settings.verify, settings.ca_cert, settings.client_cert)
    if key not in _contexts:
        from moss.sdk.transport.tls import build_context

        _contexts[key] = build_context(settings)
    return _contexts[key]


class Response:
    """An answer whose body is read piece by piece, by one thread.

    Attributes:
        status: HTTP status.
        headers: header fields.
        url: the URL that answered.
        length: bytes of the body, or None when only its end tells.
        is_complete: the whole body was received.
    """

    __slots__ = ("_chunked", "_connection", "_keep_alive", "_remaining", "_transport", "headers", "is_complete")
    __slots__ += ("length", "status", "url")

    def __init__(self, transport: "Transport", connection: Connection, url: str, head: Any, *, has_body: bool) -> None:
        self.status, self.headers, self._keep_alive = head
        self.url = url
        self._transport, self._connection = transport, connection
        self._chunked: ChunkedDecoder | None = None
        self.length: int | None = None
        option = self.headers.get("connection", "").lower()
        self._keep_alive = "keep-alive" in option or (self._keep_alive and "close" not in option)
        if not has_body or self.status in (204, 304):
            self.length = 0
        elif "chunked" in self.headers.get("transfer-encoding", "").lower():
            self._chunked = ChunkedDecoder()
        elif (text := self.headers.get("content-length", "")).isdigit():
            self.length = int(text)
        else:
            self._keep_alive = False
        self._remaining = self.length
        self.is_complete = self.length == 0
        if self.is_complete:
            self._release()

    def receive_into(self, view: memoryview) -> int:
        """Receive some bytes of the body into `view`.

        Returns:
            Their number; 0 only at the end of the whole body.

        Raises:
            ConnectionLost: the body ends before its declared end.
            ReadTimedOut: the server was silent for longer than the read timeout.
        """
        if self.is_complete:
            return 0
        if self._connection is None:
            raise ValueError("the answer was closed before its end")
        try:
            return self._receive(view)
        except TransportError:
            self.close()
            raise

    def _receive(self, view: memoryview) -> int:
        connection, chunked = self._connection, self._chunked
        if chunked is not None:
            while True:
                count = connection.receive_into(view)
                if not count:
                    raise lost("the answer was cut off before its last chunk")
                count = chunked.decode(view, count)
                if chunked.is_done:
                    self._keep_alive = self._keep_alive and not chunked.has_excess
                    self._finish()
                if count or chunked.is_done:
                    return count
        if self._remaining is not None and len(view) > self._remaining:
            view = view[: self._remaining]
        count = connection.receive_into(view)
        if self._remaining is not None:
            self._remaining -= count
            if not count:
                raise lost(f"the answer was cut off {self._remaining} bytes before its end")
            if not self._remaining:
                self._finish()
        elif not count:
            self._finish()
        return count

    def read(self) -> bytes:
        """Receive the rest of the body."""
        # BytesIO gives its memory away as bytes without a copy. It takes over zeros that nobody else holds; memory of
        # that kind comes from the system as it is touched, so that each page is written once.
        content = io.BytesIO(bytes(self._remaining or 0))
        if self._remaining:
            size = self._remaining
            with content.getbuffer() as view:
                if size >= LARGE_BYTES_MIN:
                    prefer_large_pages(view)
                position = 0
                while position < size:
                    position += self.receive_into(view[position:])
        elif not self.is_complete:
            piece = memoryview(bytearray(_RECEIVE_BYTES))
            while count := self.receive_into(piece):
                content.write(piece[:count])
        return content.getvalue()

    def finish(self) -> None:
        """Done with the answer: a short rest is read so that the connection can be used again, else it is closed."""
        view = memoryview(bytearray(_RECEIVE_BYTES))
        budget = _DRAIN_BYTES_MAX
        try:
            while not self.is_complete and self._connection is not None and budget > 0:
                budget -= self.receive_into(view) or budget
        except TransportError:
            pass
        self.close()

    def close(self) -> None:
        """Give the connection up; harmless when the answer is complete or closed."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _finish(self) -> None:
        self.is_complete = True
        self._release()

    def _release(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self._keep_alive and not connection.pending:
            self._transport.keep(connection)
        else:
            connection.close()

    def __del__(self) -> None:
        if getattr(self, "_connection", None) is not None:
            self.close()


class Transport:
    """Connections of one client. Threads may share it; each request has a connection of its own."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._pid = os.getpid()
        self._idle: dict[Origin, deque[Connection]] = {}

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: Body = None, length: int | None = None
    ) -> Response:
        """Send one request and receive the head of the answer. Redirects are answers like others.

        Args:
            url: absolute and escaped.
            body: bytes, a binary file from its current position, or an iterator of bytes.
            length: size of a file or iterator when known; without it the body is chunked.

        Raises:
            TransportError: no answer; `was_sent` tells whether the server may have seen the request.
        """
        origin, target = split_url(url)
        if isinstance(body, bytes | bytearray | memoryview):
            length = len(body)
        fields = {"Host": origin.netloc, **headers}
        if body is not None:
            fields["Content-Length" if length is not None else "Transfer-Encoding"] = (
                "chunked" if length is None else str(length)
            )
        elif method in ("PUT", "POST", "PATCH"):
            fields["Content-Length"] = "0"
        waits = body is not None and (length is None or length >= self.settings.expect_continue_bytes_min)
        if waits:
            fields["Expect"] = "100-continue"
        head = build_head(method, target, fields)
        while True:
            connection = self._take(origin)
            try:
                answer = self._exchange(connection, head, body, length is None, waits)
            except TransportError as error:
                connection.close()
                # The server may close an idle connection at the moment it is picked.
                if connection.was_used and _may_send_again(method, body) and not isinstance(error, ReadTimedOut):
                    continue
                raise
            except BaseException:
                connection.close()
                raise
            connection.was_used = True
            return Response(self, connection, url, answer, has_body=method != "HEAD")

    def _take(self, origin: Origin) -> Connection:
        if self._pid != os.getpid():  # Forked: the parent goes on using its sockets, so they are only forgotten here.
            self._pid, self._idle = os.getpid(), {}
        idle = self._idle.get(origin)
        while idle:
            try:
                connection = idle.pop()
            except IndexError:
                break
            if not connection.is_stale():
                return connection
            connection.close()
        return Connection(origin, self.settings)

    def keep(self, connection: Connection) -> None:
        """Take a connection back whose answer is complete."""
        idle = self._idle.setdefault(connection.origin, deque())
        if self._pid != os.getpid() or len(idle) >= self.settings.idle_connections_max:
            connection.close()
        else:
            idle.append(connection)

    def _exchange(self, connection: Connection, head: bytes, body: Body, chunked: bool, waits: bool) -> Any:
        answer = None
        try:
            if isinstance(body, bytes | bytearray | memoryview) and not waits:
                connection.sock.sendall(head + body if len(body) < _UPLOAD_PIECE_BYTES else head)
                if len(body) >= _UPLOAD_PIECE_BYTES:
                    connection.sock.sendall(body)
            else:
                connection.sock.sendall(head)
                if body is not None:
                    answer = self._await_continue(connection) if waits else None
                    if answer is None:
                        _send_body(connection.sock, body, chunked)
        except TimeoutError as error:
            raise compatible(ReadTimedOut)(f"{connection.origin.netloc} did not take the request in time") from error
        except OSError as error:
            answer = self._early_answer(connection, error)
        while answer is None or 100 <= answer[0] < 200:
            answer = connection.read_head()
        return answer

    def _await_continue(self, connection: Connection) -> Any:
        """Wait for `100 Continue` or a final answer; servers that know no `Expect` get the body after a while."""
        connection.sock.settimeout(self.settings.expect_continue_timeout_s)
        try:
            answer = connection.read_head()
        except ReadTimedOut:
            return None
        finally:
            connection.sock.settimeout(self.settings.read_timeout_s)
        if answer[0] == 100:
            return None
        return (*answer[:2], False)  # The body stays unsent: the connection cannot carry another request.

    def _early_answer(self, connection: Connection, error: OSError) -> Any:
        """A server may refuse a request and close before it has read the body: its answer is what counts."""
        try:
            return (*connection.read_head()[:2], False)
        except TransportError:
            raise lost(f"the connection to {connection.origin.netloc} broke while sending: {error}") from error

    def close(self) -> None:
        """Close the idle connections; the transport can be used again."""
        for idle in list(self._idle.values()):
            while idle:
                idle.pop().close()


def _may_send_again(method: str, body: Body) -> bool:
    return method not in ("POST", "PATCH") and isinstance(body, bytes | bytearray | memoryview | None)


def _send_body(sock: socket.socket, body: Any, chunked: bool) -> None:
    if isinstance(body, bytes | bytearray | memoryview):
        sock.sendall(body)
        return
    for piece in _pieces_of(body):
        if chunked:
            sock.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
        else:
            sock.sendall(piece)
    if chunked:
        sock.sendall(b"0\r\n\r\n")


def _pieces_of(body: Any) -> Any:
    if not hasattr(body, "read"):
        yield from (piece for piece in body if piece)
        return
    while piece := body.read(_UPLOAD_PIECE_BYTES):
        yield piece
