"""`ais show cluster` and `ais cluster`. Numbers in names are those of spec/cli.md section 7."""

import json
from typing import Any

import pytest

from moss.cli.cluster.status import NodeStatus, status_rows, version_warning
from moss.cli.tables import table
from moss.testing import NodeProcess
from moss.wire.cluster import decode_cluster_map
from tests.cli.control_peer import GATEWAY, TARGETS, ControlPeer, snap, status_of, text
from tests.cli.objects.conftest import Run
from tests.sdk.peer import Received, error_reply


def answer_status(cluster: ControlPeer, **more: Any) -> None:
    """Have all nodes tell of themselves; `more` by the id of a node."""

    def status(request: Received) -> Any:
        node = request.headers["ais-node-id"]
        answer = more.get(node, {})
        return answer if not isinstance(answer, dict) else status_of(node, **answer)

    cluster.answers["GET reverse/daemon?what=node_status"] = status
    cluster.answers["GET cluster?what=cluster_config"] = {
        "auth": {"client_auth_required": True},
        "backend": {"gcp": {}},
    }


# -- show cluster -----------------------------------------------------------------------------------


def test_131_ends_with_the_cluster(run: Run, cluster: ControlPeer) -> None:
    answer_status(cluster)
    shown = run("show", "cluster")
    assert shown.status == 0 and not shown.err
    proxies, targets, block = shown.out.split("\n\n")
    assert proxies.splitlines() == [
        "PROXY\t\t MEM USED(%)\t MEM AVAIL\t LOAD AVERAGE\t\t UPTIME",
        f"p[{GATEWAY}][P]\t 12.35%\t\t 2.00GiB\t [0.50 0.25 0.10]\t 1m30s",
    ]
    # All online, one version, nothing to alert of: these columns are not there.
    assert targets.splitlines()[0].split("\t")[0] == "TARGET"
    assert [cell.strip() for cell in targets.splitlines()[0].split("\t") if cell.strip()] == [
        "TARGET", "MEM USED(%)", "MEM AVAIL", "CAP USED(%)", "CAP AVAIL", "LOAD AVERAGE", "UPTIME",
    ]  # fmt: skip
    lines = block.splitlines()
    assert lines[0] == "Cluster:" and lines[1] == f"   CLI Endpoint:   {cluster.url}"
    for line in (
        "   Proxies:        1 (all electable)",
        "   Targets:        3 (mountpaths: 3)",
        "   Capacity:       used 3.00GiB (25%), available 9.00GiB",
        f"   Cluster Map:    version 17, UUID uCLUSTER1, primary p[{GATEWAY}][P]",
        "   Backend:        gcp",
        "   Status:         4 online",
        "   Authentication: enabled",
        "   Version:        5.0.1",
    ):
        assert line in lines


def test_131_unknown_word(run: Run, cluster: ControlPeer) -> None:
    refused = run("show", "cluster", "FOO")
    assert refused.status == 2
    assert 'expecting a valid NODE_ID or node type ("proxy" or "target"), got "FOO"' in refused.err


def test_trouble_has_its_columns(run: Run, cluster: ControlPeer) -> None:
    running = snap("g7", "rebalance")
    answer_status(cluster, **{
        TARGETS[0]: {"cluster": {"flags": 6 | 1 << 8 | 1 << 3}, "rebalance_snap": running},
        TARGETS[1]: error_reply(502, "t[x]: connection refused"),
        TARGETS[2]: {"ais_version": "4.9.2"},
    })  # fmt: skip
    shown = run("show", "cluster", "target")
    rows = [[cell.strip() for cell in line.split("\t") if cell] for line in shown.out.splitlines()]
    header = rows[0]
    assert header[header.index("REBALANCE") :] == ["REBALANCE", "UPTIME", "STATUS", "VERSION", "ALERT"]
    assert rows[1][-1] == "rebalancing, out-of-space" and "running[g7]" in rows[1]
    assert "[connection refused]" in rows[2] and rows[2][1] == "-"
    assert "4.9.2" in rows[3]
    assert "Cluster:" not in shown.out
    assert "4.9.2 is not compatible with this program" in shown.err


