"""Every call on buckets, groups, jobs and the cluster sends what the official client sends, and returns the same."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aistore.sdk
import msgspec
import pytest
from aistore.sdk.enums import LogSeverity as OfficialSeverity
from aistore.sdk.list_object_flag import ListObjectFlag as OfficialFlag
from aistore.sdk.multiobj import ObjectRange as OfficialRange

from moss.sdk import Client, ListObjectFlag
from moss.sdk.enums import LogSeverity
from moss.sdk.multiobj import ObjectRange, ObjectTemplate
from tests.sdk.peer import Peer, Reply, json_reply

STARTED = Reply(body=b"job1")
EXT = {"jpg": "txt"}


def summary_replies() -> list[Reply]:
    return [Reply(202, body=b'"id1"'), Reply(206, body=b"[]"), json_reply([{"name": "b", "size": {}}])]


def info_replies() -> list[Reply]:
    headers = {"Ais-Xaction-Id": "xx", "Ais-Bucket-Props": '{"a":1}'}
    return [Reply(202, headers), Reply(200, headers | {"Ais-Bucket-Summ": '{"b":2}'})]


def listed(*names: str, token: str = "") -> Reply:
    entries = [{"n": name, "s": len(name), "f": 64} for name in names]
    value = {"UUID": "u1", "ContinuationToken": token, "Entries": entries, "Flags": 0}
    return Reply(headers={"Content-Type": "application/msgpack"}, body=msgspec.msgpack.encode(value))


def flag_of(client: Any) -> Any:
    """The flags of the client's own library."""
    return ListObjectFlag if isinstance(client, Client) else OfficialFlag


ETLS = [{"id": "e", "stage": "Running", "obj_count": 3}, {"id": "f", "stage": "Aborted"}]
SNAPS = {
    "t1": [
        {
            "id": "id1", "kind": "lru", "start-time": "2026-03-04T05:06:07.123456789Z", "glob.id": "4099",
            "end-time": "2026-03-04T05:06:08Z", "stats": {"loc-objs": "10", "loc-bytes": "1024"}, "is_idle": True,
            "bck": {"name": "", "provider": "", "namespace": {"uuid": "", "name": ""}},
        }
    ],
    "t2": [],
}  # fmt: skip

BUCKET_CALLS: dict[str, tuple[Callable[[Any, Any], Any], list[Reply]]] = {
    "rename": (lambda c, b: b.rename("new"), [STARTED]),
    "copy": (lambda c, b: b.copy(c.bucket("z")), [STARTED]),
    "copy, all": (lambda c, b: b.copy(c.bucket("z", "s3"), "p", "q", EXT, True, True, True, True, 3), [STARTED]),
    "transform": (lambda c, b: b.transform("my-etl", c.bucket("z")), [STARTED]),
    "transform, all": (
        lambda c, b: b.transform(
            "my-etl", c.bucket("z"), "1m", "p", "q", EXT, True, True, True, True, 3, True, ["e2", "e3"]
        ),
        [STARTED],
    ),
    "inspect": (lambda c, b: b.inspect("my-etl", "1m", "p", True, 2, ["e2"]), [STARTED]),
    "evict": (lambda c, b: c.bucket("d", "aws").evict(), [Reply()]),
    "evict, keep": (lambda c, b: c.bucket("d", "aws").evict(keep_md=True), [Reply()]),
    "summary": (lambda c, b: b.summary(), summary_replies()),
    "summary, all": (lambda c, b: b.summary("u", "p", False, False), summary_replies()),
    "info": (lambda c, b: b.info()[1], info_replies()),
    "info, all": (lambda c, b: b.info(2, False, "p q")[1], info_replies()),
    "create inventory": (lambda c, b: b.create_inventory(), [STARTED]),
    "create inventory, all": (lambda c, b: b.create_inventory("n", "p", "name", 5, True), [STARTED]),
    "destroy inventory": (lambda c, b: b.destroy_inventory("n"), [Reply()]),
    "show inventory": (
        lambda c, b: {key: (info.bucket, info.size) for key, info in b.show_inventory("n").items()},
        [json_reply({"k": {"bucket": "aws://b", "name": "n", "size": 7}})],
    ),
    "list": (lambda c, b: [(e.name, e.size, e.flags) for e in b.list_objects().entries], [listed("a", "b/c")]),
    "list, all": (
        lambda c, b: (
            b.list_objects(
                "p", "name,size", 7, "u", "t", [flag_of(c).CACHED, flag_of(c).NO_RECURSION], "t1", "inv", "s"
            ).uuid
        ),
        [listed("a")],
    ),
    "list, inventory": (lambda c, b: len(b.list_all_objects(inventory_name="inv")), [listed("a", "b")]),
    "list, objects": (lambda c, b: [o.name for o in b.list_all_objects_iter("p", start_after="s")], [listed("a")]),
    "list, iterated": (
        lambda c, b: [(e.name, e.is_cached(), e.is_ok()) for e in b.list_objects_iter("p", page_size=1)],
        [listed("a", token="a"), listed("b")],
    ),
    "list, archive": (lambda c, b: [e.name for e in b.list_archive("s.tar")], [listed("s.tar", "s.tar/m")]),
    "list, archive and all": (
        lambda c, b: [e.name for e in b.list_archive("s.tar", True, "name", 9)],
        [listed("s.tar", "s.tar/m")],
    ),
    "list, urls": (lambda c, b: list(b.list_urls("p")), [listed("a b", "c?d")]),
    "make request": (lambda c, b: b.make_request("post", "x", {"a": 1}, name="n").status_code, [Reply()]),
    "make request, params": (lambda c, b: b.make_request("get", "x", params={"k": "v"}).text, [Reply(body=b"t")]),
    "verify": (lambda c, b: c.bucket("d", "gcp").verify_cloud_bucket(), []),
}

