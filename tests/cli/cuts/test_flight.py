"""Several tasks at a time, their results in order."""

import threading
from pathlib import Path

import pytest

from moss.cli.cuts.flight import Flight
from moss.cli.destination import Destination, Sink


def test_results_come_in_order_whatever_the_order_of_the_work() -> None:
    gates = [threading.Event() for _ in range(3)]

    def task(index: int) -> int:
        assert gates[index].wait(20)
        return index

    with Flight[int](3) as flight:
        for index in range(3):
            assert flight.start(lambda index=index: task(index))
        assert list(flight.finished()) == []
        for gate in reversed(gates):
            gate.set()
        assert list(flight.drain()) == [0, 1, 2]


def test_no_more_than_the_given_number_run_at_a_time() -> None:
    lock, both = threading.Lock(), threading.Barrier(2)
    running = most = 0

    def task() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        both.wait(20)  # passes only when two run together
        with lock:
            running -= 1

    with Flight[None](2) as flight:
        for _ in range(10):
            flight.start(task)
        assert len(list(flight.drain())) == 10
    assert most == 2


def test_after_a_failure_nothing_new_starts_and_what_flies_lands() -> None:
    release = threading.Event()

    def fail() -> int:
        raise ValueError("no")

    def slow() -> int:
        assert release.wait(20)
        return 7

    with Flight[int](2) as flight:
        assert flight.start(slow)
        assert flight.start(fail)
        assert flight.start(lambda: 8) is False
        release.set()
        assert list(flight.drain()) == [7]
        assert [str(error) for error in flight.failures] == ["no"]


def test_given_up_flights_leave_no_files(tmp_path: Path) -> None:
    opened, go_on = threading.Event(), threading.Event()
    late: list[BaseException] = []

    def write(flight: Flight[None]) -> None:
        sink = flight.guard(lambda: Destination(str(tmp_path / "sub" / "o.tar")).open(None))
        sink.write(b"half")
        opened.set()
        assert go_on.wait(20)
        with pytest.raises((ValueError, OSError)):
            sink.commit()
        with pytest.raises(InterruptedError):
            flight.guard(lambda: Sink(None))
        late.append(InterruptedError())
        opened.set()

    with pytest.raises(KeyboardInterrupt), Flight[None](1) as flight:
        flight.start(lambda: write(flight))
        assert opened.wait(20)
        opened.clear()
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
    go_on.set()
    assert opened.wait(20) and late
    assert list(tmp_path.iterdir()) == []
