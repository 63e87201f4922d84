"""`--refresh` and `--count`: the same picture again and again. Source: spec/cli.md 5.2."""

import time
from collections.abc import Callable

from moss.cli.context import Context
from moss.cli.failures import UsageError
from moss.cli.formats import parse_interval_s

__all__ = ["LONG_DASHES", "repeat"]

INTERVAL_S = 5.0
INTERVAL_S_MIN = 1.0
LONG_DASHES = 72
SHORT_DASHES = 8
COUNTED_DASHES = 16
CLEAR_SCREEN = "\x1b[H\x1b[2J"


def repeat(
    context: Context,
    show: Callable[[], bool | None],
    *,
    dashes: int = 0,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Show something once, or as often as `--refresh` and `--count` say; Ctrl-C ends it, with status 130 as everywhere.

    Args:
        show: prints one picture; True ends the repetition early, because nothing will change any more.
        dashes: length of the line between two pictures; 0 takes what the reference takes for most commands.

    Raises:
        UsageError: a malformed interval or count.
    """
    interval_s, count = _interval_s(context), _count(context)
    if interval_s is None:
        show()
        return
    dashes = dashes or (SHORT_DASHES if count is None else COUNTED_DASHES)
    # On a terminal the picture stays in its place; a log of pictures is what `--count` and a pipe are for.
    is_live = count is None and context.console.stdout.isatty() and not context.wants_json
    if is_live:
        context.console.stdout.write(CLEAR_SCREEN)
    shown = 0
    while True:
        is_last = show()
        shown += 1
        context.console.stdout.flush()
        if is_last or shown == count:
            return
        sleep(interval_s)
        if is_live:
            context.console.stdout.write(CLEAR_SCREEN)
        else:
            context.console.result("-" * dashes)


def _interval_s(context: Context) -> float | None:
    text = context.parsed.text("refresh")
    if text is None:
        return INTERVAL_S if context.parsed.given("count") else None
    try:
        return max(parse_interval_s(text), INTERVAL_S_MIN)
    except ValueError as error:
        raise UsageError(f"'--refresh': {error}") from None


def _count(context: Context) -> int | None:
    if not context.parsed.given("count"):
        return None
    count = context.parsed.number("count", 0)
    if count < 1:
        raise UsageError(f"'--count' must be 1 or more, got {count}")
    return count
