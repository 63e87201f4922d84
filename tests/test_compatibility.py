"""The compatibility document says where everything is tested: each number is there, each test that it names exists."""

import ast
import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
TEXT = (PROJECT / "docs" / "compatibility.md").read_text()
TEST_ID = re.compile(r"`([\w/]+\.py::\w+)`")
ROW = re.compile(r"^\| (\d+) \| ([✓◐✗]) \| (.+) \|$", re.MULTILINE)

RELIABILITY = [*range(2, 8), *range(15, 19), *range(20, 29), 31]
SECTIONS = {
    "GetBatch, number by number": list(range(1, 92)),
    "Data, number by number": list(range(1, 111)),
    "Control, number by number": list(range(1, 100)),
    "SDK, number by number": list(range(1, 127)),
    "Command line, number by number": list(range(1, 161)),
    "Better than the reference": [*range(1, 26), *range(30, 35)],
    "Reliability": RELIABILITY,
}


def rows(section: str) -> list[tuple[int, str, str]]:
    text = TEXT.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    return [(int(number), mark, rest) for number, mark, rest in ROW.findall(text)]


@pytest.mark.parametrize("section", SECTIONS)
def test_every_number_is_there_once_and_in_order(section: str):
    assert [number for number, _, _ in rows(section)] == SECTIONS[section]


@pytest.mark.parametrize("section", SECTIONS)
def test_every_number_names_a_test_or_says_why_not(section: str):
    for number, mark, rest in rows(section):
        what, _, tests = rest.partition(" | ")
        assert what.strip() and tests.strip(), number
        assert bool(TEST_ID.search(tests)) == (mark != "✗"), f"{section}: {number}"


def functions(path: Path) -> set[str]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, kinds)}


def test_every_test_that_is_named_exists():
    named: dict[Path, set[str]] = {}
    for test in TEST_ID.findall(TEXT):
        path, _, function = test.partition("::")
        named.setdefault(PROJECT / path, set()).add(function)
    assert len(named) > 10
    missing = [f"{path}::{name}" for path, names in named.items() for name in names - functions(path)]
    assert not missing
