import io

import pytest

from moss.cli.context import Context
from moss.cli.failures import UsageError
from moss.cli.flags import REFRESHING
from moss.cli.options import parse
from moss.cli.output import Console
from moss.cli.refresh import LONG_DASHES, repeat


def context(*words: str) -> Context:
    console = Console(io.StringIO(), io.StringIO(), io.StringIO())
    return Context("ais show", parse(REFRESHING, words), console, {})


def run(*words: str, dashes: int = 0, until: int = 0) -> tuple[str, list[float]]:
    """What is shown, and how long was slept; `until` says so many pictures are enough."""
    ctx, slept, shown = context(*words), [], []

    def show() -> bool:
        shown.append(1)
        ctx.console.result("picture")
        return len(shown) == until

    repeat(ctx, show, dashes=dashes, sleep=slept.append)
    return ctx.console.stdout.getvalue(), slept


def test_without_refresh_it_is_shown_once() -> None:
    assert run() == ("picture\n", [])


def test_count_pictures_with_a_line_between_them() -> None:
    assert run("--refresh", "2", "--count", "3") == (f"picture\n{'-' * 16}\n" * 2 + "picture\n", [2, 2])
    assert run("--refresh=1", "--count=2", dashes=LONG_DASHES)[0].count("-" * 72) == 1


def test_without_count_it_goes_on_until_nothing_changes() -> None:
    shown, slept = run("--refresh", "1m", until=3)
    assert shown.count("picture") == 3 and slept == [60, 60] and f"\n{'-' * 8}\n" in shown


def test_intervals_have_a_minimum_and_a_default() -> None:
    assert run("--refresh", "10ms", "--count", "2")[1] == [1]
    assert run("--count", "2")[1] == [5]


@pytest.mark.parametrize("words", [("--refresh", "soon"), ("--refresh=1", "--count=0"), ("--count", "-1")])
def test_nonsense_is_refused(words: tuple[str, ...]) -> None:
    with pytest.raises(UsageError):
        repeat(context(*words), lambda: None)
