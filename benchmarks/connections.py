"""Many kept-alive connections from one process: each sends its next request as soon as its answer is there.

The client spends a few microseconds on an answer: it finds the end of the head and `Content-Length`, looks at the
status, and discards the rest. Redirects are followed, to a connection of their own each.
"""

import re
import select
import time
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from benchmarks.rawclient import RECEIVE_BUFFER_BYTES, WrongAnswer, connect

_HEAD_END = b"\r\n\r\n"
_HEAD_BYTES_MAX = 4096
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_LOCATION = re.compile(rb"(?i)\r\nlocation: *(\S+)")
_REDIRECTS = (b"HTTP/1.1 301", b"HTTP/1.1 307")
_TIMEOUT_S = 30.0


class _Connection:
    """One connection, and what is still to come of its answer."""

    def __init__(self, host: str, port: int) -> None:
        self.socket = connect(host, port)
        self.left = 0
        self.partial = self.head = self.request = b""
        self.origin = self  # the connection whose request was redirected to here
        self.target: _Connection | None = None

    def send(self, request: bytes) -> None:
        self.request = request
        self.socket.sendall(request)


class Pool:
    """`count` connections to one server."""

    def __init__(self, host: str, port: int, count: int) -> None:
        self._view = memoryview(bytearray(RECEIVE_BUFFER_BYTES))
        self._poll = select.epoll()
        self._by_fd: dict[int, _Connection] = {}
        self._first = [self._open(host, port) for _ in range(count)]

    def _open(self, host: str, port: int) -> _Connection:
        connection = _Connection(host, port)
        self._by_fd[connection.socket.fileno()] = connection
        self._poll.register(connection.socket, select.EPOLLIN)
        return connection

    def close(self) -> None:
        self._poll.close()
        for connection in self._by_fd.values():
            connection.socket.close()

    def run(self, requests: Callable[[], bytes | None]) -> int:
        """Send requests until `requests` gives None and all answers are there; returns how many there were.

        Raises:
            WrongAnswer: another status than 200 or a redirect, a connection that ended, or no answer for 30 s.
        """
        in_flight = answers = 0
        for connection in self._first:
            if (request := requests()) is not None:
                connection.send(request)
                in_flight += 1
        while in_flight:
            events = self._poll.poll(_TIMEOUT_S)
            if not events:
                raise WrongAnswer(f"no answer for {_TIMEOUT_S:g} s")
            for fd, _ in events:
                connection = self._by_fd[fd]
                if not self._receive(connection):
                    continue
                if connection.head.startswith(_REDIRECTS):
                    self._follow(connection)
                    continue
                answers += 1
                request = requests()
                if request is None:
                    in_flight -= 1
                else:
                    connection.origin.send(request)
        return answers

    def _receive(self, connection: _Connection) -> bool:
        """Take what has come; True when the answer is complete."""
        count = connection.socket.recv_into(self._view)
        if not count:
            raise WrongAnswer("the server ended a connection")
        if connection.left:
            connection.left -= count
            return not connection.left
        before = len(connection.partial)
        data = connection.partial + bytes(self._view[: min(count, _HEAD_BYTES_MAX)])
        end = data.find(_HEAD_END)
        if end < 0:
            connection.partial = data
            return False
        if not data.startswith((b"HTTP/1.1 200", *_REDIRECTS)):
            raise WrongAnswer(data[:200].decode(errors="replace"))
        connection.head, connection.partial = data[:end], b""
        length = _LENGTH.search(connection.head)
        connection.left = end + 4 + (int(length[1]) if length else 0) - before - count
        return not connection.left

    def _follow(self, connection: _Connection) -> None:
        location = _LOCATION.search(connection.head)
        assert location is not None
        url = urlsplit(location[1].decode())
        if connection.target is None:
            connection.target = self._open(url.hostname or "", url.port or 80)
            connection.target.origin = connection
        method, _, rest = connection.request.split(b" ", 2)
        connection.target.send(b"%b %b?%b %b" % (method, url.path.encode(), url.query.encode(), rest))


def _cycle(requests: Sequence[bytes], duration_s: float) -> Callable[[], bytes | None]:
    until_s = time.perf_counter() + duration_s
    number = -1
    is_over = False

    def take() -> bytes | None:
        nonlocal number, is_over
        number += 1
        if not number & 15:
            is_over = is_over or time.perf_counter() >= until_s
        return None if is_over else requests[number % len(requests)]

    return take


_pools: dict[tuple[str, int, int], Pool] = {}


def _pool(host: str, port: int, count: int) -> Pool:
    """The connections of this process to one server; they are kept."""
    key = (host, port, count)
    if key not in _pools:
        _pools[key] = Pool(*key)
    return _pools[key]


def drop_pools() -> None:
    for pool in _pools.values():
        pool.close()
    _pools.clear()


def seconds_per_answer(host: str, port: int, count: int, requests: Sequence[bytes], duration_s: float) -> float:
    """Send requests in turn over `count` connections for about duration_s."""
    pool = _pool(host, port, count)
    started_s = time.perf_counter()
    answers = pool.run(_cycle(requests, duration_s))
    return (time.perf_counter() - started_s) / answers


def seconds_for_all(host: str, port: int, count: int, requests: Sequence[bytes]) -> float:
    """Send each request once over `count` connections."""
    pool, left = _pool(host, port, count), iter(requests)
    started_s = time.perf_counter()
    pool.run(lambda: next(left, None))
    return time.perf_counter() - started_s
