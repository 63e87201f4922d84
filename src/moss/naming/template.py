"""Templates of names: `shard-{000..999}.tar`, `part-@99`, `batch-%04d.tar`, or a plain prefix.

Pure; expansion is lazy. Source: spec/cli.md 4, spec/rest-data.md 6.3.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

from moss.errors import InvalidTemplate
from moss.units import quote

__all__ = ["EXPANSION_MAX", "Template", "TemplateRange", "parse_template"]

EXPANSION_MAX = 10_000_000
"""Names that one template may give when all of them are wanted."""

_INT64_MAX = (1 << 63) - 1
_INTEGER = re.compile(r"[+-]?[0-9]+")
_INTEGER_CHARACTERS_MAX = 4000  # the interpreter refuses longer ones
_DIGITS = re.compile(r"[0-9]*")
_FORMAT = re.compile(r"%(?:0([0-9]{1,4}))?d")
# A file name has 255 bytes and an object name about a thousand: a wider number is a mistake or an attack.
_FORMAT_WIDTH_MAX = 1024


@dataclass(frozen=True, slots=True)
class TemplateRange:
    """One range of numbers and the text behind it.

    Attributes:
        start: first number.
        end: last number that may be reached, inclusive; None without bound.
        step: distance between numbers.
        width: numbers are padded with zeros to so many characters; wider ones are printed in full.
        gap: text up to the next range, or to the end.
    """

    start: int
    end: int | None
    step: int
    width: int
    gap: str

    @property
    def count(self) -> int | None:
        """How many numbers; None without bound."""
        return None if self.end is None else (self.end - self.start) // self.step + 1

    def texts(self) -> Iterator[str]:
        """Yield each number, padded, with the gap behind it."""
        number = self.start
        while self.end is None or number <= self.end:
            yield f"{number:0{self.width}d}{self.gap}"
            number += self.step


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed template.

    Attributes:
        text: as it was given.
        prefix: text before the first range; of a plain prefix all of it, without one trailing `*`.
        ranges: empty for a plain prefix; the rightmost varies fastest.
    """

    text: str
    prefix: str
    ranges: tuple[TemplateRange, ...] = ()

    @property
    def is_all(self) -> bool:
        """True for the empty template and `*`, which stand for every name of a bucket."""
        return not self.prefix and not self.ranges

    @property
    def is_prefix(self) -> bool:
        """True when there is no range: the template selects existing names by their front."""
        return not self.ranges

    @property
    def count(self) -> int | None:
        """How many names it gives; None for a plain prefix and for a range without bound."""
        if not self.ranges:
            return None
        product = 1
        for item in self.ranges:
            if item.count is None:
                return None
            product *= item.count
        return product

    def expand(self, *, limit: int = EXPANSION_MAX) -> Iterator[str]:
        """Yield all names in order. The checks come at once, the names one by one.

        Raises:
            InvalidTemplate: there is nothing to expand (`empty range template`, `prefix-only template not supported
                (prefix: "T")`), or more than `limit` names.
        """
        if self.is_all:
            raise InvalidTemplate("empty range template")
        if self.is_prefix:
            raise InvalidTemplate(f"prefix-only template not supported (prefix: {quote(self.prefix)})")
        count = self.count
        if count is None or count > limit:
            found = "unlimited" if count is None else str(count)
            raise InvalidTemplate(f"parsed-template: too large to expand ({found} vs {limit} max)")
        return self.iterate()

    def iterate(self) -> Iterator[str]:
        """Yield names as long as they are asked for, without limit; a plain prefix gives none."""
        return _join(self.prefix, self.ranges, 0) if self.ranges else iter(())


def _join(prefix: str, ranges: tuple[TemplateRange, ...], level: int) -> Iterator[str]:
    if level == len(ranges) - 1:
        for text in ranges[level].texts():
            yield prefix + text
        return
    for text in ranges[level].texts():
        yield from _join(prefix + text, ranges, level + 1)


