"""Clients that harm others: stalled, trickling, vanishing, too many. Rows 16, 17, 18, 23 of the reliability list.

Small counts, real sockets, a node of their own with a short limit for stalled readers.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from moss.testing import NodeProcess, start_node
from tests.support.raw import RawClient, anonymous_bytes, open_files
from tests.support.wire import Wire

STALL_S_MAX = 3.0
MIB = 1 << 20


@pytest.fixture(scope="module")
def own_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    with start_node(tmp_path_factory.mktemp("clients") / "data", sync=False, stall_s_max=STALL_S_MAX) as running:
        yield running


@pytest.fixture(scope="module")
def wire(own_node: NodeProcess) -> Wire:
    return Wire(own_node.url)


@pytest.fixture(scope="module")
def bucket(wire: Wire) -> str:
    name = wire.new_bucket()
    wire.put(name, "x", os.urandom(MIB))
    wire.put(name, "large", os.urandom(8 * MIB))
    for i in range(100):
        wire.put(name, f"o{i:02d}", os.urandom(10 << 10))
    return name


def until(condition: Callable[[], bool], timeout_s: float) -> None:
    """Poll what nothing announces, gently: the node needs the processor more."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def ask_all(requests: list[Callable[[], None]]) -> None:
    """Make requests at the same time, and wait for all of them."""
    with ThreadPoolExecutor(32) as pool:
        for future in [pool.submit(request) for request in requests]:
            future.result()


class Trickle:
    """Connections that send one byte a second, of headers or of a body; they note when the node closes them."""

    def __init__(self, url: str, head: bytes, rest: bytes, count: int) -> None:
        self.lives_s: list[float] = []
        self.answers: list[bytes] = []
        self._rest = rest
        self._clients = [RawClient(url, timeout_s=1.0) for _ in range(count)]
        self._begin = time.monotonic()
        for client in self._clients:
            client.socket.sendall(head)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        """One look at all connections for each byte: the wait for an answer is the second between two bytes."""
        open_clients = list(self._clients)
        for at in range(60):
            for client in list(open_clients):
                client.socket.settimeout(1.0 / len(open_clients))
                try:
                    client.socket.sendall(self._rest[at : at + 1])
                    answer = client.socket.recv(4096)
                except TimeoutError:
                    continue
                except ConnectionError:
                    answer = b""
                self.lives_s.append(time.monotonic() - self._begin)
                self.answers.append(answer)
                open_clients.remove(client)
            if not open_clients:
                return

    def wait(self, timeout_s: float) -> None:
        self._thread.join(timeout_s)
        for client in self._clients:
            client.socket.close()


@pytest.fixture(scope="module", autouse=True)
def trickling(own_node: NodeProcess, bucket: str) -> Iterator[tuple[Trickle, Trickle]]:
    """They trickle while the other tests of this module run, which is what the row wants."""
    head = b"GET /v1/ml/moss/%s HTTP/1.1\r\nHost: x\r\n" % bucket.encode()
    slow_heads = Trickle(own_node.url, head, b"X-Slow: " + b"a" * 100, 20)
    slow_bodies = Trickle(own_node.url, head + b"Content-Length: 1000\r\n\r\n", b'{"in":[{"objname":"' + b"a" * 60, 20)
    yield slow_heads, slow_bodies


def test_reliability_17_stalled_readers_cost_little_and_are_dropped(own_node: NodeProcess, wire: Wire, bucket: str):
    """250 batches and 250 objects that nobody reads, others served meanwhile; row 17 wants 2 MiB each at most."""
    memory, files = anonymous_bytes(own_node.pid), open_files(own_node.pid)
    clients = [RawClient(own_node.url, receive_buffer=32 << 10) for _ in range(500)]
    try:
        direct = {"Moss-Direct": "1"}
        requests = [lambda client=client: client.begin_batch(bucket, ["x"] * 50) for client in clients[:250]]
        path = f"/v1/objects/{bucket}/large"
        requests += [lambda client=client: client.begin("GET", path, None, direct) for client in clients[250:]]
        begin = time.monotonic()
        ask_all(requests)
        assert open_files(own_node.pid) >= files + 250, "they wait for their readers"
        assert anonymous_bytes(own_node.pid) - memory < 100 * MIB, "not even a fifth of a MiB each"
        answer = wire.send("GET", path, headers=direct)
        assert len(answer.body) == 8 * MIB, "others are served"
        until(lambda: open_files(own_node.pid) < files + 100, 20)
        assert time.monotonic() - begin < 4 * STALL_S_MAX
        cut = [len(client.read_to_end()) for client in clients]
        assert max(cut[:250]) < 50 * MIB and max(cut[250:]) < 8 * MIB
    finally:
        for client in clients:
            client.socket.close()
    assert len(wire.batch(bucket, ["x"] * 3).members()) == 3


