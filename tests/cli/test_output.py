import io

import pytest

from moss.cli.failures import Canceled, CommandError
from moss.cli.output import Console, format_size, printable, table


def console(typed: str = "", *, color: bool = False) -> Console:
    return Console(io.StringIO(typed), io.StringIO(), io.StringIO(), color=color)


def test_tables_align_at_tab_stops() -> None:
    rows = [("NAME", "OBJECTS (cached)", "USAGE(%)"), ("ais://dataset", "4", "0%")]
    assert table(rows) == "NAME\t\t OBJECTS (cached)\t USAGE(%)\nais://dataset\t 4\t\t\t 0%\n"


def test_closed_tables_end_each_line_with_a_tab() -> None:
    rows = [("NAME", "SIZE"), ("dev/", ""), ("audio1.wav", "100B")]
    assert table(rows, closed=True) == "NAME\t\t SIZE\t \ndev/\t\t \t \naudio1.wav\t 100B\t \n"


def test_a_cell_that_reaches_a_stop_takes_the_next() -> None:
    assert table([("1234567", "x"), ("1", "y")]) == "1234567\t x\n1\t y\n"
    assert table([("12345678", "x"), ("1", "y")]) == "12345678\t x\n1\t\t y\n"
    assert table([]) == ""


def test_printable_names() -> None:
    assert printable("größe/a b") == "größe/a b"
    assert printable("a\nb\x1b[2Jc\x7f") == "a\\nb\\x1b[2Jc\\x7f"


@pytest.mark.parametrize(("units", "text"), [("iec", "2.50KiB"), ("raw", "2560")])
def test_sizes(units: str, text: str) -> None:
    assert format_size(2560, units) == text


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
