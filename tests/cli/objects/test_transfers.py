"""Transferring many items at a time."""

import io
import threading

import pytest

from moss.cli.failures import Canceled, CommandError
from moss.cli.objects.transfers import CountedFile, Meter, Stopped, tolerate, transfer_all, with_retries
from moss.cli.progress import Progress
from moss.cli.transport import ServerError
from moss.sdk.errors import ConnectionLost


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def progress() -> Progress:
    return Progress(io.StringIO(), "")


def test_only_items_under_way_are_held(progress: Progress) -> None:
    finished: list[int] = []

    def items():
        for number in range(1000):
            assert number - len(finished) < 2 * 4
            yield number

    def work(number: int, meter: Meter) -> int:
        meter.add(10)
        finished.append(number)
        return 10

    outcome = transfer_all(items(), work, label=str, workers=4, goes_on=False, progress=progress)
    assert outcome == (1000, 10_000, []) and sorted(finished) == list(range(1000))


def test_the_first_failure_ends_it(progress: Progress) -> None:
    begun = []

    def work(number: int, _: Meter) -> int:
        begun.append(number)
        if number == 2:
            raise CommandError("no")
        return 1

    with pytest.raises(CommandError, match="no"):
        transfer_all(range(100), work, label=str, workers=1, goes_on=False, progress=progress)
    assert begun == [0, 1, 2]


def test_failures_are_collected(progress: Progress) -> None:
    def work(number: int, _: Meter) -> int:
        if number % 2:
            raise OSError(13, "Permission denied", "f") if number == 1 else ConnectionLost("broke off")
        return 1

    outcome = transfer_all(range(4), work, label=lambda n: f"f{n}", workers=2, goes_on=True, progress=progress)
    assert (outcome.done, outcome.size) == (2, 2)
    assert sorted(outcome.failures) == [("f1", "Permission denied"), ("f3", "broke off")]
    with pytest.raises(CommandError, match="failed to PUT 2 of 4 files:") as failed:
        tolerate(outcome, "PUT", "files")
    assert sorted(failed.value.hints) == ["   f1: Permission denied", "   f3: broke off"]


def test_a_no_of_the_user_ends_it_even_when_failures_do_not(progress: Progress) -> None:
    def work(_: int, __: Meter) -> int:
        raise Canceled

    with pytest.raises(Canceled):
        transfer_all(range(4), work, label=str, workers=1, goes_on=True, progress=progress)


def test_ctrl_c_stops_transfers_at_their_next_piece(progress: Progress) -> None:
    stopped, started = threading.Event(), threading.Event()

    def items():
        yield 1
        started.wait(10)
        raise KeyboardInterrupt

    def work(_: int, meter: Meter) -> int:
        started.set()
        try:
            while True:
                meter.pause(0.001)
        except Stopped:
            stopped.set()
            raise

    with pytest.raises(KeyboardInterrupt):
        transfer_all(items(), work, label=str, workers=2, goes_on=True, progress=progress)
    assert stopped.is_set()


def test_retries_are_for_what_may_pass() -> None:
    def failing(*errors: Exception):
        queue = list(errors)

        def work() -> str:
            if queue:
                raise queue.pop(0)
            return "done"

        return work

    waits: list[float] = []
    busy = ServerError(500, "disk")
    assert with_retries(failing(busy, ConnectionLost("broke")), 2, waits.append) == "done"
    assert waits == [0.25, 0.5]
    with pytest.raises(ServerError):
        with_retries(failing(busy, busy), 1, waits.append)
    waits.clear()
    with pytest.raises(ServerError):
        with_retries(failing(ServerError(404, "gone")), 5, waits.append)
    assert waits == []


def test_a_part_of_a_file_is_read_again_and_counted_once() -> None:
    shown = Terminal()
    meter = Meter(Progress(shown, ""))
    lock = threading.Lock()
    file = io.BytesIO(b"0123456789")
    first = CountedFile(file, meter, start=2, size=5, lock=lock)
    second = CountedFile(file, meter, start=7, lock=lock)
    assert (first.read(3), second.read(), first.read(), first.read(), first.tell()) == (b"234", b"789", b"56", b"", 5)
    first.seek(0)
    assert first.read() == b"23456"
    assert meter.size == 8


def test_a_stopped_meter_stops_who_reads() -> None:
    meter = Meter(Progress(io.StringIO(), ""))
    meter.stop()
    with pytest.raises(Stopped):
        CountedFile(io.BytesIO(b"x"), meter).read()
    with pytest.raises(Stopped):
        meter.pause(10)