GROUP_CALLS: dict[str, tuple[Callable[[Any, Any, Any], Any], list[Reply]]] = {
    "delete": (lambda c, g, d: g.delete(), [STARTED]),
    "evict": (lambda c, g, d: d.evict(), [STARTED]),
    "prefetch": (lambda c, g, d: d.prefetch(), [STARTED]),
    "prefetch, all": (lambda c, g, d: d.prefetch(5, 6, True, True), [STARTED]),
    "copy": (lambda c, g, d: g.copy(c.bucket("z")), [STARTED]),
    "copy, all": (
        lambda c, g, d: g.copy(c.bucket("z"), "pp", True, True, True, True, True, 4),
        [Reply(body=b"job1,job2")],
    ),
    "transform": (lambda c, g, d: g.transform(c.bucket("z"), "my-etl"), [STARTED]),
    "transform, all": (
        lambda c, g, d: g.transform(c.bucket("z"), "my-etl", "1m", "p", EXT, True, True, True, True, True, 3, ["e2"]),
        [STARTED],
    ),
    "inspect": (lambda c, g, d: g.inspect("my-etl"), [STARTED]),
    "inspect, all": (lambda c, g, d: g.inspect("my-etl", "1m", True, 2, ["e2"]), [STARTED]),
    "archive": (lambda c, g, d: g.archive("a.tar"), [STARTED]),
    "archive, all": (lambda c, g, d: g.archive("a.tar", ".zip", c.bucket("z"), True, True, True), [STARTED]),
    "names": (lambda c, g, d: g.list_names() + d.list_names(), []),
    "urls": (lambda c, g, d: [url.partition("/v1")[2] for url in g.list_urls()], []),
    "objects unasked": (lambda c, g, d: [o.name for o in g.list_all_objects_iter(props=None)], []),
}


def severity(client: Any) -> Any:
    """The enumeration of the client's own library."""
    return LogSeverity if isinstance(client, Client) else OfficialSeverity