def test_67_reliability_16_btr_29_vanished_clients_give_everything_back(own_node: NodeProcess, wire: Wire, bucket: str):
    def vanish(mime: str) -> None:
        with RawClient(own_node.url, receive_buffer=32 << 10) as client:
            client.begin_batch(bucket, ["x"] * 100, mime=mime)

    def vanish_often(mimes: tuple[str, ...], count: int) -> None:
        ask_all([lambda mime=mime: vanish(mime) for mime in mimes for _ in range(count)])

    files, before = open_files(own_node.pid), anonymous_bytes(own_node.pid)
    vanish_often((".tar",), 200)
    until(lambda: anonymous_bytes(own_node.pid) - before < 16 * MIB, 10)
    vanish_often((".tgz", ".zip"), 200)
    # Buffers that 32 threads keep; the reference keeps 140 MiB after 50 clients.
    until(lambda: anonymous_bytes(own_node.pid) - before < 100 * MIB, 10)
    until(lambda: open_files(own_node.pid) < files + 20, 10)
    until(lambda: "pending" not in status(wire, bucket), 10)


def status(wire: Wire, bucket: str) -> str:
    query = {"kind": "get-batch", "bck": {"name": bucket, "provider": "ais"}, "show_active": True}
    return wire.send("GET", "/v1/cluster?what=qryxstats", query).body.decode()


def test_reliability_18_memory_under_many_large_batches(own_node: NodeProcess, wire: Wire, bucket: str):
    """60 batches of 5,000 x 10 KiB that nobody reads, 3 GB of answers: the node needs a small part of it."""
    names = [f"o{i % 100:02d}" for i in range(5000)]
    memory = anonymous_bytes(own_node.pid)
    clients = [RawClient(own_node.url, receive_buffer=32 << 10) for _ in range(60)]
    try:
        ask_all([lambda client=client: client.begin_batch(bucket, names) for client in clients])
        assert anonymous_bytes(own_node.pid) - memory < 300 * MIB
    finally:
        for client in clients:
            client.socket.close()
    until(lambda: "pending" not in status(wire, bucket), 20)


def test_reliability_18_more_running_answers_than_the_limit_are_refused(own_node: NodeProcess, wire: Wire, bucket: str):
    """Answers that are being read count for everybody: beyond 256 of them even another client gets 429, at once."""
    clients = [RawClient(own_node.url, receive_buffer=32 << 10) for _ in range(256)]
    try:
        ask_all([lambda client=client: client.begin_batch(bucket, ["x"] * 50) for client in clients])
        assert all(client.response().status == 200 for client in clients)
        with RawClient(own_node.url, source="127.0.0.2") as other:
            begin = time.monotonic()
            refused = other.begin_batch(bucket, ["x"]).response()
            assert (refused.status, refused.headers["Retry-After"]) == (429, "1")
            assert time.monotonic() - begin < 0.5
    finally:
        for client in clients:
            client.socket.close()
    until(lambda: "pending" not in status(wire, bucket), 20)
    assert wire.batch(bucket, ["x"]).status == 200


@pytest.mark.slow
def test_reliability_23_trickling_requests_are_closed(trickling: tuple[Trickle, Trickle]):
    slow_heads, slow_bodies = trickling
    slow_heads.wait(40)
    slow_bodies.wait(50)
    assert len(slow_heads.lives_s) == len(slow_bodies.lives_s) == 20
    assert max(slow_heads.lives_s) <= 22, "20 s for headers"
    assert max(slow_bodies.lives_s) <= 34, "30 s below 1 KB/s for a body"
    assert all(answer.startswith(b"HTTP/1.1 4") or not answer for answer in slow_heads.answers + slow_bodies.answers)
