"""`ais performance` and `ais storage`."""

import json
from typing import Any

from moss.cli.cluster.performance import (
    Sample,
    counter_columns,
    latency_columns,
    rows,
    stream_names,
    throughput_columns,
)
from moss.sdk import Client
from moss.testing import NodeProcess
from tests.cli.control_peer import GATEWAY, TARGETS, ControlPeer, status_of, text
from tests.cli.objects.conftest import Run

BEFORE = Sample(
    10.0, {"t1": {"get.n": 10, "get.size": 1000, "get.ns.total": 10**9}, "t2": {"get.n": 5, "get.size": 100}}
)
AFTER = Sample(
    12.0,
    {
        "t1": {"get.n": 30, "get.size": 5000, "get.ns.total": 2 * 10**9, "err.get.n": 2, "put.n": 0},
        "t2": {"get.n": 5, "get.size": 100, "stream.out.n": 3},
    },
)
NAMES = sorted({name for tracker in AFTER.targets.values() for name in tracker})


def test_counters_hide_zeros_and_put_errors_last() -> None:
    assert rows(counter_columns(NAMES), BEFORE, AFTER) == [
        ["TARGET", "GET(n)", "GET(size)", "STREAM-OUT(n)", "ERR-GET(n)"],
        ["t[t1]", "30", "4.88KiB", "-", "2"],
        ["t[t2]", "5", "100B", "3", "-"],
        ["--- Cluster:", "35", "4.98KiB", "3", "2"],
    ]
    assert "PUT(n)" in rows(counter_columns(NAMES), BEFORE, AFTER, with_zeros=True)[0]
    averages = rows(counter_columns(NAMES, with_averages=True), BEFORE, AFTER, only="t1")
    assert averages == [["TARGET", "GET(n)", "GET(size)", "GET(avg size)", "ERR-GET(n)"],
                        ["t[t1]", "30", "4.88KiB", "166B", "2"]]  # fmt: skip
    assert rows(counter_columns(stream_names(NAMES)), BEFORE, AFTER)[0] == ["TARGET", "STREAM-OUT(n)"]


def test_throughput_and_latency_come_from_two_looks() -> None:
    assert rows(throughput_columns(NAMES), BEFORE, AFTER)[1:] == [
        ["t[t1]", "1.95KiB/s"], ["t[t2]", "-"], ["--- Cluster:", "1.95KiB/s"],
    ]  # fmt: skip
    assert rows(latency_columns(NAMES), BEFORE, AFTER) == [
        ["TARGET", "GET(t)"], ["t[t1]", "50ms"], ["t[t2]", "-"], ["--- Cluster:", ""],
    ]  # fmt: skip
    # Counters that were set to zero in between are no negative rates.
    assert rows(throughput_columns(NAMES), AFTER, BEFORE._replace(at_s=14.0)) == [["TARGET"]]


def test_performance_of_a_real_node(ais: Run, node: NodeProcess) -> None:
    with Client(node.url) as client:
        bucket = client.bucket("cli-performance").create(exist_ok=True)
        bucket.object("a").get_writer().put_content(b"x" * 1000)
    shown = ais("performance", "counters", "--regex", "^put").out
    assert shown.startswith("TARGET\t") and "PUT(n)" in shown and "GET(" not in shown
    assert ais("performance", "counters", "--regex", "nothing").out.startswith("No metrics match 'nothing'")
    assert ais("performance", "counters", "nosuch").status == 1
    assert ais("performance", "--regex", "(").status == 2


def test_another_release_is_told_of(run: Run, cluster: ControlPeer) -> None:
    cluster.answers |= {
        "GET daemon?what=software_version": text("5.1.2"),
        "GET cluster?what=node_stats": {"target": {TARGETS[0]: {"tracker": {"get.n": 3}}}},
        "GET reverse/daemon?what=metrics": {"get.n": "counter"},
    }
    shown = run("performance", "counters")
    assert "software 5.1.2 may not be fully compatible with this program (5.0)" in shown.err
    assert run("performance", "counters", "--nv").err == ""
    assert shown.out == f"TARGET\t\t GET(n)\nt[{TARGETS[0]}]\t 3\n"


