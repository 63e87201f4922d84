import io

import pytest

from moss.cli.failures import Canceled, CommandError
from moss.cli.output import Console, printable


def console(typed: str = "", *, color: bool = False) -> Console:
    return Console(io.StringIO(typed), io.StringIO(), io.StringIO(), color=color)


def test_printable_names() -> None:
    assert printable("größe/a b") == "größe/a b"
    assert printable("a\nb\x1b[2Jc\x7f") == "a\\nb\\x1b[2Jc\\x7f"


@pytest.mark.parametrize("word", ["y", "YES", "on", "true", "t", "1", "maybe\nnonsense\ny"])
def test_yes_goes_on(word: str) -> None:
    console(word + "\n").confirm("Go?", unanswered="no answer")


@pytest.mark.parametrize("word", ["n", "No", "off", "false", "f", "0", ""])
def test_no_cancels(word: str) -> None:
    with pytest.raises(Canceled):
        console(word + "\n").confirm("Go?", unanswered="no answer")


def test_end_of_input_is_no_answer() -> None:
    with pytest.raises(CommandError, match="no answer"):
        console("maybe\n").confirm("Go?", unanswered="no answer")


def test_messages_go_to_standard_error_and_color_is_optional() -> None:
    plain, colored = console(), console(color=True)
    for each in (plain, colored):
        each.warn("w")
        each.error("e", "hint")
        each.result("r")
    assert plain.stderr.getvalue() == "Warning: w\nError: e\nhint\n"
    assert plain.stdout.getvalue() == colored.stdout.getvalue() == "r\n"
    assert "\x1b[" in colored.stderr.getvalue()
