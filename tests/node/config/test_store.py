"""The configuration store: values, texts of refusals, scopes, and what other processes see."""

import multiprocessing
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from moss.errors import InvalidConfig, OutOfSpace, Unsupported
from moss.node.clock import ManualClock
from moss.node.config import ConfigStore


@pytest.fixture
def store(tmp_path):
    store = ConfigStore(tmp_path)
    yield store
    store.close()


def test_fresh_cluster_shows_documented_batch_defaults(store):
    assert store.cluster_config()["get_batch"] == {
        "max_wait": "20s",
        "warmup_workers": 2,
        "max_soft_errs": 6,
        "max_gfn": 5,
        "compression": "never",
        "bundle_multiplier": 2,
        "burst_buffer": 512,
    }


def test_document_has_every_section_and_text_where_clients_expect_text(store):
    document = store.cluster_config()
    sections = {
        *("backend", "mirror", "ec", "log", "periodic", "timeout", "client", "proxy", "space", "lru", "disk"),
        *("rebalance", "resilver", "checksum", "versioning", "net", "fshc", "auth", "keepalivetracker", "downloader"),
        *("distributed_sort", "tcb", "tco", "arch", "lso", "get_batch", "chunks", "rate_limit", "transport", "memsys"),
        *("write_policy", "features", "uuid", "lastupdate_time", "config_version", "ext"),
    }
    assert sections == set(document)
    assert (document["features"], document["config_version"], document["log"]["level"]) == ("0", "1", "3")
    assert document["auth"] == {"client_auth_required": False}
    assert document["downloader"]["timeout"] == "1h0m"


# Source: spec/getbatch.md 11 (recorded texts).
@pytest.mark.parametrize(
    ("key", "value", "message", "tcode"),
    [
        ("max_wait", "2m", "invalid get_batch.max_wait=2m (must be in range [1s, 1m0s])", ""),
        ("max_wait", "500ms", "invalid get_batch.max_wait=500ms (must be in range [1s, 1m0s])", ""),
        ("max_wait", "-1s", "invalid get_batch.max_wait=-1s (must be in range [1s, 1m0s])", ""),
        ("max_wait", "soon", 'time: invalid duration "soon"', "parseDurationError"),
        (
            "warmup_workers",
            "11",
            "invalid get_batch.warmup_workers=11 (expecting -1 to disable, 0 for default, or range [1, 10])",
            "",
        ),
        ("max_soft_errs", "-1", "invalid get_batch.max_soft_errs=-1 (expecting non-negative integer)", ""),
        ("max_soft_errs", "x", 'strconv.ParseInt: parsing "x": invalid syntax', "NumError"),
        ("max_soft_errs", "", 'strconv.ParseInt: parsing "": invalid syntax', "NumError"),
        (
            "max_gfn",
            "9",
            "invalid get_batch.max_gfn=9 (expecting -1 to disable, 0 for default, or range [1, 6])",
            "",
        ),
        ("compression", "zip", 'invalid compression: "zip" (expecting one of: [never always])', ""),
        (
            "bundle_multiplier",
            "17",
            "invalid bundle_multiplier: 17 (expecting range [1, 16] or zero for default)",
            "",
        ),
        ("burst_buffer", "31", "invalid burst_buffer: 31 (expecting range [32, 10000] or zero for default)", ""),
        ("max_errors", "3", 'unknown property "get_batch.max_errors"', ""),
    ],
)
def test_refused_batch_values_change_nothing(store, key, value, message, tcode):
    before = store.cluster_config()
    with pytest.raises(InvalidConfig) as refusal:
        store.set_many([(f"get_batch.{key}", value)])
    assert (refusal.value.message, refusal.value.tcode) == (message, tcode)
    assert store.cluster_config() == before


def test_nothing_to_set_is_refused_in_a_query_and_fine_in_a_message(store):
    with pytest.raises(InvalidConfig, match=r"^no properties to update$"):
        store.set_many([])
    store.set_tree({"get_batch": {}})
    assert store.version == 2


def test_budget_below_stored_recovery_limit_is_refused_alone_and_taken_together(store):
    with pytest.raises(InvalidConfig, match=r"invalid get_batch.max_gfn=5 .* range \[1, 3\]"):
        store.set_many([("get_batch.max_soft_errs", "3")])
    store.set_many([("get_batch.max_soft_errs", "3"), ("get_batch.max_gfn", "0")])
    assert (store.get_batch.max_soft_errs, store.get_batch.max_gfn) == (3, 3)
    store.set_many([("get_batch.max_soft_errs", "0")])
    assert store.get_batch.max_soft_errs == 6


