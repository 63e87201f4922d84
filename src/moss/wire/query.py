"""URL queries: parsing with the limits and error texts of the reference, typed values, and escaping.

Source: spec/getbatch.md 1.2, spec/rest-data.md 1.3.
"""

import re
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping

from moss.errors import InvalidQuery
from moss.units import quote

__all__ = ["PARAMETERS_MAX", "REDIRECT_MARKERS", "Query", "encode_query", "escape_path", "parse_bool"]

PARAMETERS_MAX = 100
REDIRECT_MARKERS = frozenset({"pid", "utm", "vpams", "x", "u"})
"""Parameters that a gateway adds; they do not count, so that what a gateway took a target takes too."""

_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2}).{0,2}", re.DOTALL)
_TRUE_WORDS = frozenset({"1", "t", "true", "y", "yes", "on"})


def parse_bool(text: str) -> bool:
    """True for `1 t true y yes on` in any letter case, False for everything else."""
    return text.lower() in _TRUE_WORDS


class Query:
    """The parameters of one URL, in order; of a repeated parameter the last value counts.

    Attributes:
        raw: the text behind `?`, as it was sent.
    """

    __slots__ = ("_pairs", "_values", "raw")

    def __init__(self, raw: str = "") -> None:
        """Parse the text behind `?`.

        Raises:
            InvalidQuery: 100 parameters or more (redirect markers apart), or a broken percent escape.
        """
        self.raw = raw
        self._pairs: list[tuple[str, str]] = []
        if raw:
            self._parse(raw)
        self._values = dict(self._pairs)

    def _parse(self, raw: str) -> None:
        # One more than counted, plus the markers, is enough to know that there are too many.
        parts = raw.split("&", PARAMETERS_MAX + len(REDIRECT_MARKERS) + 1)
        broken = _BAD_ESCAPE.search(raw)
        if broken is not None:
            raise InvalidQuery(f"invalid URL escape {quote(broken[0])}")
        for part in parts:
            if part:
                name, _, value = part.partition("=")
                self._pairs.append((_unescape(name), _unescape(value)))
        counted = sum(name not in REDIRECT_MARKERS for name, _ in self._pairs)
        if counted >= PARAMETERS_MAX or len(parts) > PARAMETERS_MAX + len(REDIRECT_MARKERS):
            raise InvalidQuery(f"dpq: exceeded maximum number of iterations ({PARAMETERS_MAX})")

    def get(self, name: str, default: str = "") -> str:
        """Return the decoded value; `default` when the parameter is absent. Empty and absent mostly mean the same."""
        return self._values.get(name, default)

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._pairs)

    def __repr__(self) -> str:
        return f"Query({self.raw!r})"

    def items(self) -> list[tuple[str, str]]:
        """Return all pairs, decoded, in order, repeated ones included."""
        return list(self._pairs)

    @property
    def is_redirected(self) -> bool:
        """True when both redirect markers are there; direct requests to targets lack them."""
        return "pid" in self._values and "utm" in self._values

    def boolean(self, name: str) -> bool:
        return parse_bool(self.get(name))

    def unsigned(self, name: str, *, bits: int = 64) -> int | None:
        """Return a decimal number without sign, or None when the parameter is absent.

        Raises:
            InvalidQuery: `dpq: 'name=value', err: invalid syntax` (also for an empty value), or `value out of range`.
        """
        text = self._values.get(name)
        if text is None:
            return None
        reason = ""
        if not (text.isascii() and text.isdigit()):
            reason = "invalid syntax"
        elif len(text.lstrip("0")) > 20 or int(text) >= 1 << bits:
            reason = "value out of range"
        if reason:
            raise InvalidQuery(f"dpq: '{name}={_printable(text)}', err: {reason}")
        return int(text)

    def signed(self, name: str) -> int | None:
        """Return a decimal number, sign allowed, or None when the parameter is absent; errors as `unsigned`."""
        text = self._values.get(name)
        if text is None:
            return None
        digits = text[1:] if text[:1] in ("+", "-") else text
        if not (digits.isascii() and digits.isdigit()) or len(digits.lstrip("0")) > 19:
            reason = "value out of range" if digits.isascii() and digits.isdigit() else "invalid syntax"
            raise InvalidQuery(f"dpq: '{name}={_printable(text)}', err: {reason}")
        return int(text)


def _unescape(text: str) -> str:
    if "%" not in text and "+" not in text and text.isascii():
        return text
    try:
        raw = text.replace("+", " ").encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise InvalidQuery(f"invalid text in query: {quote(text)}") from None
    return urllib.parse.unquote_to_bytes(raw).decode("utf-8", "surrogateescape")


def _printable(text: str) -> str:
    return quote(text)[1:-1]


def encode_query(pairs: Mapping[str, str] | Iterable[tuple[str, str]]) -> str:
    """Write parameters behind `?`; everything but letters, digits and `-_.~` is escaped."""
    items = pairs.items() if isinstance(pairs, Mapping) else pairs
    return "&".join(f"{_escape(name, safe='')}={_escape(value, safe='')}" for name, value in items)


def escape_path(name: str) -> str:
    """Escape an object name for a URL path; slashes stay. Names that are no UTF-8 keep their bytes."""
    return _escape(name, safe="/")


def _escape(text: str, *, safe: str) -> str:
    return urllib.parse.quote(text.encode("utf-8", "surrogateescape"), safe=safe)
