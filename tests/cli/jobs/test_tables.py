"""Captions and tables. Numbers in names are those of spec/cli.md section 7."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from moss.cli.jobs.rates import Rates
from moss.cli.jobs.snapshots import JobView, decode_parts, group
from moss.cli.jobs.tables import Style, caption, extended_rows, job_rows
from moss.cli.tables import table
from tests.cli.control_peer import TARGETS, bucket, snap

MESSAGES = (
    "pending:(1,1) reqs:21849 objs: [1398300 2.00GiB] files: [391284 8.70GiB], bewarm:on avg-wait:2.3ms",
    "pending:(2,2) reqs:22188 objs: [1419972 2.03GiB] files: [395120 8.78GiB], bewarm:on avg-wait:2.2ms",
    "pending:(3,3) reqs:22210 objs: [1421380 2.03GiB] files: [395940 8.80GiB], bewarm:on avg-wait:2.1ms",
)


def job(kind: str, *parts: dict[str, Any], job_id: str = "NeEra51oM") -> JobView:
    """A job of as many targets as there are parts."""
    documents = {target: [snap(job_id, kind, **part)] for target, part in zip(TARGETS, parts, strict=False)}
    [found] = group(decode_parts(json.dumps(documents).encode()))
    return found


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


def test_125_three_messages_stand_one_to_a_line() -> None:
    # The nodes' texts are sorted, whatever node they come from.
    found = job("get-batch", *({"ctlmsg": message} for message in reversed(MESSAGES)))
    assert caption(found) == "\n".join(["get-batch[NeEra51oM] (ctl:", *(f"  {line}" for line in MESSAGES), ")"])


def test_126_one_message_stands_in_the_line() -> None:
    assert caption(job("get-batch", {"ctlmsg": "reqs:1"})) == "get-batch[NeEra51oM] (ctl: reqs:1)"
    assert caption(job("lru", {})) == "lru-eviction[NeEra51oM]"
    tip = "(tip: use '--verbose' to include extended stats)"
    assert caption(job("ec-put", {})) == f"ec-put[NeEra51oM] {tip}"
    assert caption(job("ec-put", {"ctlmsg": "a"}, {"ctlmsg": "b"})).endswith(f"\n  b\n) {tip}")


def test_127_the_same_message_of_all_nodes_stands_once() -> None:
    assert caption(job("get-batch", *[{"ctlmsg": "reqs:1"}] * 3)) == "get-batch[NeEra51oM] (ctl: reqs:1)"


def test_numbers_of_workers_are_a_message_of_their_own() -> None:
    # Three joggers and four workers, of others five joggers, four workers and a channel that was full twice.
    found = job("copy-listrange", {"glob.id": str(3 | 4 << 10)}, {"glob.id": str(5 | 4 << 10 | 2 << 20)})
    assert caption(found) == "copy-objects[NeEra51oM] (ctl: parallelism: j[3,5] w[4] chan-full[0,2])"


def test_125_table_of_three_nodes_with_their_sum() -> None:
    parts = [
        {"bck": bucket("speech"), "stats": {"loc-objs": 1398300, "loc-bytes": 2 << 30}, "is_idle": at == 1}
        for at in range(3)
    ]
    text = table(job_rows(job("get-batch", *parts), Style()))
    assert text == (
        "NODE\t\t ID\t\t KIND\t\t BUCKET\t\t OBJECTS\t BYTES\t\t START\t\t END\t STATE\n"
        "tAAAAAAA1\t NeEra51oM\t get-batch\t ais://speech\t 1,398,300\t 2.00GiB\t 05:06:07\t -\t Running\n"
        "tBBBBBBB2\t NeEra51oM\t get-batch\t ais://speech\t 1,398,300\t 2.00GiB\t 05:06:07\t -\t Idle\n"
        "tCCCCCCC3\t NeEra51oM\t get-batch\t ais://speech\t 1,398,300\t 2.00GiB\t 05:06:07\t -\t Running\n"
        "\t\t \t\t Total:\t\t \t\t 4,194,900\t 6.00GiB\t ✓\n"
    )
    starts = {line.expandtabs(8).index(cell) for line, cell in zip(text.splitlines()[1:4], ["05:06"] * 3, strict=True)}
    assert len(starts) == 1 and (starts.pop() - 1) % 8 == 0


def test_without_objects_there_is_no_sum() -> None:
    rows = job_rows(job("lru", {}, {}), Style())
    assert len(rows) == 3
    assert rows[1] == ["tAAAAAAA1", "NeEra51oM", "lru-eviction", "-", "-", "05:06:07", "-", "Running"]


ENDED = "2026-03-04T06:00:00Z"


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({}, "Running"),
        ({"is_idle": True}, "Idle"),
        ({"is_idle": True, "err": "t[x]: disk"}, 'Idle with errors: "disk"'),
        ({"end-time": ENDED, "is_idle": True}, "Finished"),
        ({"end-time": ENDED, "err": "2 errors"}, 'Finished with errors: "2 errors"'),
        ({"aborted": True, "abort-err": "user abort"}, "Aborted by user"),
        ({"aborted": True, "abort-err": "no space"}, 'Aborted: "no space"'),
        ({"aborted": True}, "Aborted"),
    ],
)
def test_states(fields: dict[str, Any], state: str) -> None:
    assert job("lru", fields).parts[0].state == state


@pytest.mark.parametrize(
    ("kind", "fields", "header"),
    [
        ("copy-bck", {"src-bck": bucket("a"), "dst-bck": bucket("b")},
         "NODE|ID|KIND|SRC BUCKET|DST BUCKET|OBJECTS|BYTES|START|END|STATE"),
        ("rebalance", {}, "NODE|ID|KIND|TX OBJECTS|TX BYTES|RX OBJECTS|RX BYTES|START|END|STATE"),
        ("ec-get", {"bck": bucket("a")}, "NODE|ID|BUCKET|OBJECTS|BYTES|ERRORS|QUEUE|AVG TIME|START|END|STATE"),
        ("ec-put", {"bck": bucket("a")}, "NODE|ID|BUCKET|OBJECTS|BYTES|ERRORS|QUEUE|AVG TIME|ENC TIME|START|END|STATE"),
        ("list", {"bck": bucket("a")}, "NODE|ID|KIND|BUCKET|OBJECTS|BYTES|START|END|STATE"),
        ("list", {"bck": bucket("a", "aws")},
         "NODE|ID|KIND|BUCKET|OBJECTS|BYTES|TX PAGES|RX PAGES|START|END|STATE"),
        ("lru", {}, "NODE|ID|KIND|OBJECTS|BYTES|START|END|STATE"),
    ],
)  # fmt: skip
def test_columns_by_kind(kind: str, fields: dict[str, Any], header: str) -> None:
    assert "|".join(job_rows(job(kind, fields), Style())[0]) == header


def test_extended_statistics_of_erasure_coding() -> None:
    extra = {"ec.obj.process.ns": 2_500_000, "ec.encode.err.n": "3", "ec.queue.len.n": 1.5, "ec.encode.ns": "1000000"}
    found = job("ec-put", {"bck": bucket("a"), "ext": extra}, {"bck": bucket("a")})
    assert job_rows(found, Style(), headers=False)[0][5:9] == ["3", "1.5", "2.5ms", "1ms"]
    assert job_rows(found, Style(), headers=False)[1][5:9] == ["-"] * 4
    assert ("tAAAAAAA1.ec.encode.err.n", "3") in extended_rows(found)
    assert extended_rows(job("lru", {})) == []


def test_units_and_dates() -> None:
    found = job("lru", {"stats": {"loc-objs": 1, "loc-bytes": 2000}, "end-time": ENDED})
    assert job_rows(found, Style("raw", with_date=True))[1][4:7] == ["2000", "Mar  4 05:06:07", "Mar  4 06:00:00"]
    assert job_rows(found, Style("si"))[1][4] == "2.00KB"


def test_rates_need_two_looks_and_a_change() -> None:
    times = iter((10.0, 12.0, 13.0))
    rates = Rates(lambda: next(times))
    assert rates.line(job("lru", {}), "iec") == ""
    moved = job("lru", {"stats": {"loc-objs": 3000, "loc-bytes": 4 << 20}})
    assert rates.line(moved, "iec") == "Rate: 1,500.0 objects/s, 2.00MiB/s"
    assert rates.line(moved, "iec") == ""


def test_texts_of_the_cluster_stay_on_their_line() -> None:
    found = job("lru", {"err": "a\nb\x1b[2J", "ctlmsg": "x\ry"})
    assert found.parts[0].state == 'Running with errors: "a\\nb\\x1b[2J"'
    assert caption(found) == "lru-eviction[NeEra51oM] (ctl: x\\ry)"


def test_names_and_messages_are_painted_on_request() -> None:
    assert caption(job("lru", {"ctlmsg": "x"}), color=True) == (
        "\x1b[96mlru-eviction[NeEra51oM]\x1b[0m (ctl: \x1b[96mx\x1b[0m)"
    )
