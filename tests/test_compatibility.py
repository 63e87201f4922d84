"""The compatibility document says where everything is tested: each number is there, each test that it names exists."""

import ast
import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
TEXT = (PROJECT / "docs" / "compatibility.md").read_text()
TEST_ID = re.compile(r"`([\w/]+\.py::\w+)`")
ROW = re.compile(r"^\| (\d+) \| ([✓◐✗]) \| (.+) \|$", re.MULTILINE)

CHECKLIST = list(range(1, 92))
BETTER = [*range(1, 9), 10, 12, *range(14, 18), *range(19, 26)]
RELIABILITY = [2, 4, 5, 6, 7, 16, 17, 18, 20, 21, 22, 23, 25, 26, 27, 28, 31]
SECTIONS = {"GetBatch, number by number": CHECKLIST, "Better than the reference": BETTER, "Reliability": RELIABILITY}


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
    return {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)}


def test_every_test_that_is_named_exists():
    named: dict[Path, set[str]] = {}
    for test in TEST_ID.findall(TEXT):
        path, _, function = test.partition("::")
        named.setdefault(PROJECT / path, set()).add(function)
    assert len(named) > 10
    missing = [f"{path}::{name}" for path, names in named.items() for name in names - functions(path)]
    assert not missing
