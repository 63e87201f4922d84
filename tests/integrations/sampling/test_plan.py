import json
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moss.integrations.sampling import Plan, Position

sizes = st.integers(0, 300)
batches = st.integers(1, 40)
worlds = st.integers(1, 6)


def ranks(length: int, batch_size: int, world_size: int, **options: Any) -> list[Plan]:
    return [
        Plan(length, batch_size, shuffle=True, seed=5, rank=rank, world_size=world_size, **options)
        for rank in range(world_size)
    ]


def used(plans: list[Plan], epoch: int = 0, start: int = 0, count: int | None = None) -> Counter[int]:
    """How often each sample is used, by all ranks, in the first `count` steps."""
    return Counter(index for plan in plans for step in list(plan.steps(epoch, start))[:count] for index in step.indices)


@given(length=sizes, batch_size=batches, world_size=worlds)
def test_ranks_use_every_sample_exactly_once(length: int, batch_size: int, world_size: int):
    assert used(ranks(length, batch_size, world_size)) == Counter(range(length))


@given(length=sizes, batch_size=batches, world_size=worlds, workers=st.integers(1, 5), start=sizes)
def test_workers_in_turn_give_the_sequence_of_one(
    length: int, batch_size: int, world_size: int, workers: int, start: int
):
    for plan in ranks(length, batch_size, world_size):
        start = min(start, length)
        alone = list(plan.steps(1, start))
        shares = [list(plan.steps(1, start, worker=worker, workers=workers)) for worker in range(workers)]
        assert [shares[number % workers][number // workers] for number in range(len(alone))] == alone
        assert sum(map(len, shares)) == len(alone) == plan.count_steps(start)


@given(
    length=sizes,
    before=st.tuples(batches, worlds),
    after=st.tuples(batches, worlds),
    steps=st.integers(0, 10),
)
def test_any_ranks_and_batch_sizes_go_on_where_others_stopped(
    length: int, before: tuple[int, int], after: tuple[int, int], steps: int
):
    first, second = ranks(length, *before), ranks(length, *after)
    steps = min(steps, *(plan.count_steps() for plan in first))
    positions = {plan.end_of(0, steps) for plan in first}
    assert len(positions) == 1
    (position,) = positions
    assert used(first, count=steps) + used(second, start=position) == Counter(range(length))


@given(length=sizes, batch_size=batches, world_size=worlds, start=sizes)
def test_steps_say_where_they_end(length: int, batch_size: int, world_size: int, start: int):
    for plan in ranks(length, batch_size, world_size):
        start = min(start, length)
        for number, step in enumerate(plan.steps(0, start), 1):
            assert step.end == plan.end_of(start, number)
        assert plan.end_of(start, 0) == start


@given(length=st.integers(1, 300), batch_size=batches, world_size=worlds, start=sizes)
def test_full_batches_on_all_ranks(length: int, batch_size: int, world_size: int, start: int):
    start = min(start, length)
    for tail in ("drop", "repeat"):
        plans = ranks(length, batch_size, world_size, tail=tail)
        assert len({plan.count_steps(start) for plan in plans}) == 1
        sizes = {len(step.indices) for plan in plans for step in plan.steps(0, start)}
        assert sizes <= {batch_size}
        counts = used(plans, start=start)
        if tail == "drop":
            assert max(counts.values(), default=1) == 1
            assert length - start - counts.total() < batch_size * world_size
        else:
            expected = set(used(ranks(length, batch_size, world_size), start=start))
            assert expected <= counts.keys()
            assert counts.total() - len(expected) < batch_size * world_size


def test_what_is_dropped_stays_dropped_after_a_resume_with_small_batches():
    plan = Plan(10, 4, tail="drop")
    assert [step.end for step in plan.steps(0)] == [4, 10]


def test_the_last_samples_are_shared_out():
    plans = ranks(10, 4, 3)
    assert [[len(step.indices) for step in plan.steps(0)] for plan in plans] == [[4], [3], [3]]
    plans = ranks(13, 4, 3)
    assert [[len(step.indices) for step in plan.steps(0)] for plan in plans] == [[4, 1], [4], [4]]


def test_planning_needs_no_torch():
    code = "import sys, moss.integrations.sampling; assert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


def test_epochs_differ_and_come_again():
    plan = Plan(100, 10, shuffle=True, seed=1)
    first, second = list(plan.steps(0)), list(plan.steps(1))
    assert first != second
    assert list(Plan(100, 10, shuffle=True, seed=1).steps(0)) == first


@given(length=sizes, epoch=st.integers(0, 9), samples=sizes)
def test_a_state_survives_json(length: int, epoch: int, samples: int):
    plan = Plan(length, 3, shuffle=True, seed=2)
    position = Position(epoch, min(samples, length))
    assert plan.position_of(json.loads(json.dumps(plan.state(position, "f"))), "f") == position


def test_a_state_of_something_else_is_refused():
    plan = Plan(10, 2, shuffle=True, seed=1)
    state = plan.state(Position(1, 4), "abc")
    for other, fingerprint, name in (
        (Plan(11, 2, shuffle=True, seed=1), "abc", "length"),
        (Plan(10, 2, shuffle=True, seed=2), "abc", "seed"),
        (Plan(10, 2, seed=1), "abc", "shuffle"),
        (plan, "abd", "fingerprint"),
    ):
        with pytest.raises(ValueError, match=f"its {name} is"):
            other.position_of(state, fingerprint)
    for broken in ({}, {"version": 2}, None, {**state, "version": 0}):
        with pytest.raises(ValueError, match="expected a state of version 1"):
            plan.position_of(broken, "abc")  # type: ignore[arg-type]
    for change in ({"samples": 11}, {"samples": -1}, {"epoch": -1}, {"epoch": "1"}, {"samples": None}):
        with pytest.raises(ValueError, match="no position in epochs of 10 samples"):
            plan.position_of({**state, **change}, "abc")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"length": -1}, "length must not be negative, found -1"),
        ({"batch_size": 0}, "batch_size must be positive, found 0"),
        ({"rank": 2, "world_size": 2}, "rank must be in range.2., found 2"),
        ({"rank": -1}, "rank must be in range.1., found -1"),
        ({"world_size": 0}, "rank must be in range"),
        ({"tail": "pad"}, "tail must be one of keep, drop, repeat, found 'pad'"),
    ],
)
def test_impossible_plans_are_refused(options: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=message):
        Plan(**{"length": 10, "batch_size": 2, **options})


def test_a_start_behind_the_end_is_refused():
    with pytest.raises(ValueError, match="cannot be resumed at 11"):
        list(Plan(10, 2).steps(0, 11))
