"""Jobs, admission, configuration and metrics over HTTP, number by number (docs/compatibility.md, 43, 60, 66, 75 to 91).

Counters and limits are of a whole node: these tests have one of their own.
"""

import json
import re
import threading
import time
from collections.abc import Iterator

import pytest

from moss.testing import NodeProcess, start_node
from tests.support.raw import RawClient
from tests.support.wire import Answer, Wire, make_tar

CTLMSG = (
    r"(pending:\(\d+,\d+\) )?reqs:\d+( errs:\d+)?( objs: \[\d+ \S+\])?( files: \[\d+ \S+\])?"
    r", bewarm:(on|off)( avg-wait:\S+)?"
)
ALIASES = ["getbatch_n", "getbatch_obj_n", "getbatch_file_n", "getbatch_obj_size", "getbatch_file_size"]
ALIASES += ["getbatch_rxwait_ns", "getbatch_throttle_ns", "err_soft_getbatch_n", "err_getbatch_n"]
EXPORTED = ["getbatch_count", "getbatch_obj_count", "getbatch_file_count", "getbatch_obj_bytes", "getbatch_file_bytes"]
EXPORTED += ["getbatch_gfn_count", "getbatch_rxwait_ns", "getbatch_throttle_ns", "err_soft_getbatch_count"]
EXPORTED += ["err_gfn_getbatch_count", "err_getbatch_count"]


@pytest.fixture(scope="module")
def own_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    with start_node(tmp_path_factory.mktemp("jobs") / "data", sync=False) as running:
        yield running


@pytest.fixture(scope="module")
def wire(own_node: NodeProcess) -> Wire:
    return Wire(own_node.url)


@pytest.fixture
def bucket(wire: Wire) -> str:
    name = wire.new_bucket()
    wire.put(name, "a", b"aaaaa")
    wire.put(name, "void", b"")
    wire.put(name, "s.tar", make_tar({"m": b"inside"}))
    return name


def metrics(node: NodeProcess) -> dict[str, int]:
    """The counters of the target face, without prefix and labels."""
    page = Wire(node.target_url).send("GET", "/metrics").body.decode()
    found = re.findall(r'^ais_target_(\w+)\{node_id="\w+"\} (\S+)$', page, re.MULTILINE)
    return {name: int(float(value)) for name, value in found}


def moved(node: NodeProcess, before: dict[str, int]) -> dict[str, int]:
    """What has moved since; work items are accounted for just after the client has its answer."""
    return {name: value - before[name] for name, value in metrics(node).items() if value != before[name]}


def snapshots(wire: Wire, **query: object) -> list[dict]:
    answer = wire.send("GET", "/v1/cluster?what=qryxstats", {"kind": "get-batch", **query})
    assert answer.status == 200, answer.body
    return [one for rows in json.loads(answer.body).values() for one in rows]


def in_bucket(name: str) -> dict:
    return {"bck": {"name": name, "provider": "ais"}}


def redirect(wire: Wire, bucket: str) -> Answer:
    return wire.send("GET", f"/v1/ml/moss/{bucket}", {"in": [{"objname": "a"}], "strm": True}, follow=False)


def stop(wire: Wire, **value: object) -> None:
    assert wire.send("PUT", "/v1/cluster", {"action": "stop", "value": value}).status == 200


