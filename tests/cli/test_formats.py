import pytest

from moss.cli.formats import (
    brief,
    format_count,
    format_day,
    format_elapsed,
    format_size,
    format_time,
    parse_interval_s,
    parse_timestamp,
)


@pytest.fixture(autouse=True)
def in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


@pytest.mark.parametrize(("units", "text"), [("iec", "2.50KiB"), ("si", "2.56KB"), ("raw", "2560")])
def test_sizes(units: str, text: str) -> None:
    assert format_size(2560, units) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.0023, "2.3ms"),
        (0.099_999_9, "99.9999ms"),
        (0.123_456, "123ms"),
        (1.234_5, "1.23s"),
        (12.345, "12.3s"),
        (83.26, "1m23.3s"),
        (123.4, "2m3s"),
        (3725.9, "1h2m6s"),
    ],
)
def test_durations_lose_what_nobody_reads(seconds: float, text: str) -> None:
    assert format_elapsed(seconds) == text


def test_times_of_the_day_and_with_date() -> None:
    moment = 1_704_164_645.0  # 2024-01-02 03:04:05 UTC
    assert format_time(moment) == "03:04:05"
    assert format_time(moment, with_date=True) == "Jan  2 03:04:05"
    assert format_day(moment) == "02 Jan 24 03:04 UTC"
    assert format_time(None) == format_time(0) == format_day(None) == "-"


def test_counts_have_commas() -> None:
    assert [format_count(7), format_count(1234567)] == ["7", "1,234,567"]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2024-01-02T03:04:05Z", 1_704_164_645.0),
        ("2024-01-02T03:04:05.25+00:00", 1_704_164_645.25),
        ("1704164645000000000", 1_704_164_645.0),
        ("0001-01-01T00:00:00Z", None),
        ("", None),
        ("0", None),
    ],
)
def test_times_of_the_wire(text: str, seconds: float | None) -> None:
    assert parse_timestamp(text) == seconds


def test_a_time_with_nine_digits_of_fraction() -> None:
    assert parse_timestamp("2024-01-02T03:04:05.123456789Z") == pytest.approx(1_704_164_645.123456)


@pytest.mark.parametrize(("text", "seconds"), [("5", 5), ("1.5", 1.5), ("2s", 2), ("1m30s", 90), ("0", 0)])
def test_a_bare_number_means_seconds(text: str, seconds: float) -> None:
    assert parse_interval_s(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-1", "-5s", "nan", "inf", "5 apples"])
def test_intervals_that_are_none(text: str) -> None:
    with pytest.raises(ValueError):
        parse_interval_s(text)


def test_many_names_become_some() -> None:
    assert brief(["a", "b", "c"]) == "a, b, c"
    assert brief([str(i) for i in range(1004)]) == "0, 1, 2 and 1,001 more"
