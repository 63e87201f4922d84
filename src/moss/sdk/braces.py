"""Brace expansion as shells have it: `{a,b}`, `{1..9}`, `{01..99..7}`, nested and repeated. Pure and lazy.

It runs on the client's side, to show or visit the names that a template stands for. What the cluster itself accepts as
a template is in `moss.naming.template`.
"""

import re
from collections.abc import Iterator

__all__ = ["expand_braces"]

_RANGE = re.compile(r"(-?\d+|[A-Za-z])\.\.(-?\d+|[A-Za-z])(?:\.\.(-?\d+))?")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def expand_braces(template: str) -> Iterator[str]:
    """Yield the names that a template stands for; the rightmost braces vary fastest.

    Raises:
        ValueError: braces without their partner.
    """
    start, stop = _first_group(template)
    if start < 0:
        yield _ESCAPED.sub(r"\1", template)
        return
    front = _ESCAPED.sub(r"\1", template[:start])
    for option in _options(template[start + 1 : stop]):
        for rest in expand_braces(template[stop + 1 :]):
            yield front + option + rest


def _first_group(text: str) -> tuple[int, int]:
    """Positions of the first brace and of its partner; (-1, -1) without any."""
    depth, start, position = 0, -1, 0
    while position < len(text):
        character = text[position]
        if character == "\\":
            position += 1
        elif character == "{":
            start = position if depth == 0 else start
            depth += 1
        elif character == "}":
            depth -= 1
            if depth < 0:
                break
            if depth == 0:
                return start, position
        position += 1
    if depth:
        raise ValueError(f"Unbalanced braces: {text!r}")
    return -1, -1


def _options(body: str) -> Iterator[str]:
    """What one pair of braces stands for."""
    found = _RANGE.fullmatch(body)
    if found and (found[1].isalpha() == found[2].isalpha()):
        yield from _range(found[1], found[2], abs(int(found[3] or 1)) or 1)
        return
    parts = _split(body)
    if len(parts) == 1:
        yield from (f"{{{text}}}" for text in expand_braces(body))
        return
    for part in parts:
        yield from expand_braces(part)


def _range(first: str, last: str, step: int) -> Iterator[str]:
    if first.isalpha():
        start, stop, write = ord(first), ord(last), chr
    else:
        is_padded = any(text.lstrip("-").startswith("0") and len(text.lstrip("-")) > 1 for text in (first, last))
        width = max(len(first), len(last)) if is_padded else 0
        start, stop, write = int(first), int(last), lambda number: f"{number:0{width}d}"
    if start <= stop:
        yield from (write(number) for number in range(start, stop + 1, step))
    else:
        yield from (write(number) for number in range(start, stop - 1, -step))


def _split(body: str) -> list[str]:
    """Cut at the commas that are in no inner braces."""
    parts, depth, begin, position = [], 0, 0, 0
    while position < len(body):
        character = body[position]
        if character == "\\":
            position += 1
        elif character in "{}":
            depth += 1 if character == "{" else -1
        elif character == "," and depth == 0:
            parts.append(body[begin:position])
            begin = position + 1
        position += 1
    return [*parts, body[begin:]]
