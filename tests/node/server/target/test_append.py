"""Append over HTTP, against a real node. Source: spec/rest-data.md 5.7."""

import socket
import threading
from urllib.parse import quote, urlsplit

import pytest
import xxhash

from moss.testing import NodeProcess, start_node
from tests.support.wire import Answer, Wire

_MIB = 1 << 20


@pytest.fixture(scope="module")
def wire(node: NodeProcess) -> Wire:
    return Wire(node.url)


@pytest.fixture
def bucket(wire: Wire) -> str:
    return wire.new_bucket()


def append(wire: Wire, bucket: str, name: str, data: bytes, handle: str = "") -> str:
    """Append; returns the next handle."""
    answer = send(wire, bucket, name, "append", handle, data)
    assert answer.status == 200, answer.body
    return answer.headers["ais-append-handle"]


def flush(wire: Wire, bucket: str, name: str, handle: str, headers: dict[str, str] | None = None) -> Answer:
    return send(wire, bucket, name, "flush", handle, b"", headers)


def send(
    wire: Wire, bucket: str, name: str, kind: str, handle: str, data: bytes, headers: dict[str, str] | None = None
) -> Answer:
    query = f"append_type={kind}&append_handle={quote(handle, safe='')}"
    return wire.send("PUT", f"/v1/objects/{bucket}/{quote(name)}?{query}", data, headers)


def read(wire: Wire, bucket: str, name: str) -> bytes:
    answer = wire.send("GET", f"/v1/objects/{bucket}/{quote(name)}")
    assert answer.status == 200, answer.body
    return answer.body


