"""The checklist of the control plane, number by number, where no other test holds the number already.

Source: spec/rest-control.md 17.
"""

import io
import json
import re
import tarfile
import time
import uuid
from typing import Any

import pytest

from moss.testing import NodeProcess, start_node
from moss.wire.cluster import decode_cluster_map, node_digest
from tests.support.wire import Answer, Wire

_UNSET = "0001-01-01T00:00:00Z"


@pytest.fixture(scope="module")
def wire(node: NodeProcess) -> Wire:
    return Wire(node.url)


@pytest.fixture
def bucket(wire: Wire) -> str:
    return wire.new_bucket()


def _ask(wire: Wire, what: str, message: Any = None, status: int = 200) -> Any:
    answer = wire.send("GET", f"/v1/cluster?what={what}", {} if message is None else message)
    assert answer.status == status, answer.body
    return json.loads(answer.body)


def _act(wire: Wire, action: str, value: Any, query: str = "", **more: Any) -> Answer:
    return wire.send("PUT", f"/v1/cluster{query}", {"action": action, "value": value, **more})


def _start(wire: Wire, kind: str, **fields: Any) -> str:
    answer = _act(wire, "start", {"Kind": kind, **fields})
    assert answer.status == 200, answer.body
    return answer.body.decode()


def _end(wire: Wire, job_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + 20
    while not (found := _ask(wire, "status", {"ID": job_id}))["end_time"]:
        assert time.monotonic() < deadline
    return found


def _snapshot(wire: Wire, job_id: str) -> dict[str, Any]:
    ((found,),) = _ask(wire, "qryxstats", {"ID": job_id}).values()
    return found


def _copy(wire: Wire, source: str, other: str, **value: Any) -> str:
    body = {"action": "copy-listrange", "value": {"tobck": {"name": other, "provider": "ais"}, **value}}
    return wire.send("POST", f"/v1/buckets/{source}", body).body.decode()


def _target(wire: Wire) -> str:
    return min(_ask(wire, "smap")["tmap"])


def _reverse(wire: Wire, method: str, path: str, body: Any = None) -> Answer:
    return wire.send(method, f"/v1/reverse/daemon{path}", body, {"Ais-Node-Id": _target(wire)})


# -- wire ------------------------------------------------------------------------------------------------------


def test_01_the_id_of_a_started_job_is_bare_text(wire: Wire):
    answer = _act(wire, "start", {"ID": "", "Kind": "lru", "Bck": None, "Buckets": None, "Timeout": 0}, name="")
    assert re.fullmatch(rb"[A-Za-z][A-Za-z0-9_-]{7,}", answer.body)
    assert answer.headers["content-length"] == str(len(answer.body))
    assert answer.headers["content-type"].startswith("text/plain")


def test_02_gets_with_a_body_are_read(wire: Wire):
    job_id = _start(wire, "lru")
    for what in ("status", "qryxstats"):
        assert job_id in json.dumps(_ask(wire, what, {"ID": job_id}))
        assert "unknown01" in json.dumps(_ask(wire, what, {"ID": "unknown01"}, 404))
    for what in ("status_all", "running_all"):
        assert isinstance(_ask(wire, what, {"kind": "lru", "show_active": True}), list)
    assert json.loads(wire.send("GET", "/v1/download", {"regex": "nothing is called so"}).body) == []


def test_03_04_keys_in_any_case_and_null_for_nothing(wire: Wire):
    for kind, job_id in (("Kind", "ID"), ("kind", "id"), ("KIND", "Id")):
        nothing = dict.fromkeys(("Bck", "Buckets", "namespace", "show_active", "DaemonID", "flags"))
        started = _act(wire, "start", {kind: "lru", **nothing}).body.decode()
        assert _snapshot(wire, started)["id"] == started
        assert _ask(wire, "status", {job_id: started, kind: "lru", "Bck": None})["uuid"] == started
        assert _ask(wire, "running_all", {"kind": None, "node": None, "show_active": None}) is not None


def test_05_06_json_says_that_it_is_json_whatever_was_asked_for(wire: Wire):
    for what in ("smap", "cluster_config", "node_stats", "sysinfo", "mountpaths", "remote", "backends"):
        answer = wire.send("GET", f"/v1/cluster?what={what}", headers={"Accept": "application/msgpack"})
        assert answer.headers["content-type"] == "application/json; charset=utf-8"
        assert answer.body.endswith(b"\n")
        json.loads(answer.body)
    for what in ("node_status", "node_stats"):
        answer = _reverse(wire, "GET", f"?what={what}")
        assert answer.headers["content-type"] == "application/json; charset=utf-8"


@pytest.mark.parametrize(
    "path", ["/v1/nosuch", "/v1", "/", "/v1/daemon?what=no", "/v1/cluster", "/v1/./daemon?what=smap"]
)
def test_07_errors_are_documents_with_the_status_of_the_answer(wire: Wire, path: str):
    answer = wire.send("GET", path)
    assert answer.error.keys() >= {"message", "method", "url_path", "remote_addr", "caller", "node", "status"}
    assert answer.error["status"] == answer.status == 400
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_08_errors_of_head_are_in_a_header(wire: Wire):
    answer = wire.send("HEAD", f"/v1/buckets/no{uuid.uuid4().hex}")
    assert (answer.status, answer.body) == (404, b"")
    assert json.loads(answer.headers["hdr-error"])["status"] == 404


def test_09_missing_things_are_named_by_their_url(wire: Wire, bucket: str):
    assert "ais://no-such-bucket" in wire.send("GET", "/v1/objects/no-such-bucket/o").error["message"]
    assert f"ais://{bucket}/no/such" in wire.send("GET", f"/v1/objects/{bucket}/no/such").error["message"]


def test_10_other_methods_are_refused_in_plain_text(wire: Wire):
    allowed = {
        "/v1/cluster": "DELETE, GET, POST, PUT",
        "/v1/reverse/daemon": "DELETE, GET, POST, PUT",
        "/v1/daemon": "GET, POST, PUT",
        "/v1/download": "DELETE, GET, POST",
        "/v1/sort": "DELETE, GET, POST",
        "/v1/tokens": "POST, DELETE",
    }
    for path, methods in allowed.items():
        answer = wire.send("PATCH", path)
        assert (answer.status, answer.headers["allow"], answer.body) == (405, methods, b"Method Not Allowed\n"), path
        asked = wire.send("OPTIONS", path)
        assert (asked.status, asked.headers["allow"], asked.body) == (200, methods, b""), path


def test_11_clients_cannot_pretend_to_be_nodes(wire: Wire, node: NodeProcess):
    claim = {"Ais-Caller-Id": "pAbCdEfGh", "Ais-Caller-Name": "p[pAbCdEfGh]"}
    for address in ("/v1/health", "/v1/daemon?what=smap", f"{node.target_url}/v1/health", "/v1/buckets/x"):
        answer = wire.send("GET", address, headers=claim)
        assert (answer.status, answer.error["status"]) == (403, 403)
    assert wire.send("POST", "/v1/cluster/autoreg", {}, claim).status != 403
    assert wire.send("GET", "/v1/health", headers={"Ais-Caller-Id": "", "Ais-Caller-Name": "p[x]"}).status == 200


def test_13_slashes_do_not_count_and_unknown_items_are_refused(wire: Wire):
    wanted = wire.send("GET", "/v1/daemon?what=smap").body
    for path in ("//v1/daemon?what=smap", "/v1/daemon/?what=smap", "/v1//daemon//?what=smap", "/v1/daemon/x?what=smap"):
        assert wire.send("GET", path).body == wanted
    assert wire.send("PUT", "/v1/cluster/nosuch").status == 400


# -- map and health --------------------------------------------------------------------------------------------


def test_14_15_20_the_map(wire: Wire):
    found = _ask(wire, "smap")
    assert found.keys() >= {"pmap", "tmap", "proxy_si", "uuid", "version", "creation_time"}
    assert int(found["version"]) > 0 and isinstance(found["version"], str)
    decoded = decode_cluster_map(json.dumps(found).encode())
    for entry in [*found["pmap"].values(), *found["tmap"].values()]:
        assert entry["id_digest"] == node_digest(entry["daemon_id"])
        for net in ("public_net", "intra_data_net", "intra_control_net"):
            assert entry[net].keys() >= {"node_ip_addr", "daemon_port", "direct_url"}
            assert entry[net]["daemon_port"].isdigit()
    assert decoded.owner_of("ais/@#/b/o").daemon_id in found["tmap"]


def test_18_the_owner_serves_without_a_redirect(wire: Wire, node: NodeProcess, bucket: str):
    wire.put(bucket, "o", b"abc")
    for method, body in (("GET", b"abc"), ("HEAD", b"")):
        answer = wire.send(method, f"{node.target_url}/v1/objects/{bucket}/o", follow=False)
        assert (answer.status, answer.body) == (200, body)
    for method in ("PUT", "POST", "PATCH", "DELETE"):
        answer = wire.send(method, f"{node.target_url}/v1/objects/{bucket}/o", b"{}", follow=False)
        assert answer.status == 400
        assert "is expected to be redirected" in answer.error["message"]


def test_22_25_health(wire: Wire, node: NodeProcess):
    for method in ("GET", "HEAD"):
        answer = wire.send(method, "/v1/health")
        assert (answer.status, answer.body) == (200, b"")
        assert int(answer.headers["ais-node-uptime"]) > 0 and int(answer.headers["ais-cluster-uptime"]) > 0
    for query, status in (
        *(("prr=true", 200), ("readiness=yes", 200), ("readiness=maybe", 200), ("apr=true", 200), ("nosuch=1", 200)),
        *(("prr=true&cii=false", 200), ("prr=true&cii=y", 400), ("cii=1&cii-apr=1", 400), ("apr=1&cii-apr=1", 400)),
    ):
        assert wire.send("GET", f"/v1/health?{query}").status == status, query
    assert json.loads(wire.send("GET", f"{node.target_url}/v1/health?cii=t").body)["flags"] == 6


# -- what= -----------------------------------------------------------------------------------------------------


def test_26_27_status_of_nodes(wire: Wire):
    status = json.loads(_reverse(wire, "GET", "?what=node_status").body)
    assert status.keys() >= {"snode", "tracker", "capacity", "sys_info", "cluster", "status", "ais_version"}
    assert isinstance(status["smap_version"], str)
    assert all(type(value) in (int, float) for value in status["tracker"].values())
    assert wire.send("GET", "/v1/reverse/daemon?what=node_status").error["message"] == "missing node ID"
    for unknown in ("nosuchnode", f"t[{_target(wire)}]"):
        answer = wire.send("GET", "/v1/reverse/daemon?what=node_status", headers={"Ais-Node-Id": unknown})
        assert (answer.status, answer.error["tcode"]) == (404, "errNodeNotFound")


def test_28_logs(wire: Wire):
    text = _reverse(wire, "GET", "?what=log&severity=info").body
    assert text.startswith(b"I ")
    assert _reverse(wire, "GET", "?what=log&severity=e").status == 200
    assert _reverse(wire, "GET", f"?what=log&offset={len(text) // 2}").body.startswith(text[len(text) // 2 :])
    with tarfile.open(fileobj=io.BytesIO(_reverse(wire, "GET", "?what=log&all=true").body), mode="r:gz") as archive:
        assert archive.getmembers()
    for query in ("severity=x", "offset=99999999", "offset=-1", "offset=a"):
        assert _reverse(wire, "GET", f"?what=log&{query}").status == 400


def test_29_30_32_version_unknown_and_retired_questions(wire: Wire):
    assert re.match(rb"5\.0", wire.send("GET", "/v1/daemon?what=software_version").body)
    assert "unrecognized 'what=nosuch'" in wire.send("GET", "/v1/daemon?what=nosuch").error["message"]
    assert "unexpected query [what=nosuch]" in wire.send("GET", "/v1/cluster?what=nosuch").error["message"]
    for old, new in (("stats", "node_stats"), ("status", "node_status")):
        answers = [json.loads(wire.send("GET", f"/v1/daemon?what={what}").body) for what in (old, new)]
        assert answers[0].keys() == answers[1].keys()


def test_31_the_other_questions(wire: Wire):
    target = _target(wire)
    assert _ask(wire, "mountpaths")["targets"][target].keys() == {"available", "waiting_dd", "disabled"}
    assert _ask(wire, "remote") == {"a": [], "ver": 0}
    assert _ask(wire, "backends") == []
    stats = _ask(wire, "node_stats")
    assert stats["target"][target].keys() >= {"snode", "tracker", "capacity"}
    assert _ask(wire, "sysinfo")["target"][target]["fs_capacity"].isdigit()
    assert len(wire.send("GET", "/v1/cluster?what=target_ips").body.split(b",")) == 3
    kinds = json.loads(_reverse(wire, "GET", "?what=metrics").body)
    assert (kinds["get.n"], kinds["get.ns"], kinds["get.bps"]) == ("counter", "latency", "bw")
    assert json.loads(_reverse(wire, "GET", "?what=disk").body)["mountpaths"]
    assert wire.send("GET", "/v1/daemon?what=tls_certificate").status == 404


# -- configuration ---------------------------------------------------------------------------------------------


def test_38_40_what_may_change_for_a_while_or_at_one_node(wire: Wire):
    version = _ask(wire, "cluster_config")["config_version"]
    for key, status in (("rebalance.enabled=false", 400), ("get_batch.max_wait=30s", 400), ("log.level=4", 200)):
        assert wire.send("PUT", f"/v1/cluster/set-config?{key}&transient=true").status == status
    for key in ("auth.client_auth_required=true", "net.http.use_https=true"):
        assert wire.send("PUT", f"/v1/cluster/set-config?{key}&transient=true").status == 501
    shown = _ask(wire, "cluster_config")
    assert (shown["log"]["level"], shown["config_version"]) == ("4", version)
    assert _reverse(wire, "PUT", "/set-config?log.level=5").status == 200
    assert json.loads(_reverse(wire, "GET", "?what=config").body)["log"]["level"] == "5"
    answer = _reverse(wire, "PUT", "/set-config?get_batch.max_wait=30s")
    assert (answer.status, "can only be globally updated" in answer.error["message"]) == (400, True)
    assert _act(wire, "reset-config", None).status == 200
    assert _ask(wire, "cluster_config")["log"]["level"] == "3"
    assert json.loads(_reverse(wire, "GET", "?what=config").body)["log"]["level"] == "3"


def test_37_unknown_and_read_only_keys(wire: Wire):
    before = _ask(wire, "cluster_config")
    for key in ("no.such", "uuid", "config_version", "log"):
        answer = wire.send("PUT", f"/v1/cluster/set-config?log.level=4&{key}=1")
        assert (answer.status, answer.error["message"]) == (400, f'unknown property "{key}"')
    assert _ask(wire, "cluster_config") == before


def test_99_configuration_and_buckets_survive_a_restart(tmp_path):
    with start_node(tmp_path / "data") as running:
        wire = Wire(running.url)
        bucket = wire.new_bucket()
        assert wire.send("PUT", "/v1/cluster/set-config?get_batch.max_wait=33s").status == 200
        assert wire.send("PUT", "/v1/cluster/set-config?log.level=4&transient=true").status == 200
        uuid_before = _ask(wire, "smap")["uuid"]
        running.kill()
        running.start()
        wire = Wire(running.url)
        shown = _ask(wire, "cluster_config")
        assert (shown["get_batch"]["max_wait"], shown["log"]["level"]) == ("33s", "3")
        assert _ask(wire, "smap")["uuid"] == uuid_before
        assert wire.send("HEAD", f"/v1/buckets/{bucket}").status == 200


# -- jobs ------------------------------------------------------------------------------------------------------


def test_42_43_52_lists_of_jobs(wire: Wire):
    one, two, cleanup = _start(wire, "lru"), _start(wire, "lru"), _start(wire, "cleanup")
    assert len({one, two, cleanup}) == 3
    everything = {found["uuid"] for found in _ask(wire, "status_all")}
    assert everything >= {one, two, cleanup}
    of_kind = {found["uuid"] for found in _ask(wire, "status_all", {"kind": "lru"})}
    assert of_kind >= {one, two} and cleanup not in of_kind
    assert _snapshot(wire, cleanup)["kind"] == "cleanup-store"
    assert _ask(wire, "status_all", {"kind": "ec-encode"}) in (None, [])


def test_44_45_46_47_49_what_a_job_says_of_itself(wire: Wire):
    job_id = _start(wire, "lru")
    assert isinstance(_end(wire, job_id)["end_time"], int)
    found = _snapshot(wire, job_id)
    for key in ("start-time", "end-time"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", found[key])
    assert found["end-time"] != _UNSET
    assert all(value.isdigit() for value in found["stats"].values())
    for what in ("status", "qryxstats"):
        _ask(wire, what, {"ID": "Nobody00k"}, 404)
        _ask(wire, what, {"ID": "x"}, 400)
    assert _ask(wire, "qryxstats", {"kind": "ec-encode"}) == {_target(wire): []}


def test_48_50_51_an_idle_copy_job(wire: Wire, bucket: str):
    other = wire.new_bucket()
    for number in range(10):
        wire.put(bucket, f"o{number}", b"x" * number)
    job_id = _copy(wire, bucket, other, template="o{0..9}", **{"num-workers": 4})
    deadline = time.monotonic() + 20
    while not (found := _snapshot(wire, job_id))["is_idle"]:
        assert time.monotonic() < deadline
    # Idle is never reported before the work is done, and the job is on the list of those that run.
    listed = json.loads(wire.send("GET", f"/v1/buckets/{other}", {"action": "list", "value": {}}).body)
    assert len(listed["entries"]) == 10
    assert int(found["glob.id"]) >> 10 & 1023 == 4
    assert found["end-time"] == _UNSET
    assert f"copy-listrange[{job_id}]" in _ask(wire, "running_all")
    assert f"copy-listrange[{job_id}]" in _ask(wire, "running_all", {"kind": "copy-objects"})
    assert f"copy-listrange[{job_id}]" not in _ask(wire, "running_all", {"kind": "lru"})


def test_53_an_aborted_job_stays_to_be_seen(wire: Wire, bucket: str):
    job_id = _copy(wire, bucket, wire.new_bucket(), template="o{0..9}")
    assert _act(wire, "stop", {"ID": job_id, "Kind": "copy-objects", "Bck": None}).status == 200
    found = _snapshot(wire, job_id)
    assert found["aborted"] and found["abort-err"] and found["end-time"] != _UNSET
    status = _ask(wire, "status", {"ID": job_id})
    assert status["aborted"] and status["err"] and status["end_time"]


def test_54_stopping_nothing(wire: Wire):
    assert _act(wire, "stop", {"ID": "unknown01"}).status == 200
    finished = _start(wire, "lru")
    _end(wire, finished)
    assert _act(wire, "stop", {"ID": finished}).status == 200
    assert not _snapshot(wire, finished)["aborted"]
    for value in (None, {}, {"Kind": "nosuch"}, {"ID": "x"}, {"ID": "unknown01,unknown02"}):
        assert _act(wire, "stop", value).status == 400, value


def test_55_56_jobs_that_do_not_start(wire: Wire, bucket: str):
    for kind, status, word in (
        *(("get-batch", 501, "cannot start xaction"), ("list", 501, "list"), ("election", 501, "election")),
        *(("download", 400, "separate documented API"), ("make-n-copies", 400, "separate documented API")),
        *(("nosuch", 400, 'invalid xaction (job) kind "nosuch"'), ("", 400, "invalid xaction (job) kind")),
        *(("resilver", 501, "cannot run resilver on all targets"), ("rebalance", 400, "not enough targets")),
        *(("rechunk", 400, "requires a bucket"), ("load-lom-cache", 400, "requires a bucket")),
    ):
        answer = _act(wire, "start", {"Kind": kind})
        assert (answer.status, word in answer.error["message"]) == (status, True), answer.error
    missing = {"name": "no-such-bucket", "provider": "ais"}
    answer = _act(wire, "start", {"Kind": "lru", "Bck": missing})
    assert (answer.status, "ais://no-such-bucket" in answer.error["message"]) == (404, True)
    for field, value in (("flags", "1"), ("Force", "yes"), ("Bck", []), ("Buckets", {}), ("Timeout", [])):
        assert _act(wire, "start", {"Kind": "lru", field: value}).status == 400, field
    assert _start(wire, "lru", ID="MyOwnId01") != "MyOwnId01"


def test_57_a_job_that_failed_on_some_objects_says_so(wire: Wire, bucket: str):
    wire.put(bucket, "a", b"x")
    body = {"action": "delete-listrange", "value": {"objnames": ["a", "no-such"]}}
    job_id = wire.send("DELETE", f"/v1/buckets/{bucket}", body).body.decode()
    assert "no-such" in _end(wire, job_id)["err"]
    assert _snapshot(wire, job_id)["err"]


def test_58_finished_jobs_are_shown_with_the_rest(wire: Wire):
    job_id = _start(wire, "lru")
    _end(wire, job_id)
    (found,) = _ask(wire, "qryxstats", {"kind": "lru-eviction", "show_active": False}).values()
    assert job_id in {snapshot["id"] for snapshot in found}
    (found,) = _ask(wire, "qryxstats", {"kind": "lru", "show_active": True}).values()
    assert job_id not in {snapshot["id"] for snapshot in found}


def test_59_a_new_bucket_gets_a_new_batch_job(wire: Wire):
    seen = set()
    for _ in range(3):
        bucket = wire.new_bucket()
        wire.put(bucket, "o", b"x")
        seen.add(wire.batch(bucket, ["o"], strm=False).parts()[0]["uuid"])
    assert len(seen) == 3


def test_btr_18_waiting_for_ten_objects_takes_no_time(wire: Wire, bucket: str):
    other = wire.new_bucket()
    for number in range(10):
        wire.put(bucket, f"o{number}", b"x" * 1000)
    begun = time.monotonic()
    job_id = _copy(wire, bucket, other, template="o{0..9}")
    while not _snapshot(wire, job_id)["is_idle"]:
        pass
    body = {"action": "delete-listrange", "value": {"template": "o{0..9}"}}
    _end(wire, wire.send("DELETE", f"/v1/buckets/{bucket}", body).body.decode())
    _end(wire, _start(wire, "cleanup"))
    # A few milliseconds; the bound leaves room for a machine that has other things to do.
    assert time.monotonic() - begun < 2


# -- metrics ---------------------------------------------------------------------------------------------------


def _series(wire: Wire, url: str, pattern: str) -> int:
    found = re.search(rf"^{pattern} (\d+)$", wire.send("GET", f"{url}/metrics").body.decode(), re.MULTILINE)
    return int(found[1]) if found else 0


def test_92_93_counters_grow_by_what_was_done(wire: Wire, node: NodeProcess, bucket: str):
    wire.put(bucket, "o", b"abcde")
    wire.send("GET", f"/v1/objects/{bucket}/o")
    names = ("get_count", "get_bytes", "get_ns_total")
    before = [_series(wire, node.target_url, rf'ais_target_{name}{{bucket="",node_id="\w+"}}') for name in names]
    at_gateway = rf'ais_proxy_get_count{{bucket="ais://{bucket}",node_id="\w+"}}'
    assert _series(wire, node.url, at_gateway) == 1
    for _ in range(3):
        wire.send("GET", f"/v1/objects/{bucket}/o")
    wire.send("GET", f"/v1/objects/{bucket}/no-such")
    after = [_series(wire, node.target_url, rf'ais_target_{name}{{bucket="",node_id="\w+"}}') for name in names]
    assert after[0] - before[0] == 3
    assert after[1] - before[1] == 15
    assert after[2] > before[2]
    # The gateway counts what it sends on, whatever becomes of it.
    assert _series(wire, node.url, at_gateway) == 5
    page = wire.send("GET", f"{node.target_url}/metrics")
    assert page.headers["content-type"].startswith("text/plain; version=0.0.4")
    text = page.body.decode()
    for name in ("getbatch_count", "getbatch_rxwait_ns", "err_getbatch_count", "stream_out_count", "uptime"):
        assert f"# TYPE ais_target_{name} " in text
    assert "ais_target_getbatch" not in wire.send("GET", "/metrics").body.decode()
