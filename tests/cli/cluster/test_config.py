"""`ais config cluster`, `config node`, `config reset`. Numbers in names are those of spec/cli.md section 7."""

import json
from collections.abc import Iterator

import pytest

from moss.cli.cluster.config import Change, differences, flat, needs_restart, parse_change, select, shown, unflat
from moss.cli.failures import UsageError
from moss.sdk import Client
from moss.testing import NodeProcess, start_node
from tests.cli.control_peer import GATEWAY, TARGETS, ControlPeer, text
from tests.cli.objects.conftest import Run
from tests.sdk.peer import error_reply

GET_BATCH = {"max_wait": "20s", "warmup_workers": 2, "max_soft_errs": 6, "compression": "never", "bundle_multiplier": 2}
CONFIG = {"get_batch": GET_BATCH, "log": {"level": "3"}, "features": "4104", "uuid": "u", "auth": {}, "aud": ["a", "b"]}


# -- pure -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ("get_batch.max_soft_errs=10",),
        ("get_batch.max_soft_errs", "10"),
        ("get_batch.max_soft_errs", "=", "10"),
        ("get_batch.max_soft_errs", "=10"),
        ("GET_BATCH.max_soft_errs=10",),
    ],
)
def test_ways_to_say_it(words: tuple[str, ...]) -> None:
    assert parse_change(words) == Change({"get_batch.max_soft_errs": "10"}, {})


def test_several_changes_at_once() -> None:
    words = ("log.level=4", "get_batch.warmup_workers=-1", "timeout.send_file_time=", "a.b", "c")
    expected = {"log.level": "4", "get_batch.warmup_workers": "-1", "timeout.send_file_time": "", "a.b": "c"}
    assert parse_change(words).pairs == expected


def test_features_by_name() -> None:
    for words in (
        ("features=S3-API-via-Root", "Streaming-Cold-GET"),
        ("features", "S3-API-via-Root,streaming-cold-get"),
        ("features=4104",),
    ):
        assert parse_change(words).pairs == {"features": "4104"}
    assert parse_change(("features=none",)).pairs == {"features": "0"}
    with pytest.raises(UsageError, match='unknown feature flag "Nope"'):
        parse_change(("features=Nope",))


def test_json_values() -> None:
    assert parse_change(('checksum={"type": "md5"}',)) == Change({}, {"checksum": {"type": "md5"}})
    assert parse_change(('backend.conf={"gcp": {}}',)).tree == {"backend": {"gcp": {}}}
    with pytest.raises(UsageError, match="cannot be mixed"):
        parse_change(('checksum={"type": "md5"}', "log.level=4"))
    with pytest.raises(UsageError, match='invalid JSON value of "checksum"'):
        parse_change(("checksum={type}",))
    with pytest.raises(UsageError, match="KEY=VALUE"):
        parse_change(("log.level", "a=b"))


def test_leaves_and_trees() -> None:
    leaves = flat(CONFIG)
    # What sections of jobs have in common stands first.
    assert list(leaves)[:3] == ["get_batch.compression", "get_batch.bundle_multiplier", "get_batch.max_wait"]
    assert unflat(leaves) == CONFIG
    assert select(leaves, "LOG") == {"log.level": "3"} == select(leaves, "log.level") == select(leaves, "lo")
    assert select(leaves, "nosuch") == {}
    assert [shown(key, leaves[key]) for key in ("features", "auth", "aud", "uuid")] == [
        "S3-API-via-Root, Streaming-Cold-GET", "-", "[a b]", "u",
    ]  # fmt: skip
    assert shown("features", "0") == "none" and shown("x", False) == "false"
    assert differences({"a": 1, "b": 2}, {"a": 1, "b": 3}) == [("a", "1", "-"), ("b", "2", "3")]
    assert needs_restart("net.http.use_https") and not needs_restart("network")


# -- the cluster ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def own_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    """A node whose configuration these tests may change."""
    with start_node(tmp_path_factory.mktemp("config") / "data") as running:
        yield running


