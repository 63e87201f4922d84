"""Durations, sizes and quoted text: Go's notation, both ways."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moss.units import format_duration, format_iec, format_si, parse_duration, parse_duration_ns, parse_size, quote


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("0", 0),
        ("1m30s", 90_000_000_000),
        ("500ms", 500_000_000),
        ("1.5s", 1_500_000_000),
        (".5s", 500_000_000),
        ("1.s", 1_000_000_000),
        ("-1.5h", -5_400_000_000_000),
        ("+20s", 20_000_000_000),
        ("1µs", 1_000),
        ("1us2ns", 1_002),
        ("1h0m0.5s", 3_600_500_000_000),
    ],
)
def test_durations_parse_as_in_go(text: str, ns: int) -> None:
    assert parse_duration_ns(text) == ns
    assert parse_duration(text) == ns / 1e9


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("soon", 'time: invalid duration "soon"'),
        ("", 'time: invalid duration ""'),
        ("+", 'time: invalid duration "+"'),
        (".s", 'time: invalid duration ".s"'),
        ("20", 'time: missing unit in duration "20"'),
        ("1s2", 'time: missing unit in duration "1s2"'),
        ("2d", 'time: unknown unit "d" in duration "2d"'),
        ("3000000h", 'time: invalid duration "3000000h"'),
    ],
)
def test_bad_durations_give_the_texts_of_go(text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_duration(text)
    assert str(caught.value) == message


def test_overlong_durations_are_refused_without_work() -> None:
    with pytest.raises(ValueError, match="invalid duration"):
        parse_duration_ns("9" * 1_000_000 + "s")


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0s"),
        (1, "1ns"),
        (1_500, "1.5µs"),
        (2_300_000, "2.3ms"),
        (1_500_000_000, "1.5s"),
        (59_000_000_000, "59s"),
        (60_000_000_000, "1m0s"),
        (90_000_000_000, "1m30s"),
        (3_600_000_000_000, "1h0m0s"),
        (-90_000_000_000, "-1m30s"),
    ],
)
def test_durations_print_as_in_go(ns: int, text: str) -> None:
    assert format_duration(ns) == text


@given(st.integers(min_value=-(1 << 62), max_value=1 << 62))
def test_printed_durations_parse_back(ns: int) -> None:
    assert parse_duration_ns(format_duration(ns)) == ns


@given(st.text(max_size=40))
def test_durations_never_fail_otherwise(text: str) -> None:
    try:
        parse_duration_ns(text)
    except ValueError as error:
        assert str(error).startswith("time: ")


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1048576", 1 << 20),
        ("10MiB", 10 << 20),
        ("1.5GiB", 3 << 29),
        ("4mb", 4_000_000),
        ("128k", 128_000),
        ("128ki", 131_072),
        ("1 KB", 1_000),
        ("5B", 5),
        ("0B", 0),
    ],
)
def test_sizes_are_decimal_unless_the_suffix_has_an_i(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "x", "-1", "1i", "1iB", "1XB", "1.2.3", "MiB", "9" * 100])
def test_bad_sizes_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="invalid size"):
        parse_size(text)


def test_sizes_print_with_two_decimals_and_whole_bytes_below_one_unit() -> None:
    assert [format_iec(n) for n in (0, 812, 1024, 2560, 1 << 19, 2 << 30)] == [
        "0B",
        "812B",
        "1.00KiB",
        "2.50KiB",
        "512.00KiB",
        "2.00GiB",
    ]
    assert format_iec(2560, digits=0) == "2KiB"
    assert format_si(2560) == "2.56KB"


def test_quoted_text_is_escaped_as_in_go() -> None:
    assert quote("dir/") == '"dir/"'
    assert quote('a"b\\') == '"a\\"b\\\\"'
    assert quote("\n\t\x00\x7f") == '"\\n\\t\\x00\\x7f"'
    assert quote("é😀") == '"é😀"'
    assert quote("\udc80") == '"\\x80"'
    assert quote("\u200b") == '"\\u200b"'


@given(st.text(alphabet=st.characters(), max_size=30))
def test_quoted_text_is_always_printable_utf8(text: str) -> None:
    quoted = quote(text)
    quoted.encode()
    assert "\n" not in quoted and quoted[0] == quoted[-1] == '"'
