"""Damaged bytes are never delivered; several worker processes look like one node."""

import json
import os
import urllib.parse
from http.client import HTTPConnection
from pathlib import Path

import pytest

from moss.testing import NodeProcess, start_node
from tests.support.wire import Answer, Wire

_MIB = 1 << 20


def _flip_byte_of(folder: Path, payload: bytes, at: int) -> None:
    """Change one byte of a payload where it lies on disk."""
    for path in folder.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            place = data.find(payload[:4096])
            if place >= 0:
                with open(path, "r+b") as file:
                    file.seek(place + at)
                    file.write(bytes([payload[at] ^ 1]))
                return
    raise AssertionError("the payload is not on disk")


@pytest.mark.parametrize("size", [1000, 3 * _MIB])
def test_flipped_byte_is_an_error_and_never_data(tmp_path, size: int):
    with start_node(tmp_path / "data") as node:
        wire = Wire(node.url)
        bucket, data = wire.new_bucket(), os.urandom(size)
        wire.put(bucket, "o", data)
        assert wire.send("GET", f"/v1/objects/{bucket}/o").body == data
        _flip_byte_of(tmp_path / "data", data, size - 1)
        answer: Answer = wire.send("GET", f"/v1/objects/{bucket}/o")
        assert answer.is_broken or answer.status == 500
        assert data[: len(answer.body)] == answer.body or answer.status == 500
        if size > _MIB:
            first = wire.send("GET", f"/v1/objects/{bucket}/o", headers={"Range": "bytes=0-99"})
            assert (first.status, first.body) == (206, data[:100])


def test_buckets_objects_and_configuration_survive_kill(tmp_path):
    with start_node(tmp_path / "data") as node:
        wire = Wire(node.url)
        bucket = wire.new_bucket()
        wire.put(bucket, "o", b"kept")
        wire.send("PUT", "/v1/cluster/set-config?get_batch.max_soft_errs=9")
        before = json.loads(wire.send("GET", "/v1/daemon?what=smap").body)
        node.kill()
        node.start()
        wire = Wire(node.url)
        after = json.loads(wire.send("GET", "/v1/daemon?what=smap").body)
        config = json.loads(wire.send("GET", "/v1/cluster?what=cluster_config").body)
        assert (after["uuid"], set(after["tmap"])) == (before["uuid"], set(before["tmap"]))
        assert config["get_batch"]["max_soft_errs"] == 9
        assert wire.send("GET", f"/v1/objects/{bucket}/o").body == b"kept"


# -- workers ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pair(tmp_path_factory) -> NodeProcess:
    with start_node(tmp_path_factory.mktemp("pair") / "data", workers=2) as node:
        yield node


def _workers_of(wire: Wire) -> dict[str, HTTPConnection]:
    """Return one kept connection to each worker, by the address of its target face."""
    found: dict[str, HTTPConnection] = {}
    for _ in range(100):
        parts = urllib.parse.urlsplit(wire.url)
        connection = HTTPConnection(parts.hostname, parts.port, timeout=30)
        url = json.loads(_call(connection, "GET", "/v1/daemon?what=smap"))["tmap"].popitem()[1]["public_net"][
            "direct_url"
        ]
        if url in found:
            connection.close()
        found.setdefault(url, connection)
        if len(found) == 2:
            return found
    raise AssertionError("only one worker ever answers")


def _call(connection: HTTPConnection, method: str, path: str, body: object = None) -> bytes:
    headers = {"Content-Type": "application/json", "Moss-Direct": "1"}
    connection.request(method, path, None if body is None else json.dumps(body), headers)
    response = connection.getresponse()
    data = response.read()
    assert response.status in (200, 202), data
    return data


def test_workers_agree_on_jobs_configuration_and_data(pair: NodeProcess):
    wire = Wire(pair.url)
    bucket = wire.new_bucket()
    one, two = _workers_of(wire).values()
    _call(one, "PUT", f"/v1/objects/{bucket}/o")
    batch = {"in": [{"objname": "o"}], "strm": False}
    for connection in (one, two):
        assert b'"err_msg"' not in _call(connection, "GET", f"/v1/ml/moss/{bucket}", batch)
    question = {"kind": "get-batch", "bck": {"name": bucket}}
    seen = [json.loads(_call(connection, "GET", "/v1/cluster?what=qryxstats", question)) for connection in (one, two)]
    ids = {snapshot["id"] for answer in seen for snapshots in answer.values() for snapshot in snapshots}
    assert len(ids) == 1
    _call(one, "PUT", "/v1/cluster/set-config?get_batch.max_soft_errs=11")
    assert json.loads(_call(two, "GET", "/v1/cluster?what=cluster_config"))["get_batch"]["max_soft_errs"] == 11
    _call(two, "PUT", "/v1/cluster", {"action": "stop", "value": {"id": ids.pop(), "kind": "get-batch"}})
    for connection in (one, two):
        (answer,) = json.loads(_call(connection, "GET", "/v1/cluster?what=qryxstats", question)).values()
        assert [snapshot["aborted"] for snapshot in answer] == [True]


def test_result_of_a_summary_is_had_from_the_other_worker(pair: NodeProcess):
    wire = Wire(pair.url)
    bucket = wire.new_bucket()
    wire.put(bucket, "o", b"12345")
    one, two = _workers_of(wire).values()
    body = {"action": "summary-bck", "value": {"uuid": "", "prefix": ""}}
    body["value"]["uuid"] = _call(one, "GET", f"/v1/buckets/{bucket}", body).decode()
    while not (rows := json.loads(_call(two, "GET", f"/v1/buckets/{bucket}", body))):
        pass
    assert rows[0]["TotalSize"]["size_all_present_objs"] == "5"


def test_part_of_an_upload_may_come_to_any_worker(pair: NodeProcess):
    wire = Wire(pair.url)
    bucket = wire.new_bucket()
    one, two = _workers_of(wire).values()
    upload = _call(one, "POST", f"/v1/objects/{bucket}/m", {"action": "mpt-upload"}).decode()
    for connection, number in ((two, 1), (one, 2)):
        _call(connection, "PUT", f"/v1/objects/{bucket}/m?uploadId={upload}&partNumber={number}", number)
    parts = [{"part-number": number} for number in (1, 2)]
    body = {"action": "mpt-complete", "value": parts}
    _call(two, "POST", f"/v1/objects/{bucket}/m?uploadId={upload}", body)
    assert wire.send("GET", f"/v1/objects/{bucket}/m").body == b"12"