JOB_CALLS: dict[str, tuple[Callable[[Any], Any], list[Reply]]] = {
    "status": (
        lambda c: c.job("id1", "lru").status(),
        [json_reply({"uuid": "id1", "end_time": 5, "err": "e", "aborted": True, "kind": "lru"})],
    ),
    "start": (lambda c: c.job(job_kind="lru").start(), [STARTED]),
    "start, one bucket": (lambda c: c.job(job_kind="lru").start("d1", True, [c.bucket("b")]), [STARTED]),
    "start, buckets": (
        lambda c: c.job(job_kind="lru").start("", False, [c.bucket("b"), c.bucket("d", "gs")]),
        [STARTED],
    ),
    "abort": (lambda c: c.job("id1").abort(), [Reply()]),
    "details": (
        lambda c: [
            (s.id, s.kind, s.start_time, s.end_time, s.stats.objects, s.stats.bytes, s.is_idle, s.unpack_glob_id())
            for s in c.job("id1", "lru").get_details().list_snapshots()
        ],
        [json_reply(SNAPS)],
    ),
    "workers": (lambda c: c.job("id1").get_details().get_num_workers(), [json_reply(SNAPS)]),
    "total time": (lambda c: c.job("id1").get_total_time(), [json_reply(SNAPS)]),
    "total time, none": (lambda c: c.job("id1").get_total_time(), [json_reply({"t": []})]),
    "statuses": (lambda c: c.cluster().list_jobs_status("lru", "t1"), [json_reply(None)]),
    "running": (lambda c: c.cluster().list_running_jobs("lru"), [json_reply(["lru[id1]"])]),
    "etls": (lambda c: [(e.id, e.stage, e.obj_count) for e in c.cluster().list_etls()], [json_reply(ETLS)]),
    "etls, stages": (lambda c: [e.id for e in c.cluster().list_etls(["Aborted"])], [json_reply(ETLS)]),
    "log": (lambda c: c.cluster().get_node_log("t0"), [Reply(body=b"text")]),
    "log, error": (lambda c: c.cluster().get_node_log("t0", severity(c).ERROR), [Reply(body=b"text")]),
    "log archive": (
        lambda c: c.cluster().get_node_log_archive("t0", severity(c).WARNING),
        [Reply(body=b"\x1f\x8b")],
    ),
    "wait": (lambda c: bool(c.job("id1", "lru").wait()), [json_reply({"uuid": "id1", "end_time": 5})]),
    "wait, failed": (
        lambda c: c.job("id1", "lru").wait().error,
        [json_reply({"uuid": "id1", "end_time": 5, "err": "boom"})],
    ),
    "wait, aborted": (
        lambda c: c.job("id1", "lru").wait().error,
        [json_reply({"uuid": "id1", "end_time": 5, "aborted": True})],
    ),
}


def plain(result: Any) -> Any:
    """Results of both clients in a form that can be compared."""
    if hasattr(result, "uuid"):
        return tuple(getattr(result, name) for name in ("uuid", "err", "end_time", "aborted"))
    return list(result) if isinstance(result, list) else result


def sent(peer: Peer, start: int) -> list[Any]:
    return [
        (
            r.method,
            r.path,
            r.query,
            json.loads(r.body) if r.body else None,
            r.headers.get("ais-node-id"),
            r.headers.get("ais-inv-name"),
        )
        for r in peer.received[start:]
    ]


def compare(peer: Peer, ours: Client, call: Callable[[Any], Any], replies: list[Reply]) -> None:
    official = aistore.sdk.Client(peer.url)
    results, requests = [], []
    for client in (ours, official):
        peer.scripted = list(replies)
        start = len(peer.received)
        results.append(plain(call(client)))
        requests.append(sent(peer, start))
    assert requests[0] == requests[1]
    assert results[0] == results[1]


@pytest.mark.parametrize("name", BUCKET_CALLS)
def test_14_20_to_29_buckets(client: Client, peer: Peer, name: str):
    call, replies = BUCKET_CALLS[name]
    compare(peer, client, lambda c: call(c, c.bucket("b")), replies)


@pytest.mark.parametrize("selection", ["names", "range", "template"])
@pytest.mark.parametrize("name", GROUP_CALLS)
def test_33_groups(client: Client, peer: Peer, name: str, selection: str):
    call, replies = GROUP_CALLS[name]

    def run(c: Any) -> Any:
        kind = ObjectRange if isinstance(c, Client) else OfficialRange
        chosen = {
            "names": {"obj_names": ["x", "y z"]},
            "range": {"obj_range": kind("p-", 1, 10, pad_width=3, step=3, suffix=".tar")},
            "template": {"obj_template": "t-{0..3}"},
        }[selection]
        return call(c, c.bucket("b").objects(**chosen), c.bucket("d", "aws").objects(**chosen))

    compare(peer, client, run, replies)


@pytest.mark.parametrize("name", JOB_CALLS)
def test_15_17_jobs_and_the_cluster(client: Client, peer: Peer, name: str):
    call, replies = JOB_CALLS[name]
    compare(peer, client, call, replies)


@pytest.mark.parametrize(
    "arguments",
    [
        ("p-", 1, 10, 3, 3, ".tar"), ("p",), ("p", 5, 5), ("p", 5), ("p", 10, 1), ("p", 100, 200, 2),
        ("p", 1, 10, 0, 1, "s"), ("p", -1, 3), ("p", None, None, 0, 1, "s"), ("p", 0, 3, 0, 0),
    ],
)  # fmt: skip
def test_32_ranges_agree(arguments):
    def describe(kind) -> Any:
        try:
            found = kind(*arguments)
            text, value = str(found), found.get_value()
        except Exception as error:
            return type(error).__name__, str(error)
        try:
            return text, value, list(found)
        except Exception as error:
            return text, value, type(error).__name__

    assert describe(ObjectRange) == describe(OfficialRange)


