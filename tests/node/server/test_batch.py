"""GetBatch over HTTP, against a real node: what clients see, and where the reference fails them."""

import base64
import io
import json
import os
import re
import tarfile
import threading
import time
import zipfile
import zlib

import lz4.frame
import pytest

from moss.testing import NodeProcess
from tests.support.wire import Answer, Wire, make_tar

TERMINATOR = bytes(1024)


@pytest.fixture(scope="module")
def wire(node: NodeProcess) -> Wire:
    return Wire(node.url)


@pytest.fixture(scope="module")
def bucket(wire: Wire) -> str:
    """A bucket with objects a, b, c, an empty one, and one shard in every format."""
    name = wire.new_bucket()
    for letter in "abc":
        wire.put(name, letter, letter.encode() * 5)
    wire.put(name, "empty", b"")
    members = {"one.txt": b"first", "d/two.txt": b"second file", "void": b""}
    wire.put(name, "s.tar", make_tar(members))
    wire.put(name, "s.tgz", make_tar(members, "w:gz"))
    wire.put(name, "s.tar.lz4", lz4.frame.compress(make_tar(members)))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in members.items():
            archive.writestr(path, data)
    wire.put(name, "s.zip", packed.getvalue())
    return name


SHARDS = ["s.tar", "s.tgz", "s.tar.lz4", "s.zip"]


# -- order, names, formats -----------------------------------------------------------------------------


def test_entries_come_in_request_order_with_duplicates(wire: Wire, bucket: str):
    answer = wire.batch(bucket, ["c", "a", "c", "b"])
    assert answer.hops == [307]
    assert answer.headers["content-type"] == "application/x-tar"
    assert "content-length" not in answer.headers
    assert answer.members() == [(f"{bucket}/{n}", n.encode() * 5) for n in "cacb"]
    assert answer.body.endswith(TERMINATOR) and len(answer.body) % 512 == 0


def test_the_documented_bytes_of_one_entry(wire: Wire):
    """Checklist 31: the test vector of the contract needs bucket `b` and object `o`."""
    wire.send("POST", "/v1/buckets/b", {"action": "create-bck"})
    wire.put("b", "o", b"hello")
    body = wire.batch("b", ["o"]).body
    import hashlib

    assert hashlib.sha256(body).hexdigest() == "70f363ae645103be601e1297ebe7f6cddf84dc72fc520b6a90b5303a256829a7"
    missing = wire.batch("b", ["x"], coer=True).body
    assert hashlib.sha256(missing).hexdigest() == "e094015f0d34ff202b77c1a667f9b92d08f4b4bbf4c37e9f626eda19254aaf7c"


def test_every_format_holds_the_same_archive(wire: Wire, bucket: str):
    entries = ["b", {"objname": "s.tar", "archpath": "d/two.txt"}, "empty", "a"]
    plain = wire.batch(bucket, entries, mime=".tar").body
    packed = wire.batch(bucket, entries, mime=".tgz")
    assert packed.body[:10] == bytes.fromhex("1f8b08000000000004ff")
    assert zlib.decompress(packed.body, 31) == plain
    frame = wire.batch(bucket, entries, mime=".tar.lz4")
    assert frame.body[:7] == bytes.fromhex("04224d186050fb")
    assert lz4.frame.decompress(frame.body) == plain
    with zipfile.ZipFile(io.BytesIO(wire.batch(bucket, entries, mime=".zip").body)) as archive:
        names = [f"{bucket}/b", f"{bucket}/s.tar/d/two.txt", f"{bucket}/empty", f"{bucket}/a"]
        assert [info.filename for info in archive.infolist()] == names
        assert archive.read(names[1]) == b"second file"


