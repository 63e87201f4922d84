"""The binding to the HTTP library: bodies that trickle, connections that go on after errors, and the end of a port."""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from moss.errors import InvalidRequest
from moss.node.server import app
from moss.node.server.app import FaceServer
from moss.node.server.http import Face, Request, Response, text_response
from moss.node.server.routes import RouteTable


async def echo(node: Any, request: Request) -> Response:
    return text_response((await request.read(1 << 30)).decode())


async def refuse(node: Any, request: Request) -> Response:
    raise InvalidRequest("not this")


async def linger(node: Any, request: Request) -> Response:
    """Take the body slowly, as a busy disk does."""
    size = 0
    async for chunk in request.body_chunks():
        size += len(chunk)
        await asyncio.sleep(0.2)
    return text_response(str(size))


async def stream(node: Any, request: Request) -> None:
    await request.writer.stream(200, {}, iter_closing([b"one"], [b"two"]))


def iter_closing(*windows: list[bytes]):
    yield from windows


ROUTES = [
    ("PUT", ("echo",), echo),
    ("PUT", ("refuse",), refuse),
    ("PUT", ("linger",), linger),
    ("GET", ("stream",), stream),
]


@contextlib.asynccontextmanager
async def port() -> AsyncIterator[tuple[FaceServer, int]]:
    with ThreadPoolExecutor(4) as pool:
        face = FaceServer(None, Face.TARGET, RouteTable(ROUTES), pool=pool, stall_s_max=5, node_name="t[one]")
        listening = socket.socket()
        listening.bind(("127.0.0.1", 0))
        await face.start([listening])
        try:
            yield face, listening.getsockname()[1]
        finally:
            await face.stop()


def talk(client: Callable[[int], Any]) -> Any:
    """Run a blocking client against a port of its own."""

    async def run() -> Any:
        async with port() as (_, number):
            return await asyncio.wait_for(asyncio.to_thread(client, number), 30)

    return asyncio.run(run())


def connect(number: int) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", number))
    client.settimeout(20)
    return client


def read_all(client: socket.socket) -> bytes:
    data = b""
    with contextlib.suppress(ConnectionError):
        while part := client.recv(1 << 16):
            data += part
    return data


def request(method: str, path: str, body: bytes = b"", *lines: str, version: str = "1.1") -> bytes:
    head = [f"{method} /v1/{path} HTTP/{version}", "Host: x", f"Content-Length: {len(body)}", *lines]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def test_reliability_23_a_body_that_begins_fast_and_then_trickles_is_cut(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(app, "SLOW_BODY_GRACE_S", 0.5)

    def client(number: int) -> bytes:
        with connect(number) as sock:
            sock.sendall(request("PUT", "echo", b"", "X: y").replace(b"Length: 0", b"Length: 2000000") + bytes(1000000))
            stop = threading.Event()

            def trickle() -> None:
                with contextlib.suppress(OSError):
                    while not stop.wait(0.1):
                        sock.send(b"x")

            thread = threading.Thread(target=trickle)
            thread.start()
            began = time.monotonic()
            answer = sock.recv(1 << 16)
            assert time.monotonic() - began < 5
            stop.set()
            thread.join()
            return answer

    answer = talk(client)
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"too slow" in answer


def test_a_client_is_not_blamed_for_a_slow_disk(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(app, "SLOW_BODY_GRACE_S", 0.3)
    monkeypatch.setattr(app, "SLOW_BODY_BYTES_PER_S_MIN", 1 << 30)

    def client(number: int) -> bytes:
        with connect(number) as sock:
            sock.sendall(request("PUT", "linger", bytes(4 << 20), "Connection: close"))
            return read_all(sock)

    assert talk(client).endswith(b"\r\n\r\n4194304")


def test_reliability_22_silence_after_a_large_promise_is_cut(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(app, "SLOW_BODY_GRACE_S", 0.3)

    def client(number: int) -> bytes:
        with connect(number) as sock:
            sock.sendall(request("PUT", "echo").replace(b"Length: 0", b"Length: 1000000000"))
            return read_all(sock)

    assert talk(client).startswith(b"HTTP/1.1 408")


def test_requests_that_are_sent_at_once_are_answered_in_order():
    def client(number: int) -> bytes:
        with connect(number) as sock:
            bodies = [b"%d" % i * 1000 for i in range(10)]
            sent = [request("PUT", "refuse" if i % 3 == 0 else "echo", body) for i, body in enumerate(bodies)]
            sent.insert(5, request("GET", "stream"))
            sock.sendall(b"".join(sent) + request("PUT", "echo", b"last", "Connection: close"))
            return read_all(sock)

    answers = talk(client).split(b"HTTP/1.1 ")[1:]
    assert b" ".join(answer[:3] for answer in answers) == b"400 200 200 400 200 200 200 400 200 200 400 200"[:47]
    assert answers[5].endswith(b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")
    assert answers[-1].endswith(b"\r\n\r\nlast")


def test_a_connection_goes_on_after_an_error_with_an_unread_body():
    def client(number: int) -> list[bytes]:
        with connect(number) as sock:
            received = []
            for path, body in (("refuse", bytes(300_000)), ("nothing/here", b"x"), ("echo", b"still here")):
                sock.sendall(request("PUT", path, body))
                received.append(sock.recv(1 << 16))
            return received

    first, second, third = talk(client)
    assert first.startswith(b"HTTP/1.1 400")
    assert second.startswith(b"HTTP/1.1 400")
    assert third.endswith(b"still here")


def test_leave_to_send_a_body_in_chunks_is_given_when_it_is_wanted():
    def client(number: int) -> bytes:
        with connect(number) as sock:
            sock.sendall(
                b"PUT /v1/echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n"
                b"Connection: close\r\n\r\n"
            )
            assert sock.recv(1 << 16) == b"HTTP/1.1 100 Continue\r\n\r\n"
            sock.sendall(b"3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n")
            return read_all(sock)

    assert talk(client).endswith(b"\r\n\r\nabcdefg")


def test_an_old_client_gets_no_interim_answer():
    def client(number: int) -> bytes:
        with connect(number) as sock:
            head, _, body = request("PUT", "echo", b"body", "Expect: 100-continue", version="1.0").partition(
                b"\r\n\r\n"
            )
            sock.sendall(head + b"\r\n\r\n")
            time.sleep(0.1)
            sock.sendall(body)
            return read_all(sock)

    assert talk(client).startswith(b"HTTP/1.1 200 OK")


def test_a_port_that_drains_ends_idle_connections_and_lets_answers_end():
    async def run() -> None:
        async with port() as (face, number):
            idle = [connect(number) for _ in range(20)]
            for sock in idle[:10]:
                sock.sendall(request("PUT", "echo", b"x"))
                assert await asyncio.to_thread(sock.recv, 1 << 16)
            busy = connect(number)
            busy.sendall(request("PUT", "linger", b"x" * 10, "X: y").replace(b"Length: 10", b"Length: 20"))
            while face._idle.is_set():
                await asyncio.sleep(0.01)
            face.begin_drain()
            with pytest.raises(OSError):
                connect(number)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(face.idle(), 0.3)
            busy.sendall(b"x" * 10)
            answer = await asyncio.to_thread(read_all, busy)
            assert answer.endswith(b"\r\n\r\n20")
            assert b"Connection: close" in answer
            await asyncio.wait_for(face.idle(), 5)
            began = time.monotonic()
            await face.stop()
            assert time.monotonic() - began < 2
            for sock in idle:
                assert await asyncio.to_thread(read_all, sock) == b""
                sock.close()
            busy.close()

    asyncio.run(run())