def parse_template(text: str) -> Template:
    """Parse a template. The first notation that claims the text decides, also when it then fails.

    Raises:
        InvalidTemplate: with the texts of spec/cli.md 4.3.
    """
    if text in ("", "*"):
        return Template(text, "")
    if "{" in text and "}" in text:
        template = _parse_bash(text)
    elif "@" in text:
        template = _parse_at(text)
    elif text.count("%") == 1:
        template = _parse_format(text)
    else:
        return Template(text, text.removesuffix("*"))
    _check_count(template)
    return template


# Each range deepens the generator of expand(); this many ranges of two numbers are beyond all limits anyway.
_RANGES_MAX = 64


def _parse_bash(text: str) -> Template:
    opening = text.index("{")
    prefix, rest = text[:opening], text
    if "}" in prefix:
        _refuse_bash(text)
    ranges: list[TemplateRange] = []
    while True:
        opening = rest.find("{")
        closing = rest.find("}", opening)
        if closing < 0 or len(ranges) == _RANGES_MAX:
            _refuse_bash(rest)
        start, end, step, width = _parse_bounds(rest[opening + 1 : closing], rest)
        following = rest[closing + 1 :]
        gap = following.partition("{")[0]
        ranges.append(TemplateRange(start, end, step, width, gap))
        if "{" not in following:
            return Template(text, prefix, tuple(ranges))
        rest = following


def _parse_bounds(inside: str, rest: str) -> tuple[int, int, int, int]:
    """Parse `START..END[..STEP]` into start, end, step and width."""
    parts = inside.split("..")
    if len(parts) not in (2, 3):
        _refuse_bash(rest)
    start, end = (_parse_integer(part, "bash", rest) for part in parts[:2])
    step = _parse_integer(parts[2], "bash", rest) if len(parts) == 3 else 1
    reason = ""
    if start > end:
        reason = "'start' cannot be greater than 'end'"
    elif start < 0:
        reason = "'start' is negative"
    elif step <= 0:
        reason = "'step' is non-positive"
    if reason:
        raise InvalidTemplate(f"invalid 'bash' template {quote(rest)}: {reason}")
    return start, end, step, min(len(parts[0]), len(parts[1]))


def _parse_at(text: str) -> Template:
    prefix, *pieces = text.split("@")
    if len(pieces) > _RANGES_MAX:
        raise InvalidTemplate("combined ranges are too large to expand")
    ranges = []
    for piece in pieces:
        match = _DIGITS.match(piece)
        digits = match[0] if match else ""
        end = _parse_integer(digits, "at", text)
        ranges.append(TemplateRange(0, end, 1, len(digits), piece[len(digits) :]))
    return Template(text, prefix, tuple(ranges))


def _parse_format(text: str) -> Template:
    at = text.index("%")
    match = _FORMAT.match(text, at)
    width = int(match[1] or 0) if match else 0
    if match is None or width > _FORMAT_WIDTH_MAX:
        # The missing quote is in the text that users of the reference know.
        raise InvalidTemplate(f"invalid 'fmt' template {quote(text)} (expecting e.g. 'prefix-%06d-suffix)")
    return Template(text, text[:at], (TemplateRange(0, None, 1, width, text[match.end() :]),))


def _parse_integer(text: str, notation: str, template: str) -> int:
    reason = ""
    if not _INTEGER.fullmatch(text):
        reason = "invalid syntax"
    elif len(text) > _INTEGER_CHARACTERS_MAX or not -_INT64_MAX - 1 <= int(text) <= _INT64_MAX:
        reason = "value out of range"
    if reason:
        # Ours first, then what the reference says and its clients may look for.
        raise InvalidTemplate(
            f"invalid '{notation}' template {quote(template)}: {quote(text)} is not a number "
            f"(strconv.ParseInt: parsing {quote(text)}: {reason})"
        )
    return int(text)


def _check_count(template: Template) -> None:
    product = 1
    for item in template.ranges:
        count = item.count
        if count is None:
            return
        if count > _INT64_MAX:
            raise InvalidTemplate(f"range [{item.start}..{item.end}..{item.step}] is too large to expand")
        product *= count
    if product > _INT64_MAX:
        raise InvalidTemplate("combined ranges are too large to expand")


def _refuse_bash(text: str) -> NoReturn:
    raise InvalidTemplate(f"invalid 'bash' template {quote(text)} (expecting e.g. 'prefix-{{0001..0010..1}}-suffix')")
