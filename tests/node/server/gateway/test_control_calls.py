"""Calls about the cluster and its nodes: what clients ask first, changes that one node refuses, counters."""

import json

import pytest

from moss.testing import NodeProcess, start_node
from tests.support.wire import Answer, Wire

# Source: spec/rest-control.md 7.1.
_SECTIONS = {
    *("backend", "mirror", "ec", "log", "periodic", "timeout", "client", "proxy", "space", "lru", "disk", "rebalance"),
    *("resilver", "checksum", "versioning", "net", "fshc", "auth", "keepalivetracker", "downloader", "tcb", "tco"),
    *("distributed_sort", "arch", "lso", "get_batch", "chunks", "rate_limit", "transport", "memsys", "write_policy"),
    *("features", "uuid", "lastupdate_time", "config_version", "ext"),
}


@pytest.fixture
def wire(node: NodeProcess) -> Wire:
    return Wire(node.url)


def _map(wire: Wire) -> dict:
    return json.loads(wire.send("GET", "/v1/daemon?what=smap").body)


def _target(wire: Wire) -> str:
    return min(_map(wire)["tmap"])


def _reverse(wire: Wire, method: str, path: str, body: object = None, node_id: str = "") -> Answer:
    return wire.send(method, f"/v1/reverse/daemon{path}", body, {"Ais-Node-Id": node_id or _target(wire)})


# -- what test harnesses ask before they begin ---------------------------------------------------------------


def test_what_clients_ask_before_their_first_test_is_answered_in_full(wire: Wire):
    for query in ("", "?readiness=true", "?prr=true"):
        assert wire.send("GET", f"/v1/health{query}").status == 200
    found = _map(wire)
    assert found["pmap"] and found["tmap"] and found["uuid"] and int(found["version"]) > 0
    for target_id in found["tmap"]:
        answer = _reverse(wire, "GET", "?what=smap", node_id=target_id)
        assert (answer.status, json.loads(answer.body)) == (200, found)
    remote = wire.send("GET", "/v1/cluster?what=remote")
    assert json.loads(remote.body) == {"a": [], "ver": 0}
    job_id = wire.send("PUT", "/v1/cluster", {"action": "start", "value": {"Kind": "lru"}}).body.decode()
    status = json.loads(wire.send("GET", "/v1/cluster?what=status", {"ID": job_id, "Kind": "lru"}).body)
    assert (status["uuid"], status["kind"], status["aborted"]) == (job_id, "lru", False)
    unknown = wire.send("GET", "/v1/cluster?what=status", {"ID": "unknown01"})
    assert (unknown.status, "does not exist" in unknown.error["message"]) == (404, True)
    config = json.loads(wire.send("GET", "/v1/cluster?what=cluster_config").body)
    assert config.keys() == _SECTIONS
    assert config["auth"] == {"client_auth_required": False}
    assert config["get_batch"].keys() == {
        *("max_wait", "warmup_workers", "max_soft_errs", "max_gfn", "compression", "bundle_multiplier", "burst_buffer")
    }


def test_the_node_state_agrees_with_the_map(wire: Wire):
    state = json.loads(wire.send("GET", "/v1/health?cii=true").body)
    found = _map(wire)
    assert state["smap"]["version"] == found["version"]
    assert state["smap"]["Primary"]["id"] == found["proxy_si"]["daemon_id"]
    assert state["flags"] == 6


def test_the_map_keeps_its_version_until_it_changes(tmp_path):
    versions = []
    for port in (0, 0):
        with start_node(tmp_path / "data", port=port, target_port=0) as running:
            found = _map(Wire(running.url))
            versions.append((found["proxy_si"]["public_net"]["direct_url"], int(found["version"]), found["uuid"]))
    (first_url, first, uuid), (second_url, second, same_uuid) = versions
    assert uuid == same_uuid
    assert second == first + (first_url != second_url)


# -- changes that a single node refuses -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "body", "status"),
    [
        ("PUT", {"action": "attach-mp", "value": "/no/such/path"}, 404),
        ("PUT", {"action": "attach-mp", "value": ""}, 400),
        ("PUT", {"action": "attach-mp", "value": ["/moss"]}, 400),
        ("PUT", {"action": "enable-mp", "value": "/moss"}, 400),
        ("POST", {"action": "disable-mp", "value": "/no/such/path"}, 404),
        ("POST", {"action": "disable-mp", "value": "/moss"}, 501),
        ("POST", {"action": "nosuch", "value": "/moss"}, 400),
        ("DELETE", {"action": "detach-mp", "value": "/moss/"}, 501),
        ("DELETE", {"action": "detach-mp"}, 400),
        ("DELETE", b"", 400),
    ],
)
def test_the_one_mountpath_stays(wire: Wire, method: str, body: object, status: int):
    answer = _reverse(wire, method, "/mountpaths", body)
    assert (answer.status, answer.error["status"]) == (status, status)