@pytest.mark.parametrize(
    ("given", "read"), [("1500ms", "1.5s"), ("0m59s", "59s"), ("1m", "1m"), ("1s", "1s"), ("60s", "1m")]
)
def test_durations_are_read_back_in_shortest_form(store, given, read):
    store.set_many([("GET_BATCH.Max_Wait", given)])
    assert store.cluster_config()["get_batch"]["max_wait"] == read


@pytest.mark.parametrize(
    ("given", "read"),
    [("32MB", "32MiB"), ("16mib", "16MiB"), ("4m", "4MiB"), ("1048577", "1MiB"), ("1.5MiB", "2MiB"), ("", "1GiB")],
)
def test_sizes_are_read_back_in_whole_units(store, given, read):
    store.set_many([("chunks.chunk_size", given)])
    assert store.cluster_config()["chunks"]["chunk_size"] == read


def test_first_of_a_repeated_key_counts(store):
    store.set_many([("log.level", "4"), ("log.level", "5")])
    assert store.value("log.level") == "4"


def test_several_keys_apply_together_or_not_at_all(store):
    with pytest.raises(InvalidConfig):
        store.set_many([("log.level", "4"), ("get_batch.max_wait", "2m")])
    assert store.value("log.level") == "3"


@pytest.mark.parametrize(
    "tree",
    [
        {"get_batch": {"max_wait": 30_000_000_000}},
        {"get_batch": {"max_soft_errs": "9"}},
        {"get_batch": {"max_soft_errs": 9.5}},
        {"get_batch": {"max_soft_errs": True}},
        {"get_batch": []},
        {"get_batch": "x"},
        {"nosuchsection": {"enabled": True}},
        "get_batch.max_wait=30s",
        [{"get_batch": {"max_wait": "30s"}}],
    ],
)
def test_message_values_are_not_converted(store, tree):
    with pytest.raises(InvalidConfig):
        store.set_tree(tree)


def test_null_leaf_of_a_message_is_not_given(store):
    store.set_tree({"get_batch": {"max_wait": None, "max_soft_errs": 9}})
    assert (store.get_batch.max_wait_s, store.get_batch.max_soft_errs) == (20.0, 9)


@pytest.mark.parametrize("key", ["uuid", "config_version", "lastupdate_time", "get_batch", "", "log.level.x"])
def test_what_is_no_property_is_unknown(store, key):
    with pytest.raises(InvalidConfig, match="unknown property"):
        store.set_many([(key, "1")])


def test_transient_change_keeps_the_version_and_ends_with_the_run(tmp_path):
    store = ConfigStore(tmp_path)
    store.set_many([("log.level", "4")], True)
    assert (store.value("log.level"), store.version) == ("4", 1)
    store.close()
    again = ConfigStore(tmp_path)
    assert again.value("log.level") == "3"
    again.close()


def test_stored_change_survives_a_restart_and_ends_a_transient_one(tmp_path):
    store = ConfigStore(tmp_path)
    uuid = store.uuid
    store.set_many([("log.level", "4")], True)
    store.set_many([("log.level", "2")])
    assert store.value("log.level") == "2"
    store.close()
    again = ConfigStore(tmp_path)
    assert (again.value("log.level"), again.version, again.uuid) == ("2", 2, uuid)
    again.close()


def test_reset_drops_transient_and_node_changes_only(store):
    store.set_many([("get_batch.max_wait", "37s")])
    store.set_many([("log.level", "4")], True)
    store.set_many([("log.max_size", "1MiB")], node="tA")
    store.reset()
    assert store.value("log.level") == "3"
    assert store.cluster_config(node="tA")["log"]["max_size"] == "64MiB"
    assert store.cluster_config()["get_batch"]["max_wait"] == "37s"


