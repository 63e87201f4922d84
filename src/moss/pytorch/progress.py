"""A line that tells how far an iteration is, for people who watch a terminal."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

__all__ = ["shown"]

Item = TypeVar("Item")
_EVERY_S = 0.2


def shown(items: Iterable[Item], title: str, is_shown: bool) -> Iterator[Item]:
    """Yield the items and tell their number and rate on standard error: on a terminal all the time, else at the end."""
    if not is_shown:
        yield from items
        return
    is_terminal = sys.stderr.isatty()
    started_s = told_s = time.monotonic()
    count = 0
    for item in items:
        yield item
        count += 1
        now_s = time.monotonic()
        if is_terminal and now_s - told_s >= _EVERY_S:
            told_s = now_s
            sys.stderr.write(f"\r{_text(title, count, now_s - started_s)}")
    text = _text(title, count, time.monotonic() - started_s)
    sys.stderr.write(f"\r{text}\n" if is_terminal else f"{text}\n")


def _text(title: str, count: int, elapsed_s: float) -> str:
    return f"{title}: {count:,} ({count / max(elapsed_s, 1e-6):,.0f}/s)"
