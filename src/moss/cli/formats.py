"""How values are written for people, and read from them: sizes, counts, times, durations. Source: spec/cli.md 5.2."""

import time
from collections.abc import Sequence

__all__ = [
    "UNSET",
    "brief",
    "format_count",
    "format_day",
    "format_elapsed",
    "format_size",
    "format_time",
    "parse_interval_s",
    "parse_timestamp",
]

UNSET = "-"
_NAMES_SHOWN = 3


def format_size(size: int, units: str = "iec", digits: int = 2) -> str:
    """A size in the units that the user asked for: `iec`, `si` or `raw`."""
    from moss.units import format_iec, format_si

    if units == "raw":
        return str(size)
    return format_si(size, digits) if units == "si" else format_iec(size, digits)


def format_count(number: int) -> str:
    """`1,234`."""
    return f"{number:,}"


def format_elapsed(seconds: float) -> str:
    """A duration as people want it: exact below 100 ms, then three digits or whole seconds, in Go's notation."""
    from moss.units import format_duration

    ns = round(seconds * 1e9)
    step = 1
    for limit, wanted in ((100_000_000, 1), (10**9, 10**6), (10**10, 10**7), (10**11, 10**8)):
        if abs(ns) < limit:
            step = wanted
            break
    else:
        step = 10**9
    return format_duration(round(ns / step) * step)


def format_time(seconds: float | None, *, with_date: bool = False) -> str:
    """A moment of local time: `15:04:05`, or `Jan  2 15:04:05`; `-` when there is none.

    Args:
        seconds: since 1970; None and 0 mean unset.
    """
    if not seconds:
        return UNSET
    moment = time.localtime(seconds)
    clock = time.strftime("%H:%M:%S", moment)
    return f"{time.strftime('%b', moment)} {moment.tm_mday:2d} {clock}" if with_date else clock


def format_day(seconds: float | None) -> str:
    """A moment with its day and zone: `02 Jan 06 15:04 UTC`; `-` when there is none."""
    return time.strftime("%d %b %y %H:%M %Z", time.localtime(seconds)) if seconds else UNSET


def parse_timestamp(text: str) -> float | None:
    """Seconds since 1970 of a time of the wire (RFC 3339, or nanoseconds as digits); None when it is unset.

    Raises:
        ValueError: it is neither.
    """
    from datetime import datetime

    if not text or text.startswith("0001-"):
        return None
    if text.isdigit():
        return int(text) / 1e9 or None
    return datetime.fromisoformat(text).timestamp()


def parse_interval_s(text: str) -> float:
    """Seconds of a duration in which a bare number means seconds: `5`, `1.5`, `2s`, `1m30s`.

    Raises:
        ValueError: it is no duration, or negative.
    """
    from moss.units import parse_duration

    try:
        seconds = float(text)
    except ValueError:
        seconds = parse_duration(text)
    if not 0 <= seconds < float("inf"):
        raise ValueError(f'invalid duration "{text}": expecting 0 or more')
    return seconds


def brief(names: Sequence[str]) -> str:
    """Some of many names: `a, b, c and 7 more`."""
    shown = ", ".join(names[:_NAMES_SHOWN])
    return shown if len(names) <= _NAMES_SHOWN else f"{shown} and {len(names) - _NAMES_SHOWN:,} more"
