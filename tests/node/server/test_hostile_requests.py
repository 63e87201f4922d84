"""Requests that are wrong, on purpose or by accident: a clear 4xx, never a 500, never a dead node.

Rows of the reliability list: 21 (malformed JSON), 22 (lying bodies), 24 (compressed bodies), 27, 28 (names, headers).
"""

import gzip
import json
import socket
import urllib.parse

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from moss.testing import NodeProcess
from tests.support.wire import Wire

FIELDS = ["objname", "bucket", "provider", "uname", "archpath", "opaque", "start", "length", "in", "mime", "coer"]
FIELDS += ["onob", "strm", "coloc", "action", "value", "In", "OBJNAME", "x"]
SCALARS = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=20)
SCALARS |= st.sampled_from(["a", "../x", "ais", "ais/@#/b/", ".tar", "a\0b", "a\r\nb", "\ud800", "é" * 300, "~/x", "/"])
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=6)
)
REQUESTS = st.fixed_dictionaries(
    {"in": st.lists(st.dictionaries(st.sampled_from(FIELDS), SCALARS, max_size=5) | SCALARS, max_size=4)},
    optional=dict.fromkeys(("mime", "coer", "onob", "strm", "coloc", "action"), SCALARS),
)
QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def wire(node: NodeProcess) -> Wire:
    return Wire(node.url)


@pytest.fixture(scope="module")
def bucket(wire: Wire) -> str:
    name = wire.new_bucket()
    wire.put(name, "a", b"aaaaa")
    return name


def exchange(wire: Wire, data: bytes, *, end: bool = False) -> bytes:
    """Send raw bytes and read until the node closes, or the answer's head and what came with it."""
    at = urllib.parse.urlsplit(wire.url)
    with socket.create_connection((at.hostname, at.port), timeout=20) as client:
        client.sendall(data)
        if end:
            client.shutdown(socket.SHUT_WR)
        received = b""
        while b"\r\n\r\n" not in received:
            part = client.recv(65536)
            if not part:
                break
            received += part
        return received


@QUICK
@given(
    body=st.binary(max_size=200)
    | JSON.map(lambda v: json.dumps(v).encode())
    | REQUESTS.map(lambda v: json.dumps(v).encode())
)
def test_btr_14_any_body_gets_an_answer_and_never_a_500(wire: Wire, bucket: str, body: bytes):
    answer = wire.send("GET", f"/v1/ml/moss/{bucket}", body)
    assert answer.status in (200, 400, 404, 416), answer.body
    if answer.status != 200:
        assert answer.error["status"] == answer.status


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"in":' * 50_000,
        b'{"in":[{"objname":"a","start":' + b"9" * 100_000 + b"}]}",
        b'{"in":[{"objname":"' + b"a" * 1_000_000 + b'"}],"coer":true}',
        b'{"in":[{"objname":"a","start":1e999}]}',
        b'{"in":[{"objname":NaN}]}',
        b'{"in":[{"objname":"a"}],' + b'"in":[],' * 10_000 + b'"strm":true}',
    ],
    ids=["brackets", "objects", "digits", "name", "infinity", "nan", "repeated keys"],
)
def test_bodies_made_to_hurt(wire: Wire, bucket: str, body: bytes):
    answer = wire.send("GET", f"/v1/ml/moss/{bucket}", body, timeout_s=10)
    assert answer.status in (200, 400), answer.body[:200]


@QUICK
@given(query=st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=80))
def test_any_query_gets_an_answer(wire: Wire, bucket: str, query: str):
    query = query.replace("#", "").replace("?", "")
    answer = wire.send("GET", f"/v1/ml/moss/{bucket}?{query}", b'{"in":[{"objname":"a"}]}')
    assert answer.status in (200, 400, 404), answer.body


@pytest.mark.parametrize(
    "head",
    [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: -1",
        "Content-Length: 1e3",
        "Transfer-Encoding: chunked",
    ],
)
def test_framing_that_contradicts_itself_is_refused(wire: Wire, head: str):
    answer = exchange(wire, f"GET /v1/ml/moss HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\nzz\r\nhello".encode(), end=True)
    assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.0 400")) or not answer


def test_a_declared_length_beyond_the_limit_is_refused_before_the_body(wire: Wire):
    answer = exchange(wire, b"GET /v1/ml/moss HTTP/1.1\r\nHost: x\r\nContent-Length: 10737418240\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413")


def test_the_body_is_asked_for_only_when_it_is_wanted(wire: Wire, bucket: str):
    """A wrong request is answered before its body is sent; a right one gets `100 Continue`."""
    head = "GET /v1/ml/moss/{} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 24\r\n\r\n"
    assert exchange(wire, head.format("nobucket").encode()).startswith(b"HTTP/1.1 404")
    assert exchange(wire, head.format(bucket).encode()).startswith(b"HTTP/1.1 100 Continue\r\n\r\n")


def test_compressed_bodies_are_stored_as_they_come(wire: Wire, bucket: str):
    """Row 24: a bomb stays what it is, some bytes."""
    bomb = gzip.compress(bytes(5_000_000))
    answer = wire.send("PUT", f"/v1/objects/{bucket}/bomb", bomb, {"Content-Encoding": "gzip"})
    assert answer.status == 200
    assert wire.send("GET", f"/v1/objects/{bucket}/bomb").body == bomb


NAMES = [
    "a b",
    "ü",
    "日本語.jpg",
    "%",
    "a%20b",
    "a?b",
    "a#b",
    "x" * 1000,
    "a\nb",
    "a\r\nSet-Cookie: x",
    "a//b",
    "-rf",
    "a\\b",
    "...",
    "CON",
]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_btr_12_every_valid_name_is_stored_listed_and_batched_as_given(wire: Wire, name: str):
    bucket = wire.new_bucket()
    wire.put(bucket, name, b"data of it")
    listing = wire.send("GET", f"/v1/buckets/{bucket}", {"action": "list", "value": {}})
    assert [entry["name"] if "name" in entry else entry["n"] for entry in entries_of(listing.body)] == [name]
    answer = wire.batch(bucket, [name])
    assert answer.members() == [(f"{bucket}/{name}", b"data of it")]
    assert "set-cookie" not in answer.headers


def entries_of(body: bytes) -> list[dict]:
    page = json.loads(body)
    return page.get("entries") or page.get("Entries") or []


@pytest.mark.parametrize("name", ["..", "../x", "a/../b", "a/.", "./a", "~/x", "a/", "%2e%2e/x"])
def test_names_that_are_refused(wire: Wire, bucket: str, name: str):
    quoted = name if name.startswith("%") else urllib.parse.quote(name)
    assert wire.send("PUT", f"/v1/objects/{bucket}/{quoted}", b"x").status == 400
    if not name.startswith("%"):
        assert wire.batch(bucket, [name]).status == 400


def test_btr_12_a_name_and_one_below_it_can_both_exist(wire: Wire):
    bucket = wire.new_bucket()
    wire.put(bucket, "a", b"one")
    wire.put(bucket, "a/b", b"two")
    assert [data for _, data in wire.batch(bucket, ["a", "a/b"]).members()] == [b"one", b"two"]


def test_the_node_lives(wire: Wire):
    """After all of the above."""
    assert wire.send("GET", "/v1/health?prr=true").status == 200
