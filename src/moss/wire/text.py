"""Text on its way to JSON: names may hold bytes that are no UTF-8, documents may not."""

import re

__all__ = ["printable_utf8"]

_SURROGATE = re.compile("[\ud800-\udfff]")


def printable_utf8(text: str) -> str:
    """Replace what UTF-8 cannot hold (surrogate escapes of raw bytes, lone surrogates) by U+FFFD."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)
