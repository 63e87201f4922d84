"""Options that many commands share, spelled and explained once. Their values are read through `Context`."""

from moss.cli.options import Option

__all__ = [
    "ALL",
    "COUNT",
    "DATE_TIME",
    "DRY_RUN",
    "JSON",
    "NO_HEADERS",
    "PROGRESS",
    "QUIET",
    "REFRESH",
    "REFRESHING",
    "REGEX",
    "TABLE",
    "TIMEOUT",
    "UNITS",
    "VERBOSE",
    "WAIT",
    "WAITING",
    "YES",
]

YES = Option("yes", "do not ask", aliases=("y",))
JSON = Option("json", "print one JSON document with exact values", aliases=("j",))
NO_HEADERS = Option("no-headers", "leave the header line out", aliases=("H",))
UNITS = Option("units", "units of sizes: iec, si or raw", value="UNITS", choices=("iec", "si", "raw"))
DATE_TIME = Option("date-time", "show times with their date")
REGEX = Option("regex", "only what matches", value="REGEX")
ALL = Option("all", "all of them, also what has finished", aliases=("a",))
VERBOSE = Option("verbose", "show more", aliases=("v",))
QUIET = Option("non-verbose", "print less: no captions, notes and progress", aliases=("nv",))
DRY_RUN = Option("dry-run", "show what would be done")

REFRESH = Option("refresh", "show again after so long: 5, 10s, 1m; until Ctrl-C", value="DURATION")
COUNT = Option("count", "with '--refresh': so many times", value="N", number=True)
REFRESHING = (REFRESH, COUNT)

WAIT = Option("wait", "wait until the job has finished")
TIMEOUT = Option("timeout", "with '--wait' or '--progress': give up after so long: 30, 5m", value="DURATION")
PROGRESS = Option("progress", "show progress until the job has finished")
WAITING = (WAIT, PROGRESS, TIMEOUT)

TABLE = (UNITS, NO_HEADERS, JSON)
"""What every table takes."""
