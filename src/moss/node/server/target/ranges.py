"""The `Range` header. Pure. Source: spec/rest-data.md 5.3."""

from moss.errors import InvalidRange, Unsupported


class RangeNotSatisfiable(InvalidRange):
    """A range of bytes that the object does not have, or that cannot be read.

    Attributes:
        headers: headers of the answer.
    """

    code = "range-not-satisfiable"

    def __init__(self, message: str, size: int | None = None) -> None:
        self.headers = {} if size is None else {"Content-Range": f"bytes */{size}"}
        super().__init__(message)


class SeveralRanges(Unsupported):
    """More than one range that could be served."""

    code = "range-not-satisfiable"

    headers: dict[str, str]

    def __init__(self, cname: str) -> None:
        self.headers = {}
        super().__init__(f"cannot multi-range read {cname} - operation not supported")


def resolve(text: str, size: int, cname: str) -> tuple[int, int]:
    """Return start and stop (exclusive) of the one range that a header asks for.

    Args:
        size: of the object in bytes.
        cname: printable name of the object, for errors.

    Raises:
        RangeNotSatisfiable: the text is no range, or no byte of the object lies in it.
        SeveralRanges: more than one range could be served.
    """
    if not text.startswith("bytes="):
        raise _invalid(text, "prefix")
    found, asked = [], []
    for part in text[len("bytes=") :].split(","):
        part = part.strip()
        if not part:
            continue
        asked.append(part.replace(" ", ""))
        span = _parse(text, part, size)
        if span is not None:
            found.append(span)
    if len(found) == 1:
        return found[0]
    if found:
        raise SeveralRanges(cname)
    if len(asked) == 1:
        raise RangeNotSatisfiable(f"size={size}: not satisfiable range [{asked[0]}]", size)
    raise RangeNotSatisfiable(f"size={size}: not satisfiable ranges [{' '.join(asked)}]", size)


def _parse(text: str, part: str, size: int) -> tuple[int, int] | None:
    """Read one range; None when no byte of the object lies in it."""
    first, dash, last = (piece.strip() for piece in part.partition("-"))
    if not dash:
        raise _invalid(text, "-")
    if not first:
        if not last or last.startswith("-"):
            raise RangeNotSatisfiable(f'read range "{part}" is invalid as per RFC 7233 Section 2.1')
        if not _is_number(last):
            raise RangeNotSatisfiable(f'read range "{part}" is invalid (see RFC 7233 Section 2.1)')
        count = min(int(last), size)
        return (size - count, size) if count else None
    if not _is_number(first):
        raise _invalid(part, "start")
    start = int(first)
    if last and (not _is_number(last) or int(last) < start):
        raise _invalid(part, "end")
    if start >= size:
        return None
    return start, min(int(last) + 1, size) if last else size


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 19


def _invalid(text: str, what: str) -> RangeNotSatisfiable:
    return RangeNotSatisfiable(f'read range "{text}" is invalid ({what})')
