"""Control calls over HTTP, against a real node: jobs, configuration, health, the cluster map, metrics, indexes."""

import json
import re
import time

import pytest

from moss.testing import NodeProcess
from tests.support.wire import Wire, make_tar


@pytest.fixture(scope="module")
def wire(node: NodeProcess) -> Wire:
    return Wire(node.url)


@pytest.fixture
def bucket(wire: Wire) -> str:
    return wire.new_bucket()


def _ask(wire: Wire, what: str, message: dict | None = None):
    answer = wire.send("GET", f"/v1/cluster?what={what}", message if message is not None else {})
    assert answer.status == 200, answer.body
    return json.loads(answer.body)


def _snapshots(wire: Wire, **query) -> list[dict]:
    (found,) = _ask(wire, "qryxstats", query).values()
    return found


def _wait(wire: Wire, job_id: str) -> dict:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        (found,) = _snapshots(wire, id=job_id)
        if found["is_idle"]:
            return found
    raise AssertionError(f"{job_id} does not end: {found}")


def _until(condition) -> None:
    """Ask until the condition holds: a client may have all of an answer before the node has counted it."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline


def _act(wire: Wire, action: str, value) -> object:
    return wire.send("PUT", "/v1/cluster", {"action": action, "value": value})


# -- the node itself ---------------------------------------------------------------------------------------


def test_map_has_both_faces_with_the_same_form(wire: Wire, node: NodeProcess):
    found = _ask(wire, "smap")
    assert found == json.loads(wire.send("GET", f"{node.target_url}/v1/daemon?what=smap").body)
    ((target_id, target),) = found["tmap"].items()
    assert target["public_net"]["direct_url"] == node.target_url
    assert (target["daemon_id"], target["daemon_type"], target["flags"]) == (target_id, "target", 0)
    assert found["proxy_si"] == found["pmap"][found["proxy_si"]["daemon_id"]]
    assert found["proxy_si"]["flags"] == 2
    assert isinstance(found["version"], str)


def test_health_says_how_long_and_refuses_contradictions(wire: Wire, node: NodeProcess):
    answer = wire.send("GET", "/v1/health?prr=true")
    assert (answer.status, answer.body) == (200, b"")
    assert int(answer.headers["ais-node-uptime"]) > 0
    assert "ais-node-uptime" not in wire.send("GET", f"{node.target_url}/v1/health").headers
    refused = wire.send("GET", "/v1/health?prr=true&cii=true")
    assert refused.status == 400
    assert "invalid query" in refused.error["message"]


def test_reverse_call_reaches_the_node_that_the_header_names(wire: Wire):
    found = _ask(wire, "smap")
    for kind, node_id in (("proxy", found["proxy_si"]["daemon_id"]), ("target", min(found["tmap"]))):
        answer = wire.send("GET", "/v1/reverse/daemon?what=node_status", headers={"Ais-Node-Id": node_id})
        status = json.loads(answer.body)
        assert (status["snode"]["daemon_type"], status["status"]) == (kind, "")
    assert wire.send("GET", "/v1/reverse/daemon?what=smap").status == 400
    unknown = wire.send("GET", "/v1/reverse/daemon?what=smap", headers={"Ais-Node-Id": "nosuchnode"})
    assert (unknown.status, unknown.error["tcode"]) == (404, "errNodeNotFound")


def test_btr_25_no_path_of_the_server_is_shown(wire: Wire, node: NodeProcess):
    place = str(node.data).encode()
    target = min(_ask(wire, "smap")["tmap"])
    wire.send("GET", "/v1/objects/nosuch/o")
    for what in ("log", "config", "node_status", "node_stats", "mountpaths", "disk"):
        answer = wire.send("GET", f"/v1/reverse/daemon?what={what}", headers={"Ais-Node-Id": target})
        assert answer.status == 200
        assert answer.body.strip()
        assert place not in answer.body
    assert place not in json.dumps(_ask(wire, "cluster_config")).encode()


@pytest.mark.parametrize("what", ["", "nosuch", "SMAP", "log%0a"])
def test_unknown_questions_are_refused(wire: Wire, what: str):
    assert wire.send("GET", f"/v1/daemon?what={what}").status == 400
    assert wire.send("GET", f"/v1/cluster?what={what}").status == 400


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"start"',
        b"\xef\xbb\xbf{}",
        b'{"action":7}',
        b'{"action":"nosuch"}',
        b"\xff\xfe",
        b"[" * 5000,
    ],
)
@pytest.mark.parametrize(("method", "path"), [("PUT", "/v1/cluster"), ("POST", "/v1/buckets/nosuch")])
def test_btr_25_bad_messages_get_a_json_error(wire: Wire, method: str, path: str, body: bytes):
    answer = wire.send(method, path, body)
    assert answer.status == 400
    assert answer.error["status"] == 400


# -- configuration -----------------------------------------------------------------------------------------


def test_configuration_is_changed_by_query_and_by_message(wire: Wire):
    before = _ask(wire, "cluster_config")
    assert wire.send("PUT", "/v1/cluster/set-config?log.level=4&get_batch.max_wait=30s").body == b""
    assert _act(wire, "set-config", {"get_batch": {"max_wait": "40s"}}).status == 200
    after = _ask(wire, "cluster_config")
    assert (after["log"]["level"], after["get_batch"]["max_wait"]) == ("4", "40s")
    assert int(after["config_version"]) == int(before["config_version"]) + 2
    refused = wire.send("PUT", "/v1/cluster/set-config?get_batch.max_wait=2m")
    assert refused.error["message"] == "invalid get_batch.max_wait=2m (must be in range [1s, 1m0s])"
    wire.send("PUT", "/v1/cluster/set-config?log.level=3&get_batch.max_wait=20s")


def test_target_takes_no_configuration(wire: Wire, node: NodeProcess):
    answer = wire.send("PUT", f"{node.target_url}/v1/daemon/set-config?log.level=4")
    assert answer.status == 403
    assert answer.error["message"].endswith("PUT /v1/daemon/set-config is read-only on PUBLIC")


# -- jobs --------------------------------------------------------------------------------------------------


def test_batch_job_reports_itself(wire: Wire, bucket: str):
    wire.put(bucket, "a", b"abc")
    answer = wire.batch(bucket, ["a"], strm=False)
    job_id = answer.parts()[0]["uuid"]
    _until(lambda: _snapshots(wire, id=job_id)[0]["stats"]["loc-objs"] != "0")
    (found,) = _snapshots(wire, id=job_id)
    assert (found["kind"], found["bck"]["name"], found["aborted"]) == ("get-batch", bucket, False)
    assert found["stats"] == {
        **dict.fromkeys(("out-objs", "out-bytes", "in-objs", "in-bytes"), "0"),
        "loc-objs": "1",
        "loc-bytes": "3",
    }
    assert found["end-time"] == "0001-01-01T00:00:00Z"
    assert re.match(r"reqs:\d+", found["ctlmsg"])
    assert f"get-batch[{job_id}]" in _ask(wire, "running_all", {"kind": "x-moss"})
    assert wire.send("GET", "/v1/cluster?what=status", {"kind": "get-batch"}).status == 404


def test_stop_by_kind_and_bucket_leaves_other_buckets_alone(wire: Wire, bucket: str):
    other = wire.new_bucket()
    ids = {}
    for name in (bucket, other):
        wire.put(name, "a", b"abc")
        ids[name] = wire.batch(name, ["a"], strm=False).parts()[0]["uuid"]
    value = {"kind": "get-batch", "bck": {"name": bucket, "provider": "ais"}}
    assert _act(wire, "stop", value).status == 200
    (stopped,) = _snapshots(wire, id=ids[bucket])
    assert (stopped["aborted"], stopped["abort-err"]) == (True, "user abort")
    assert not _snapshots(wire, id=ids[other])[0]["aborted"]
    assert wire.batch(bucket, ["a"], strm=False).parts()[0]["uuid"] != ids[bucket]


@pytest.mark.parametrize("kind", ["get-batch", "x-moss", "list", "archive", "copy-bck"])
def test_job_that_cannot_be_started(wire: Wire, kind: str):
    answer = _act(wire, "start", {"Kind": kind})
    assert (answer.status, answer.error["tcode"]) == (501, "ErrUnsupp")


def test_started_jobs_have_ids_of_their_own_and_end(wire: Wire):
    ids = [_act(wire, "start", {"kind": "lru"}).body.decode() for _ in range(2)]
    assert len(set(ids)) == 2
    for job_id in ids:
        _wait(wire, job_id)
        status = _ask(wire, "status", {"ID": job_id})
        assert status["end_time"] > 0
        assert not status["err"]
    assert {row["uuid"] for row in _ask(wire, "status_all", {"kind": "lru"})} >= set(ids)


def test_btr_18_archive_job_is_done_when_it_is_done(wire: Wire, bucket: str):
    for number in range(20):
        wire.put(bucket, f"o{number:02}", bytes([number]) * number)
    begin = time.monotonic()
    value = {"template": "o{00..19}", "archname": "all.tar", "tobck": {"name": bucket, "provider": "ais"}}
    job_id = wire.send("PUT", f"/v1/buckets/{bucket}", {"action": "archive", "value": value}).body.decode()
    _wait(wire, job_id)
    assert time.monotonic() - begin < 3
    members = wire.send("GET", f"/v1/objects/{bucket}/all.tar").members()
    assert sorted(members) == [(f"o{number:02}", bytes([number]) * number) for number in range(20)]


def test_archive_with_a_missing_member_makes_no_object(wire: Wire, bucket: str):
    wire.put(bucket, "a", b"x")
    value = {"objnames": ["a", "no"], "archname": "x.tar", "tobck": {"name": bucket}}
    job_id = wire.send("PUT", f"/v1/buckets/{bucket}", {"action": "archive", "value": value}).body.decode()
    found = _wait(wire, job_id)
    assert "does not exist" in found["err"]
    assert wire.send("HEAD", f"/v1/objects/{bucket}/x.tar").status == 404


def test_btr_11_copy_jobs_keep_their_own_options(wire: Wire, bucket: str):
    other = wire.new_bucket()
    for name in ("a.jpg", "b.txt"):
        wire.put(bucket, name, name.encode())
    jobs = []
    for value in ({"prepend": "p/", "ext": {"jpg": "png"}}, {"prepend": "q/", "prefix": "b"}, {"dry_run": True}):
        body = {"action": "copy-listrange", "value": {**value, "template": "", "tobck": {"name": other}}}
        jobs.append(wire.send("POST", f"/v1/buckets/{bucket}", body).body.decode())
    for job_id in jobs:
        _wait(wire, job_id)
    page = json.loads(wire.send("GET", f"/v1/buckets/{other}", {"action": "list", "value": {}}).body)
    assert [entry["name"] for entry in page["entries"]] == ["p/a.png", "p/b.txt", "q/b.txt"]


def test_deleting_many_objects(wire: Wire, bucket: str):
    for number in range(10):
        wire.put(bucket, f"o-{number}", b"x")
    body = {"action": "delete-listrange", "value": {"template": "o-{1..20}"}}
    found = _wait(wire, wire.send("DELETE", f"/v1/buckets/{bucket}", body).body.decode())
    assert not found["err"]
    page = json.loads(wire.send("GET", f"/v1/buckets/{bucket}", {"action": "list", "value": {}}).body)
    assert [entry["name"] for entry in page["entries"]] == ["o-0"]


# -- shard indexes -----------------------------------------------------------------------------------------


def _index(wire: Wire, bucket: str) -> None:
    _wait(wire, wire.send("POST", f"/v1/buckets/{bucket}", {"action": "index-shard", "value": {}}).body.decode())


def _summary(wire: Wire, bucket: str) -> dict[str, str]:
    body = {"action": "summary-shard", "value": {"prefix": ""}}
    started = wire.send("GET", f"/v1/buckets/{bucket}", body)
    assert started.status == 202
    body["value"]["uuid"] = started.body.decode()
    while True:
        answer = wire.send("GET", f"/v1/buckets/{bucket}", body)
        if answer.status == 200:
            return json.loads(answer.body)
        assert answer.status in (202, 206)


def test_index_object_has_the_documented_bytes_and_goes_with_its_shard(wire: Wire, bucket: str):
    wire.put(bucket, "s.tar", make_tar({"a.txt": b"hello"})[:2048])
    _index(wire, bucket)
    path = f"/v1/objects/.sys-shardidx/ais/@%23/{bucket}/s.tar.idx"
    found = wire.send("GET", path).body
    expected = "01000111746189d493ebca0778786861736832103664613035623839333131663835396480100105612e7478740005"
    assert found.hex() == expected  # Source: spec/getbatch.md 10.3 (recorded)
    wire.send("DELETE", f"/v1/objects/{bucket}/s.tar")
    assert wire.send("GET", path).status == 404


def test_summary_counts_fresh_stale_and_other_archives(wire: Wire, bucket: str):
    wire.put(bucket, "s.tar", make_tar({"a": b"1", "b": b"2"}))
    wire.put(bucket, "no.tar", b"no archive at all" * 100)
    wire.put(bucket, "s.tgz", make_tar({"a": b"1"}, "w:gz"))
    _index(wire, bucket)
    found = _summary(wire, bucket)
    assert (found["tar-objs"], found["shards"], found["archived-objs"], found["stale-indexes"]) == ("2", "1", "2", "0")
    wire.put(bucket, "s.tar", make_tar({"c": b"3"}))
    stale = _summary(wire, bucket)
    assert (stale["shards"], stale["stale-indexes"]) == ("0", "1")
    assert wire.batch(bucket, [{"objname": "s.tar", "archpath": "c"}]).members() == [(f"{bucket}/s.tar/c", b"3")]
    _index(wire, bucket)
    assert (_summary(wire, bucket)["shards"], _summary(wire, bucket)["archived-objs"]) == ("1", "1")


def test_btr_10_index_of_a_shard_uploaded_in_parts_reads_right(wire: Wire, bucket: str):
    shard = make_tar({f"m{number}": bytes([number]) * 700 for number in range(20)})
    upload = wire.send("POST", f"/v1/objects/{bucket}/p.tar", {"action": "mpt-upload"}).body.decode()
    for number, at in enumerate(range(0, len(shard), 3000), 1):
        path = f"/v1/objects/{bucket}/p.tar?uploadId={upload}&partNumber={number}"
        assert wire.send("PUT", path, shard[at : at + 3000]).status == 200
    parts = [{"part-number": i + 1, "etag": ""} for i in range(number)]
    body = {"action": "mpt-complete", "value": parts}
    assert wire.send("POST", f"/v1/objects/{bucket}/p.tar?uploadId={upload}", body).status == 200
    for _ in range(2):
        answer = wire.batch(bucket, [{"objname": "p.tar", "archpath": f"m{number}"} for number in range(20)])
        assert [data for _, data in answer.members()] == [bytes([number]) * 700 for number in range(20)]
        assert wire.send("GET", f"/v1/objects/{bucket}/p.tar?archpath=m7").body == bytes([7]) * 700
        _index(wire, bucket)


# -- metrics -----------------------------------------------------------------------------------------------


def _metric(wire: Wire, url: str, name: str) -> int:
    page = wire.send("GET", f"{url}/metrics").body.decode()
    return int(re.search(rf"^{name}{{[^}}]*}} (\d+)$", page, re.MULTILINE)[1])


def test_counters_move_with_batches(wire: Wire, node: NodeProcess, bucket: str):
    wire.put(bucket, "a", b"abc")
    wire.put(bucket, "s.tar", make_tar({"m": b"12345"}))
    names = ("getbatch_count", "getbatch_obj_count", "getbatch_file_bytes", "err_soft_getbatch_count")
    aliases = ("getbatch_n", "getbatch_obj_n", "getbatch_file_size", "err_soft_getbatch_n")
    wire.batch(bucket, ["a"])
    of_bucket = {"kind": "get-batch", "bck": {"name": bucket}}
    _until(lambda: _snapshots(wire, **of_bucket)[0]["stats"]["loc-objs"] == "1")
    before = [_metric(wire, node.target_url, f"ais_target_{name}") for name in names]
    entries = ["a", "a", {"objname": "s.tar", "archpath": "m"}, "missing"]
    assert len(wire.batch(bucket, entries, coer=True).members()) == 4
    _until(lambda: _metric(wire, node.target_url, "ais_target_getbatch_count") == before[0] + 1)
    for set_of_names in (names, aliases):
        after = [_metric(wire, node.target_url, f"ais_target_{name}") for name in set_of_names]
        assert [new - old for new, old in zip(after, before, strict=True)] == [1, 2, 5, 1]