@pytest.mark.parametrize(
    "text", ["input-{00..99..1}.txt", "a{1..3}", "a{1..3..2}", "{1..3}", "a-{001..100}", "x{0..2}b"]
)
def test_32_ranges_from_text_agree(text):
    assert str(ObjectRange.from_string(text)) == str(OfficialRange.from_string(text))


def test_32_names_are_those_that_the_cluster_takes_a_template_for():
    """The cluster pads to the width of the shorter end; the official client shows names that no job will touch."""
    assert list(ObjectRange("p", 1, 102, 2, 50)) == ["p01", "p51", "p101"]
    assert list(ObjectTemplate("p{01..102..50}")) == ["p01", "p51", "p101"]
    assert list(ObjectTemplate("a{x,y}{1..2}")) == ["ax1", "ax2", "ay1", "ay2"]
    assert list(ObjectTemplate("p@2")) == ["p0", "p1", "p2"]
    assert list(ObjectTemplate("prefix-")) == ["prefix-"]
    with pytest.raises(RuntimeError):
        list(ObjectTemplate("p-%d"))


@pytest.mark.parametrize(
    "options",
    [
        {}, {"recursive": True}, {"pattern": "*.txt"}, {"pattern": "*.txt", "recursive": True},
        {"prefix_filter": "a"}, {"prefix_filter": "a", "recursive": True, "pattern": "*.jpg"}, {"prepend": "x/"},
        {"basename": True, "recursive": True, "prepend": "y-"}, {"pattern": "sub/*"}, {"pattern": "none"},
        {"dry_run": True, "recursive": True},
    ],
    ids=str,
)  # fmt: skip
def test_30_uploads_agree(client: Client, peer: Peer, tmp_path: Path, options: dict[str, Any]):
    (tmp_path / "sub" / "deep").mkdir(parents=True)
    for name in ("a.txt", "b.txt", "a.jpg", "sub/a2.txt", "sub/c.jpg", "sub/deep/a3.jpg", ".hidden"):
        (tmp_path / name).write_text(name)
    found = []
    for one in (client, aistore.sdk.Client(peer.url)):
        peer.objects.clear()
        names = one.bucket("b").put_files(tmp_path, verbose=False, **options)
        found.append((sorted(names), dict(peer.objects)))
    assert found[0] == found[1]


def public_methods(kind: type) -> dict[str, Any]:
    return {name: value for name, value in vars(kind).items() if not name.startswith("_")}


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("client", "Client"), ("cluster", "Cluster"), ("bucket", "Bucket"), ("job", "Job"),
        ("multiobj.object_group", "ObjectGroup"), ("multiobj.object_range", "ObjectRange"),
        ("multiobj.object_names", "ObjectNames"), ("multiobj.object_template", "ObjectTemplate"),
        ("wait_result", "WaitResult"), ("types", "JobSnap"), ("types", "AggregatedJobSnap"),
        ("types", "Smap"), ("types", "Snode"), ("types", "BucketModel"),
    ],
)  # fmt: skip
def test_every_method_of_the_official_classes_is_there_with_its_parameters(module: str, name: str):
    import importlib
    import inspect

    official = getattr(importlib.import_module(f"aistore.sdk.{module}"), name)
    ours = getattr(importlib.import_module(f"moss.sdk.{module}"), name)
    missing = []
    for method, value in [*public_methods(official).items(), ("__init__", official.__init__)]:
        if method.startswith("model_") or not hasattr(ours, method):
            missing += [] if method.startswith("model_") else [method]
            continue
        if not callable(value) or name in ("JobSnap", "AggregatedJobSnap", "Smap", "Snode", "BucketModel"):
            continue
        theirs, mine = (inspect.signature(getattr(kind, method)).parameters for kind in (official, ours))
        missing += [f"{method}({parameter})" for parameter in theirs if parameter not in mine]
        # Further ones of ours are behind theirs, or have to be named.
        theirs, mine = (
            [word for word, parameter in found.items() if parameter.kind is not inspect.Parameter.KEYWORD_ONLY]
            for found in (theirs, mine)
        )
        assert mine[: len(theirs)] == theirs, f"{method}: order of positional parameters"
    assert missing == []