def test_one_node_and_one_document(run: Run, cluster: ControlPeer) -> None:
    answer_status(cluster)
    one = run("show", "cluster", f"t[{TARGETS[0]}]", "--verbose").out
    assert one.count(TARGETS[0]) == 1 and "sys_info.load_avg.One\t" in one
    found = json.loads(run("show", "cluster", "--json").out)
    assert [node["id"] for node in found["targets"]] == list(TARGETS) and found["primary"] == GATEWAY
    assert found["targets"][0]["state"] == "online" and found["targets"][0]["ais_version"] == "5.0.1"


def test_nodes_in_trouble_are_red_and_the_columns_stay() -> None:
    known = decode_cluster_map(json.dumps(ControlPeer.map_at("http://h:1")).encode())
    nodes = [NodeStatus(node, status_of(node.daemon_id, cluster={"flags": 6})) for node in known.tmap.values()]
    nodes[0] = NodeStatus(nodes[0].node, status_of(TARGETS[0], cluster={"flags": 6 | 1 << 9}))
    rows = status_rows(known, nodes, "target", "iec", color=True)
    assert rows[1][0] == f"\x1b[91mt[{TARGETS[0]}]\x1b[0m" and rows[2][0] == f"t[{TARGETS[1]}]"
    plain = table(status_rows(known, nodes, "target", "iec"))
    assert table(rows).replace("\x1b[91m", "").replace("\x1b[0m", "") == plain


@pytest.mark.parametrize(
    ("version", "says"),
    [("5.0.rc1", ""), ("5.1.0", "may not be fully"), ("5.2", "is not"), ("4.0", "is not"), ("x", "")],
)
def test_other_releases(version: str, says: str) -> None:
    warning = version_warning([version])
    assert (says in warning) if says else warning == ""


def test_maps(run: Run, cluster: ControlPeer) -> None:
    cluster.answers["GET cluster?what=smap"] = cluster.map()
    shown = run("show", "cluster", "smap").out
    assert f"NODE\t\t TYPE\t PUBLIC URL\np[{GATEWAY}][P]\t proxy\t {cluster.url}\n\nNODE" in shown
    assert shown.endswith(
        f"\n\nNon-Electable:\n\nPrimary Proxy: p[{GATEWAY}]\n\n"
        'Summary: proxies(1), targets(3), cluster map(v17), cluster ID("uCLUSTER1")\n'
    )
    other = cluster.map()
    other["tmap"][TARGETS[0]]["flags"] = 4
    other["tmap"][TARGETS[0]]["intra_data_net"] = {"direct_url": "http://10.0.0.1:1"}
    cluster.answers["GET reverse/daemon?what=smap"] = other
    seen = run("show", "cluster", "smap", TARGETS[0]).out
    assert f"t[{TARGETS[0]}][x]" in seen and "INTRA DATA URL" in seen and "http://10.0.0.1:1" in seen
    props = {"created": "1772600767000000000", "mirror": {"enabled": True, "copies": 2}}
    props["backend_bck"] = {"name": "cloud", "provider": "aws"}
    buckets = {"@#": {"b": props}, "@#ml": {"ds": {}}}
    cluster.answers["GET cluster?what=bmd"] = {"version": "4", "uuid": "B1", "providers": {"ais": buckets}}
    assert run("show", "cluster", "bmd").out.splitlines()[:3] == [
        "PROVIDER  NAMESPACE  NAME  BACKEND     COPIES  EC  CREATED",
        "ais       -          b     s3://cloud  2       -   04 Mar 26 05:06 UTC",
        "ais       #ml        ds    -           -       -   -",
    ]


def test_views_of_a_real_node(ais: Run, node: NodeProcess) -> None:
    shown = ais("show", "cluster").out
    assert "PROXY" in shown and "Cluster:" in shown and f"   CLI Endpoint:   {node.url}" in shown
    for words in (
        ("cluster", "smap"), ("cluster", "bmd"), ("cluster", "cpu"), ("cluster", "memory"), ("cluster", "stats"),
        ("cluster", "config", "log"), ("dashboard",), ("storage",), ("storage", "disk"), ("storage", "mountpath"),
        ("rebalance",), ("remote-cluster",), ("remote", "cluster"), ("nbi",), ("performance", "capacity"),
    ):  # fmt: skip
        done = ais("show", *words)
        assert done.status == 0 and done.out and not done.err, words
    for words in (
        ("cluster",),
        ("cluster", "smap"),
        ("dashboard",),
        ("storage", "mountpath"),
        ("performance", "counters"),
    ):
        assert json.loads(ais("show", *words, "--json").out)
    for found in json.loads(ais("show", "cluster", "cpu", "--json").out):
        assert 0 <= found["pct_cpu_used"] <= 100


