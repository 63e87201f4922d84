"""How answers reach a client: framing, back-pressure, stalled readers, broken answers."""

import asyncio
import http.client
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from moss.node.server.writer import ClientStalled, Writer, head_bytes

MIB = 1 << 20


class Peer:
    """A server of one connection whose answer a test writes, and the plain socket at the other end."""

    def __init__(self) -> None:
        self.pool = ThreadPoolExecutor(4)

    async def answer(
        self, write: Callable[[Writer], Awaitable[None]], read: Callable[[socket.socket], bytes], **options
    ):
        outcome: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()

        async def connected(reader: asyncio.StreamReader, stream: asyncio.StreamWriter) -> None:
            writer = Writer(stream.transport, stream.drain, pool=self.pool, **options)
            try:
                await write(writer)
                await stream.drain()
                outcome.set_result(None)
            except Exception as error:
                outcome.set_result(error)
            if not stream.transport.is_closing():
                stream.close()

        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        client = socket.create_connection(server.sockets[0].getsockname())
        try:
            data = await asyncio.to_thread(read, client)
            return data, await asyncio.wait_for(outcome, 20)
        finally:
            client.close()
            server.close()


def read_all(client: socket.socket) -> bytes:
    parts = []
    while part := client.recv(MIB):
        parts.append(part)
    return b"".join(parts)


def body_of(client: socket.socket) -> bytes:
    response = http.client.HTTPResponse(client)
    response.begin()
    return response.read()


def windows(*pieces: list[bytes]) -> Iterator[list[bytes]]:
    yield from pieces


def run(write, read=read_all, **options):
    return asyncio.run(Peer().answer(write, read, **options))


def test_a_whole_answer_is_one_head_and_one_body():
    async def write(writer: Writer) -> None:
        writer.send_whole(200, {"Content-Type": "text/plain"}, b"hello")

    data, error = run(write)
    assert error is None
    assert data == b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"


def test_a_streamed_answer_is_chunked_window_by_window():
    async def write(writer: Writer) -> None:
        await writer.stream(200, {"Content-Type": "application/x-tar"}, windows([b"ab", b"c"], [b"defg"]))

    data, error = run(write)
    assert error is None
    head, _, body = data.partition(b"\r\n\r\n")
    assert b"Transfer-Encoding: chunked" in head
    assert b"Content-Length" not in head
    assert body == b"3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n"


def test_a_large_stream_arrives_whole_although_the_reader_is_slow():
    payload = bytes(range(256)) * 4096

    async def write(writer: Writer) -> None:
        await writer.stream(200, {}, windows(*[[memoryview(payload)] * 5 for _ in range(4)]))

    def slow(client: socket.socket) -> bytes:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32 << 10)
        return body_of(client)

    data, error = run(write, slow)
    assert error is None
    assert data == payload * 20


def test_a_window_of_more_buffers_than_one_call_takes():
    async def write(writer: Writer) -> None:
        await writer.stream(200, {}, windows([b"x", b"", b"yz"] * 3000))

    data, error = run(write, body_of)
    assert error is None
    assert data == b"xyz" * 3000


def test_an_error_before_the_first_window_leaves_the_answer_open():
    def failing() -> Iterator[list[bytes]]:
        raise KeyError("first")
        yield []

    async def write(writer: Writer) -> None:
        with pytest.raises(KeyError):
            await writer.stream(200, {}, failing())
        assert not writer.is_started
        writer.send_whole(404, {}, b"no")

    data, error = run(write)
    assert error is None
    assert data.startswith(b"HTTP/1.1 404")


def test_btr_01_an_error_after_the_first_window_breaks_the_connection():
    def failing() -> Iterator[list[bytes]]:
        yield [b"first"]
        raise KeyError("second")

    async def write(writer: Writer) -> None:
        await writer.stream(200, {}, failing())

    def read(client: socket.socket) -> bytes:
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            body_of(client)
        return b""

    _, error = run(write, read)
    assert isinstance(error, KeyError)


def test_a_source_that_prepares_sends_nothing_until_its_first_window():
    def preparing() -> Iterator[list[bytes]]:
        yield []
        yield []
        raise KeyError("prepared in vain")

    async def write(writer: Writer) -> None:
        with pytest.raises(KeyError):
            await writer.stream(200, {}, preparing())
        assert not writer.is_started
        writer.send_whole(400, {}, b"")

    data, _ = run(write)
    assert data.startswith(b"HTTP/1.1 400")