@pytest.mark.parametrize("old", [b"", b"small ", b"0123456789abcdef" * (_MIB // 8)], ids=["empty", "small", "large"])
def test_appended_bytes_follow_the_old_ones_once_they_are_flushed(wire: Wire, bucket: str, old: bytes):
    wire.put(bucket, "o", old)
    wire.send("PATCH", f"/v1/objects/{bucket}/o", {"action": "", "value": {"k": "v"}})
    handle = append(wire, bucket, "o", b"one ")
    handle = append(wire, bucket, "o", b"two ", handle)
    handle = append(wire, bucket, "o", b"", handle)
    handle = append(wire, bucket, "o", b"3" * (2 * _MIB), handle)
    assert read(wire, bucket, "o") == old
    answer = flush(wire, bucket, "o", handle)
    assert answer.status == 200
    assert "ais-append-handle" not in answer.headers
    assert read(wire, bucket, "o") == old + b"one two " + b"3" * (2 * _MIB)
    head = wire.send("HEAD", f"/v1/objects/{bucket}/o").headers
    assert (head["ais-version"], head["ais-custom-md"]) == ("2", "k=v")


def test_flushed_again_or_continued_after_the_flush_is_missing(wire: Wire, bucket: str):
    handle = append(wire, bucket, "o", b"x")
    assert flush(wire, bucket, "o", handle).status == 200
    for kind in ("append", "flush"):
        answer = send(wire, bucket, "o", kind, handle, b"")
        assert (answer.status, answer.error["tcode"]) == (404, "ErrNotFound")
    assert read(wire, bucket, "o") == b"x"


def test_btr_13_flush_of_a_lost_handle_says_so(wire: Wire, bucket: str):
    """The reference answers 200 and stores nothing."""
    handle = append(wire, bucket, "o", b"lost")
    assert wire.send("DELETE", f"/v1/buckets/{bucket}", {"action": "destroy-bck"}).status == 200
    assert wire.send("POST", f"/v1/buckets/{bucket}", {"action": "create-bck"}).status == 200
    assert flush(wire, bucket, "o", handle).status == 404
    assert wire.send("GET", f"/v1/objects/{bucket}/o").status == 404


def test_append_that_is_sent_again_counts_once(wire: Wire, bucket: str):
    """What a client does when the answer was lost."""
    first = append(wire, bucket, "o", b"one ")
    append(wire, bucket, "o", b"tw", first)
    second = append(wire, bucket, "o", b"two", first)
    assert flush(wire, bucket, "o", second).status == 200
    assert read(wire, bucket, "o") == b"one two"


def test_piece_that_breaks_off_was_never_there(wire: Wire, bucket: str):
    handle = append(wire, bucket, "o", b"whole")
    url = f"/v1/objects/{bucket}/o?append_type=append&append_handle={quote(handle, safe='')}"
    target = urlsplit(wire.send("PUT", url, b"x", follow=False).headers["location"])
    with socket.create_connection((target.hostname, target.port), timeout=20) as connection:
        head = f"PUT {target.path}?{target.query} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"
        connection.sendall(head.encode() + b"not all of it")
        connection.shutdown(socket.SHUT_WR)
        assert b" 200 " not in connection.recv(4096)
    assert flush(wire, bucket, "o", handle).status == 200
    assert read(wire, bucket, "o") == b"whole"


def test_writers_with_handles_of_their_own_do_not_mix_and_the_last_flush_counts(wire: Wire, bucket: str):
    wire.put(bucket, "o", b"base ")
    one = append(wire, bucket, "o", b"A")
    other = append(wire, bucket, "o", b"B")
    assert flush(wire, bucket, "o", one).status == 200
    assert read(wire, bucket, "o") == b"base A"
    assert flush(wire, bucket, "o", other).status == 200
    assert read(wire, bucket, "o") == b"base B"


def test_flush_that_is_sent_again_while_the_first_is_under_way_counts_once(wire: Wire, bucket: str):
    handle = append(wire, bucket, "o", b"x" * 3_000_000)
    statuses: list[int] = []

    def run() -> None:
        statuses.append(flush(wire, bucket, "o", handle).status)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(statuses) <= {200, 404}, "404 for one that came when all was over"
    assert 200 in statuses
    assert wire.send("HEAD", f"/v1/objects/{bucket}/o").headers["ais-version"] == "1"


def test_flush_with_a_wrong_checksum_stores_nothing_and_can_be_repeated(wire: Wire, bucket: str):
    handle = append(wire, bucket, "o", b"checked")
    right = xxhash.xxh64(b"checked").hexdigest()
    answer = flush(wire, bucket, "o", handle, {"Ais-Checksum-Type": "xxhash2", "Ais-Checksum-Value": "0" * 16})
    assert answer.status == 500
    assert "BAD DATA CHECKSUM" in answer.error["message"]
    assert wire.send("GET", f"/v1/objects/{bucket}/o").status == 404
    headers = {"Ais-Checksum-Type": "xxhash2", "Ais-Checksum-Value": right}
    assert flush(wire, bucket, "o", handle, headers).status == 200
    assert read(wire, bucket, "o") == b"checked"


@pytest.mark.parametrize(
    ("handle", "text"),
    [
        ("abc", "invalid APPEND handle"),
        ("a|b|c", "invalid APPEND handle"),
        ("|||", "invalid APPEND handle"),
        ("a|b|c|d|e", "invalid APPEND handle"),
        ("nosuchnode|work|xxhash2|AAAA", "not present in Smap"),
    ],
)
def test_handles_that_are_none_are_refused_by_the_gateway(wire: Wire, bucket: str, handle: str, text: str):
    answer = send(wire, bucket, "o", "append", handle, b"x")
    assert (answer.hops, answer.status) == ([], 400)
    assert text in answer.error["message"]


def test_handle_of_another_object_or_with_a_made_up_state_is_refused(wire: Wire, bucket: str):
    handle = append(wire, bucket, "o", b"x")
    node_id, work, kind, state = handle.split("|")
    assert send(wire, bucket, "p", "append", handle, b"y").status == 404
    for made_up, status in (
        (f"{node_id}|../../node.json|{kind}|{state}", 404),
        (f"{node_id}|{work}|{kind}|!!", 400),
        (f"{node_id}|{work}|{kind}|cGllY2VzPTk=", 404),  # nine pieces, of which one is there
    ):
        assert flush(wire, bucket, "o", made_up).status == status
    assert flush(wire, bucket, "o", handle).status == 200


def test_handles_hold_no_path(wire: Wire, bucket: str):
    assert "/" not in append(wire, bucket, "o", b"x").partition("|")[2].rpartition("|")[0]


@pytest.mark.parametrize("kind", ["add", "Append", "flushed"])
def test_unknown_operations_are_refused(wire: Wire, bucket: str, kind: str):
    answer = send(wire, bucket, "o", kind, "", b"x")
    assert (answer.hops, answer.status) == ([307], 400)
    assert answer.error["message"].startswith(f'invalid operation "{kind}" (expecting either "append" or "flush")')


def test_append_needs_its_permission(wire: Wire, bucket: str):
    assert wire.send("PATCH", f"/v1/buckets/{bucket}", {"action": "set-bprops", "value": {"access": "3"}}).status == 200
    answer = send(wire, bucket, "o", "append", "", b"x")
    assert (answer.status, answer.error["tcode"]) == (403, "ErrBucketAccessDenied")
    assert "APPEND access denied" in answer.error["message"]


def test_btr_9_append_onto_an_object_of_parts_keeps_all_of_it(wire: Wire, bucket: str):
    upload = wire.send("POST", f"/v1/objects/{bucket}/o", {"action": "mpt-upload"}).body.decode()
    for number, data in ((1, b"a" * _MIB), (2, b"b" * _MIB)):
        wire.send("PUT", f"/v1/objects/{bucket}/o?uploadId={upload}&partNumber={number}", data)
    listed = [{"part-number": 1}, {"part-number": 2}]
    complete = {"action": "mpt-complete", "value": listed}
    assert wire.send("POST", f"/v1/objects/{bucket}/o?uploadId={upload}", complete).status == 200
    assert flush(wire, bucket, "o", append(wire, bucket, "o", b"tail")).status == 200
    assert read(wire, bucket, "o") == b"a" * _MIB + b"b" * _MIB + b"tail"
    head = wire.send("HEAD", f"/v1/objects/{bucket}/o?props=chunked")
    assert "ais-chunks-count" not in head.headers


@pytest.mark.slow
def test_append_goes_on_at_another_worker_and_after_a_restart(tmp_path):
    with start_node(tmp_path / "data", workers=2) as node:
        wire = Wire(node.url)
        bucket = wire.new_bucket()
        handle = ""
        for number in range(8):
            handle = append(wire, bucket, "o", b"%d " % number, handle)
        node.kill()
        node.start()
        wire = Wire(node.url)
        handle = append(wire, bucket, "o", b"end", handle)
        assert flush(wire, bucket, "o", handle).status == 200
        assert read(wire, bucket, "o") == b"0 1 2 3 4 5 6 7 end"


def test_damaged_piece_is_never_stored(node: NodeProcess, wire: Wire, bucket: str):
    handle = append(wire, bucket, "o", b"as it was sent")
    (piece,) = (node.data / "appends" / handle.split("|")[1]).glob("*.part")
    piece.write_bytes(b"as it was SENT")
    assert flush(wire, bucket, "o", handle).status == 500
    assert wire.send("GET", f"/v1/objects/{bucket}/o").status == 404