# -- nodes and the cluster as a whole -----------------------------------------------------------------


def test_nodes_go_and_come_back(run: Run, cluster: ControlPeer) -> None:
    cluster.answers["PUT cluster"] = text("g8")
    words = ("cluster", "add-remove-nodes")
    done = run(*words, "start-maintenance", f"t[{TARGETS[0]}]", TARGETS[1], "--yes")
    assert done.out == (
        "Started rebalance \"g8\" (to monitor, run 'ais show rebalance').\n"
        f"t[{TARGETS[0]}] is in maintenance\nt[{TARGETS[1]}] is in maintenance\n"
    )
    [sent] = cluster.sent("PUT", "cluster")
    assert sent["action"] == "start-maintenance" and sent["value"]["sids"] == [TARGETS[0], TARGETS[1]]
    declined = run(*words, "decommission", TARGETS[0], "--rm-user-data", stdin="n\n")
    assert declined.status == 0 and f"Decommission t[{TARGETS[0]}]? [Y/N]: " in declined.out
    assert len(cluster.sent("PUT", "cluster")) == 1
    run(*words, "decommission", TARGETS[0], "--rm-user-data", "--no-rebalance", "-y")
    value = cluster.sent("PUT", "cluster")[-1]["value"]
    assert value["rm_user_data"] and value["skip_rebalance"] and not value["no_shutdown"]
    assert run(*words, "shutdown", "nosuch", "-y").status == 1


def test_a_node_joins(run: Run, cluster: ControlPeer) -> None:
    cluster.answers["POST cluster/join-by-admin"] = {"daemon_id": "tNEW", "rebalance_id": "g9"}
    done = run("cluster", "add-remove-nodes", "join", "10.0.0.7:51081", "--role", "target")
    assert done.out.startswith("Node tNEW successfully joined the cluster\nStarted rebalance")
    [sent] = cluster.sent("POST", "cluster/join-by-admin")
    assert sent["public_net"]["direct_url"] == "http://10.0.0.7:51081" and sent["daemon_type"] == "target"
    run("cluster", "add-remove-nodes", "join", "10.0.0.8", "--role=proxy", "--non-electable")
    assert cluster.received[-1].headers["ais-node-flags"] == "1"
    assert run("cluster", "add-remove-nodes", "join", "10.0.0.7").status == 2


def test_set_primary(run: Run, cluster: ControlPeer) -> None:
    cluster.answers[f"PUT cluster/proxy/{GATEWAY}"] = text("")
    cluster.answers["PUT cluster/proxy/pOTHER"] = text("")
    assert run("cluster", "set-primary", f"p[{GATEWAY}]").out == f"p[{GATEWAY}] is already the primary\n"
    assert run("cluster", "set-primary", TARGETS[0]).status == 2
    assert run("cluster", "set-primary", "pOTHER", "http://h:1", "--force").out == "p[pOTHER] is now the new primary\n"
    assert cluster.queries("PUT", "cluster/proxy/pOTHER") == [{"frc": "true", "can": "http://h:1"}]


def test_the_end_of_a_cluster_is_asked_for(run: Run, cluster: ControlPeer) -> None:
    cluster.answers["PUT cluster"] = text("")
    assert run("cluster", "shutdown", stdin="n\n").out.endswith("Operation canceled.\n")
    # A phrase in full, which `--yes` does not replace.
    assert run("cluster", "decommission", "--rm-user-data", "--yes").out.endswith("Operation canceled.\n")
    assert not cluster.sent("PUT", "cluster")
    assert run("cluster", "decommission", "--rm-user-data", stdin="DELETE\n").out.endswith("decommissioned\n")
    assert cluster.sent("PUT", "cluster")[-1]["value"] == {"rm_user_data": True}
    assert run("cluster", "shutdown", "-y").out == "AIS cluster successfully shut down\n"


