"""Rename, copy, metadata, names and the lock probe over HTTP, against a real node. Source: spec/rest-data.md 5, 2.4."""

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote, urlsplit

import pytest

from moss.testing import NodeProcess, start_node
from tests.support.wire import Wire

_MIB = 1 << 20


@pytest.fixture(scope="module")
def wire(node: NodeProcess) -> Wire:
    return Wire(node.url)


@pytest.fixture
def bucket(wire: Wire) -> str:
    return wire.new_bucket()


def names(wire: Wire, bucket: str, **value: object) -> list[str]:
    answer = wire.send("GET", f"/v1/buckets/{bucket}", {"action": "list", "value": value})
    return [entry["name"] for entry in json.loads(answer.body)["entries"] or []]


def rename(wire: Wire, bucket: str, name: str, new: str):
    return wire.send("POST", f"/v1/objects/{bucket}/{quote(name)}", {"action": "rename-obj", "name": new})


@pytest.mark.parametrize("size", [10, 3 * _MIB], ids=["small", "large"])
def test_renamed_object_keeps_everything_but_its_name(wire: Wire, bucket: str, size: int):
    data = b"0123456789" * (size // 10)
    wire.put(bucket, "a", b"first")
    wire.put(bucket, "a", data)
    wire.send("PATCH", f"/v1/objects/{bucket}/a", {"action": "", "value": {"k": "v"}})
    wire.put(bucket, "b/c", b"in the way")
    before = wire.send("HEAD", f"/v1/objects/{bucket}/a").headers
    assert rename(wire, bucket, "a", "b/c").status == 200
    after = wire.send("HEAD", f"/v1/objects/{bucket}/b/c").headers
    same = ("content-length", "ais-version", "ais-custom-md", "ais-checksum-value", "ais-atime")
    assert {key: after[key] for key in same} == {key: before[key] for key in same}
    assert after["ais-version"] == "2"
    assert wire.send("GET", f"/v1/objects/{bucket}/b/c").body == data
    assert wire.send("GET", f"/v1/objects/{bucket}/a").status == 404
    assert names(wire, bucket) == ["b/c"]
    (member,) = wire.batch(bucket, ["b/c"]).members()
    assert member == (f"{bucket}/b/c", data)


def test_what_cannot_be_renamed(wire: Wire, bucket: str):
    wire.put(bucket, "a", b"x")
    assert rename(wire, bucket, "missing", "b").status == 404
    to_self = rename(wire, bucket, "a", "a")
    assert (to_self.status, "to self, nothing to do" in to_self.error["message"]) == (400, True)
    assert rename(wire, bucket, "a", "/a").status == 400
    for bad in ("", "x/", "../x", "a/./b", "~/x"):
        assert rename(wire, bucket, "a", bad).status == 400
    assert names(wire, bucket) == ["a"]


def test_name_of_a_renamed_object_may_hold_what_a_path_may(wire: Wire, bucket: str):
    wire.put(bucket, "a", b"x")
    new = "a b%41?#c é" + "n" * 300
    assert rename(wire, bucket, "a", new).status == 200
    assert names(wire, bucket) == [new]
    assert wire.send("GET", f"/v1/objects/{bucket}/{quote(new)}").body == b"x"


def test_renames_and_overwrites_at_once_lose_nothing(wire: Wire, bucket: str):
    """A put that comes between the two halves of a rename is not deleted with the old name."""

    def put(number: int) -> None:
        wire.put(bucket, "a", b"%d" % number)

    def move(_: int) -> int:
        return rename(wire, bucket, "a", "b").status

    put(-1)
    with ThreadPoolExecutor(8) as pool:
        puts = [pool.submit(put, number) for number in range(40)]
        moves = [pool.submit(move, number) for number in range(40)]
        statuses = [future.result() for future in moves]
        for future in puts:
            future.result()
    assert set(statuses) <= {200, 404}
    found = names(wire, bucket)
    assert found, "the last value is under one of the two names"
    last = move(0)
    assert last == (200 if "a" in found else 404)
    assert names(wire, bucket) == ["b"]


@pytest.mark.parametrize("size", [10, 2 * _MIB], ids=["small", "large"])
def test_copy_carries_everything_over(wire: Wire, bucket: str, size: int):
    other = wire.new_bucket()
    value = {"checksum": {"type": "md5"}}
    wire.send("PATCH", f"/v1/buckets/{bucket}", {"action": "set-bprops", "value": value})
    wire.put(bucket, "o", b"first")
    wire.put(bucket, "o", b"x" * size)
    wire.send("PATCH", f"/v1/objects/{bucket}/o", {"action": "", "value": {"k": "v"}})
    source = wire.send("HEAD", f"/v1/objects/{bucket}/o").headers
    for destination, name in ((bucket, "copy"), (other, "o"), (other, "d/é%3F")):
        uname = quote(f"ais/@#/{destination}/{name}", safe="")
        answer = wire.send("PUT", f"/v1/objects/{bucket}/o?object_to={uname}")
        assert (answer.hops, answer.status, answer.body) == ([307], 200, b"")
        copy = wire.send("HEAD", f"/v1/objects/{destination}/{quote(name)}").headers
        for key in ("content-length", "ais-version", "ais-custom-md", "ais-checksum-type", "ais-checksum-value"):
            assert copy[key] == source[key]
        assert wire.send("GET", f"/v1/objects/{destination}/{quote(name)}").body == b"x" * size


def test_copy_onto_itself_or_onto_an_equal_copy_changes_nothing(wire: Wire, bucket: str):
    wire.put(bucket, "o", b"x")
    path = f"/v1/objects/{bucket}/o?object_to="
    assert wire.send("PUT", path + quote(f"ais/@#/{bucket}/o", safe="")).status == 200
    assert wire.send("PUT", path + quote(f"ais/@#/{bucket}/p", safe="")).status == 200
    before = wire.send("HEAD", f"/v1/objects/{bucket}/p").headers["ais-atime"]
    assert wire.send("PUT", path + quote(f"ais/@#/{bucket}/p", safe="")).status == 200
    assert wire.send("HEAD", f"/v1/objects/{bucket}/p").headers["ais-atime"] == before
    wire.send("PATCH", f"/v1/objects/{bucket}/o", {"action": "", "value": {"k": "v"}})
    assert wire.send("PUT", path + quote(f"ais/@#/{bucket}/p", safe="")).status == 200
    assert wire.send("HEAD", f"/v1/objects/{bucket}/p").headers["ais-custom-md"] == "k=v"


def test_btr_12_slashes_in_front_of_a_name_do_not_count(wire: Wire, bucket: str):
    """Upstream keeps them in memory and drops them on disk: stored, but never listed."""
    wire.send("PUT", f"/v1/objects/{bucket}//y", b"one")
    for path in ("//y", "/y", "///y"):
        assert wire.send("GET", f"/v1/objects/{bucket}{path}").body == b"one"
    assert names(wire, bucket) == ["y"]
    uname = quote(f"ais/@#/{bucket}//z", safe="")
    assert wire.send("PUT", f"/v1/objects/{bucket}//y?object_to={uname}").status == 200
    assert rename(wire, bucket, "/y", "//new").status == 200
    assert names(wire, bucket) == ["new", "z"]
    assert names(wire, bucket, prefix="new") == ["new"]


def test_metadata_that_two_clients_add_at_once_is_all_there(wire: Wire, bucket: str):
    wire.put(bucket, "o", b"x")

    def add(number: int) -> int:
        message = {"action": "", "value": {f"k{number}": str(number)}}
        return wire.send("PATCH", f"/v1/objects/{bucket}/o", message).status

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(add, range(24))) == {200}
    found = wire.send("HEAD", f"/v1/objects/{bucket}/o").headers["ais-custom-md"]
    assert sorted(found.split(", ")) == sorted(f"k{number}={number}" for number in range(24))


