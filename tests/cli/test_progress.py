import io

import pytest

from moss.cli import progress
from moss.cli.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_terminals_see_one_line_that_goes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([0.0, 2.0, 2.01, 4.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(now))
    stream = Terminal()
    shown = Progress(stream, "o.tar", enabled=True)
    for received in (3 << 20, 4 << 20, 8 << 20):
        shown(received)
    assert stream.getvalue() == ("\rReceiving o.tar: 3.00MiB (1.50MiB/s)\rReceiving o.tar: 8.00MiB (2.00MiB/s)")
    shown.clear()
    assert stream.getvalue().endswith("\r" + " " * 36 + "\r")


@pytest.mark.parametrize(("stream", "enabled"), [(io.StringIO(), True), (Terminal(), False)])
def test_others_see_nothing(stream: io.StringIO, enabled: bool) -> None:
    shown = Progress(stream, "o.tar", enabled=enabled)
    shown(1 << 30)
    shown.clear()
    assert stream.getvalue() == ""
