"""Help on a terminal: colours, the pager, and that nothing about them can fail."""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from tests.cli.conftest import Ais

PAGER = f"{sys.executable} -c \"import sys; print('PAGED', len(sys.stdin.read().splitlines()))\""


def on_terminal(home: Path, *words: str, lines: int = 10, **environ: str) -> tuple[int, str]:
    """Exit status and everything shown."""
    main, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", lines, 80, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-c", "import sys; from moss.cli.main import main; sys.exit(main())", *words],
        stdin=terminal, stdout=terminal, stderr=terminal,
        env={"PATH": os.environ["PATH"], "HOME": str(home), "TERM": "xterm", **environ},
    )  # fmt: skip
    os.close(terminal)
    text = b""
    try:
        while chunk := os.read(main, 65536):
            text += chunk
    except OSError:  # the other end is closed
        pass
    os.close(main)
    return process.wait(timeout=60), text.decode().replace("\r\n", "\n")


@pytest.fixture
def no_more(tmp_path: Path) -> Path:
    """A home whose configuration wants no pager."""
    folder = tmp_path / "plain" / ".config" / "ais" / "cli"
    folder.mkdir(parents=True)
    (folder / "cli.json").write_text('{"no_more": true}')
    return tmp_path / "plain"


def test_long_pages_go_through_the_pager(tmp_path: Path) -> None:
    status, text = on_terminal(tmp_path, "--help", PAGER=PAGER)
    assert status == 0 and text.startswith("PAGED ")


def test_short_pages_do_not(tmp_path: Path) -> None:
    status, text = on_terminal(tmp_path, "--help", lines=500, PAGER=PAGER)
    assert status == 0 and "USAGE:" in text and "PAGED" not in text


@pytest.mark.parametrize("pager", ["/no/such/pager", "false", "cat", ""])
def test_a_missing_or_failing_pager_is_no_failure(tmp_path: Path, pager: str) -> None:
    status, text = on_terminal(tmp_path, "search", "--help", PAGER=pager, PATH="/nonexistent")
    assert status == 0 and "ais search: " in text and "OPTIONS:" in text


def test_159_no_more_works(no_more: Path, ais: Ais) -> None:
    status, text = on_terminal(no_more, "--help", PAGER=PAGER)
    assert status == 0 and "USAGE:" in text and "PAGED" not in text
    for words in ((), ("ml",), ("search", "--help")):
        done = ais(*words, HOME=str(no_more))
        assert (done.status, done.err) == (0, "") and "USAGE:" in done.out


def test_headings_are_green_unless_colours_are_unwanted(tmp_path: Path, no_more: Path, ais: Ais) -> None:
    assert "\x1b[92mUSAGE:\x1b[0m" in on_terminal(tmp_path, "search", "--help", lines=99)[1]
    assert "\x1b" not in on_terminal(tmp_path, "search", "--help", lines=99, NO_COLOR="1")[1]
    assert "\x1b" not in on_terminal(tmp_path, "search", "--help", lines=99, TERM="dumb")[1]
    (no_more / ".config/ais/cli/cli.json").write_text('{"no_color": true}')
    assert "\x1b" not in on_terminal(no_more, "search", "--help", lines=99)[1]
    assert "\x1b" not in ais("search", "--help").out


def test_errors_are_red_on_a_terminal(tmp_path: Path) -> None:
    status, text = on_terminal(tmp_path, "ls", AIS_ENDPOINT="127.0.0.1:1")
    assert status == 1 and text.startswith("\x1b[91mError: \x1b[0mAIStore cannot be reached")
