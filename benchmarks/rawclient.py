"""The smallest HTTP client that can measure a server: one socket, `recv_into` one buffer, everything discarded.

It lives in processes of its own (see workers.py), so that the measured side has a core to itself, and finds the end of
a chunked body by its last bytes: the expected length is known from a first, fully parsed answer.
"""

import select
import socket
import time
from dataclasses import dataclass

RECEIVE_BUFFER_BYTES = 1 << 20
CHUNKED_END = b"0\r\n\r\n"


class WrongAnswer(Exception):
    """A server answered something else than 200 with the expected body."""


@dataclass(frozen=True)
class Target:
    """One prepared request: where it goes, its bytes, and how many body bytes come back at least."""

    host: str
    port: int
    request: bytes
    body_bytes_min: int = 0


@dataclass(frozen=True)
class Answer:
    """When the first wanted bytes and the last byte had arrived, in seconds after the request was begun."""

    first_s: float
    total_s: float
    received_bytes: int


def connect(host: str, port: int) -> socket.socket:
    connection = socket.create_connection((host, port), timeout=120)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


class RawClient:
    """A kept-alive connection; `fetch` sends one request and discards its answer."""

    def __init__(self, host: str, port: int) -> None:
        self._socket = connect(host, port)
        self._buffer = bytearray(RECEIVE_BUFFER_BYTES)
        self._view = memoryview(self._buffer)

    def close(self) -> None:
        self._socket.close()

    def is_open(self) -> bool:
        """Whether the server has kept the idle connection: what can be read from it now is its end."""
        readable, _, _ = select.select([self._socket], [], [], 0)
        return not readable

    def fetch(self, target: Target, first_bytes: int = 1) -> Answer:
        """Reads a whole answer. first_s is the moment when `first_bytes` of the body had arrived."""
        started_s = time.perf_counter()
        self._socket.sendall(target.request)
        head_bytes, filled, chunked, length = self._receive_head()
        body_bytes = filled - head_bytes
        tail = bytes(self._view[max(head_bytes, filled - 5) : filled])
        first_s = time.perf_counter() - started_s if body_bytes >= first_bytes else 0.0
        wanted = target.body_bytes_min if chunked else length
        receive, view = self._socket.recv_into, self._view
        while body_bytes < wanted or (chunked and tail != CHUNKED_END):
            count = receive(view)
            if count == 0:
                raise WrongAnswer(f"connection closed after {body_bytes} of {wanted} bytes")
            body_bytes += count
            if not first_s and body_bytes >= first_bytes:
                first_s = time.perf_counter() - started_s
            if body_bytes >= wanted:
                tail = (tail + bytes(view[max(0, count - 5) : count]))[-5:]
        return Answer(first_s, time.perf_counter() - started_s, body_bytes)

    def fetch_body(self, target: Target) -> bytes:
        """Reads and returns a whole body, chunk framing removed: for checking and for learning its length."""
        self._socket.sendall(target.request)
        head_bytes, filled, chunked, length = self._receive_head()
        data = bytearray(self._view[head_bytes:filled])
        if not chunked:
            while len(data) < length:
                data += self._receive_some()
            return bytes(data)
        return self._dechunk(data)

    def _dechunk(self, data: bytearray) -> bytes:
        body, at = bytearray(), 0
        while True:
            while (line_end := data.find(b"\r\n", at)) < 0:
                data += self._receive_some()
            size = int(data[at:line_end].split(b";")[0], 16)
            start = line_end + 2
            while len(data) < start + size + 2:
                data += self._receive_some()
            if size == 0:
                return bytes(body)
            body += data[start : start + size]
            at = start + size + 2

    def _receive_some(self) -> memoryview:
        count = self._socket.recv_into(self._view)
        if count == 0:
            raise WrongAnswer("connection closed in the body")
        return self._view[:count]

    def _receive_head(self) -> tuple[int, int, bool, int]:
        """Reads until the blank line: (bytes of the head, bytes received so far, chunked?, content length)."""
        filled = 0
        while (end := self._buffer.find(b"\r\n\r\n", 0, filled)) < 0:
            count = self._socket.recv_into(self._view[filled:])
            if count == 0:
                raise WrongAnswer("connection closed before the answer's head")
            filled += count
        head = bytes(self._buffer[:end]).lower()
        if not head.startswith(b"http/1.1 200"):
            raise WrongAnswer(bytes(self._buffer[:filled]).decode("latin-1")[:500])
        chunked = b"transfer-encoding: chunked" in head
        length = 0
        if not chunked:
            length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
        return end + 4, filled, chunked, length


def receive_all(host: str, port: int, wanted_bytes: int) -> float:
    """Asks the TCP sender for so many bytes and discards them; returns seconds from the request to the last byte."""
    with connect(host, port) as connection:
        view = memoryview(bytearray(RECEIVE_BUFFER_BYTES))
        started_s = time.perf_counter()
        connection.sendall(wanted_bytes.to_bytes(8, "big"))
        while wanted_bytes > 0:
            count = connection.recv_into(view)
            if count == 0:
                raise WrongAnswer("the TCP sender closed its connection")
            wanted_bytes -= count
        return time.perf_counter() - started_s