@pytest.fixture
def config(run: Run, own_node: NodeProcess, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`ais config` of a real node."""
    monkeypatch.setenv("AIS_ENDPOINT", own_node.url)
    return lambda *words: run("config", *words)


def test_121_122_set(config: Run) -> None:
    done = config("cluster", "get_batch.max_soft_errs=10")
    assert done.status == 0 and done.out.startswith("PROPERTY\t\t\t VALUE\nget_batch.compression\t\t never\n")
    assert "get_batch.max_soft_errs\t\t 10\n" in done.out and done.out.endswith("\n\nCluster config updated\n")
    assert config("cluster", "get_batch.warmup_workers=-1").status == 0
    assert config("cluster", "get_batch.warmup_workers").out == "PROPERTY\t\t\t VALUE\nget_batch.warmup_workers\t -1\n"
    assert "PROPERTY" not in config("cluster", 'checksum={"validate_warm_get": true}', "-H").out
    assert "checksum.validate_warm_get\t true\n" in config("cluster", "checksum").out
    document = json.loads(config("cluster", "log.level=4", "--transient", "--json").out)
    assert document["log"]["level"] == "4"


def test_123_unknown_keys(config: Run) -> None:
    for words in (("nosuch.key=1",), ("nosuch.key",), ("nosuch.key", "1")):
        refused = config("cluster", *words)
        assert refused.status == 2 and 'invalid property name "nosuch.key"' in refused.err and not refused.out
    assert "(did you mean get_batch.max_soft_errs?)" in config("cluster", "get_batch.max_soft_err=1").err
    assert "(did you mean get_batch.max_wait?)" in config("cluster", "getbatch.max_wait=1s").err


def test_160_ranges(config: Run) -> None:
    refused = config("cluster", "get_batch.max_wait=1h")
    assert refused.status == 1 and "must be in range [1s, 1m0s]" in refused.err
    assert "\t 20s\n" in config("cluster", "get_batch.max_wait").out
    assert "bogus" in config("cluster", "get_batch.max_wait=bogus").err


def test_json_keeps_its_order(config: Run) -> None:
    one, two = (config("cluster", "get_batch", "--json").out for _ in range(2))
    assert one == two and list(json.loads(one)) == ["get_batch"]
    whole = config("cluster")
    assert "(Tip: " in whole.err and "lru.enabled\t" in whole.out
    assert json.loads(config("cluster", "--json").out)["uuid"]


def test_one_node(config: Run, own_node: NodeProcess) -> None:
    with Client(own_node.url) as client:
        [target] = client.cluster().get_info().tmap
    assert config("node", target, "log.level=5").out == (
        f'{{\n  "log.level": "5"\n}}\n\nnode t[{target}] config updated\n'
    )
    rows = config("node", f"t[{target}]", "inherited", "log").out.splitlines()
    assert rows[0].split("\t")[-1] == " DEFAULT" and any("log.level" in row and "\t 5\t" in row for row in rows)
    assert "host_net.port" in config("node", target, "local").out
    assert config("node", target, "local", "log_dir=/x").status == 2
    assert config("node", "t[nosuch]").status == 1 and config("node").status == 2
    assert config("reset", target).out == f"t[{target}]: config reset to the cluster's\n"
    assert config("reset").out == "Config globally reset: all nodes reverted to cluster-wide defaults\n"
    assert not any("\t 5\t" in row for row in config("node", target, "log").out.splitlines())


def test_reset_of_this_program(config: Run) -> None:
    assert config("cli", "set", "no_color=true").status == 0
    assert config("reset", "cli").out == "CLI config successfully reset to all defaults\n"


def test_what_is_sent(run: Run, cluster: ControlPeer) -> None:
    cluster.answers |= {
        "GET cluster?what=cluster_config": CONFIG,
        "PUT cluster": text(""),
        "PUT cluster/set-config": text(""),
    }
    done = run("config", "cluster", "timeout.max_keepalive=6s", "log.level=4", "--transient")
    assert "cluster restart required for the change 'timeout.max_keepalive=6s' to take effect." in done.err
    expected = {"timeout.max_keepalive": "6s", "log.level": "4", "transient": "true"}
    assert cluster.queries("PUT", "cluster/set-config") == [expected]
    run("config", "cluster", 'log={"level": "4"}')
    assert cluster.sent("PUT", "cluster") == [{"action": "set-config", "name": "", "value": {"log": {"level": "4"}}}]


def test_unknown_keys_of_a_node(run: Run, cluster: ControlPeer) -> None:
    refusal = error_reply(400, f'p[{GATEWAY}]: unknown property "log.levels"')
    cluster.answers |= {"GET cluster?what=cluster_config": CONFIG, "PUT reverse/daemon/set-config": refusal}
    refused = run("config", "node", TARGETS[0], "log.levels=4")
    assert refused.status == 2 and 'invalid property name "log.levels" (did you mean log.level?)' in refused.err
    assert cluster.received[-2].headers["ais-node-id"] == TARGETS[0]
