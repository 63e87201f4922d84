"""Methods that a path does not have, requests that claim to be a node's, and short addresses.

Source: spec/rest-data.md 1.1, 1.2; spec/rest-control.md 1.3, 2.4.
"""

import json

import pytest

from moss.node.server.routes import gateway_routes, target_routes
from moss.testing import NodeProcess
from tests.support.raw import RawClient
from tests.support.wire import Wire

OBJECT_METHODS = {"GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"}


@pytest.fixture(scope="module")
def wire(node: NodeProcess) -> Wire:
    return Wire(node.url)


@pytest.fixture
def bucket(wire: Wire) -> str:
    return wire.new_bucket()


# -- methods --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["TRACE", "REPORT", "LOCK"])
@pytest.mark.parametrize("path", ["/v1/buckets", "/v1/buckets/b", "/v1/objects/b", "/v1/objects/b/o"])
def test_405_of_data_lists_all_methods_in_a_json_error(node: NodeProcess, method: str, path: str):
    for url in (node.url, node.target_url) if path == "/v1/objects/b/o" else (node.url,):
        with RawClient(url) as client:
            answer = client.begin(method, path).response()
            assert answer.status == 405
            assert set(answer.headers["Allow"].split(", ")) == OBJECT_METHODS
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            error = json.loads(answer.read())
            assert (error["status"], error["method"], error["url_path"]) == (405, method, path)