@pytest.mark.parametrize("shard", SHARDS)
def test_many_members_of_one_shard_in_any_order(wire: Wire, bucket: str, shard: str):
    paths = ["void", "d/two.txt", "one.txt", "/one.txt", "d/two.txt"]
    answer = wire.batch(bucket, [{"objname": shard, "archpath": path} for path in paths])
    wanted = {"one.txt": b"first", "d/two.txt": b"second file", "void": b""}
    clean = [path.lstrip("/") for path in paths]
    assert answer.members() == [(f"{bucket}/{shard}/{path}", wanted[path]) for path in clean]


@pytest.mark.parametrize("shard", SHARDS)
def test_ranges_inside_members(wire: Wire, bucket: str, shard: str):
    spans = [(0, 3), (2, 4), (7, -1), (0, -1)]
    entries = [{"objname": shard, "archpath": "d/two.txt", "start": s, "length": n} for s, n in spans]
    contents = [data for _, data in wire.batch(bucket, entries).members()]
    assert contents == [b"sec", b"cond", b"file", b"second file"]


def test_a_large_object_and_its_ranges_are_exact(wire: Wire):
    bucket = wire.new_bucket()
    data = os.urandom(3_000_001)
    wire.put(bucket, "large", data)
    spans = [(0, 0), (1, 1), (262_143, 2), (1_000_000, 1_048_577), (2_999_999, -1), (0, 3_000_001)]
    entries = [{"objname": "large", "start": s, "length": n} for s, n in spans]
    contents = [content for _, content in wire.batch(bucket, entries).members()]
    assert contents == [data[s:] if n < 0 else data[s : s + n] if n else data for s, n in spans]


def test_names_without_the_bucket(wire: Wire, bucket: str):
    entries = ["a", "nope", {"objname": "s.tar", "archpath": "one.txt"}, {"objname": "s.tar", "archpath": "/no"}]
    names = [name for name, _ in wire.batch(bucket, entries, onob=True, coer=True).members()]
    assert names == ["a", "__404__/nope", "s.tar/one.txt", "__404__/s.tar/no"]


def test_entries_of_several_buckets(wire: Wire, bucket: str):
    other = wire.new_bucket()
    wire.put(other, "z", b"other")
    entries = [{"objname": name, "bucket": where} for name, where in (("a", bucket), ("z", other), ("b", bucket))]
    for default in (None, bucket, other):
        members = wire.batch(default, entries).members()
        assert members == [(f"{bucket}/a", b"aaaaa"), (f"{other}/z", b"other"), (f"{bucket}/b", b"bbbbb")]


def test_a_thousand_entries_in_request_order_in_both_modes(wire: Wire):
    bucket = wire.new_bucket()
    for i in range(200):
        wire.put(bucket, f"o{i:03d}", b"%d" % i * 7)
    order = [(i * 37) % 200 for i in range(1000)]
    want = [(f"{bucket}/o{i:03d}", b"%d" % i * 7) for i in order]
    assert wire.batch(bucket, [f"o{i:03d}" for i in order]).members() == want
    metadata, archive = wire.batch(bucket, [f"o{i:03d}" for i in order], strm=False).parts()
    assert [row["objname"] for row in metadata["out"]] == [f"o{i:03d}" for i in order]
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        assert [member.name for member in tar] == [name for name, _ in want]


# -- buffered answers -----------------------------------------------------------------------------------


def test_metadata_echoes_what_was_asked(wire: Wire, bucket: str):
    """Better than the reference 22: member path and provider are reported, a leading slash as it was sent."""
    note = base64.b64encode(b"\xfb\xff mark").decode()
    entries = [
        {"objname": "s.tar", "archpath": "/one.txt", "opaque": note},
        {"objname": "nope", "opaque": note.replace("+", "-").replace("/", "_").rstrip("=")},
        {"objname": "empty"},
        {"objname": "b", "start": 1, "length": 2},
    ]
    metadata, archive = wire.batch(bucket, entries, strm=False, coer=True).parts()
    rows = metadata["out"]
    assert re.fullmatch(r"gbt-[\w-]{9,}", metadata["uuid"])
    assert rows[0] == {
        "objname": "s.tar", "archpath": "/one.txt", "bucket": bucket, "provider": "ais", "opaque": note, "size": 5,
    }  # fmt: skip
    assert rows[1]["err_msg"].endswith(f"ais://{bucket}/nope does not exist") and rows[1]["size"] == 0
    assert rows[1]["opaque"] == note
    assert "err_msg" not in rows[2] and rows[2]["size"] == 0
    assert rows[3]["size"] == 2
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        names = [member.name for member in tar]
    assert names == [f"{bucket}/s.tar/one.txt", f"__404__/{bucket}/nope", f"{bucket}/empty", f"{bucket}/b"]


