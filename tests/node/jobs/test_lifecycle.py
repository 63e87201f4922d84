"""The pure part of jobs: phases and the status text."""

import re

import pytest

from moss.node.jobs.lifecycle import Lifecycle, Phase, describe_batches

# Source: spec/getbatch.md 15.79.
_GRAMMAR = re.compile(
    r"^(pending:\(\d+,\d+\) )?reqs:\d+( errs:\d+)?( objs: \[\d+ \S+\])?( files: \[\d+ \S+\])?,"
    r" bewarm:(on|off)( avg-wait:\S+)?$"
)
_NAMES = ("getbatch.n", "err.getbatch.n", "getbatch.rxwait.ns")
_ZEROS = dict.fromkeys((*_NAMES, *(f"getbatch.{kind}.{what}" for kind in ("obj", "file") for what in ("n", "size"))), 0)


def test_ordinary_job_is_running_until_its_end():
    life = Lifecycle()
    life.begin_work()
    assert life.phase(0) is Phase.RUNNING
    life.end_work(5)
    assert life.phase(1000) is Phase.RUNNING
    assert life.end(6, Phase.FINISHED)
    assert life.phase(6) is Phase.FINISHED


def test_first_end_counts():
    life = Lifecycle()
    assert life.end(1, Phase.ABORTED)
    assert not life.end(2, Phase.FINISHED)
    assert life.phase(3) is Phase.ABORTED


def test_demand_job_is_idle_after_its_window_and_ends_after_a_minute():
    life = Lifecycle(is_demand=True, idle_after_s=6, ends_after_s=60)
    life.begin_work()
    life.end_work(100)
    assert life.phase(105.9) is Phase.RUNNING
    assert life.phase(106) is Phase.IDLE
    assert not life.should_end(159.9)
    assert life.should_end(160)


def test_new_work_wakes_an_idle_job():
    life = Lifecycle(is_demand=True, quiet_since_s=0)
    assert life.phase(10) is Phase.IDLE
    life.begin_work()
    assert life.phase(100) is Phase.RUNNING
    assert not life.should_end(1000)


def test_ended_job_is_forgotten_after_its_time():
    life = Lifecycle()
    assert not life.should_forget(10_000, 60)
    life.end(100, Phase.FINISHED)
    assert not life.should_forget(159, 60)
    assert life.should_forget(160, 60)


@pytest.mark.parametrize(
    ("counters", "places", "text"),
    [
        ({}, (1, 1), ""),
        ({"getbatch.n": 1}, (0, 0), "reqs:1, bewarm:on"),
        ({"err.getbatch.n": 2}, (0, 0), "reqs:0 errs:2, bewarm:on"),
        (
            {
                "getbatch.n": 21849,
                "getbatch.obj.n": 1398300,
                "getbatch.obj.size": 2 << 30,
                "getbatch.file.n": 391284,
                "getbatch.file.size": 9341553869,
                "getbatch.rxwait.ns": 2_300_000 * 21849,
            },
            (1, 1),
            "pending:(1,1) reqs:21849 objs: [1398300 2.00GiB] files: [391284 8.70GiB], bewarm:on avg-wait:2.3ms",
        ),
        (
            {"getbatch.n": 1, "getbatch.obj.n": 1, "getbatch.obj.size": 812},
            (0, 3),
            "pending:(0,3) reqs:1 objs: [1 812B]",
        ),
    ],
)
def test_status_text(counters, places, text):
    found = describe_batches(_ZEROS | counters, assembling=places[0], waiting=places[1], is_warming=True)
    assert found.startswith(text)
    assert not found or _GRAMMAR.match(found)
