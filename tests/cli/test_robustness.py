"""Whatever is typed, a command ends with a status and, when it fails, with a message: never with a stack trace.

Every command gets words and option values of all kinds, sensible and not, while no cluster answers. What is tried is
the same in every run.
"""

import io
import random
import sys
from pathlib import Path

import pytest

from moss.cli.main import main
from moss.cli.options import Option
from moss.cli.table import COMMANDS, load

TRIES = 16
WORDS = [
    "", "ais://b", "ais://b/o", "ais://b/", "x", "ais://", "s3:", "{}", "K=V", "=", "-", "ais://#n/b/o.tar/x", "{1..3}",
    "a{1..", "[", "t[x]", "http://h/x", "b\udcff", "/dev/null", ".", "../x", "x" * 3000, "@", "ais://@u#n/b", "=v", "5",
]  # fmt: skip
VALUES = [
    "", "x", "-1", "0", "9" * 20, "{", "{}", "[]", "a{1..", "a{1..3}", "\udcff", "1h", "-5s", "ais://b", "/nonexistent",
    "(", "a=b", "1KiB", "nan", "null", '{"a":1}', "a,b", ",",
]  # fmt: skip


@pytest.fixture(autouse=True)
def place_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in {"AIS_ENDPOINT": "127.0.0.1:1", "AIS_AUTHN_URL": "127.0.0.1:1", "HOME": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    for name in ("XDG_CONFIG_HOME", "MOSS_ENDPOINT", "MOSS_AUTHN_URL"):
        monkeypatch.delenv(name, raising=False)


def run(words: list[str], monkeypatch: pytest.MonkeyPatch) -> tuple[int, str]:
    """Status and standard error of a command line in this process, with nothing on standard input."""
    errors = io.BytesIO()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
        patch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO()))
        patch.setattr(sys, "stderr", io.TextIOWrapper(errors, write_through=True))
        status = main(words)
        return status, errors.getvalue().decode("utf-8", "replace")


def spelled(option: Option, chance: random.Random) -> str:
    if not option.value:
        return f"--{option.name}"
    if option.choices and chance.random() < 0.6:
        return f"--{option.name}={chance.choice(option.choices)}"
    return f"--{option.name}={chance.randint(-1, 3) if option.number else chance.choice(VALUES)}"


@pytest.mark.parametrize("group", sorted({path[0] for path in COMMANDS}))
def test_no_command_line_is_a_crash(group: str, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(group)
    for path in [path for path in COMMANDS if path[0] == group]:
        options = [option for option in load(COMMANDS[path]).options if option.name not in ("refresh", "count")]
        for _ in range(TRIES):
            words = [chance.choice(WORDS) for _ in range(chance.randint(0, 3))]
            given = chance.sample(options, min(len(options), chance.randint(0, 3)))
            line = [*path, *words, *(spelled(option, chance) for option in given)]
            status, errors = run(line, monkeypatch)
            assert status in (0, 1, 2), line
            assert errors or status == 0, line
            assert status != 2 or len(errors.splitlines()) <= 3, (line, errors)


def test_a_word_that_no_command_line_has_a_place_for_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for path, entry in COMMANDS.items():
        if "..." not in load(entry).usage:
            status, errors = run([*path, *["ais://b/o"] * 9], monkeypatch)
            assert status == 2 and len(errors.splitlines()) == 3, path