# -- errors ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("streaming", [True, False])
def test_btr_02_strict_batches_fail_on_a_missing_object(wire: Wire, bucket: str, streaming: bool):
    answer = wire.batch(bucket, ["a", "nope", "b"], strm=streaming)
    assert answer.status == 404
    assert answer.error["tcode"] == "ErrNotFound"
    assert f"ais://{bucket}/nope does not exist" in answer.error["message"]


def test_btr_02_strict_batches_are_checked_whole_before_the_first_byte(wire: Wire, bucket: str):
    answer = wire.batch(bucket, ["a"] * 3000 + ["nope"])
    assert answer.status == 404


def test_btr_03_a_range_past_the_end_is_an_error_at_once(wire: Wire, bucket: str):
    entries = ["a", {"objname": "b", "start": 3, "length": 9}, {"objname": "c", "start": 1, "length": 2}]
    begin = time.monotonic()
    strict = wire.batch(bucket, entries)
    soft = wire.batch(bucket, entries, coer=True)
    assert time.monotonic() - begin < 10, "the reference needs 20 s for each such entry"
    assert strict.status == 416
    assert strict.error["message"] == "size=5: not satisfiable range [start=3,length=9]"
    assert [data for _, data in soft.members()] == [b"aaaaa", b"", b"cc"]
    assert soft.members()[1][0] == f"__404__/{bucket}/b"


def test_btr_04_05_a_broken_shard_harms_its_own_entries_only(wire: Wire, bucket: str):
    wire.put(bucket, "cut.tar", make_tar({"x": b"x" * 5000})[:2000])
    wire.put(bucket, "junk.zip", b"this is no archive")
    entries = [
        "a",
        {"objname": "cut.tar", "archpath": "x"},
        {"objname": "junk.zip", "archpath": "x"},
        {"objname": "s.tar", "archpath": "one.txt"},
    ]
    metadata, _ = wire.batch(bucket, entries, strm=False, coer=True).parts()
    errors = [row.get("err_msg") for row in metadata["out"]]
    assert errors[0] is None and errors[3] is None
    assert "unexpected EOF" in errors[1]
    assert "not a valid zip file" in errors[2]
    assert wire.batch(bucket, entries[1:2]).status == 400


@pytest.mark.parametrize("streaming", [True, False])
def test_btr_07_the_soft_error_budget_counts_the_last_entry_too(wire: Wire, bucket: str, streaming: bool):
    six = [f"no{i}" for i in range(6)]
    within = wire.batch(bucket, ["a", *six], coer=True, strm=streaming)
    assert within.status == 200
    beyond = wire.batch(bucket, ["a", *six, "no6"], coer=True, strm=streaming)
    assert beyond.status == 400
    assert re.search(r'wid=".*" exceeded soft-errors limit: 7 \(max: 6\)', beyond.error["message"])


def test_btr_01_a_failure_after_the_first_byte_breaks_the_answer(wire: Wire):
    bucket = wire.new_bucket()
    wire.put(bucket, "large", b"x" * (3 << 20))
    answer = wire.batch(bucket, ["large"] * 40 + [f"no{i}" for i in range(600)], coer=True)
    assert answer.status == 200 and answer.is_broken
    assert not answer.body.endswith(TERMINATOR)


