"""The measuring client must not stop early or late: else every figure of the benchmarks would be wrong."""

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from benchmarks.rawclient import RawClient, Target, WrongAnswer

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
# Holds what ends a chunked body, in the middle: the client must not take it for the end.
PAYLOAD = b"a" * 1000 + b"\r\n0\r\n\r\n" + b"b" * 1000
CHUNKED = b"%x\r\n%s\r\n0\r\n\r\n" % (len(PAYLOAD), PAYLOAD)


@contextmanager
def answering(pieces: Sequence[bytes], answers: int = 1) -> Iterator[Target]:
    """A server that sends these pieces one by one for each request, and then closes."""

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for _ in range(answers):
                connection.recv(1 << 16)
                for piece in pieces:
                    connection.sendall(piece)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        host, port = listener.getsockname()
        yield Target(host, port, b"GET / HTTP/1.1\r\n\r\n", body_bytes_min=len(PAYLOAD))
        thread.join(10)


def pieces_of(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


@pytest.mark.parametrize("piece_bytes", [1, 3, 7, 1 << 20])
def test_a_chunked_answer_is_read_to_its_end_and_no_further(piece_bytes: int):
    with answering(pieces_of(HEAD + CHUNKED, piece_bytes), answers=2) as target:
        client = RawClient(target.host, target.port)
        first = client.fetch(target)
        second = client.fetch(target)
        client.close()
    assert first.received_bytes == second.received_bytes == len(CHUNKED)
    assert 0 < first.first_s <= first.total_s


@pytest.mark.parametrize("piece_bytes", [1, 5, 1 << 20])
def test_a_body_is_returned_without_its_chunk_framing(piece_bytes: int):
    with answering(pieces_of(HEAD + CHUNKED, piece_bytes)) as target:
        client = RawClient(target.host, target.port)
        assert client.fetch_body(target) == PAYLOAD
        client.close()


def test_a_body_of_known_length_is_read_whole():
    head = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(PAYLOAD)
    with answering([head, PAYLOAD[:10], PAYLOAD[10:]]) as target:
        client = RawClient(target.host, target.port)
        assert client.fetch(target).received_bytes == len(PAYLOAD)
        client.close()


def test_a_connection_that_the_server_has_closed_is_noticed():
    with answering([HEAD + CHUNKED]) as target:
        client = RawClient(target.host, target.port)
        assert client.is_open()
        client.fetch(target)
        client._socket.recv(1)  # returns when the server has closed
        assert not client.is_open()
        client.close()


def test_a_cut_answer_is_an_error():
    with answering([HEAD + CHUNKED[:-3]]) as target:
        client = RawClient(target.host, target.port)
        with pytest.raises(WrongAnswer, match="closed after"):
            client.fetch(target)
        client.close()


def test_another_status_than_200_is_an_error_that_shows_the_answer():
    with answering([b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnope"]) as target:
        client = RawClient(target.host, target.port)
        with pytest.raises(WrongAnswer, match="404 Not Found"):
            client.fetch(target)
        client.close()
