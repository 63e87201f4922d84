import pytest

from moss.cli.tables import aligned, property_table, table, without_empty_columns


def test_columns_reach_tab_stops() -> None:
    rows = [("NAME", "OBJECTS (cached)", "USAGE(%)"), ("ais://dataset", "4", "0%")]
    assert table(rows) == "NAME\t\t OBJECTS (cached)\t USAGE(%)\nais://dataset\t 4\t\t\t 0%\n"


def test_closed_tables_end_each_line_with_a_tab_and_a_blank() -> None:
    rows = [("NAME", "SIZE"), ("dev/", ""), ("audio1.wav", "100B")]
    assert table(rows, closed=True) == "NAME\t\t SIZE\t \ndev/\t\t \t \naudio1.wav\t 100B\t \n"


def test_a_cell_that_reaches_a_stop_takes_the_next() -> None:
    assert table([("1234567", "x"), ("1", "y")]) == "1234567\t x\n1\t y\n"
    assert table([("12345678", "x"), ("1", "y")]) == "12345678\t x\n1\t\t y\n"


def test_nothing_is_nothing() -> None:
    assert table([]) == aligned([]) == ""
    assert table([()]) == "\n"


def test_a_column_is_a_run_of_lines_that_have_it() -> None:
    """A line with fewer cells ends the column, as in Go's tabwriter."""
    rows = [("a", "b", "c"), ("alone",), ("much longer than that", "b", "c")]
    assert table(rows) == "a\t b\t c\nalone\nmuch longer than that\t b\t c\n"


def test_colours_take_no_room() -> None:
    plain = table([("NAME", "STATE"), ("12345678", "on")])
    colored = table([("NAME", "STATE"), ("\x1b[92m12345678\x1b[0m", "on")])
    assert colored.replace("\x1b[92m", "").replace("\x1b[0m", "") == plain


def test_the_job_table_of_the_specification() -> None:
    """Columns of spec/cli.md 5.8.3 stand on multiples of eight once tabs are expanded."""
    rows = [("NODE", "ID", "KIND", "STATE"), ("ClCt8081", "NeEra51oM", "get-batch", "Running")]
    lines = table(rows).expandtabs(8).splitlines()
    assert [lines[1].index(word) - 1 for word in ("NeEra51oM", "get-batch", "Running")] == [16, 32, 48]
    assert [lines[0].index(word) - 1 for word in ("ID", "KIND", "STATE")] == [16, 32, 48]


def test_blank_padding_has_a_gap_of_two() -> None:
    assert aligned([("PROVIDER", "NAME"), ("ais", "b")]) == "PROVIDER  NAME\nais       b\n"


def test_properties() -> None:
    assert property_table([("a.b", "1")]) == "PROPERTY\t VALUE\na.b\t\t 1\n"
    assert property_table([("a.b", "1")], headers=False) == "a.b\t 1\n"


@pytest.mark.parametrize(("cell", "kept"), [("", False), ("-", False), ("0%", False), ("7%", True)])
def test_columns_that_say_nothing_go(cell: str, kept: bool) -> None:
    rows = [("NODE", "CPU"), ("a", cell), ("b", "")]
    found = without_empty_columns(rows, optional=["CPU"], empty="0%")
    assert (found[0] == ["NODE", "CPU"]) is kept
    assert without_empty_columns(rows, optional=[]) == [list(row) for row in rows]