def test_btr_21_the_same_request_gives_the_same_bytes(wire: Wire, bucket: str):
    entries = ["a", {"objname": "s.zip", "archpath": "one.txt"}, "nope", {"objname": "b", "start": 1, "length": -1}]
    for mime in (".tar", ".tgz", ".tar.lz4", ".zip"):
        assert (
            wire.batch(bucket, entries, mime=mime, coer=True).body
            == wire.batch(bucket, entries, mime=mime, coer=True).body
        )


def test_btr_23_both_forms_of_the_body(wire: Wire, bucket: str):
    request = {"in": [{"objname": "a"}], "strm": True}
    wrapped = wire.send("GET", f"/v1/ml/moss/{bucket}", {"action": "getbatch", "value": request})
    assert wrapped.body == wire.send("GET", f"/v1/ml/moss/{bucket}", request).body
    other = wire.send("GET", f"/v1/ml/moss/{bucket}", {"action": "list", "value": request})
    assert other.status == 400 and 'invalid action "list"' in other.error["message"]


def test_btr_24_entries_that_name_their_bucket_by_uname_keep_their_name(wire: Wire, bucket: str):
    answer = wire.batch(None, [{"objname": "a", "uname": f"ais/@#/{bucket}/"}])
    assert answer.members() == [(f"{bucket}/a", b"aaaaa")]


def test_btr_25_errors_hold_no_path_of_the_server_and_are_json(wire: Wire, bucket: str, node: NodeProcess):
    bodies = [b"\xef\xbb\xbf{}", b"[1", b"", b'{"in":"x"}']
    bodies += [b'{"in":[{"objname":"\xff/"}]}', b'{"in":[{"objname":"../x"}]}']
    for body in bodies:
        answer = wire.send("GET", f"/v1/ml/moss/{bucket}", body)
        assert answer.status == 400, body
        assert answer.error["status"] == 400
        assert str(node.data) not in answer.body.decode() and "/moss/" not in answer.error["message"]


def test_a_missing_bucket_is_never_soft(wire: Wire, bucket: str):
    answer = wire.batch(bucket, ["a", {"objname": "x", "bucket": "nobucket"}], coer=True)
    assert answer.status == 404
    assert answer.error["message"] == 'bucket "ais://nobucket" does not exist'
    assert answer.error["tcode"] == "ErrBckNotFound"


# -- ours: status and checksums inside the stream ---------------------------------------------------------


def test_placeholders_say_why_when_asked(wire: Wire, bucket: str):
    answer = wire.batch(bucket, ["a", "nope", "b"], {"Moss-Batch-Status": "1"}, coer=True)
    assert answer.headers["moss-batch-status"] == "1"
    with tarfile.open(fileobj=io.BytesIO(answer.body)) as tar:
        found = [(member.name, dict(member.pax_headers)) for member in tar]
    assert found[0] == (f"{bucket}/a", {}) and found[2] == (f"{bucket}/b", {})
    assert found[1][0] == f"__404__/{bucket}/nope"
    assert found[1][1]["MOSS.index"] == "1"
    assert found[1][1]["MOSS.error"].endswith(f"ais://{bucket}/nope does not exist")


def test_every_entry_carries_its_checksum_when_asked(wire: Wire, bucket: str):
    import xxhash

    answer = wire.batch(bucket, ["a", {"objname": "s.tgz", "archpath": "one.txt"}], {"Moss-Batch-Checksum": "1"})
    assert answer.headers["moss-batch-checksum"] == "1"
    with tarfile.open(fileobj=io.BytesIO(answer.body)) as tar:
        sums = [(member.pax_headers["MOSS.index"], member.pax_headers["MOSS.xxh3"]) for member in tar]
    assert sums == [("0", xxhash.xxh3_64_hexdigest(b"aaaaa")), ("1", xxhash.xxh3_64_hexdigest(b"first"))]