def test_a_client_that_stops_reading_is_cut_off():
    async def write(writer: Writer) -> None:
        await writer.stream(200, {}, windows(*[[bytes(MIB)]] * 64))

    ended = []

    def read(client: socket.socket) -> bytes:
        client.recv(1)
        # Nothing more is read: only the end of the connection can end the wait below.
        while client.recv(1, socket.MSG_PEEK) and not ended:
            client.settimeout(10)
            try:
                client.send(b"x")
            except OSError:
                ended.append(True)
        return b""

    _, error = run(write, read, stall_s_max=0.2)
    assert isinstance(error, ClientStalled)


def test_an_answer_with_a_declared_length_must_have_it():
    async def write(writer: Writer) -> None:
        await writer.start(200, {}, length=10)
        await writer.write([b"abc"])
        await writer.finish()

    def read(client: socket.socket) -> bytes:
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            body_of(client)
        return b""

    _, error = run(write, read)
    assert isinstance(error, ConnectionError)


def test_an_old_client_gets_the_body_without_chunk_frames():
    async def write(writer: Writer) -> None:
        await writer.stream(200, {}, windows([b"abc"], [b"def"]))
        assert not writer.keep_alive

    data, error = run(write, is_http10=True)
    assert error is None
    assert data.endswith(b"\r\n\r\nabcdef")


@pytest.mark.parametrize("value", ["a\r\nSet-Cookie: x", "a\nb", "a\0b"])
def test_a_header_cannot_split_an_answer(value: str):
    with pytest.raises(ValueError, match="control character"):
        head_bytes(200, {"Location": value})


@pytest.mark.parametrize("is_http10", [False, True])
def test_btr_01_an_answer_that_ends_with_its_connection_is_broken_by_a_reset(is_http10: bool):
    """Without chunk frames a regular end of the connection is the regular end of the body."""

    def failing() -> Iterator[list[bytes]]:
        yield [b"first"]
        raise KeyError("second")

    async def write(writer: Writer) -> None:
        await writer.stream(200, {}, failing())

    def read(client: socket.socket) -> bytes:
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            body_of(client)
        return b""

    _, error = run(write, read, is_http10=is_http10)
    assert isinstance(error, KeyError)


def test_a_turn_of_a_thread_outlasts_every_cancellation():
    """A stopped job and a vanished client both cancel: nothing may be closed under the thread that still writes."""
    entered, leave, closed = threading.Event(), threading.Event(), []

    def slow() -> Iterator[list[bytes]]:
        try:
            entered.set()
            leave.wait(10)
            yield [b"x"]
            yield [b"y"] * 100
        finally:
            closed.append(leave.is_set())

    async def write(writer: Writer) -> None:
        streaming = asyncio.create_task(writer.stream(200, {}, slow()))
        await asyncio.to_thread(entered.wait, 10)
        for _ in range(3):
            streaming.cancel()
            done, _ = await asyncio.wait([streaming], timeout=0.05)
            assert not done
        leave.set()
        await asyncio.wait([streaming])

    _, error = run(write)
    assert not isinstance(error, AssertionError)
    assert closed == [True]


def test_a_client_that_reads_no_whole_answers_is_cut_off():
    async def write(writer: Writer) -> None:
        writer.send_whole(200, {}, bytes(64 * MIB))
        await writer.drain()

    def read(client: socket.socket) -> bytes:
        client.settimeout(10)
        with pytest.raises(ConnectionError):
            while True:
                client.send(b"x")
        return b""

    _, error = run(write, read, stall_s_max=0.2)
    assert isinstance(error, ClientStalled)


def test_a_client_that_reads_nothing_of_what_precedes_a_stream_is_cut_off():
    async def write(writer: Writer) -> None:
        writer._transport.write(bytes(64 * MIB))
        await writer.stream(200, {}, windows([b"never"]))

    def read(client: socket.socket) -> bytes:
        client.settimeout(10)
        with pytest.raises(ConnectionError):
            while True:
                client.send(b"x")
        return b""

    _, error = run(write, read, stall_s_max=0.2)
    assert isinstance(error, ClientStalled)
