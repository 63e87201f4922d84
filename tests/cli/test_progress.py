import io

import pytest

from moss.cli import progress
from moss.cli.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    @property
    def last(self) -> str:
        return self.getvalue().rpartition("\r")[2]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """One moment: tests change it."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_terminals_see_one_line_that_goes_away(clock: list[float]) -> None:
    stream = Terminal()
    shown = Progress(stream, "o.tar")
    for now, received in ((2.0, 3 << 20), (2.01, 4 << 20), (4.0, 8 << 20)):
        clock[0] = now
        shown(received)
    assert stream.getvalue() == "\rReceiving o.tar: 3.00MiB (1.50MiB/s)\rReceiving o.tar: 8.00MiB (2.00MiB/s)"
    shown.clear()
    assert stream.getvalue().endswith("\r" + " " * 36 + "\r")


def test_totals_give_a_share_and_the_remaining_time(clock: list[float]) -> None:
    stream = Terminal()
    shown = Progress(stream, "", verb="Uploading", total=10 << 20, items_total=40, items="files")
    clock[0] = 2.0
    shown(3 << 20, 12)
    assert stream.last == "Uploading: 12/40 files, 3.00MiB/10.00MiB 30% (1.50MiB/s, 4.7s left)"
    clock[0] = 4.0
    shown(10 << 20, 40)
    assert stream.last.rstrip() == "Uploading: 40/40 files, 10.00MiB/10.00MiB 100% (2.50MiB/s)"


def test_items_alone(clock: list[float]) -> None:
    stream = Terminal()
    with Progress(stream, "ais://b", verb="Removing", items_total=2000) as shown:
        clock[0] = 10.0
        shown(0, 500)
        assert stream.last == "Removing ais://b: 500/2,000 objects (50.0 objects/s, 30s left)"
    assert stream.getvalue().endswith(" \r")


def test_nothing_done_yet_shows_the_time(clock: list[float]) -> None:
    stream = Terminal()
    shown = Progress(stream, "x")
    clock[0] = 3.0
    shown(0)
    assert stream.last == "Receiving x: 0B (3s)"


def test_totals_may_become_known_later(clock: list[float]) -> None:
    stream = Terminal()
    shown = Progress(stream, "x")
    clock[0] = 1.0
    shown(512, total=1024)
    assert stream.last == "Receiving x: 512B/1.00KiB 50% (512B/s, 1s left)"


@pytest.mark.parametrize(("stream", "enabled"), [(io.StringIO(), True), (Terminal(), False)])
def test_others_see_nothing(stream: io.StringIO, enabled: bool) -> None:
    shown = Progress(stream, "o.tar", enabled=enabled)
    shown(1 << 30)
    shown.clear()
    assert stream.getvalue() == ""
