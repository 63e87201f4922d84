"""`ais show job --refresh` on a terminal. Numbers in names are those of spec/cli.md section 7."""

import os
import pty
import re
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.control_peer import TARGETS, ControlPeer, snap
from tests.sdk.peer import Received

WAIT_S_MAX = 30.0


class Terminal:
    """`ais` in a process of its own whose output is a terminal."""

    def __init__(self, url: str, home: Path, *words: str) -> None:
        self._master, slave = pty.openpty()
        environ = {"PATH": os.environ["PATH"], "HOME": str(home), "AIS_ENDPOINT": url, "NO_COLOR": "1", "TZ": "UTC"}
        program = [sys.executable, "-c", "import sys; from moss.cli.main import main; sys.exit(main())"]
        self.process = subprocess.Popen(
            [*program, *words], stdin=slave, stdout=slave, stderr=slave, env=environ, start_new_session=True
        )
        os.close(slave)
        self.shown = ""

    def read_until(self, pattern: str) -> None:
        """Read what is shown until it matches."""
        while not re.search(pattern, self.shown):
            ready, _, _ = select.select([self._master], [], [], WAIT_S_MAX)
            assert ready, f"nothing more is shown: {self.shown!r}"
            self.shown += os.read(self._master, 4096).decode()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._master)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """A terminal on which a copy moves by a thousand objects between two looks."""
    cluster = ControlPeer()
    looks: list[int] = []

    def state(_: Received) -> dict[str, list[dict[str, object]]]:
        looks.append(1)
        done = {"loc-objs": 1000 * len(looks), "loc-bytes": len(looks) << 20}
        return {TARGETS[0]: [snap("tco-AAAAAA", "copy-listrange", stats=done)]}

    cluster.answers |= {"GET cluster?what=qryxstats": state, "GET download": [], "GET sort": [], "GET etl": []}
    shown = Terminal(cluster.url, tmp_path, "show", "job", "--refresh", "1")
    yield shown
    shown.close()
    cluster.close()


def test_128_the_table_stays_in_its_place(terminal: Terminal) -> None:
    terminal.read_until(r"2,000\t(.|\n|\r)*Rate: [\d,.]+ objects/s, \S+/s")
    assert "--------" not in terminal.shown
    pictures = terminal.shown.split("\x1b[H\x1b[2J")[1:]
    assert len(pictures) == 2 and all(picture.startswith("copy-objects[tco-AAAAAA]") for picture in pictures)
    assert "Rate:" not in pictures[0]


def test_128_ctrl_c_ends_it(terminal: Terminal) -> None:
    terminal.read_until("1,000\t")
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.process.wait(WAIT_S_MAX) == 130
