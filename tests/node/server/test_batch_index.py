"""Shard indexes over HTTP, number by number (docs/compatibility.md, 53, 68, 71 to 74, 86)."""

import json
import os
import time

import pytest

from moss.archive.index import unpack_shard_index
from moss.testing import NodeProcess
from tests.support.wire import Answer, Wire, make_tar

TWICE = [("a.txt", b"first"), ("b.txt", b"other"), ("a.txt", b"second"), ("e", b"")]


@pytest.fixture(scope="module")
def wire(node: NodeProcess) -> Wire:
    return Wire(node.url)


@pytest.fixture
def bucket(wire: Wire) -> str:
    name = wire.new_bucket()
    wire.put(name, "s.tar", make_tar(TWICE))
    wire.put(name, "t.tgz", make_tar(TWICE, "w:gz"))
    wire.put(name, "note.txt", b"no shard")
    return name


def until(wire: Wire, job: str) -> dict:
    """Wait for a job; return its snapshot."""
    deadline = time.monotonic() + 20
    while True:
        answer = wire.send("GET", "/v1/cluster?what=qryxstats", {"id": job})
        snapshots = [one for rows in json.loads(answer.body).values() for one in rows]
        if all(not one["end-time"].startswith("0001") for one in snapshots):
            return snapshots[0]
        assert time.monotonic() < deadline, snapshots


def build(wire: Wire, bucket: str, **value) -> dict:
    answer = wire.send("POST", f"/v1/buckets/{bucket}", {"action": "index-shard", "value": value})
    assert answer.status == 200, answer.body
    return until(wire, answer.body.decode().strip().strip('"'))


def summary(wire: Wire, bucket: str) -> tuple[list[int], dict]:
    """Ask for a summary as the protocol wants it; return the statuses seen and the last answer."""
    ask = {"action": "summary-shard", "value": {"prefix": ""}}
    answer = wire.send("GET", f"/v1/buckets/{bucket}", ask)
    statuses, job = [answer.status], answer.body.decode().strip().strip('"')
    deadline = time.monotonic() + 20
    while answer.status != 200 or len(statuses) == 1:
        assert time.monotonic() < deadline
        ask["value"]["uuid"] = job
        answer = wire.send("GET", f"/v1/buckets/{bucket}", ask)
        statuses.append(answer.status)
    return statuses, json.loads(answer.body)


def index_object(wire: Wire, bucket: str, shard: str) -> Answer:
    name = f"ais/@%23/{bucket}/{shard}.idx"
    return wire.send("GET", f"/v1/objects/.sys-shardidx/{name}")


def read(wire: Wire, bucket: str, shard: str = "s.tar") -> bytes:
    entries = [{"objname": shard, "archpath": path} for path in ("b.txt", "a.txt", "e", "/a.txt", "none")]
    entries.append({"objname": shard, "archpath": "a.txt", "start": 1, "length": -1})
    return wire.batch(bucket, entries, coer=True).body


def test_53_71_members_are_the_same_without_with_and_with_a_stale_index(wire: Wire, bucket: str):
    plain = read(wire, bucket)
    assert build(wire, bucket)["err"] == ""
    assert read(wire, bucket) == plain
    first = wire.batch(bucket, [{"objname": "s.tar", "archpath": "a.txt"}]).members()
    assert first == [(f"{bucket}/s.tar/a.txt", b"first")], "the first of two members of one name counts"
    wire.put(bucket, "s.tar", make_tar([("pad", bytes(3000)), *TWICE]))
    assert read(wire, bucket) == plain, "the index is stale now"


def test_72_only_tars_get_an_index_object(wire: Wire, bucket: str):
    job = build(wire, bucket)
    assert (job["kind"], job["ctlmsg"]) == ("index-shard", "skip-nontar:2, index:1")
    index = unpack_shard_index(index_object(wire, bucket, "s.tar").body)
    assert index.source_size == len(make_tar(TWICE))
    assert {name: entry.size for name, entry in index.entries.items()} == {"a.txt": 5, "b.txt": 5, "e": 0}
    assert index_object(wire, bucket, "t.tgz").status == 404
    assert build(wire, bucket)["ctlmsg"] == "skip-nontar:2, skip-indexed:1"


