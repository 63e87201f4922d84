"""How entries of listings are sorted and written. Pure. Source: spec/rest-data.md 4.2, 4.3."""

import re
import time

_RFC822 = "02 Jan 06 15:04 MST"
# The notation for times is an example: how each part of the reference time is written says how to write it.
_LAYOUT_WORDS = {
    "January": "%B", "Jan": "%b", "Monday": "%A", "Mon": "%a", "MST": "UTC", "2006": "%Y", "Z07:00": "Z",
    "-07:00": "+00:00", "-0700": "+0000", ".999999999": "", "01": "%m", "02": "%d", "03": "%I", "04": "%M",
    "05": "%S", "06": "%y", "15": "%H", "PM": "%p",
}  # fmt: skip
_LAYOUT = re.compile("|".join(map(re.escape, _LAYOUT_WORDS)))


def byte_order(name: str) -> bytes:
    """Return what sorts names as listings do."""
    return name.encode("utf-8", "surrogateescape")


def format_custom(custom: dict[str, str]) -> str:
    """Write metadata as `[k:v k:v]`."""
    return "[" + " ".join(f"{key}:{value}" for key, value in sorted(custom.items())) + "]" if custom else ""


def format_time(ns: int, layout: str) -> str:
    """Write a time, ns since 1970, as an example in Go's notation says; "" as RFC 822 does."""
    form = _LAYOUT.sub(lambda found: _LAYOUT_WORDS[found[0]], (layout or _RFC822).replace("%", "%%"))
    return time.strftime(form, time.gmtime(ns // 1_000_000_000))
