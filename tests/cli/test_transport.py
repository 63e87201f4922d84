"""The connection, against servers that misbehave."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from moss.cli.failures import CommandError
from moss.cli.settings import Settings
from moss.cli.transport import ConnectionCut, ServerError, Transport, encode_query, path_of
from tests.cli.wire_server import WireServer


@contextmanager
def scripted(*answers: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """A server that gives one connection after the other these bytes."""
    seen: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(10)

        def run() -> None:
            for answer in answers:
                connection, _ = listening.accept()
                with connection:
                    seen.append(connection.recv(65536))
                    connection.sendall(answer)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", seen
        thread.join(10)


def transport(url: str, **settings) -> tuple[Transport, list[float], list[str]]:
    slept: list[float] = []
    notices: list[str] = []
    return Transport(Settings(url, **settings), notice=notices.append, sleep=slept.append), slept, notices


def answer(status: str, body: bytes = b"", *headers: str) -> bytes:
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


BUSY = answer("503 Service Unavailable", b'{"message":"p[abc]: starting"}', "Retry-After: 3")
OK = answer("200 OK", b"fine")


def test_busy_server_is_asked_again_after_what_it_says() -> None:
    with scripted(BUSY, answer("429 Too Many Requests"), OK) as (url, _):
        client, slept, notices = transport(url)
        with client.request("GET", "/v1/x") as found:
            assert found.read_all() == b"fine"
    assert slept[0] == 3.0 and len(slept) == 2 and len(notices) == 1


def test_patience_ends() -> None:
    with scripted(*[BUSY] * 5) as (url, _):
        client, slept, _ = transport(url)
        with pytest.raises(ServerError, match=r"^starting$") as caught:
            client.request("GET", "/v1/x")
    assert caught.value.code == 503 and len(slept) == 4


def test_forgotten_work_item_is_asked_for_once_more() -> None:
    lost = answer("404 Not Found", b'{"message":"x-get-batch[1]: wid=\\"2\\" (prep-rx not done?) does not exist"}')
    with scripted(lost, OK) as (url, _):
        assert transport(url)[0].request("GET", "/v1/x").status == 200
    with scripted(lost, lost) as (url, _), pytest.raises(ServerError, match="does not exist"):
        transport(url)[0].request("GET", "/v1/x")


def test_other_errors_are_final_and_without_node_names() -> None:
    named = answer("400 Bad Request", b'{"tcode":"ErrX","message":"t[ab]: bad"}')
    with scripted(named) as (url, _), pytest.raises(ServerError, match=r"^bad$"):
        transport(url)[0].request("GET", "/v1/x")
    with scripted(answer("500 Oops", b"<html>")) as (url, _), pytest.raises(ServerError, match="<html>"):
        transport(url)[0].request("GET", "/v1/x")
    with scripted(answer("418 Teapot")) as (url, _), pytest.raises(ServerError, match="HTTP status 418"):
        transport(url)[0].request("GET", "/v1/x")


def test_endless_redirects_end() -> None:
    moved = answer("307 Temporary Redirect", b"", "Location: /v1/x")
    with scripted(*[moved] * 6) as (url, _), pytest.raises(CommandError, match="more than 5 redirects"):
        transport(url)[0].request("GET", "/v1/x")


def test_token_does_not_follow_to_another_host() -> None:
    with scripted(OK) as (elsewhere, seen_elsewhere):
        port = elsewhere.rpartition(":")[2]
        moved = answer("307 Temporary Redirect", b"", f"Location: http://localhost:{port}/v1/x")
        with scripted(moved) as (url, seen):
            transport(url, token="secret")[0].request("GET", "/v1/x", body=b"{}").close()
    assert b"Authorization: Bearer secret" in seen[0]
    assert b"Authorization" not in seen_elsewhere[0] and seen_elsewhere[0].endswith(b"{}")


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nshort",
    ],
)
def test_cut_bodies_give_what_came_and_then_an_error(data: bytes) -> None:
    with scripted(data) as (url, _), transport(url)[0].request("GET", "/v1/x") as found:
        assert found.read() == b"short"
        with pytest.raises(ConnectionCut):
            found.read()


@pytest.mark.parametrize("data", [b"", b"garbage\r\n\r\n"])
def test_answers_that_are_none(data: bytes) -> None:
    with scripted(data) as (url, _), pytest.raises(CommandError, match=url.removeprefix("http://")):
        transport(url)[0].request("GET", "/v1/x").read_all()


def test_silent_server_times_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(CommandError, match="silent"):
            transport(url, http_timeout_s=0.2)[0].request("GET", "/v1/x")


@pytest.mark.parametrize("url", ["ftp://h", "http://h:port", "http://no.such.host.invalid:1"])
def test_unusable_endpoints(url: str) -> None:
    with pytest.raises(CommandError):
        transport(url)[0].request("GET", "/v1/x")


def test_names_are_encoded() -> None:
    assert path_of("objects", "b", "d/ö %?#\udcff") == "/v1/objects/b/d/%C3%B6%20%25%3F%23%FF"
    assert encode_query({"namespace": "@#ml", "x": "a&b"}) == "?namespace=%40%23ml&x=a%26b"


def test_odd_object_names_arrive_as_given(server: WireServer) -> None:
    name = "d//ö %2F?#&+"
    client = transport(server.url)[0]
    client.request("PUT", path_of("objects", "dataset", name), query={"provider": "ais"}, body=b"1").close()
    assert server.buckets["dataset"][name] == b"1"
