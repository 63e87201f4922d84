"""The layout of tables: the rule of Go's `text/tabwriter`, so that a screen shows columns and a script splits at tabs.

Every cell but the last of its line ends with tabs that reach the column's width: the longest cell plus one, rounded up
to a multiple of eight. A column is a run of consecutive lines that have that cell. Source: spec/cli.md 5.2.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby

__all__ = ["aligned", "property_table", "table", "width_of", "without_empty_columns"]

TAB_WIDTH = 8
GAP = 2
_COLOR = re.compile(r"\x1b\[[0-9;]*m")


def table(rows: Iterable[Sequence[str]], *, closed: bool = False) -> str:
    """Lay out rows, the header first; they may differ in length. Every cell but the first gets a leading blank.

    Args:
        closed: end every line with a tab and a blank, as listings of objects do.

    Returns:
        The text with a line feed behind every row; "" when there are none.
    """
    lines = [[cell if at == 0 else " " + cell for at, cell in enumerate(row)] for row in rows]
    if closed:
        lines = [[*line, " "] for line in lines]
    stops = _column_widths(lines, lambda width: -(-(width + 1) // TAB_WIDTH) * TAB_WIDTH)
    return "".join(
        "".join(
            cell + "\t" * -(-(stop - width_of(cell)) // TAB_WIDTH) for cell, stop in zip(line, widths, strict=False)
        )
        + (line[-1] if line else "")
        + "\n"
        for line, widths in zip(lines, stops, strict=True)
    )


def aligned(rows: Iterable[Sequence[str]]) -> str:
    """Lay out rows with blanks, two between columns: what maps of the cluster are shown as."""
    lines = [list(row) for row in rows]
    stops = _column_widths(lines, lambda width: width + GAP)
    return "".join(
        "".join(cell + " " * (stop - width_of(cell)) for cell, stop in zip(line, widths, strict=False))
        + (line[-1] if line else "")
        + "\n"
        for line, widths in zip(lines, stops, strict=True)
    )


def property_table(values: Iterable[tuple[str, str]], *, headers: bool = True) -> str:
    """`PROPERTY VALUE`, in the order given."""
    return table([*([("PROPERTY", "VALUE")] if headers else []), *values])


def without_empty_columns(
    rows: Sequence[Sequence[str]], *, optional: Iterable[str], empty: str = ""
) -> list[list[str]]:
    """Drop columns that say nothing.

    Args:
        rows: the header first, all of one length.
        optional: headers of the columns that may go.
        empty: the text, besides "" and "-", that says nothing.
    """
    if not rows:
        return []
    header, *body = rows
    may_go = set(optional)
    nothing = {"", "-", empty}
    kept = [at for at, name in enumerate(header) if name not in may_go or any(row[at] not in nothing for row in body)]
    return [[row[at] for at in kept] for row in rows]


def width_of(cell: str) -> int:
    """Characters that a cell takes on a screen: colours take none."""
    return len(_COLOR.sub("", cell)) if "\x1b" in cell else len(cell)


def _column_widths(lines: Sequence[Sequence[str]], rounded: Callable[[int], int]) -> list[list[int]]:
    """For each line the widths of its columns; the last cell of a line belongs to no column."""
    if len(set(map(len, lines))) == 1:  # one run in every column: nearly always, and many lines
        shared = [rounded(max(map(width_of, cells))) for cells in list(zip(*lines, strict=True))[:-1]]
        return [shared] * len(lines)
    widths: list[list[int]] = [[] for _ in lines]
    for column in range(max(map(len, lines), default=1) - 1):
        has_it = [len(line) - 1 > column for line in lines]
        for is_column, run in groupby(range(len(lines)), has_it.__getitem__):
            if is_column:
                members = list(run)
                width = rounded(max(width_of(lines[at][column]) for at in members))
                for at in members:
                    widths[at].append(width)
    return widths