def test_other_clients_get_the_documented_bytes(wire: Wire, bucket: str):
    answer = wire.batch(bucket, ["nope"], coer=True)
    assert "moss-batch-status" not in answer.headers
    assert len(answer.body) == 512 + 1024


def test_direct_answers_save_the_redirect(wire: Wire, bucket: str):
    direct = wire.batch(bucket, ["a", "b"], {"Moss-Direct": "1"})
    assert direct.hops == []
    assert direct.body == wire.batch(bucket, ["a", "b"]).body


# -- redirects, jobs, admission ----------------------------------------------------------------------------


def redirect(wire: Wire, bucket: str, body: dict | None = None) -> str:
    answer = wire.send("GET", f"/v1/ml/moss/{bucket}", body or {"in": [{"objname": "a"}], "strm": True}, follow=False)
    assert answer.status == 307
    return answer.headers["location"]


def test_a_redirect_serves_one_answer(wire: Wire, bucket: str):
    at, body = redirect(wire, bucket), {"in": [{"objname": "a"}], "strm": True}
    assert re.search(rf"/v1/ml/moss/{bucket}/gbt-[\w-]{{9,}}/[\w-]{{7}}-[\w-]{{5}}/1\?pid=\w+&utm=[0-9a-z]+$", at)
    assert wire.send("GET", at, body).status == 200
    again = wire.send("GET", at, body)
    assert again.status == 404 and again.error["tcode"] == "ErrNotFound"


def test_what_was_admitted_is_served_whatever_the_second_body_says(wire: Wire, bucket: str):
    """Checklist 82."""
    at = redirect(wire, bucket)
    for broken in (b"", b"{", b'{"in":[]}', b'{"in":[{"objname":"a"}],"mime":"rar"}'):
        assert wire.send("GET", at, broken).status == 400
    answer = wire.send("GET", at, {"in": [{"objname": "b"}], "mime": ".zip"})
    assert answer.members() == [(f"{bucket}/a", b"aaaaa")]


def test_targets_refuse_requests_that_no_gateway_sent(wire: Wire, bucket: str):
    at = redirect(wire, bucket)
    bare = wire.send("GET", at.partition("?")[0], {"in": [{"objname": "a"}]})
    assert bare.status == 401
    assert bare.error["message"] == "direct target access denied" and "tcode" not in bare.error


def test_btr_08_a_redirect_to_a_stopped_job_is_refused_at_once(wire: Wire):
    bucket = wire.new_bucket()
    wire.put(bucket, "a", b"aaaaa")
    at = redirect(wire, bucket)
    stop = {"action": "stop", "value": {"kind": "get-batch", "bck": {"name": bucket, "provider": "ais"}}}
    assert wire.send("PUT", "/v1/cluster", stop).status == 200
    answer = wire.send("GET", at, {"in": [{"objname": "a"}]})
    assert answer.status == 409
    assert answer.error["tcode"] == "ErrAborted" and "aborted" in answer.error["message"]
    assert wire.batch(bucket, ["a"]).status == 200


@pytest.mark.parametrize("streaming", [True, False])
def test_btr_08_a_stopped_job_never_gives_a_short_answer(wire: Wire, streaming: bool):
    """The client reads nothing until the job is stopped, so that the batch is in flight then."""
    import socket
    import urllib.parse

    bucket = wire.new_bucket()
    wire.put(bucket, "large", bytes(4 << 20))
    body = json.dumps({"in": [{"objname": "large"}] * 100, "strm": streaming}).encode()
    at = urllib.parse.urlsplit(redirect(wire, bucket, json.loads(body)))
    with socket.create_connection((at.hostname, at.port), timeout=20) as client:
        head = f"GET {at.path}?{at.query} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        client.sendall(head.encode() + body)
        client.recv(1, socket.MSG_PEEK)
        job = re.search(r"gbt-[\w-]+", at.path)[0]
        assert wire.send("PUT", "/v1/cluster", {"action": "stop", "value": {"id": job}}).status == 200
        received = 0
        try:
            while part := client.recv(1 << 20):
                received += len(part)
                last = part
        except ConnectionError:
            last = b""
        assert received < 100 * (4 << 20)
        assert not last.endswith(b"0\r\n\r\n")