def test_disks(run: Run, cluster: ControlPeer) -> None:
    def stats(node: str) -> dict[str, Any]:
        tracker = {"disk.sda.read.bps": 2048, "disk.sda.avg.rsize": 512, "disk.sda.util": 30, "disk.sdb.util": 10}
        return {"tracker": tracker, "capacity": status_of(node)["capacity"]}

    cluster.answers |= {
        "GET cluster?what=node_stats": {"target": {node: stats(node) for node in TARGETS}},
        "GET cluster?what=mountpaths": {"targets": {TARGETS[0]: {"available": ["/mp1"], "disabled": ["/mp2"]}}},
    }
    disks = run("show", "storage", "disk", TARGETS[0]).out.splitlines()
    assert disks[1] == f"t[{TARGETS[0]}]\t sda\t 2.00KiB/s\t 512B\t\t -\t -\t\t\t 30%\t\t 25%\t\t 2B"
    assert disks[2].endswith("10%\t\t -\t\t -") and len(disks) == 3
    only = run("show", "storage", "disk", "--regex", "b$").out
    assert "sdb" in only and "sda" not in only
    assert "2 disk(s)\t 2.00KiB/s\t 256B\t\t -\t -\t\t\t 20%" in run("show", "storage", "disk", "--summary").out
    assert "[20%, 25%, 30%]\t 3.00GiB\t sda(ext4)\t\t good" in run("performance", "capacity").out
    paths = run("show", "storage", "mountpath").out
    assert "/mp1\t\t available\t 25%" in paths and "/mp2\t\t disabled\t -" in paths
    assert f"p[{GATEWAY}] is not a target" in run("show", "storage", "disk", f"p[{GATEWAY}]").err


# -- storage ----------------------------------------------------------------------------------------


def test_validate_a_real_bucket(ais: Run, node: NodeProcess) -> None:
    with Client(node.url) as client:
        bucket = client.bucket("cli-validate").create(exist_ok=True)
        for size in (0, 10, 5000):
            bucket.object(f"o{size}").get_writer().put_content(b"x" * size)
    [found] = json.loads(ais("storage", "validate", "ais://cli-validate", "--small-size", "10", "--json").out)
    assert (found["bucket"], found["objects"], found["small"], found["large"]) == ("ais://cli-validate", 3, 2, 0)
    table = ais("scrub", "ais://cli-validate", "--large-size", "5000").out.splitlines()
    assert table[0].startswith("BUCKET\t\t\t OBJECTS\t NOT-CACHED") and "3\t" in table[1]
    assert ais("scrub", "--small-size", "10", "--large-size", "5").status == 2
    assert ais("scrub", "ais://nosuch-bucket").status == 1


def test_cleanup_of_a_real_node(ais: Run) -> None:
    done = ais("storage", "cleanup", "--wait")
    assert done.status == 0 and done.out.endswith("] finished\n")
    assert ais("space-cleanup").out.startswith("Started cleanup-store[")


def test_mountpaths_are_changed_on_their_target(run: Run, cluster: ControlPeer) -> None:
    cluster.answers |= {f"{method} reverse/daemon/mountpaths": text("") for method in ("PUT", "POST", "DELETE")}
    done = run("storage", "mountpath", "attach", f"{TARGETS[0]}=/mp9", "--label", "ssd")
    assert done.out == f"t[{TARGETS[0]}]: mountpath /mp9 attached\n"
    sent = cluster.received[-1]
    assert (sent.method, sent.headers["ais-node-id"], sent.query) == ("PUT", TARGETS[0], {"mountpath_label": "ssd"})
    assert sent.json == {"action": "attach-mp", "name": "", "value": "/mp9"}
    run("storage", "mountpath", "detach", TARGETS[1], "/mp9", "--no-resilver")
    assert (cluster.received[-1].method, cluster.received[-1].query) == ("DELETE", {"dntres": "true"})
    assert run("storage", "mountpath", "disable", f"{TARGETS[0]}=/a", f"{TARGETS[1]}=/b").out.count("disabled") == 2
    assert run("storage", "mountpath", "enable", "x").status == 2


def test_a_real_node_keeps_its_mountpath(ais: Run, node: NodeProcess) -> None:
    with Client(node.url) as client:
        [target] = client.cluster().get_info().tmap
    refused = ais("storage", "mountpath", "disable", f"{target}=/moss")
    assert refused.status == 1 and "operation not supported" in refused.err
