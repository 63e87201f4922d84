"""Copying the body of an answer to its place."""

from collections.abc import Callable

from moss.cli.failures import CommandError
from moss.cli.transport import Answer
from moss.wire.headers import CONTENT_LENGTH

__all__ = ["copy"]


def copy(answer: Answer, write: Callable[[bytes], object], progress: Callable[[int], object]) -> int:
    """Copy a body; return its size in bytes.

    Args:
        progress: is told the number of bytes so far.

    Raises:
        CommandError: it ended early.
    """
    expected = answer.headers.get(CONTENT_LENGTH)
    size = 0
    while data := answer.read():
        write(data)
        size += len(data)
        progress(size)
    if expected is not None and size != int(expected):
        raise CommandError(f"got {size} of {expected} bytes")
    return size