def until(condition, timeout_s: float = 20) -> None:
    """Poll what nothing announces."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline


# -- the job --------------------------------------------------------------------------------------------


def test_43_the_id_of_an_answer_is_that_of_the_job(wire: Wire, bucket: str):
    metadata, _ = wire.batch(bucket, ["a"], strm=False).parts()
    (snapshot,) = snapshots(wire, id=metadata["uuid"])
    assert (snapshot["id"], snapshot["kind"], snapshot["bck"]["name"]) == (metadata["uuid"], "get-batch", bucket)
    assert [one["id"] for one in snapshots(wire, **in_bucket(bucket))] == [metadata["uuid"]]


def test_79_the_status_text(wire: Wire, bucket: str):
    wire.batch(bucket, ["a", {"objname": "s.tar", "archpath": "m"}, "no"], coer=True)
    waiting = redirect(wire, bucket)
    (snapshot,) = snapshots(wire, **in_bucket(bucket))
    assert re.fullmatch(CTLMSG, snapshot["ctlmsg"])
    assert snapshot["ctlmsg"].startswith("pending:(0,1) reqs:")
    wire.send("GET", waiting.headers["location"], {"in": [{"objname": "a"}]})
    until(lambda: "pending" not in snapshots(wire, **in_bucket(bucket))[0]["ctlmsg"])


def test_80_81_ids_of_jobs_by_path_bucket(wire: Wire, bucket: str):
    other = wire.new_bucket()
    wire.put(other, "a", b"a")

    def job(path: str | None, entry: dict) -> str:
        return wire.batch(path, [entry], strm=False).parts()[0]["uuid"]

    first = job(bucket, {"objname": "a"})
    assert first.startswith("gbt-") and len(first) >= 13
    assert job(bucket, {"objname": "a", "bucket": other}) == first, "only the bucket of the URL counts"
    second, none = job(other, {"objname": "a"}), job(None, {"objname": "a", "bucket": bucket})
    assert len({first, second, none}) == 3
    assert job(bucket, {"objname": "a"}) == first and job(None, {"objname": "a", "bucket": other}) == none


def test_81_nobody_can_start_the_job(wire: Wire):
    answer = wire.send("PUT", "/v1/cluster", {"action": "start", "value": {"kind": "get-batch"}})
    assert (answer.status, answer.error["tcode"]) == (501, "ErrUnsupp")
    assert answer.error["message"] == "cannot start xaction get-batch - operation not supported"


def test_91_stopping_by_bucket_stops_that_job_alone(wire: Wire, bucket: str):
    other = wire.new_bucket()
    wire.put(other, "a", b"other")
    stopped, alive = redirect(wire, bucket), redirect(wire, other)
    stop(wire, kind="get-batch", **in_bucket(bucket))
    refused = wire.send("GET", stopped.headers["location"], {"in": [{"objname": "a"}]})
    assert (refused.status, refused.error["tcode"]) == (409, "ErrAborted")
    served = wire.send("GET", alive.headers["location"], {"in": [{"objname": "a"}]})
    assert served.members() == [(f"{other}/a", b"other")]
    (snapshot,) = snapshots(wire, **in_bucket(bucket))
    assert (snapshot["aborted"], snapshot["abort-err"]) == (True, "user abort")
    assert wire.batch(bucket, ["a"]).status == 200, "the next request gets a job of its own"


def test_66_btr_08_a_buffered_answer_of_a_stopped_job_is_409(wire: Wire, bucket: str):
    wire.put(bucket, "large", bytes(4 << 20))
    answers: list[Answer] = []
    body = {"in": [{"objname": "large"}] * 2000, "strm": False, "mime": ".tgz"}
    thread = threading.Thread(target=lambda: answers.append(wire.send("GET", f"/v1/ml/moss/{bucket}", body)))
    thread.start()
    until(lambda: any("pending:(1," in one.get("ctlmsg", "") for one in snapshots(wire, **in_bucket(bucket))))
    begin = time.monotonic()
    stop(wire, kind="get-batch", **in_bucket(bucket))
    thread.join()
    assert time.monotonic() - begin < 5, "an abort is prompt"
    assert (answers[0].status, answers[0].error["tcode"]) == (409, "ErrAborted")
    assert "aborted" in answers[0].error["message"]


# -- admission ------------------------------------------------------------------------------------------


def test_60_89_btr_15_too_many_redirects_that_nobody_follows(tmp_path):
    """The 257th of one client is refused, whatever the bucket; other clients are not, and it is over in seconds."""
    with start_node(tmp_path / "data", sync=False) as own_node:
        exhaust(own_node, Wire(own_node.url))


def exhaust(own_node: NodeProcess, wire: Wire) -> None:
    bucket, other = wire.new_bucket(), wire.new_bucket()
    for name in (bucket, other):
        wire.put(name, "a", b"data")
    before = metrics(own_node)
    admitted = [redirect(wire, (bucket, other)[i % 2]) for i in range(256)]
    assert {answer.status for answer in admitted} == {307}
    waits: list[float] = []
    for name in (bucket, other, bucket):
        begin = time.monotonic()
        refused = redirect(wire, name)
        waits.append(time.monotonic() - begin)
        assert (refused.status, refused.error["tcode"]) == (429, "ErrTooManyRequests")
        assert refused.headers["retry-after"] == "1"
        text = rf'x-get-batch\[gbt-[\w-]+\]-ais://{name}: wid="[\w-]+" rejected: pending=256'
        assert re.fullmatch(text, refused.error["message"])
    assert min(waits) < 0.05
    assert moved(own_node, before)["err_getbatch_count"] == 3, "each refusal is a hard error"
    assert "getbatch_count" not in moved(own_node, before), "and no work item"
    with RawClient(own_node.url, source="127.0.0.2") as client:
        client.send("GET", f"/v1/ml/moss/{bucket}", {"in": [{"objname": "a"}], "strm": True})
        assert client.response().status == 307, "another client is not locked out"
    assert wire.send("GET", admitted[0].headers["location"], {"in": [{"objname": "a"}]}).status == 200
    assert redirect(wire, bucket).status == 307, "one was followed: there is room for one"
    assert redirect(wire, bucket).status == 429
    until(lambda: not any("pending" in one["ctlmsg"] for one in snapshots(wire)))
    assert redirect(wire, bucket).status == 307


# -- metrics --------------------------------------------------------------------------------------------


def test_77_all_counters_in_both_sets_of_names(own_node: NodeProcess, wire: Wire):
    found = metrics(own_node)
    assert not {*ALIASES, *EXPORTED} - found.keys()
    for alias, name in (("getbatch_n", "getbatch_count"), ("getbatch_obj_size", "getbatch_obj_bytes")):
        assert found[alias] == found[name]
    page = Wire(own_node.target_url).send("GET", "/metrics").body.decode()
    assert len(re.findall(r"^# TYPE ais_target_(?:err_)?(?:soft_)?getbatch_\w+ counter$", page, re.MULTILINE)) >= 10


def test_78_what_each_outcome_counts(own_node: NodeProcess, wire: Wire, bucket: str):
    def change(expected_items: int, ask) -> dict[str, int]:
        before = metrics(own_node)
        ask()
        until(lambda: moved(own_node, before).get("getbatch_count", 0) >= expected_items)
        return {name: n for name, n in moved(own_node, before).items() if "getbatch" in name and name in EXPORTED}

    inside = {"objname": "s.tar", "archpath": "m"}
    ranged = {"objname": "a", "start": 1, "length": 3}
    assert change(1, lambda: wire.batch(bucket, ["a", "void", ranged, inside, inside])) == {
        "getbatch_count": 1,
        "getbatch_obj_count": 3,
        "getbatch_obj_bytes": 8,
        "getbatch_file_count": 2,
        "getbatch_file_bytes": 12,
    }
    assert change(1, lambda: wire.batch(bucket, ["a", "no", "no"], coer=True)) == {
        "getbatch_count": 1,
        "getbatch_obj_count": 1,
        "getbatch_obj_bytes": 5,
        "err_soft_getbatch_count": 2,
    }
    failed = change(1, lambda: wire.batch(bucket, ["no", "a"]))
    assert failed == {"getbatch_count": 1, "err_getbatch_count": 1}
    assert change(0, lambda: wire.batch("nobody", ["a"])) == {}, "a request that is refused is no work item"


def test_90_91_job_statistics_are_texts(wire: Wire, bucket: str):
    metadata, _ = wire.batch(bucket, ["a", {"objname": "s.tar", "archpath": "m"}], strm=False).parts()

    def stats() -> dict:
        return snapshots(wire, id=metadata["uuid"])[0]["stats"]

    until(lambda: stats()["loc-objs"] == "2")
    assert stats()["loc-bytes"] == "11" and all(isinstance(value, str) for value in stats().values())


# -- configuration --------------------------------------------------------------------------------------


def configured(wire: Wire) -> dict:
    return json.loads(wire.send("GET", "/v1/cluster?what=cluster_config").body)["get_batch"]


def configure(wire: Wire, query: str) -> Answer:
    return wire.send("PUT", f"/v1/cluster/set-config?{query}")


def test_75_defaults(wire: Wire):
    want = {"max_wait": "20s", "warmup_workers": 2, "max_soft_errs": 6, "max_gfn": 5, "compression": "never"}
    found = configured(wire)
    assert found | want == found


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("max_wait=2m", "invalid get_batch.max_wait=2m (must be in range [1s, 1m0s])"),
        ("max_wait=soon", 'time: invalid duration "soon"'),
        (
            "warmup_workers=11",
            "invalid get_batch.warmup_workers=11 (expecting -1 to disable, 0 for default, or range [1, 10])",
        ),
        ("max_soft_errs=-1", "invalid get_batch.max_soft_errs=-1 (expecting non-negative integer)"),
        ("max_soft_errs=x", 'strconv.ParseInt: parsing "x": invalid syntax'),
        ("max_gfn=9", "invalid get_batch.max_gfn=9 (expecting -1 to disable, 0 for default, or range [1, 6])"),
        ("compression=zip", 'invalid compression: "zip" (expecting one of: [never always])'),
        ("bundle_multiplier=17", "invalid bundle_multiplier: 17 (expecting range [1, 16] or zero for default)"),
        ("burst_buffer=31", "invalid burst_buffer: 31 (expecting range [32, 10000] or zero for default)"),
        ("max_errors=1", 'unknown property "get_batch.max_errors"'),
    ],
)
def test_75_values_that_are_refused(wire: Wire, query: str, text: str):
    before = configured(wire)
    answer = configure(wire, f"get_batch.{query}")
    assert answer.status == 400
    assert text in answer.error["message"]
    assert configured(wire) == before


def test_76_budget_and_recovery_limit_go_together(wire: Wire):
    refused = configure(wire, "get_batch.max_soft_errs=3")
    assert refused.status == 400
    want = "invalid get_batch.max_gfn=5 (expecting -1 to disable, 0 for default, or range [1, 3])"
    assert want in refused.error["message"]
    try:
        assert configure(wire, "get_batch.max_soft_errs=3&get_batch.max_gfn=0").status == 200
        assert (configured(wire)["max_soft_errs"], configured(wire)["max_gfn"]) == (3, 3)
    finally:
        assert configure(wire, "get_batch.max_soft_errs=0&get_batch.max_gfn=0").status == 200
    assert (configured(wire)["max_soft_errs"], configured(wire)["max_gfn"]) == (6, 5)


def test_65_recovery_from_neighbors_can_be_turned_off(wire: Wire, bucket: str):
    """Of one target nothing is ever recovered: the answer is the same."""
    plain = wire.batch(bucket, ["a", "no"], coer=True).body
    try:
        assert configure(wire, "get_batch.max_gfn=-1").status == 200
        assert configured(wire)["max_gfn"] == -1
        assert wire.batch(bucket, ["a", "no"], coer=True).body == plain
    finally:
        configure(wire, "get_batch.max_gfn=0")


def test_59_a_budget_is_the_one_of_its_admission(wire: Wire, bucket: str):
    gone = {"in": [{"objname": f"no{i}"} for i in range(4)], "coer": True, "strm": True}
    admitted = wire.send("GET", f"/v1/ml/moss/{bucket}", gone, follow=False).headers["location"]
    try:
        configure(wire, "get_batch.max_soft_errs=3&get_batch.max_gfn=0")
        refused = wire.send("GET", f"/v1/ml/moss/{bucket}", gone)
        assert refused.status == 400 and "exceeded soft-errors limit: 4 (max: 3)" in refused.error["message"]
        assert len(wire.send("GET", admitted, gone).members()) == 4
    finally:
        configure(wire, "get_batch.max_soft_errs=0&get_batch.max_gfn=0")


def test_87_the_section_cannot_change_for_a_while_only(wire: Wire):
    text = "getbatch (cluster-scoped) configuration cannot be changed transiently"
    by_query = configure(wire, "get_batch.max_soft_errs=7&transient=true")
    message = {"action": "set-config", "value": {"get_batch": {"max_soft_errs": 7}}}
    for answer in (by_query, wire.send("PUT", "/v1/cluster?transient=true", message)):
        assert answer.status == 400
        assert text in answer.error["message"]
    assert configured(wire)["max_soft_errs"] == 6


def test_75_a_setting_outlives_a_restart(tmp_path):
    with start_node(tmp_path / "data", sync=False) as node:
        assert configure(Wire(node.url), "get_batch.max_soft_errs=9").status == 200
    with start_node(tmp_path / "data", sync=False) as node:
        assert configured(Wire(node.url))["max_soft_errs"] == 9