EVIL = "x\r\nEvil: 1\r\n\r\nHTTP/1.1 200 OK"


def raw_answer(url: str, method: str, path: str) -> bytes:
    """What comes over the socket, up to the end of the connection."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=20) as connection:
        connection.sendall(f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        got = b""
        while piece := connection.recv(65536):
            got += piece
    return got


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_no_name_and_no_metadata_reaches_the_headers_as_it_came(node: NodeProcess, wire: Wire, bucket: str, method):
    """Reliability row 28, on a raw socket: one answer, without a line that somebody slipped in."""
    name = quote(EVIL, safe="")
    wire.send("PUT", f"/v1/objects/{bucket}/{name}", b"body")
    wire.send("PATCH", f"/v1/objects/{bucket}/{name}", {"action": "", "value": {EVIL: EVIL, "ETag": EVIL}})
    wire.put(bucket, "o", b"body")
    assert rename(wire, bucket, "o", EVIL + "2").status == 200
    for path in (name, name + "2", quote(EVIL + "missing", safe=""), f"{name}?props=etag,custom,{name}"):
        for url in (node.url, node.target_url):
            head, _, body = raw_answer(url, method, f"/v1/objects/{bucket}/{path}").partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 ")
            assert not any(line.lower().startswith(b"evil") for line in head.split(b"\r\n"))
            assert b"HTTP/1.1 200 OK\r\n" not in body


# -- the lock probe -------------------------------------------------------------------------------------


def probe(wire: Wire, bucket: str, name: str) -> int:
    answer = wire.send("POST", f"/v1/objects/{bucket}/{name}", {"action": "check-lock"})
    assert answer.body == b""
    return answer.status


def open_request(url: str, text: str) -> socket.socket:
    parts = urlsplit(url)
    connection = socket.create_connection((parts.hostname, parts.port), timeout=20)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.sendall(text.encode())
    return connection


@pytest.mark.parametrize("workers", [1, 2])
def test_probe_tells_who_reads_and_who_writes(tmp_path, workers: int):
    with start_node(tmp_path / "data", workers=workers) as node:
        wire = Wire(node.url)
        bucket = wire.new_bucket()
        wire.put(bucket, "o", b"x" * (64 * _MIB))
        assert probe(wire, bucket, "o") == 200
        assert probe(wire, bucket, "missing/") == 200
        with open_request(node.target_url, f"GET /v1/objects/{bucket}/o HTTP/1.1\r\nHost: x\r\n\r\n") as reader:
            reader.recv(100)
            for _ in range(2 * workers):
                assert probe(wire, bucket, "o") == 202
        location = wire.send("PUT", f"/v1/objects/{bucket}/o", b"", follow=False).headers["location"]
        parts = urlsplit(location)
        text = f"PUT {parts.path}?{parts.query} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf"
        with open_request(location, text) as writer:
            statuses = set()
            while 423 not in statuses:  # until the node has read the request's head
                statuses.add(probe(wire, bucket, "o"))
            writer.sendall(b"x" * 96)
            assert b" 200 " in writer.recv(4096)
        while probe(wire, bucket, "o") != 200:  # until the reader's thread has noticed
            pass
        assert wire.send("GET", f"/v1/objects/{bucket}/o").body == b"half" + b"x" * 96
