"""Looking at a job again and again until it is over, with progress on a terminal."""

import time
from collections.abc import Callable
from typing import TypeVar

from moss.cli.context import Context
from moss.cli.failures import CommandError
from moss.cli.progress import Progress
from moss.cli.waiting import monitor_hint

__all__ = ["follow_until_over"]

_WAIT_S_FIRST, _WAIT_S_MAX, _WAIT_GROWTH = 0.02, 1.0, 1.5

State = TypeVar("State")


def follow_until_over(
    context: Context,
    label: str,
    job_id: str,
    look: Callable[[], State],
    is_over: Callable[[State], bool],
    tell: Callable[[Progress, State], None],
    *,
    items: str,
    sleep: Callable[[float], None] = time.sleep,
) -> State:
    """Look until it is over; `--timeout` limits the wait.

    Args:
        label: what the progress line begins with.
        tell: updates the progress.
        items: what the job works on, for the progress: `files`.

    Returns:
        What was seen last.

    Raises:
        CommandError: it did not end in time.
    """
    timeout_s = context.seconds("timeout")
    deadline = None if not timeout_s else time.monotonic() + timeout_s
    is_quiet = context.parsed.flag("non-verbose")
    wait_s = _WAIT_S_FIRST
    with Progress(context.console.stderr, label, enabled=not is_quiet, verb="", items=items) as progress:
        while not is_over(state := look()):
            if deadline is not None and time.monotonic() > deadline:
                raise CommandError(
                    f"timed out waiting for {label} (after {context.parsed.text('timeout')})",
                    f"It is still running. {monitor_hint(job_id)}",
                )
            tell(progress, state)
            sleep(wait_s)
            wait_s = min(wait_s * _WAIT_GROWTH, _WAIT_S_MAX)
    return state