@pytest.mark.parametrize("path", ["/load-x509", "/enable-bend/aws", "/disable-bend/aws", "/nosuch"])
def test_node_calls_that_need_what_is_not_here(wire: Wire, path: str):
    assert _reverse(wire, "PUT", path).status == 400


@pytest.mark.parametrize("action", ["shutdown", "decommission"])
def test_nobody_ends_the_node_over_the_network(wire: Wire, action: str):
    answer = wire.send("PUT", "/v1/cluster", {"action": action, "value": {"rm_user_data": True}})
    assert (answer.status, answer.error["tcode"]) == (501, "ErrUnsupp")
    assert wire.send("GET", "/v1/health").status == 200


# -- what this node does not offer -----------------------------------------------------------------------------


def test_transformers_are_not_there_and_are_not_started(wire: Wire):
    assert json.loads(wire.send("GET", "/v1/etl").body) == []
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/start"), ("POST", "/stop"), ("GET", "/logs")):
        answer = wire.send(method, f"/v1/etl/my-etl-01{path}")
        assert (answer.status, answer.error["message"].endswith("etl job my-etl-01 does not exist")) == (404, True)
    sound = {"name": "my-etl-01", "communication": "hpush://", "runtime": {"image": "x"}}
    assert wire.send("PUT", "/v1/etl", sound).status == 501
    for change in ({"name": "A_b"}, {"communication": "smtp://"}, {"runtime": None}, {"init_timeout": "soon"}):
        assert wire.send("PUT", "/v1/etl", sound | change).status == 400
    assert wire.send("POST", "/v1/etl/my-etl-01").status == 400


def test_sorting_is_not_offered_and_clients_can_tell(wire: Wire):
    assert json.loads(wire.send("GET", "/v1/sort?regex=").body) == []
    assert wire.send("GET", "/v1/sort?uuid=srt-KbV3xQa1d").status == 404
    for method, path in (("POST", ""), ("DELETE", "/abort?uuid="), ("DELETE", "?uuid=srt-KbV3xQa1d")):
        answer = wire.send(method, f"/v1/sort{path}", {})
        assert (answer.status, answer.error["tcode"]) == (501, "ErrUnsupp")


# -- one request that stopped a server -------------------------------------------------------------------------


def test_btr_14_what_stopped_the_reference_is_refused(wire: Wire):
    """The requests of the list, each with the field that its answer names."""
    bucket = wire.new_bucket()
    wire.put(bucket, "o", b"x")
    wire.put(bucket, "z.zip", b"no archive")
    cases = [
        ("GET", f"/v1/buckets/{bucket}", {"action": "list", "value": {"pagesize": "-1"}}, {}, "pagesize"),
        ("GET", f"/v1/buckets/{bucket}", {"action": "list", "value": {"pagesize": -1}}, {}, "pagesize"),
        ("POST", f"/v1/buckets/{bucket}", {"action": "create-inventory", "value": {}}, {}, "inventory"),
        ("PUT", f"/v1/objects/{bucket}/p", b"x", {"Ais-Checksum-Type": "sha0", "Ais-Checksum-Value": "00"}, "sha0"),
        ("GET", f"/v1/objects/{bucket}/z.zip?archregx=a&archmode=prefix", None, {}, "zip"),
        ("PUT", "/v1/cluster", {"action": "reset-stats"}, {}, "bool"),
        ("PUT", "/v1/cluster", {"action": "reset-stats", "value": "true"}, {}, "bool"),
    ]
    for method, path, body, headers, word in cases:
        answer = wire.send(method, path, body, headers)
        assert 400 <= answer.status < 500 or answer.status == 501, (path, answer)
        assert word in answer.error["message"], (path, answer.error)
    answer = wire.send("HEAD", f"/v1/objects/{bucket}/o?latest-ver=true")
    assert answer.status == 200 or 400 <= answer.status < 500
    answer = wire.send("GET", f"/v1/buckets/{bucket}", {"action": "list", "value": None})
    assert answer.status < 500
    assert wire.send("GET", f"/v1/objects/{bucket}/o").body == b"x"


# -- counters --------------------------------------------------------------------------------------------------


def test_the_gateways_page_counts_for_all_workers(tmp_path):
    with start_node(tmp_path / "data", workers=2) as running:
        wire = Wire(running.url)
        bucket = wire.new_bucket()
        wire.put(bucket, "o", b"x")
        for _ in range(20):
            assert wire.send("GET", f"/v1/objects/{bucket}/o").status == 200
        for _ in range(6):  # whichever worker answers
            lines = wire.send("GET", "/metrics").body.decode().splitlines()
            (line,) = [text for text in lines if text.startswith("ais_proxy_get_count{") and bucket in text]
            assert int(line.rpartition(" ")[2]) == 20
        assert wire.send("PUT", "/v1/cluster", {"action": "reset-stats", "value": False}).status == 200
        for _ in range(6):
            assert bucket not in wire.send("GET", "/metrics").body.decode()
