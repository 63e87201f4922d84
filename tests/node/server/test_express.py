"""The express way gives the same answers as the ordinary one, and leaves everything unusual to it."""

import asyncio
import functools
import itertools
import re
import socket
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from moss.errors import InvalidRequest
from moss.node.server import app, express
from moss.node.server.app import FaceServer
from moss.node.server.http import Face, Response
from moss.node.server.plain import fields_of, recognise
from moss.node.server.routes import RouteTable
from moss.testing import NodeProcess, start_node

BUCKET = "express-way"
# A header that is not plain: it takes a request to the ordinary way and changes nothing else.
ORDINARY = "X-Ordinary: 1\r\n"
_VARYING = re.compile(rb"utm=[0-9a-z]+|127\.0\.0\.1:[0-9]+")


class Wire:
    """One kept-alive connection that is read answer by answer."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.socket = socket.create_connection((parts.hostname, parts.port), timeout=10)
        self.rest = b""

    def __enter__(self) -> "Wire":
        return self

    def __exit__(self, *exception: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def receive(self, *, is_head: bool = False) -> tuple[bytes, bytes]:
        """Head and body of the next answer."""
        while b"\r\n\r\n" not in self.rest:
            self._more()
        head, _, self.rest = self.rest.partition(b"\r\n\r\n")
        match = re.search(rb"(?i)content-length: (\d+)", head)
        length = 0 if is_head or match is None else int(match[1])
        while len(self.rest) < length:
            self._more()
        body, self.rest = self.rest[:length], self.rest[length:]
        return head, body

    def _more(self) -> None:
        data = self.socket.recv(1 << 16)
        if not data:
            raise ConnectionError(f"the connection ended after {self.rest!r}")
        self.rest += data

    def ask(self, method: str, path: str, extra: str = "", body: bytes | None = None) -> tuple[bytes, bytes]:
        self.send(request(method, path, extra, body))
        return self.receive(is_head=method == "HEAD")


def request(method: str, path: str, extra: str = "", body: bytes | None = None) -> bytes:
    length = f"Content-Length: {len(body)}\r\n" if body is not None else ""
    return f"{method} {path} HTTP/1.1\r\nHost: node\r\n{length}{extra}\r\n".encode() + (body or b"")


@pytest.fixture(scope="module")
def urls(node: NodeProcess) -> dict[str, str]:
    with Wire(node.url) as wire:
        body = b'{"action": "create-bck"}'
        assert wire.ask("POST", f"/v1/buckets/{BUCKET}", "Content-Type: application/json\r\n", body)[0][9:12] == b"200"
        for name, content in (("small.bin", b"abc"), ("dir/ten.bin", b"t" * 10_240), ("empty", b""), ("a+b@c", b"+")):
            assert wire.ask("PUT", path_of(name), "Moss-Direct: 1\r\n", content)[0][9:12] == b"200"
        location = re.search(rb"Location: (http://[^/]+)", wire.ask("GET", path_of("small.bin"))[0])
    assert location is not None
    return {"gateway": node.url, "target": location[1].decode()}


def path_of(name: str) -> str:
    return f"/v1/objects/{BUCKET}/{name}"


@pytest.mark.parametrize("face", ["gateway", "target", "direct"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    "path",
    [
        path_of("small.bin"),
        path_of("dir/ten.bin") + "?provider=ais",
        path_of("empty") + "?provider=&namespace=",
        path_of("a+b@c"),
        path_of("absent"),
        path_of("small.bin") + "?provider=nobody",
        path_of("small.bin") + "?pid=p1&utm=abc",
        path_of("dir//ten.bin"),
        path_of("dir/../small.bin"),
        path_of(".hidden"),
        path_of("small%2Ebin"),
        path_of("small.bin") + "?archpath=x",
        path_of(""),
        "/v1/objects/no-such-bucket/x",
        "/v1/objects/bad%20bucket/x",
    ],
)
def test_reads_are_answered_alike_on_both_ways(urls: dict[str, str], face: str, method: str, path: str):
    direct = "Moss-Direct: 1\r\n" if face == "direct" else ""
    with Wire(urls["target" if face == "target" else "gateway"]) as wire:
        plain = wire.ask(method, path, direct)
        ordinary = wire.ask(method, path, direct + ORDINARY)
    assert [_VARYING.sub(b"", part) for part in plain] == [_VARYING.sub(b"", part) for part in ordinary]


def test_a_put_is_answered_alike_on_both_ways(urls: dict[str, str]):
    heads = []
    for name, extra in (("put-1", ""), ("put-2", ORDINARY)):
        with Wire(urls["target"]) as wire:
            head, body = wire.ask("PUT", path_of(name) + "?pid=p&utm=1", extra, b"payload")
            assert wire.ask("GET", path_of(name))[1] == b"payload"
        heads.append(re.sub(rb"(?i)(atime: )\d+", rb"\1", head + body))
    assert heads[0] == heads[1]


@pytest.mark.parametrize(
    ("face", "path"),
    [
        ("target", path_of("unmarked")),
        ("target", "/v1/objects/no-such-bucket/x?pid=p&utm=1"),
        ("gateway", path_of("redirected")),
        ("gateway", "/v1/objects/no-such-bucket/x"),
    ],
)
def test_puts_that_store_nothing_are_answered_alike(urls: dict[str, str], face: str, path: str):
    answers = []
    for extra in ("", ORDINARY):
        with Wire(urls[face]) as wire:
            answers.append([_VARYING.sub(b"", part) for part in wire.ask("PUT", path, extra, b"payload")])
    assert answers[0] == answers[1]


@pytest.mark.parametrize("cuts", [(1,), (30,), (150,), (10, 60, 200, 201), tuple(range(1, 400, 7))])
def test_a_put_may_come_in_any_pieces(urls: dict[str, str], cuts: tuple[int, ...]):
    whole = request("PUT", path_of("pieces") + "?pid=p&utm=1", body=bytes(range(256)))
    edges = [0, *(cut for cut in cuts if cut < len(whole)), len(whole)]
    with Wire(urls["target"]) as wire:
        wire.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for begin, end in itertools.pairwise(edges):
            wire.send(whole[begin:end])
        assert wire.receive()[0].startswith(b"HTTP/1.1 200")
        assert wire.ask("GET", path_of("pieces"))[1] == bytes(range(256))


def test_pipelined_requests_of_both_kinds_are_answered_in_order(urls: dict[str, str]):
    with Wire(urls["target"]) as wire:
        wire.send(
            request("PUT", path_of("pipe") + "?pid=p&utm=1", body=b"one")
            + request("GET", path_of("pipe"))
            + request("GET", path_of("pipe"), "Range: bytes=1-1\r\n")
            + request("GET", path_of("small.bin"))
            + request("PUT", path_of("pipe") + "?pid=p&utm=2", body=b"two!")
            + request("HEAD", path_of("pipe"))
            + request("GET", path_of("pipe"))
        )
        bodies = [wire.receive(is_head=number == 5)[1] for number in range(7)]
    assert bodies == [b"", b"one", b"n", b"abc", b"", b"", b"two!"]


def test_a_connection_goes_back_and_forth_between_the_ways(urls: dict[str, str]):
    large = bytes(1 << 20)
    with Wire(urls["target"]) as wire:
        for _ in range(3):
            assert wire.ask("GET", path_of("small.bin"), ORDINARY)[1] == b"abc"
            assert wire.ask("GET", path_of("small.bin"))[1] == b"abc"
            assert wire.ask("PUT", path_of("large") + "?pid=p&utm=1", body=large)[0].startswith(b"HTTP/1.1 200")
            assert wire.ask("GET", path_of("large"))[1] == large
            assert wire.ask("GET", path_of("dir/ten.bin"))[1] == b"t" * 10_240


def test_a_gateway_reads_the_body_of_a_redirected_put_and_goes_on(urls: dict[str, str]):
    with Wire(urls["gateway"]) as wire:
        whole = request("PUT", path_of("skipped"), body=b"x" * 300_000)
        wire.send(whole[:200])
        assert wire.receive()[0].startswith(b"HTTP/1.1 307")
        wire.send(whole[200:] + request("GET", path_of("skipped")))
        assert wire.receive()[0].startswith(b"HTTP/1.1 301")
    with Wire(urls["target"]) as wire:
        assert wire.ask("GET", path_of("skipped"))[0].startswith(b"HTTP/1.1 404")


def test_a_reader_that_takes_its_time_gets_every_byte_and_the_next_answer(urls: dict[str, str]):
    content = bytes(range(256)) * 400
    with Wire(urls["target"]) as wire:
        wire.ask("PUT", path_of("slow") + "?pid=p&utm=1", body=content)
    parts = urlsplit(urls["target"])
    with socket.socket() as lazy:
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        lazy.settimeout(10)
        lazy.connect((parts.hostname, parts.port))
        count = 60
        sender = threading.Thread(target=lambda: lazy.sendall(request("GET", path_of("slow")) * count))
        sender.start()
        received = bytearray()
        wanted = None
        while wanted is None or len(received) < wanted:
            received += lazy.recv(1 << 16)
            if wanted is None and b"\r\n\r\n" in received:
                wanted = count * (received.index(b"\r\n\r\n") + 4 + len(content))
        sender.join()
    assert received.count(content) == count


def test_what_is_put_is_counted_like_on_the_ordinary_way(tmp_path: Path):
    def counts(url: str) -> tuple[int, int]:
        with Wire(url) as wire:
            page = wire.ask("GET", "/metrics")[1].decode()
        found = (re.search(rf"(?m)^ais_target_{name}_count\S* (\S+)$", page) for name in ("get", "put"))
        return tuple(int(float(match[1])) for match in found)

    with start_node(tmp_path / "data") as running, Wire(running.url) as wire:
        wire.ask("POST", f"/v1/buckets/{BUCKET}", body=b'{"action": "create-bck"}')
        location = re.search(rb"Location: (http://[^/]+)", wire.ask("GET", path_of("x"))[0])[1].decode()
        with Wire(location) as target:
            for extra in ("", ORDINARY):
                target.ask("PUT", path_of("x") + "?pid=p&utm=1", extra, b"abc")
                target.ask("GET", path_of("x"), extra)
        assert counts(location) == (2, 2)


def test_damage_is_told_as_on_the_ordinary_way(tmp_path: Path):
    with start_node(tmp_path / "data") as running, Wire(running.url) as wire:
        wire.ask("POST", f"/v1/buckets/{BUCKET}", body=b'{"action": "create-bck"}')
        wire.ask("PUT", path_of("x"), "Moss-Direct: 1\r\n", b"precious" * 100)
        for path in (tmp_path / "data").rglob("*.tar"):
            found = path.read_bytes().find(b"precious")
            if found >= 0:
                with open(path, "r+b") as file:
                    file.seek(found)
                    file.write(b"P")
        plain = wire.ask("GET", path_of("x"), "Moss-Direct: 1\r\n")
        ordinary = wire.ask("GET", path_of("x"), "Moss-Direct: 1\r\n" + ORDINARY)
    assert plain[0].startswith(b"HTTP/1.1 500")
    assert [_VARYING.sub(b"", part) for part in plain] == [_VARYING.sub(b"", part) for part in ordinary]


def test_a_body_that_does_not_come_is_left_to_the_ordinary_way(urls: dict[str, str]):
    """It waits there longer; what comes at last is stored."""
    with Wire(urls["target"]) as wire:
        whole = request("PUT", path_of("late") + "?pid=p&utm=1", body=b"0123456789")
        wire.send(whole[:-4])
        wire.socket.settimeout(express.COLLECT_S_MAX + 0.3)
        with pytest.raises(TimeoutError):
            wire.receive()
        wire.socket.settimeout(10)
        wire.send(whole[-4:])
        assert wire.receive()[0].startswith(b"HTTP/1.1 200")
        assert wire.ask("GET", path_of("late"))[1] == b"0123456789"


# -- what is plain -------------------------------------------------------------------------------------


def head(line: str = "GET /v1/objects/b/o HTTP/1.1", *fields: str) -> bytes:
    return ("\r\n".join([line, *(fields or ("Host: x",))]) + "\r\n\r\n").encode("latin-1")


def test_a_plain_request_is_read_whole():
    found = recognise(head("PUT /v1/objects/b/d/o.x?provider=ais&pid=p&utm=9 HTTP/1.1", "host: h", "content-length: 7"))
    assert found is not None
    assert (found.method, found.bucket.cname, found.name) == ("PUT", "ais://b", "d/o.x")
    assert (found.is_redirected, found.content_length) == (True, 7)
    assert (found.path, found.query_string) == ("/v1/objects/b/d/o.x", "provider=ais&pid=p&utm=9")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GET /v1/objects/b/o HTTP/1.1\r\nHost: x\r\n",
        head("get /v1/objects/b/o HTTP/1.1"),
        head("POST /v1/objects/b/o HTTP/1.1"),
        head("GET /v1/objects/b/o HTTP/1.0"),
        head("GET  /v1/objects/b/o HTTP/1.1"),
        head("GET /v1/objects/b/o HTTP/1.1 "),
        head("GET http://h/v1/objects/b/o HTTP/1.1"),
        head("GET /v1/objects/b HTTP/1.1"),
        head("GET /v1/objects/b/ HTTP/1.1"),
        head("GET /v1/objects//b/o HTTP/1.1"),
        head("GET /v1/objects/b//o HTTP/1.1"),
        head("GET /v1/objects/b/o/ HTTP/1.1"),
        head("GET /v1/objects/b/../o HTTP/1.1"),
        head("GET /v1/objects/b/~/o HTTP/1.1"),
        head("GET /v1/objects/b/%6f HTTP/1.1"),
        head("GET /v1/objects/b/\xe4 HTTP/1.1"),
        head("GET /v1/objects/.sys-inventory/o HTTP/1.1"),
        head("GET /v1/objects/b/o?provider=none HTTP/1.1"),
        head("GET /v1/objects/b/o?namespace=@other HTTP/1.1"),
        head("GET /v1/objects/b/o?etl_name=e HTTP/1.1"),
        head("GET /v1/objects/b/o?xutm=1 HTTP/1.1"),
        head("GET /v1/objects/b/o?utm=1&archpath=a HTTP/1.1"),
        head("GET /v1/objects/b/o HTTP/1.1", "Accept: */*"),
        head("GET /v1/objects/b/o HTTP/1.1", "Host: x", "Host: y"),
        head("GET /v1/objects/b/o HTTP/1.1", "Host: x", " folded"),
        head("GET /v1/objects/b/o HTTP/1.1", "Host : x"),
        head("GET /v1/objects/b/o HTTP/1.1", "Host: x\ny: z"),
        head("GET /v1/objects/b/o HTTP/1.1", "Host: x", "Range: bytes=0-1"),
        head("GET /v1/objects/b/o HTTP/1.1", "Host: x", "Connection: close"),
        head("GET /v1/objects/b/o HTTP/1.1", "Host: x", "Transfer-Encoding: chunked"),
        head("PUT /v1/objects/b/o HTTP/1.1", "Host: x", "Content-Length: +7"),
        head("PUT /v1/objects/b/o HTTP/1.1", "Host: x", "Content-Length: 7", "Content-Length: 7"),
        head("PUT /v1/objects/b/o HTTP/1.1", "Host: x", "Expect: 100-continue"),
        head("PUT /v1/objects/b/o HTTP/1.1", "Host: x", "Ais-Checksum-Value: 1"),
    ],
)
def test_whatever_is_unusual_is_not_plain(data: bytes):
    assert recognise(data) is None


def test_what_is_kept_of_headers_is_bounded():
    from moss.node.server import plain

    for number in range(3 * plain._BLOCKS_MAX):
        assert fields_of(b"Host: h%d" % number) is not None
    fields_of(b"Host: x\r\nUser-Agent: " + b"u" * 5000)
    assert len(plain._blocks) <= plain._BLOCKS_MAX
    assert max(map(len, plain._blocks)) <= plain._BLOCK_BYTES_MAX


def test_futures_of_other_threads_come_back_all_of_them():
    async def run() -> list[int]:
        seen: list[int] = []
        wakeups = express.Wakeups(asyncio.get_running_loop())

        def work(first: int) -> None:
            for number in range(first, first + 500):
                wakeups.call(lambda number=number: seen.append(number))

        await asyncio.gather(*(asyncio.to_thread(work, 500 * index) for index in range(4)))
        async with asyncio.timeout(5):
            while len(seen) < 2000:
                await asyncio.sleep(0)
        return seen

    assert sorted(asyncio.run(run())) == list(range(2000))


# -- one face in this process ------------------------------------------------------------------------------


def in_event_loop(test: Callable[..., Coroutine[None, None, None]]) -> Callable[..., None]:
    @functools.wraps(test)
    def run(*arguments: object, **named: object) -> None:
        asyncio.run(test(*arguments, **named))

    return run


class Way:
    """An express way that answers what it is told to."""

    def __init__(self, outcome: object) -> None:
        self.outcome = outcome

    def put_terms(self, node: object, request: object) -> tuple[int, bool]:
        return 1 << 10, True

    def handle(self, node: object, request: object, body: memoryview, remote: str) -> object:
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


async def ordinary(node: object, request: object) -> Response:
    return Response(200, {}, b"ordinary")


@asynccontextmanager
async def serving(outcome: object) -> AsyncIterator[tuple[FaceServer, asyncio.StreamReader, asyncio.StreamWriter]]:
    """A face with that express way, and one connection to it."""
    routes = RouteTable([(method, ("objects", "*", "**"), ordinary) for method in ("GET", "PUT")])
    with ThreadPoolExecutor(1) as pool, socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        way = Way(outcome)
        face = FaceServer(None, Face.TARGET, routes, pool=pool, stall_s_max=5, node_name="t[one]", express=way)
        await face.start([listener])
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.getsockname()[1])
        try:
            async with asyncio.timeout(10):
                yield face, reader, writer
        finally:
            writer.close()
            await face.stop()


@in_event_loop
async def test_an_express_connection_that_idles_is_closed_and_no_earlier(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(app, "IDLE_S_MAX", 0.4)
    loop = asyncio.get_running_loop()
    async with serving(Response(200, {}, b"express")) as (_, reader, writer):
        for _ in range(4):
            writer.write(request("GET", "/v1/objects/b/o"))
            assert (await reader.readuntil(b"express")).startswith(b"HTTP/1.1 200")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(reader.read(1), 0.2)
        begin = loop.time()
        assert await reader.read() == b""
        assert loop.time() - begin < 2


@pytest.mark.parametrize("waits_for", ["body", "answer"])
@in_event_loop
async def test_a_connection_is_not_idle_while_a_put_is_under_way(monkeypatch: pytest.MonkeyPatch, waits_for: str):
    monkeypatch.setattr(app, "IDLE_S_MAX", 0.2)
    future: Future[None] = Future()
    whole = request("PUT", "/v1/objects/b/o", body=b"abc")
    async with serving(express.Pending(future, lambda _: Response(200, {}, b"stored"))) as (_, reader, writer):
        writer.write(whole[:-1] if waits_for == "body" else whole)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.6)
        writer.write(whole[-1:] if waits_for == "body" else b"")
        future.set_result(None)
        assert (await reader.readuntil(b"stored")).startswith(b"HTTP/1.1 200")


@in_event_loop
async def test_shutting_down_waits_for_a_put_and_says_that_the_connection_ends():
    future: Future[None] = Future()
    async with serving(express.Pending(future, lambda _: Response(200, {}, b"stored"))) as (face, reader, writer):
        writer.write(request("PUT", "/v1/objects/b/o", body=b"abc"))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.1)
        face.begin_drain()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(face.idle(), 0.1)
        future.set_result(None)
        answer = await reader.read()
        await face.idle()
    assert b"Connection: close" in answer
    assert answer.endswith(b"stored")


@pytest.mark.parametrize("outcome", [None, InvalidRequest("no"), ZeroDivisionError()])
@in_event_loop
async def test_what_fails_here_goes_the_ordinary_way(outcome: object):
    async with serving(outcome) as (_, reader, writer):
        for whole in (request("GET", "/v1/objects/b/o"), request("PUT", "/v1/objects/b/o", body=b"abc")):
            writer.write(whole)
            assert (await reader.readuntil(b"ordinary")).startswith(b"HTTP/1.1 200")