def test_73_an_index_follows_its_shard(wire: Wire, bucket: str):
    build(wire, bucket)
    wire.put(bucket, "s.tar", make_tar([("new", b"new")]))
    assert summary(wire, bucket)[1]["stale-indexes"] == "1"
    assert build(wire, bucket)["ctlmsg"] == "skip-nontar:2, re-stale:1"
    counts = summary(wire, bucket)[1]
    assert (counts["stale-indexes"], counts["shards"], counts["archived-objs"]) == ("0", "1", "1")
    assert wire.send("DELETE", f"/v1/objects/{bucket}/s.tar").status in (200, 204)
    assert index_object(wire, bucket, "s.tar").status == 404


def test_74_a_summary_counts_in_text(wire: Wire, bucket: str):
    build(wire, bucket)
    wire.put(bucket, "later.tar", make_tar(TWICE))
    statuses, counts = summary(wire, bucket)
    assert statuses[0] == 202 and statuses[-1] == 200 and set(statuses[1:-1]) <= {202, 206}
    size = len(make_tar(TWICE))
    assert counts == {
        "tar-objs": "2",
        "tar-size": str(2 * size),
        "shards": "1",
        "shard-size": str(size),
        "archived-objs": "3",
        "stale-indexes": "0",
        "invalid-indexes": "0",
    }


def test_an_index_of_an_unknown_bucket_is_refused(wire: Wire):
    answer = wire.send("POST", "/v1/buckets/nobody", {"action": "index-shard", "value": {}})
    assert (answer.status, answer.error["tcode"]) == (404, "ErrBckNotFound")


def upload_in_parts(wire: Wire, bucket: str, name: str, data: bytes, part_bytes: int) -> None:
    begun = wire.send("POST", f"/v1/objects/{bucket}/{name}", {"action": "mpt-upload"})
    assert begun.status == 200, begun.body
    upload = begun.body.decode().strip().strip('"')
    parts = [data[i : i + part_bytes] for i in range(0, len(data), part_bytes)]
    for number, part in enumerate(parts, 1):
        path = f"/v1/objects/{bucket}/{name}?uploadId={upload}&partNumber={number}"
        assert wire.send("PUT", path, part).status == 200
    done = {"action": "mpt-complete", "value": [{"part-number": n, "etag": ""} for n in range(1, len(parts) + 1)]}
    answer = wire.send("POST", f"/v1/objects/{bucket}/{name}?uploadId={upload}", done)
    assert answer.status == 200, answer.body


def test_68_86_btr_10_a_shard_uploaded_in_parts_reads_the_same_with_and_without_index(wire: Wire, bucket: str):
    whole = make_tar([("pad", os.urandom(2500)), *TWICE])
    upload_in_parts(wire, bucket, "parts.tar", whole, 1200)
    wire.put(bucket, "whole.tar", whole)

    def seen() -> list:
        one = wire.send("GET", f"/v1/objects/{bucket}/parts.tar?archpath=b.txt")
        raw = wire.batch(bucket, [{"objname": "parts.tar", "start": 1199, "length": 1203}]).members()
        return [one.status, one.body, raw, read(wire, bucket, "parts.tar").replace(b"parts", b"whole")]

    before = seen()
    assert before[:3] == [200, b"other", [(f"{bucket}/parts.tar", whole[1199:2402])]]
    members = wire.batch(bucket, [{"objname": "parts.tar", "archpath": path} for path in ("pad", "a.txt")]).members()
    assert members == [(f"{bucket}/parts.tar/pad", whole[512:3012]), (f"{bucket}/parts.tar/a.txt", b"first")]
    assert build(wire, bucket)["err"] == ""
    assert seen() == before


def test_btr_09_a_part_sent_again_replaces_the_first_one(wire: Wire, bucket: str):
    upload = wire.send("POST", f"/v1/objects/{bucket}/o", {"action": "mpt-upload"}).body.decode().strip().strip('"')
    for number, part in ((1, b"wrong"), (2, b" world"), (1, b"hello")):
        path = f"/v1/objects/{bucket}/o?uploadId={upload}&partNumber={number}"
        assert wire.send("PUT", path, part).status == 200
    done = {"action": "mpt-complete", "value": [{"part-number": 1, "etag": ""}, {"part-number": 2, "etag": ""}]}
    assert wire.send("POST", f"/v1/objects/{bucket}/o?uploadId={upload}", done).status == 200
    assert wire.send("GET", f"/v1/objects/{bucket}/o").body == b"hello world"
    assert wire.batch(bucket, ["o"]).members() == [(f"{bucket}/o", b"hello world")]
