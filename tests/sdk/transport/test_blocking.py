"""The socket transport against the peer."""

import io
import os
import socket
import threading

import pytest

from moss.sdk.errors import ConnectFailed, ConnectionLost, ReadTimedOut
from moss.sdk.transport.blocking import Transport
from moss.sdk.transport.http1 import Settings
from tests.sdk.peer import Peer, Reply


@pytest.fixture
def transport():
    transport = Transport(Settings(read_timeout_s=5.0))
    yield transport
    transport.close()


@pytest.mark.parametrize("options", [{}, {"chunk_bytes": 7}, {"chunk_bytes": 100_000}, {"until_close": True}])
@pytest.mark.parametrize("size", [0, 1, 65_536, 300_000])
def test_bodies_of_every_framing_arrive_whole(peer: Peer, transport, options, size):
    body = os.urandom(size)
    peer.scripted = [Reply(body=body, **options)] * 2
    for _ in range(2):
        response = transport.send("GET", peer.url, {})
        assert response.read() == body and response.is_complete
    assert peer.connections == (2 if options.get("until_close") else 1)


@pytest.mark.parametrize("options", [{}, {"chunk_bytes": 1000}])
@pytest.mark.parametrize("cut_at", [0, 1, 5000, 9999])
def test_cut_bodies_are_errors(peer: Peer, transport, options, cut_at):
    peer.scripted = [Reply(body=bytes(10_000), cut_at=cut_at, **options)]
    with pytest.raises(ConnectionLost):
        transport.send("GET", peer.url, {}).read()


def test_a_silent_server_is_a_read_timeout():
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(ReadTimedOut):
            Transport(Settings(read_timeout_s=0.05)).send("GET", url, {})


def test_a_refused_connection_was_not_sent(transport):
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
    with pytest.raises(ConnectFailed) as caught:
        transport.send("GET", url, {})
    assert not caught.value.was_sent


def test_connections_that_the_server_closed_are_replaced(peer: Peer, transport):
    peer.scripted = [Reply(body=b"1"), Reply(body=b"2")]
    assert transport.send("GET", peer.url, {}).read() == b"1"
    for sock in list(peer._open):
        sock.shutdown(socket.SHUT_RDWR)
    assert transport.send("GET", peer.url, {}).read() == b"2"
    assert peer.connections == 2


def test_small_bodies_are_sent_at_once_and_large_ones_are_announced(peer: Peer, transport):
    peer.scripted = [Reply(), Reply(), Reply()]
    for body in (b"small", bytes(200_000), io.BytesIO(b"x" * 300_000)):
        assert transport.send("PUT", peer.url, {}, body, 300_000 if hasattr(body, "read") else None).status == 200
    assert ["expect" in r.headers for r in peer.received] == [False, True, True]
    assert [len(r.body) for r in peer.received] == [5, 200_000, 300_000]


def test_bodies_of_unknown_size_are_chunked(peer: Peer, transport):
    peer.scripted = [Reply()]
    transport.send("PUT", peer.url, {}, iter([b"a" * 10, b"", b"b" * 20]))
    assert peer.received[0].body == b"a" * 10 + b"b" * 20
    assert peer.received[0].headers["transfer-encoding"] == "chunked"


def test_a_refusal_before_the_body_costs_no_upload(peer: Peer, transport):
    peer.before_body = lambda request: Reply(status=507, body=b"full")
    response = transport.send("PUT", peer.url, {}, bytes(1_000_000))
    assert (response.status, response.read()) == (507, b"full")
    assert peer.received[0].body == b""


def test_servers_that_know_no_expectation_get_the_body_after_a_while(peer: Peer):
    transport = Transport(Settings(expect_continue_timeout_s=0.01))

    received = []
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        sock, _ = server.accept()
        file = sock.makefile("rb")
        while (line := file.readline()) not in (b"\r\n", b""):
            received.append(line)
        received.append(file.read(100_000))
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        sock.close()

    thread = threading.Thread(target=serve)
    thread.start()
    url = f"http://127.0.0.1:{server.getsockname()[1]}"
    assert transport.send("PUT", url, {}, bytes(100_000)).status == 200
    thread.join(5)
    server.close()
    assert received[-1] == bytes(100_000)


def test_an_unread_answer_gives_its_connection_up(peer: Peer, transport):
    peer.scripted = [Reply(body=bytes(5_000_000)), Reply(body=b"next")]
    response = transport.send("GET", peer.url, {})
    del response
    assert transport.send("GET", peer.url, {}).read() == b"next"
    assert peer.connections == 2


def test_a_forked_child_opens_connections_of_its_own(peer: Peer, transport):
    peer.scripted = [Reply(body=b"p")]
    assert transport.send("GET", peer.url, {}).read() == b"p"
    peer.scripted = [Reply(body=b"child"), Reply(body=b"parent")]
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(writing, transport.send("GET", peer.url, {}).read())
        os._exit(0)
    os.waitpid(pid, 0)
    assert os.read(reading, 10) == b"child"
    assert transport.send("GET", peer.url, {}).read() == b"parent"
    assert [r.connection for r in peer.received] == [1, 2, 1]
    os.close(reading)
    os.close(writing)