def test_node_change_is_seen_at_that_node_only(store):
    store.set_many([("log.level", "5")], node="tA")
    assert store.cluster_config(node="tA")["log"]["level"] == "5"
    assert store.cluster_config(node="tB")["log"]["level"] == "3"
    with pytest.raises(InvalidConfig, match="getbatch configuration can only be globally updated"):
        store.set_many([("get_batch.max_wait", "30s")], node="tA")


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("auth.client_auth_required", "cannot transiently update config.auth - operation not supported"),
        ("tracing.enabled", "cannot transiently update config.tracing - operation not supported"),
        ("timeout.max_keepalive", "cannot transiently update timeout.max_keepalive - operation not supported"),
    ],
)
def test_some_sections_never_change_transiently(store, key, message):
    with pytest.raises(Unsupported) as refusal:
        store.set_many([(key, "1")], True)
    assert refusal.value.message == message


def test_batch_section_cannot_change_transiently_in_either_form(store):
    text = r"^getbatch \(cluster-scoped\) configuration cannot be changed transiently$"
    with pytest.raises(InvalidConfig, match=text):
        store.set_many([("get_batch.max_wait", "20s")], True)
    with pytest.raises(InvalidConfig, match=text):
        store.set_tree({"get_batch": {"max_wait": "20s"}}, True)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("keepalivetracker.target.interval", "1s"),
        ("space.lowwm", "99"),
        ("space.out_of_space", "101"),
        ("disk.disk_util_low_wm", "90"),
        ("checksum.type", "sha0"),
        ("write_policy.md", "later"),
        ("periodic.stats_time", "2m"),
        ("lru.dont_evict_time", "59m"),
        ("lru.dont_evict_time", ""),
        ("features", "-1"),
        ("resilver.enabled", "maybe"),
        ("chunks.chunk_size", "12 MiB"),
    ],
)
def test_values_that_contradict_others_or_make_no_sense_are_refused(store, key, value):
    with pytest.raises(InvalidConfig):
        store.set_many([(key, value)])


def _change_in_another_process(directory):
    store = ConfigStore(directory)
    store.set_many([("get_batch.max_soft_errs", "9")])
    store.set_many([("log.level", "1")], True)
    store.close()


def test_change_of_another_process_is_seen_at_the_next_read(store, tmp_path):
    assert store.get_batch.max_soft_errs == 6
    worker = multiprocessing.get_context("spawn").Process(target=_change_in_another_process, args=(tmp_path,))
    worker.start()
    worker.join(30)
    assert worker.exitcode == 0
    assert (store.get_batch.max_soft_errs, store.value("log.level"), store.version) == (9, "1", 2)


def test_the_map_counts_its_changes_across_restarts(tmp_path):
    for entries, version in (("a", 1), ("a", 1), ("b", 2), ("b", 2), ("a", 3)):
        store = ConfigStore(tmp_path)
        assert store.count_map(entries) == version
        assert store.version == 1
        store.close()


def test_readers_do_not_wait_for_writers(store, tmp_path):
    other = sqlite3.connect(tmp_path / "config.sqlite", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    waiting = threading.Thread(target=store.set_many, args=([("log.level", "4")],))
    waiting.start()
    try:
        for _ in range(100):
            assert store.value("log.level") == "3"
            assert store.get_batch.max_soft_errs == 6
        assert waiting.is_alive()
    finally:
        other.execute("ROLLBACK")
        other.close()
        waiting.join()
    assert store.value("log.level") == "4"


def test_a_full_disk_refuses_a_change_and_keeps_what_was(store):
    store.set_many([("log.level", "4")])
    store._writer.execute("PRAGMA max_page_count = 1")
    tree = {"proxy": {"primary_url": "x" * 100_000}}
    with pytest.raises(OutOfSpace):
        store.set_tree(tree)
    assert (store.value("log.level"), store.value("proxy.primary_url")) == ("4", "")
    store._writer.execute("PRAGMA max_page_count = 1000000")
    store.set_tree(tree)
    assert len(store.value("proxy.primary_url")) == 100_000


def test_a_change_whose_writer_died_before_it_told_anybody_is_noticed_within_a_second(tmp_path: Path):
    clock = ManualClock()
    with closing(ConfigStore(tmp_path, clock=clock)) as store:
        assert store.get_batch.max_soft_errs != 17
        with closing(sqlite3.connect(tmp_path / "config.sqlite")) as db, db:
            db.execute("INSERT OR REPLACE INTO settings VALUES ('stored', 'get_batch.max_soft_errs', '17')")
        clock.advance(1.0)
        assert store.get_batch.max_soft_errs == 17
