"""The value of an option that may be a path, a URL, `-` for standard input, or the text itself."""

import sys
from pathlib import Path

from moss.cli.failures import CommandError
from moss.cli.spec import STDIN, is_inline

__all__ = ["BYTES_MAX", "read_text"]

BYTES_MAX = 1 << 20
_TIMEOUT_S = 30.0


def read_text(value: str) -> str:
    """Read the text.

    Raises:
        CommandError: it cannot be read, is no UTF-8, or is larger than `BYTES_MAX` bytes.
    """
    if is_inline(value):
        return value
    if value.strip() == STDIN:
        name, data = "standard input", sys.stdin.buffer.read(BYTES_MAX + 1)
    elif value.startswith(("http://", "https://")):
        name, data = value, _fetch(value)
    else:
        name, data = value, _read_file(value)
    if len(data) > BYTES_MAX:
        raise CommandError(f"{name} is too big (more than {BYTES_MAX >> 20}MiB)")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CommandError(f"{name} is not valid UTF-8 (byte {error.start})") from None


def _read_file(path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            return file.read(BYTES_MAX + 1)
    except OSError as error:
        raise CommandError(f"open {path}: {(error.strerror or str(error)).lower()}") from None


def _fetch(url: str) -> bytes:
    from urllib.error import URLError
    from urllib.request import urlopen

    try:
        with urlopen(url, timeout=_TIMEOUT_S) as answer:
            return answer.read(BYTES_MAX + 1)
    except (URLError, OSError, ValueError) as error:
        raise CommandError(f"cannot fetch {url}: {getattr(error, 'reason', error)}") from None
