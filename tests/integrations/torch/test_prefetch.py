import threading
from collections.abc import Iterator

import pytest

from moss.integrations.torch.prefetch import ahead

WAIT_S = 20


def test_results_come_in_order():
    assert list(ahead(lambda n: n * n, range(50), 4)) == [n * n for n in range(50)]
    assert list(ahead(lambda n: n * n, range(3), 0)) == [0, 1, 4]
    assert list(ahead(lambda n: n * n, [], 4)) == []


def test_so_many_calls_run_while_a_result_is_used():
    started = [threading.Event() for _ in range(10)]

    def work(number: int) -> int:
        started[number].set()
        return number

    results = ahead(work, range(10), 3)
    assert next(results) == 0
    assert all(event.wait(WAIT_S) for event in started[:4])
    assert not any(event.is_set() for event in started[4:])
    assert next(results) == 1
    assert started[4].wait(WAIT_S) and not started[5].is_set()


def test_calls_overlap():
    """None of the three could end alone."""
    meeting = threading.Barrier(3)
    assert sorted(ahead(lambda n: meeting.wait(WAIT_S), range(3), 3)) == [0, 1, 2]


def test_without_threads_nothing_is_done_ahead():
    done: list[int] = []
    results = ahead(lambda n: done.append(n) or threading.current_thread(), range(5), 0)
    assert next(results) is threading.main_thread()
    assert done == [0]


def test_an_error_comes_in_its_place_and_ends_the_rest():
    begun: list[int] = []

    def work(number: int) -> int:
        begun.append(number)
        if number == 2:
            raise KeyError("two")
        return number

    results = ahead(work, range(1000), 2)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(KeyError, match="two"):
        next(results)
    assert len(begun) < 10
    with pytest.raises(StopIteration):
        next(results)


def test_an_error_of_the_items_is_raised_too():
    def items() -> Iterator[int]:
        yield 1
        raise OSError("the listing broke")

    with pytest.raises(OSError, match="the listing broke"):
        list(ahead(lambda n: n, items(), 2))


def test_leaving_early_drops_what_was_not_begun():
    release, begun = threading.Event(), []

    def work(number: int) -> int:
        begun.append(number)
        if number:
            assert release.wait(WAIT_S)
        return number

    results = ahead(work, range(100), 1)
    assert next(results) == 0
    before = threading.active_count()
    results.close()  # does not wait for the call that runs
    release.set()
    for thread in threading.enumerate():
        if thread.name.startswith("moss-prefetch"):
            thread.join(WAIT_S)
    assert threading.active_count() <= before
    assert len(begun) <= 2
