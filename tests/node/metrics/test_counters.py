"""Counters: sums over workers, a fresh start with each run, and the exported names."""

import re

import pytest

from moss.node.clock import ManualClock
from moss.node.metrics import COUNTERS, Metrics, metric_kinds

# Source: spec/getbatch.md 12.1.
_CODE_NAMES = [
    *("getbatch_count", "getbatch_obj_count", "getbatch_file_count", "getbatch_obj_bytes", "getbatch_file_bytes"),
    *("getbatch_gfn_count", "getbatch_rxwait_ns", "getbatch_throttle_ns"),
    *("err_soft_getbatch_count", "err_gfn_getbatch_count", "err_getbatch_count"),
]
_PUBLISHED_NAMES = [
    *("getbatch_n", "getbatch_obj_n", "getbatch_file_n", "getbatch_obj_size", "getbatch_file_size"),
    *("err_soft_getbatch_n", "err_getbatch_n"),
]


@pytest.fixture
def metrics(tmp_path):
    metrics = Metrics(tmp_path)
    yield metrics
    metrics.close()


def test_workers_add_to_one_sum(tmp_path):
    first, second = Metrics(tmp_path, 0), Metrics(tmp_path, 1)
    first.add("getbatch.n", 2)
    second.add("getbatch.n", 3)
    assert first.value("getbatch.n") == second.value("getbatch.n") == second.snapshot()["getbatch.n"] == 5
    first.close()
    second.close()


def test_a_new_run_starts_at_zero(tmp_path):
    metrics = Metrics(tmp_path)
    metrics.add("get.n", 7)
    metrics.close()
    again = Metrics(tmp_path)
    assert again.value("get.n") == 0
    again.close()


def test_unknown_name_is_an_error(metrics):
    with pytest.raises(KeyError):
        metrics.add("no.such.n")


def test_reset_of_errors_leaves_the_rest(metrics):
    metrics.add_many({"getbatch.n": 4, "err.getbatch.n": 2})
    metrics.reset(errors_only=True)
    assert (metrics.value("getbatch.n"), metrics.value("err.getbatch.n")) == (4, 0)
    metrics.reset()
    assert metrics.value("getbatch.n") == 0


def _types(page: bytes) -> dict[str, str]:
    return dict(re.findall(r"^# TYPE (\S+) (\S+)$", page.decode(), re.MULTILINE))


@pytest.mark.parametrize("name", [*_CODE_NAMES, *_PUBLISHED_NAMES])
def test_both_name_sets_of_batch_counters_are_exported_from_the_start(metrics, name):
    page = metrics.render_prometheus("t.A1")
    assert _types(page)[f"ais_target_{name}"] == "counter"
    assert f'ais_target_{name}{{node_id="t_A1"}} 0\n'.encode() in page


def test_page_is_valid_exposition_text_without_doubled_families(metrics):
    metrics.add("get.n", 3)
    metrics.add_at_gateway("get.n", 'ais://b"\\')
    for face in ("t", "p"):
        page = metrics.render_prometheus("tA", primary_id="pA", face=face).decode()
        families = re.findall(r"^# TYPE (\S+) ", page, re.MULTILINE)
        assert len(families) == len(set(families))
        for line in page.splitlines():
            assert line.startswith(("# HELP ", "# TYPE ")) or re.fullmatch(
                r'\w+\{(\w+="([^"\\]|\\.)*"(,|(?=\})))*\} [0-9.+eE-]+', line
            ), line


def test_target_series_have_empty_bucket_labels_and_gateway_series_name_the_bucket(metrics):
    metrics.add("get.n", 3)
    assert b'ais_target_get_count{bucket="",node_id="tA"} 3\n' in metrics.render_prometheus("tA")
    metrics.add_at_gateway("put.n", "ais://b")
    page = metrics.render_prometheus("pA", face="p")
    assert b'ais_proxy_put_count{bucket="ais://b",node_id="pA",xkind=""} 1\n' in page
    assert b"getbatch" not in page


def test_gateway_series_are_bounded(metrics):
    for number in range(1200):
        metrics.add_at_gateway("get.n", f"ais://b{number}")
    series = metrics.gateway_series()["get.n"]
    assert len(series) == 1000
    assert "ais://b1199" in series


def test_uptime_follows_the_clock(tmp_path):
    clock = ManualClock()
    metrics = Metrics(tmp_path, clock=clock)
    clock.advance(12.5)
    assert metrics.uptime_ns() == 12_500_000_000
    metrics.close()


def test_kinds_of_target_counters_are_words_of_the_contract():
    kinds = metric_kinds("t")
    assert kinds["getbatch.n"] == "counter"
    assert set(kinds.values()) <= {"counter", "size", "total", "special", "gauge", "latency", "bw"}
    assert len({counter.exported for counter in COUNTERS}) == len(COUNTERS)


def test_a_gateway_adds_up_the_series_of_all_workers(metrics):
    metrics.add_at_gateway("get.n", "ais://b")
    others = [{"get.n": {"ais://b": 2, "ais://c": 1}}, {"put.n": {"ais://b": 4}}]
    page = metrics.render_prometheus("p1", face="p", others=others).decode()
    assert 'ais_proxy_get_count{bucket="ais://b",node_id="p1"} 3' in page
    assert 'ais_proxy_get_count{bucket="ais://c",node_id="p1"} 1' in page
    assert 'ais_proxy_put_count{bucket="ais://b",node_id="p1",xkind=""} 4' in page


def test_all_workers_tell_the_same_uptime(tmp_path):
    clock = ManualClock()
    clock.advance(1000)
    first = Metrics(tmp_path, 0, clock=clock)
    clock.advance(5)
    revived = Metrics(tmp_path, 1, clock=clock)
    clock.advance(2)
    assert first.uptime_ns() == revived.uptime_ns() == 7_000_000_000
    first.reset()
    assert first.uptime_ns() == 7_000_000_000
    first.close()
    revived.close()