@pytest.mark.parametrize(
    "bytes_sent",
    [
        b"get /v1/buckets/b HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECTX /v1/objects/b/o HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1/health HTTP/9.9\r\n\r\n",
        b"GET /v1/health HTTP/1.1\r\nno header\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    ],
)
def test_what_is_no_http_gets_a_json_error_too(node: NodeProcess, bytes_sent: bytes):
    for url in (node.url, node.target_url):
        with RawClient(url) as client:
            client.socket.sendall(bytes_sent)
            answer = client.response()
            error = json.loads(answer.read())
            assert (answer.status, error["status"]) == (400, 400)
            assert error["message"].startswith("invalid HTTP request: ")
            assert answer.headers["Content-Type"] == "application/json"
            assert "aiohttp" not in str(answer.headers)


def test_options_gives_the_methods_and_nothing_else(wire: Wire):
    for path in ("/v1/buckets/b", "/v1/objects/b/o"):
        answer = wire.send("OPTIONS", path)
        assert (answer.status, answer.body) == (200, b"")
        assert set(answer.headers["allow"].split(", ")) == OBJECT_METHODS


@pytest.mark.parametrize(
    ("path", "allow"),
    [
        ("/v1/cluster", "DELETE, GET, POST, PUT"),
        ("/v1/daemon", "GET, POST, PUT"),
        ("/v1/download", "DELETE, GET, POST"),
        ("/v1/sort", "DELETE, GET, POST"),
        ("/v1/tokens", "POST, DELETE"),
    ],
)
def test_the_control_plane_says_it_in_plain_text(wire: Wire, path: str, allow: str):
    answer = wire.send("PATCH", path)
    assert (answer.status, answer.headers["allow"]) == (405, allow)
    assert (answer.headers["content-type"], answer.body) == ("text/plain; charset=utf-8", b"Method Not Allowed\n")
    assert wire.send("OPTIONS", path).headers["allow"] == allow


def test_tokens_are_refused_while_there_is_no_authentication(wire: Wire):
    for method in ("POST", "DELETE"):
        answer = wire.send(method, "/v1/tokens", {"tokens": ["x"]})
        assert (answer.status, answer.error["status"]) == (501, 501)


# -- who asks -------------------------------------------------------------------------------------------


def test_requests_that_claim_to_come_from_a_node_are_refused_everywhere(wire: Wire, bucket: str, node: NodeProcess):
    wire.put(bucket, "o", b"x")
    paths = ["/v1/daemon?what=smap", "/v1/health", f"/v1/buckets/{bucket}", f"/v1/objects/{bucket}/o", "/nonsense"]
    for path in [*paths, f"{node.target_url}/v1/daemon?what=smap", f"{node.target_url}/v1/objects/{bucket}/o"]:
        answer = wire.send("GET", path, headers={"Ais-Caller-Id": "t-someNode1"})
        assert (answer.status, answer.error["status"]) == (403, 403), path
    assert wire.send("GET", f"/v1/objects/{bucket}/o", headers={"Ais-Caller-Id": ""}).body == b"x"
    named = wire.send("GET", f"/v1/objects/{bucket}/o", headers={"Ais-Caller-Name": "t[x]"})
    assert named.body == b"x"
    allowed = wire.send("POST", "/v1/cluster/autoreg", {}, headers={"Ais-Caller-Id": "t-someNode1"})
    assert allowed.status != 403


# -- short addresses ------------------------------------------------------------------------------------


def test_short_addresses_mean_the_long_ones(wire: Wire, bucket: str):
    for name in ("n/e/2", "a%20b%3Fc%23d%25", "x//y"):
        put = wire.send("PUT", f"/ais/{bucket}/{name}", name.encode())
        assert (put.status, put.hops) == (200, [307])
        assert wire.send("GET", f"/v1/objects/{bucket}/{name}").body == name.encode()
        assert wire.send("GET", f"/ais/{bucket}/{name}").body == name.encode()
    assert wire.send("GET", f"/ais/{bucket}/n/e/2", headers={"Range": "bytes=1-2"}).body == b"/e"
    listed = json.loads(wire.send("GET", f"/ais/{bucket}").body)
    assert "n/e/2" in [entry["name"] for entry in listed["entries"]]
    assert wire.send("HEAD", f"/ais/{bucket}").status == 200
    assert {"name": bucket, "provider": "ais", "namespace": {"uuid": "", "name": ""}} in json.loads(
        wire.send("GET", "/ais").body
    )
    assert wire.send("DELETE", f"/ais/{bucket}/n/e/2").status == 200
    assert wire.send("GET", f"/ais/{bucket}/n/e/2").status == 404


def test_a_redirect_of_a_short_address_is_long(wire: Wire, bucket: str, node: NodeProcess):
    answer = wire.send("PUT", f"/ais/{bucket}/o?skip_vc=true", b"x", follow=False)
    assert answer.status == 307
    start = f"{node.target_url}/v1/objects/{bucket}/o?skip_vc=true&provider=ais&pid="
    assert answer.headers["location"].startswith(start)


@pytest.mark.parametrize(("scheme", "word"), [("s3", "AWS"), ("gs", "GCP"), ("az", "Azure")])
def test_schemes_of_clouds_name_the_missing_backend(wire: Wire, scheme: str, word: str):
    answer = wire.send("GET", f"/{scheme}/some-bucket/o")
    assert (answer.status, answer.error["tcode"]) == (404, "ErrFailedTo")
    assert f"{scheme}://some-bucket" in answer.error["message"]
    assert word in answer.error["message"]


@pytest.mark.parametrize("path", ["/oc/b/o", "/AIS/b/o", "/http/b/o", "/ais/a..b/x", "/ais/b%2Fc%2F..%2Fd"])
def test_other_words_and_bad_names_are_refused(wire: Wire, path: str):
    assert wire.send("GET", path).status == 400


def test_put_needs_an_object(wire: Wire, bucket: str):
    for path in (f"/ais/{bucket}", f"/ais/{bucket}/", "/ais"):
        answer = wire.send("PUT", path, b"x")
        assert (answer.status, answer.error["message"]) == (
            400,
            'missing destination object name in the "easy URL"',
        )


def test_targets_do_not_take_short_addresses(wire: Wire, node: NodeProcess):
    answer = wire.send("GET", f"{node.target_url}/ais/b/o")
    assert (answer.status, "hint: use proxy" in answer.error["message"]) == (400, True)


# -- the table itself -----------------------------------------------------------------------------------


@pytest.mark.parametrize("table", [gateway_routes(), target_routes()])
def test_no_route_is_hidden_behind_another_of_the_same_method(table):
    seen = set()
    for routes in table._by_resource.values():
        for method, pattern, _ in routes:
            assert (method, pattern) not in seen
            seen.add((method, pattern))
