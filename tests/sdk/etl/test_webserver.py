"""Servers of transformations, over real connections, with a recording target. Source: spec/rest-control.md 10.6."""

import io
import json
import threading

import pytest
import requests

from moss.sdk.etl.webserver import ETLServer, FastAPIServer, FlaskServer, HTTPMultiThreadedServer
from moss.sdk.etl.webserver.base_etl_server import CountingIterator
from moss.sdk.etl.webserver.exchange import Task
from moss.sdk.etl.webserver.utils import compose_etl_direct_put_url, parse_etl_pipeline
from tests.sdk.peer import Peer, Received, Reply


class Buffered:
    def transform(self, data, path, etl_args):
        if etl_args == "raise":
            raise KeyError("bad")
        return repr((data, path, etl_args)).encode() if etl_args == "show" else data.upper()


class Streamed:
    def transform_stream(self, reader, path, etl_args):
        if etl_args == "raise":
            raise KeyError("bad")
        while piece := reader.read(4):
            yield piece.upper()
            if etl_args == "late":
                raise KeyError("late")


@pytest.fixture
def target(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> Peer:
    """The target that the server belongs to. What it is told to answer stands in the path."""

    def handle(request: Received) -> Reply:
        if "gone" in request.path:
            return Reply(404, body=b"not here")
        if request.method == "GET":
            return Reply(body=b"content")
        if "counted" in request.path:
            return Reply(204, {"Ais-Direct-Put-Length": "77"})
        return Reply(body=b"of the next stage" if "next" in request.path else b"")

    monkeypatch.setattr(peer, "handle", handle)
    monkeypatch.setenv("AIS_TARGET_URL", f"{peer.url}/v1/etl/_object/etl/secret")
    return peer


def start(server: ETLServer, request: pytest.FixtureRequest) -> str:
    """Serve in a thread until the test ends; returns the URL."""
    if isinstance(server, HTTPMultiThreadedServer | FlaskServer):
        server.bind()
        thread = threading.Thread(target=server.start)
        thread.start()
        end, port = server.stop, server.port
    else:
        import socket

        import uvicorn

        sock = socket.create_server(("127.0.0.1", 0))
        asgi = uvicorn.Server(uvicorn.Config(server.app, log_level="critical", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=asgi.run, args=([sock],))
        thread.start()

        def end() -> None:
            asgi.should_exit = True

        port = sock.getsockname()[1]

    def stop() -> None:
        end()
        thread.join(10)
        assert not thread.is_alive()

    request.addfinalizer(stop)
    return f"http://127.0.0.1:{port}"


@pytest.fixture(params=[HTTPMultiThreadedServer, FlaskServer, FastAPIServer], ids=lambda base: base.__name__)
def base(request) -> type:
    return request.param


@pytest.fixture(params=[Buffered, Streamed], ids=lambda kind: kind.__name__)
def url(request, base, target) -> str:
    return start(type("Server", (request.param, base), {})("127.0.0.1", 0), request)


def test_health_and_plain_results(url: str, target: Peer):
    assert requests.get(f"{url}/health", timeout=10).text == "Running"
    answer = requests.put(f"{url}/b/o", data=b"some content", timeout=10)
    assert (answer.status_code, answer.content) == (200, b"SOME CONTENT")
    assert answer.headers["content-type"] == "application/octet-stream"
    chunked = requests.put(f"{url}/b/o", data=iter([b"some ", b"content"]), timeout=10)
    assert chunked.content == b"SOME CONTENT"
    assert requests.put(f"{url}/b/o", data=b"", timeout=10).content == b""


def test_content_of_the_target_is_fetched(url: str, target: Peer):
    assert requests.get(f"{url}/ais%2F@%23%2Fb%2Fo%20x", timeout=10).content == b"CONTENT"
    assert target.received[-1].target == "/v1/etl/_object/etl/secret/ais%2F@%23%2Fb%2Fo%20x"
    answer = requests.get(f"{url}/b/gone", timeout=10)
    assert (answer.status_code, answer.json()) == (404, {"detail": "Target request failed"})


def test_files_of_the_target_are_read(url: str, tmp_path):
    file = tmp_path / "ö 1"
    file.write_bytes(b"file data")
    for method in ("PUT", "GET"):
        answer = requests.request(method, f"{url}/b/o", params={"etl_fqn": f"{tmp_path}/x/../{file.name}"}, timeout=10)
        assert answer.content == b"FILE DATA"
    answer = requests.put(f"{url}/b/o", params={"etl_fqn": "/no/such"}, timeout=10)
    assert answer.status_code == 404 and "file not found at '/no/such'" in answer.json()["detail"]


def test_results_are_put_where_the_header_says(url: str, target: Peer):
    def put(path: str) -> requests.Response:
        headers = {"Ais-Node-Url": f"{target.url}{path}"}
        return requests.put(f"{url}/b/o", params={"etl_args": "a b"}, headers=headers, data=b"abc", timeout=10)

    answer = put("/v1/objects/d/x?uuid=j1&owt=6")
    assert (answer.status_code, answer.content, answer.headers["Ais-Direct-Put-Length"]) == (204, b"", "3")
    got = target.received[-1]
    assert got.target == "/v1/etl/_object/etl/secret/v1/objects/d/x?uuid=j1&owt=6&etl_args=a+b"
    assert got.body == b"ABC" and "ais-node-url" not in got.headers
    assert put("/counted").headers["Ais-Direct-Put-Length"] == "77"
    answer = put("/next")
    assert (answer.status_code, answer.content) == (200, b"of the next stage")
    answer = put("/gone")
    assert (answer.status_code, answer.content) == (404, b"not here")


def test_pipelines_go_on_to_the_next_transformation(url: str, target: Peer):
    rest = f"{target.url}/v1/objects/d/x?uuid=1"
    headers = {"Ais-Node-Url": f"{target.url},{rest}"}
    assert requests.put(f"{url}/b/o%20x", headers=headers, data=b"abc", timeout=10).status_code == 204
    assert target.received[-1].target == "/b/o%20x" and target.received[-1].headers["ais-node-url"] == rest
    for wrong in (",", "nonsense", f"{target.url},"):
        answer = requests.put(f"{url}/b/o", headers={"Ais-Node-Url": wrong}, data=b"abc", timeout=10)
        assert answer.status_code == 400 and "Invalid pipeline header" in answer.json()["detail"]


def test_errors_of_the_users_code_are_answers(url: str):
    answer = requests.put(f"{url}/b/o", params={"etl_args": "raise"}, data=b"abc", timeout=10)
    assert (answer.status_code, answer.json()) == (500, {"detail": "Processing error: 'bad'"})
    assert requests.put(f"{url}/b/o", data=b"abc", timeout=10).content == b"ABC"


def test_an_output_that_breaks_off_is_not_taken_for_whole(base, target: Peer, request, monkeypatch):
    monkeypatch.setenv("AIS_DIRECT_PUT_CHUNK_SIZE", "1")
    url = start(type("Server", (Streamed, base), {})("127.0.0.1", 0), request)
    with pytest.raises(requests.exceptions.RequestException):
        requests.put(f"{url}/b/o", params={"etl_args": "late"}, data=b"abcdefgh", timeout=10)


def test_one_shot_outputs_are_asked_for_again(target: Peer, request, monkeypatch):
    monkeypatch.setenv("AIS_DIRECT_PUT_CHUNK_SIZE", "1")
    url = start(type("Server", (Streamed, HTTPMultiThreadedServer), {})("127.0.0.1", 0), request)
    target.scripted = [Reply(cut_at=0, content_length=5)]
    headers = {"Ais-Node-Url": f"{target.url}/x"}
    answer = requests.put(f"{url}/b/o", headers=headers, data=b"abcdefgh" * 1000, timeout=10)
    assert answer.status_code == 503 and answer.headers["Ais-Etl-Retry-Reason"] == "direct-put-transient"


def test_outputs_in_memory_are_put_again_here(target: Peer, monkeypatch):
    monkeypatch.setattr("moss.sdk.etl.webserver.base_etl_server._RETRY_WAIT_S", 0.0)
    server = type("Server", (Buffered, HTTPMultiThreadedServer), {})()
    cut = Reply(cut_at=0, content_length=5)
    target.scripted = [cut, cut, Reply()]
    reply = server.handle(Task("b/o", io.BytesIO(b"abc"), pipeline=f"{target.url}/x"))
    assert reply.status == 204 and [r.body for r in target.received] == [b"ABC"] * 3
    target.scripted = [cut] * 4
    reply = server.handle(Task("b/o", io.BytesIO(b"abc"), pipeline=f"{target.url}/x"))
    assert reply.status == 502 and "after 4 attempts" in json.loads(reply.body)["detail"]


def test_direct_file_access_hands_the_path_over(target: Peer, tmp_path, monkeypatch):
    file = tmp_path / "o"
    file.write_bytes(b"x")
    monkeypatch.setenv("ETL_DIRECT_FQN", "true")
    server = type("Server", (Buffered, HTTPMultiThreadedServer), {})()
    reply = server.handle(Task("b/o", None, "show", str(file)))
    assert reply.body == repr((str(file), "b/o", "show")).encode()
    later = server.handle(Task("b/o", io.BytesIO(b"x"), "show"))
    assert later.body == repr((b"x", "b/o", "show")).encode()
    assert server.handle(Task("b/o", None, "", str(tmp_path / "no"))).status == 404


def test_web_sockets(target: Peer, request):
    from websockets.sync.client import connect

    url = start(type("Server", (Buffered, FastAPIServer), {})("127.0.0.1", 0), request)
    with connect(url.replace("http", "ws") + "/ws") as socket:
        for name in ("one", "two"):
            socket.send(json.dumps({"path": name, "etl_args": "show"}).encode())
            socket.send(b"abc")
            assert socket.recv(10) == repr((b"abc", name, "show")).encode()
        socket.send(json.dumps({"path": "o", "pipeline": f"{target.url}/x"}).encode())
        socket.send(b"abc")
        assert socket.recv(10) == "3"
        socket.send(json.dumps({"path": "o", "etl_args": "raise"}).encode())
        socket.send(b"abc")
        assert "Processing error" in socket.recv(10)


def test_what_a_server_needs(target: Peer, monkeypatch):
    with pytest.raises(TypeError, match="transform"):
        HTTPMultiThreadedServer()
    both = type("Both", (Buffered, Streamed, HTTPMultiThreadedServer), {})()
    assert both.handle(Task("o", io.BytesIO(b"abc"))).body == b"ABC" and both.get_mime_type()
    monkeypatch.delenv("AIS_TARGET_URL")
    with pytest.raises(OSError, match="AIS_TARGET_URL"):
        type("Server", (Buffered, HTTPMultiThreadedServer), {})()


def test_helpers():
    assert parse_etl_pipeline("") == ("", "") and parse_etl_pipeline(" http://a , http://b/c") == (
        "http://a",
        "http://b/c",
    )
    target = "https://t:1/v1/etl/_object/e/s"
    assert compose_etl_direct_put_url("http://u:2/p?x=1", target, "b/o", "é") == (
        "https://u:2/v1/etl/_object/e/s/p?x=1&etl_args=%C3%A9"
    )
    assert compose_etl_direct_put_url("http://u:2", target, "b/o #", "") == "http://u:2/b/o%20%23"
    counter = CountingIterator(iter([b"ab", b"c"]))
    assert b"".join(counter) == b"abc" and counter.bytes_yielded == 3
