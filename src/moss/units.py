"""Durations, sizes and quoted text in the notation that the wire, the configuration and the command line use.

The notation is that of Go: `1m30s`, `2.50KiB`, `"quoted\\n"`. Pure functions; malformed input raises ValueError with
the text that users of the reference know, and callers turn it into an error of their own kind.
"""

import re

__all__ = [
    "format_duration",
    "format_iec",
    "format_si",
    "parse_duration",
    "parse_duration_ns",
    "parse_size",
    "quote",
]

_NS_OF_UNIT = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,  # U+00B5, micro sign
    "μs": 1_000,  # U+03BC, Greek letter mu
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_DURATION_TERM = re.compile(r"([0-9]*)(?:\.([0-9]*))?([^0-9.]*)")
_DURATION_NS_MAX = (1 << 63) - 1
# Longer text is never a duration, and int() of it would take quadratic time.
_DURATION_CHARACTERS_MAX = 256

_IEC_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_SI_UNITS = ("B", "KB", "MB", "GB", "TB", "PB", "EB")
_SIZE = re.compile(r"\s*([0-9]{1,30}(?:\.[0-9]{0,30})?|\.[0-9]{1,30})\s*([kmgtpe]?)(i?)(b?)\s*", re.IGNORECASE)
_EXPONENT = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5, "e": 6}


def parse_duration_ns(text: str) -> int:
    """Parse a Go duration (`1m30s`, `500ms`, `-1.5h`, `0`) into nanoseconds.

    Raises:
        ValueError: the text of Go's own parser, e.g. `time: invalid duration "soon"`,
            `time: missing unit in duration "20"`, `time: unknown unit "d" in duration "2d"`.
    """
    invalid = ValueError(f"time: invalid duration {quote(text[:_DURATION_CHARACTERS_MAX])}")
    if len(text) > _DURATION_CHARACTERS_MAX:
        raise invalid
    sign, rest = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    if rest == "0":
        return 0
    if not rest:
        raise invalid
    total = 0
    position = 0
    while position < len(rest):
        term = _DURATION_TERM.match(rest, position)
        assert term is not None  # every part of the pattern may be empty
        whole, fraction, unit = term.groups()
        if not whole and not fraction:
            raise invalid
        if not unit:
            raise ValueError(f"time: missing unit in duration {quote(text)}")
        scale = _NS_OF_UNIT.get(unit)
        if scale is None:
            raise ValueError(f"time: unknown unit {quote(unit)} in duration {quote(text)}")
        total += int(whole or 0) * scale
        if fraction:
            total += int(fraction) * scale // 10 ** len(fraction)
        if total > _DURATION_NS_MAX:
            raise invalid
        position = term.end()
    return sign * total


def parse_duration(text: str) -> float:
    """Parse a Go duration into seconds; errors as in `parse_duration_ns`."""
    return parse_duration_ns(text) / 1e9


def format_duration(ns: int) -> str:
    """Write nanoseconds as Go does: `0s`, `2.3ms`, `1.5s`, `1m30s`, `1h0m0s`."""
    if ns == 0:
        return "0s"
    sign, rest = ("-", -ns) if ns < 0 else ("", ns)
    if rest < 1_000_000_000:
        for unit, scale in (("ns", 1), ("µs", 1_000), ("ms", 1_000_000)):
            if rest < scale * 1_000:
                return f"{sign}{_decimal(rest, scale)}{unit}"
    minutes, rest = divmod(rest, 60_000_000_000)
    seconds = _decimal(rest, 1_000_000_000)
    if minutes == 0:
        return f"{sign}{seconds}s"
    hours, minutes = divmod(minutes, 60)
    return f"{sign}{f'{hours}h' if hours else ''}{minutes}m{seconds}s"


def _decimal(value: int, scale: int) -> str:
    """`value / scale` without rounding and without trailing zeros; `scale` is a power of ten."""
    whole, rest = divmod(value, scale)
    if rest == 0:
        return str(whole)
    return f"{whole}.{str(rest).zfill(len(str(scale)) - 1).rstrip('0')}"


def parse_size(text: str) -> int:
    """Parse a size into bytes: `10MiB`, `4mb`, `128k`, `1.5GiB`, `1048576`.

    Units are powers of 1,000 unless the suffix has an `i`; letter case does not count.

    Raises:
        ValueError: `invalid size "..."`.
    """
    match = _SIZE.fullmatch(text)
    if match is None or (match[3] and not match[2]):
        raise ValueError(f"invalid size {quote(text[:64])}")
    number, prefix, binary = match[1], match[2].lower(), match[3]
    scale = (1024 if binary else 1000) ** _EXPONENT[prefix]
    if "." not in number:
        return int(number) * scale
    whole, fraction = number.split(".")
    return int(whole or 0) * scale + (int(fraction) * scale // 10 ** len(fraction) if fraction else 0)


def format_iec(n: int, digits: int = 2) -> str:
    """Write bytes with a unit that is a power of 1,024: `812B`, `512.00KiB`, `2.00GiB`."""
    return _format_size(n, 1024, _IEC_UNITS, digits)


def format_si(n: int, digits: int = 2) -> str:
    """Write bytes with a unit that is a power of 1,000: `812B`, `5.12KB`, `2.00GB`."""
    return _format_size(n, 1000, _SI_UNITS, digits)


def _format_size(n: int, base: int, units: tuple[str, ...], digits: int) -> str:
    exponent = 0
    while abs(n) >= base ** (exponent + 1) and exponent < len(units) - 1:
        exponent += 1
    return f"{n}B" if exponent == 0 else f"{n / base**exponent:.{digits}f}{units[exponent]}"


_QUOTE_ESCAPES = {'"': '\\"', "\\": "\\\\", "\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r",
                  "\t": "\\t", "\v": "\\v"}  # fmt: skip
_PLAIN = re.compile(r"[ !#-\[\]-~]*")


def quote(text: str) -> str:
    """Write text in double quotes with Go escapes (`%q`); the result is printable and valid UTF-8.

    Bytes that are no UTF-8, held as surrogate escapes, come out as `\\xNN`.
    """
    if _PLAIN.fullmatch(text):
        return f'"{text}"'
    return '"' + "".join(_quote_character(character) for character in text) + '"'


def _quote_character(character: str) -> str:
    escaped = _QUOTE_ESCAPES.get(character)
    if escaped is not None:
        return escaped
    if character == " " or character.isprintable():
        return character
    code = ord(character)
    if code < 0x80:
        return f"\\x{code:02x}"
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
