"""The client with many connections must count whole answers only, and follow redirects: its figures depend on it."""

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from benchmarks.connections import Pool, drop_pools, seconds_for_all, seconds_per_answer
from benchmarks.rawclient import WrongAnswer

BODY = b"a body that looks like HTTP/1.1 200 OK\r\n\r\n" * 500


class Handler(http.server.BaseHTTPRequestHandler):
    """Redirects `/from/…` to `/to/…`, echoes the bodies of PUTs, answers the rest with BODY."""

    protocol_version = "HTTP/1.1"
    seen: list[tuple[str, str, bytes]]

    def do_GET(self) -> None:
        self._answer(200, BODY)

    def do_PUT(self) -> None:
        self._answer(200, b"")

    def _answer(self, status: int, body: bytes) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.seen.append((self.command, self.path, content))  # type: ignore[attr-defined]
        if self.path.startswith("/from/"):
            status, body = 307, b"elsewhere"
        if self.path.startswith("/wrong"):
            status = 404
        self.send_response(status)
        if status == 307:
            host, port = self.server.server_address[:2]
            self.send_header("Location", f"http://{host}:{port}/to/{self.path[6:]}?pid=1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        # In pieces: the end of one must not be taken for the end of all.
        for start in range(0, len(body), 7001):
            self.wfile.write(body[start : start + 7001])
            self.wfile.flush()

    def log_message(self, format: str, *arguments: object) -> None:
        return


@contextmanager
def serving() -> Iterator[http.server.ThreadingHTTPServer]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.seen = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        drop_pools()
        server.shutdown()
        thread.join(10)
        server.server_close()


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


def test_each_request_is_answered_once_whatever_the_pieces():
    with serving() as server:
        assert seconds_for_all("127.0.0.1", server.server_port, 8, [get(f"/{number}") for number in range(100)]) > 0
        assert sorted(path for _, path, _ in server.seen) == sorted(f"/{number}" for number in range(100))


def test_redirects_are_followed_with_method_and_body():
    with serving() as server:
        put = b"PUT /from/x HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
        seconds_for_all("127.0.0.1", server.server_port, 1, [put, get("/from/y")])
        assert server.seen == [
            ("PUT", "/from/x", b"abc"),
            ("PUT", "/to/x?pid=1", b"abc"),
            ("GET", "/from/y", b""),
            ("GET", "/to/y?pid=1", b""),
        ]


def test_another_status_is_an_error():
    with serving() as server:
        pool = Pool("127.0.0.1", server.server_port, 1)
        requests = iter([get("/wrong")])
        with pytest.raises(WrongAnswer, match="404"):
            pool.run(lambda: next(requests, None))
        pool.close()


def test_the_time_of_one_answer_is_that_of_all_by_their_number():
    with serving() as server:
        each_s = seconds_per_answer("127.0.0.1", server.server_port, 4, [get("/a"), get("/b")], 0.2)
        assert 0.15 / len(server.seen) < each_s < 10 / len(server.seen)