def test_one_line_results(run: Run, cluster: ControlPeer) -> None:
    cluster.answers |= {key: text("") for key in ("PUT cluster", "PUT reverse/daemon", "PUT cluster/attach",
                                                  "PUT cluster/detach", "PUT cluster/enable-bend/gcp",
                                                  "PUT cluster/load-x509")}  # fmt: skip
    assert run("cluster", "reset-stats", "--errors-only").out == "Cluster: error metrics successfully reset\n"
    assert cluster.sent("PUT", "cluster")[-1]["value"] is True
    assert run("cluster", "reset-stats", TARGETS[0]).out == f"t[{TARGETS[0]}]: metrics successfully reset\n"
    assert run("cluster", "drop-lcache").out == "Cluster: metadata cache dropped\n"
    assert run("cluster", "reload-backend-creds", "gs").out == "gcp backend credentials reloaded\n"
    attached = run("cluster", "remote-attach", "far=http://h:1")
    assert attached.out == "Remote cluster (far=http://h:1) successfully attached\n"
    assert cluster.received[-1].headers["ais-remote-ais-alias"] == "far"
    assert cluster.received[-1].query == {"what": "remote"}
    assert run("cluster", "remote-detach", "far").out == "Remote cluster far successfully detached\n"
    assert run("cluster", "remote-attach", "far").status == 2
    assert run("advanced", "enable-backend", "gs").out == "GCP backend enabled\n"
    assert run("advanced", "disable-backend", "ais").status == 2
    assert run("tls", "load-certificate").out == "Cluster: certificate successfully reloaded\n"
    assert run("advanced", "rotate-logs", TARGETS[0]).out == f"t[{TARGETS[0]}]: rotated logs\n"


def test_remote_clusters(run: Run, cluster: ControlPeer) -> None:
    smap = {"version": "3", "proxy_si": {"daemon_id": "pX"}, "tmap": {"t1": {}, "t2": {}}}
    remote = {"uuid": "U1", "url": "http://h:1", "alias": "far", "smap": smap}
    cluster.answers["GET cluster?what=remote"] = {"a": [remote, {"url": "http://h:2", "alias": "gone"}], "ver": 1}
    assert run("show", "remote-cluster").out.splitlines() == [
        "UUID  URL         Alias  Primary  Smap  Targets  Uptime",
        "U1    http://h:1  far    p[pX]    v3    2        -",
        "-     http://h:2  gone   -        -     -        -",
    ]


def test_rebalance(run: Run, cluster: ControlPeer) -> None:
    stats = {"out-objs": 10, "out-bytes": 1 << 20, "in-objs": 4}
    cluster.answers["GET cluster?what=qryxstats"] = {node: [snap("g7", "rebalance", stats=stats)] for node in TARGETS}
    lines = run("show", "rebalance").out.splitlines()
    assert lines[0].split("\t")[0] == "REB ID" and lines[1].startswith(f"g7\t {TARGETS[0]}\t 10\t\t 1.00MiB")
    assert lines[-1].startswith("Total:\t \t\t 30\t\t 3.00MiB\t 12")


def test_certificates(run: Run, cluster: ControlPeer) -> None:
    certificates = {node: {"issued-by": "CA", "valid": "2030"} for node in (GATEWAY, *TARGETS)}
    of_node = lambda request: certificates[request.headers["ais-node-id"]]  # noqa: E731
    cluster.answers["GET reverse/daemon?what=tls_certificate"] = of_node
    assert run("show", "tls").out == "PROPERTY\t VALUE\nissued-by\t CA\nvalid\t\t 2030\n"
    assert run("tls", "validate-certificates").out.count("valid") == 4
    certificates[TARGETS[2]] = {"issued-by": "CA", "valid": "2020"}
    bad = run("tls", "validate-certificates")
    assert bad.status == 1 and "1 of 4 nodes" in bad.err


def test_a_node_without_tls_says_so(ais: Run) -> None:
    refused = ais("show", "tls")
    assert refused.status == 1 and "deployed without TLS" in refused.err