def test_btr_16_one_job_for_each_path_bucket(wire: Wire):
    first, second = wire.new_bucket(), wire.new_bucket()
    seen: dict[str, set[str]] = {first: set(), second: set()}
    for bucket in (first, second):
        wire.put(bucket, "a", b"x")
    for _ in range(5):
        for bucket in (first, second):
            metadata, _ = wire.batch(bucket, ["a"], strm=False).parts()
            seen[bucket].add(metadata["uuid"])
    assert len(seen[first]) == len(seen[second]) == 1
    assert seen[first] != seen[second]


# -- clients that misbehave --------------------------------------------------------------------------------


def test_btr_20_a_reader_that_pauses_gets_its_whole_batch(wire: Wire):
    import socket
    import urllib.parse

    bucket = wire.new_bucket()
    data = os.urandom(1 << 20)
    wire.put(bucket, "x", data)
    at = urllib.parse.urlsplit(wire.url)
    body = json.dumps({"in": [{"objname": "x"}] * 40, "strm": True}).encode()
    head = f"GET /v1/ml/moss/{bucket} HTTP/1.1\r\nHost: x\r\nMoss-Direct: 1\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection((at.hostname, at.port), timeout=30) as client:
        client.sendall(head.encode() + body)
        client.recv(1, socket.MSG_PEEK)
        # While this one pauses, others are served.
        assert len(wire.batch(bucket, ["x"] * 3).members()) == 3
        import http.client

        response = http.client.HTTPResponse(client)
        response.begin()
        whole = response.read()
    with tarfile.open(fileobj=io.BytesIO(whole)) as tar:
        assert [member.size for member in tar] == [1 << 20] * 40


def test_clients_that_vanish_leave_nothing_pending(wire: Wire):
    import socket
    import urllib.parse

    bucket = wire.new_bucket()
    wire.put(bucket, "x", bytes(1 << 20))
    at = urllib.parse.urlsplit(wire.url)
    body = json.dumps({"in": [{"objname": "x"}] * 200, "strm": True}).encode()
    head = f"GET /v1/ml/moss/{bucket} HTTP/1.1\r\nHost: x\r\nMoss-Direct: 1\r\nContent-Length: {len(body)}\r\n\r\n"
    for _ in range(20):
        with socket.create_connection((at.hostname, at.port), timeout=30) as client:
            client.sendall(head.encode() + body)
            client.recv(100)
    deadline = time.monotonic() + 20
    query = {"kind": "get-batch", "bck": {"name": bucket, "provider": "ais"}}
    while True:
        snapshots = wire.send("GET", "/v1/cluster?what=qryxstats", query)
        (snap,) = [one for rows in json.loads(snapshots.body).values() for one in rows]
        if "pending" not in snap.get("ctlmsg", ""):
            break
        assert time.monotonic() < deadline, snap
    assert "errs:" in snap["ctlmsg"]


def test_batches_of_many_clients_at_once(wire: Wire, bucket: str):
    want = wire.batch(bucket, ["a", "b", "c"] * 50).body
    failures: list[Answer] = []

    def ask() -> None:
        for _ in range(10):
            answer = wire.batch(bucket, ["a", "b", "c"] * 50)
            if answer.body != want:
                failures.append(answer)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_a_hundred_thousand_entries(wire: Wire, bucket: str):
    """Reliability row 20."""
    order = "abc" * 33_334
    answer = wire.batch(bucket, list(order[:100_000]))
    names = [answer.body[i : i + 100].rstrip(b"\0").decode() for i in range(0, len(answer.body) - 1024, 1024)]
    assert names == [f"{bucket}/{n}" for n in order[:100_000]]
