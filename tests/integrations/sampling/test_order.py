import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moss.integrations.sampling.order import EpochOrder

LARGE = 70_000
"""More than fit into the table of an exact shuffle."""

TABLE = [8, 0, 7, 4, 3, 1, 6, 2, 9, 5]
NETWORK = [236503, 183076, 697940, 649740, 943875, 297865]


@pytest.mark.parametrize("length", [0, 1, 2, 3, 10, 1000, 65_536, 65_537, LARGE])
def test_an_order_has_each_index_once(length: int):
    assert sorted(EpochOrder(length, 1, 2).indices(range(length))) == list(range(length))


@settings(max_examples=30, deadline=None)
@given(length=st.integers(65_537, 2**40), seed=st.integers(0, 2**63), data=st.data())
def test_parts_of_very_large_orders_hold_distinct_indices(length: int, seed: int, data: st.DataObject):
    start = data.draw(st.integers(0, length - 1000))
    found = EpochOrder(length, seed, 0).indices(range(start, start + 1000))
    assert len(set(found)) == 1000
    assert min(found) >= 0 and max(found) < length


@given(
    length=st.integers(1, 2000) | st.integers(65_537, 10**9),
    positions=st.lists(st.integers(0, 10**12), max_size=20),
)
def test_an_index_depends_on_its_position_alone(length: int, positions: list[int]):
    positions = [position % length for position in positions]
    order = EpochOrder(length, 7, 3)
    assert order.indices(positions) == [order.indices([position])[0] for position in positions]


def test_without_shuffling_positions_are_indices():
    assert EpochOrder(LARGE, 5, 5, shuffle=False).indices([3, 0, LARGE - 1]) == [3, 0, LARGE - 1]


@pytest.mark.parametrize("length", [50, LARGE])
def test_seeds_and_epochs_have_orders_of_their_own(length: int):
    orders = {(seed, epoch): EpochOrder(length, seed, epoch).indices(range(50)) for seed in (0, 1) for epoch in (0, 1)}
    assert len({tuple(order) for order in orders.values()}) == 4


def test_orders_stay_the_same_from_release_to_release():
    """A run that began with an older release must be able to go on: never change these numbers."""
    assert EpochOrder(10, 1, 2).indices(range(10)) == TABLE
    assert EpochOrder(1_000_000, 1, 2).indices(range(6)) == NETWORK


@pytest.mark.parametrize("length", [1000, LARGE])
def test_neighbours_and_places_do_not_tell_anything(length: int):
    order = EpochOrder(length, 11, 0).indices(range(length))
    noise = 5 / length**0.5
    assert abs(statistics.correlation(order[:-1], order[1:])) < noise
    assert abs(statistics.correlation(order, range(length))) < noise


def test_all_indices_come_first_equally_often():
    """Chi-square over 100 cells: mean 99, standard deviation 14."""
    counts = [0] * 100
    for seed in range(3000):
        counts[EpochOrder(LARGE, seed, 0).indices([0])[0] * 100 // LARGE] += 1
    assert sum((count - 30) ** 2 / 30 for count in counts) < 99 + 6 * 14
