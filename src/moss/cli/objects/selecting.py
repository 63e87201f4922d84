"""Options of reading that several commands have: files inside archives, and remote objects in parallel."""

from moss.cli.context import Context
from moss.cli.failures import UsageError
from moss.cli.options import Option, Parsed
from moss.wire import headers as names

__all__ = [
    "ACCEPTED",
    "BLOB",
    "MEMBER",
    "MODES",
    "RANGE",
    "SELECTION",
    "SHOWN",
    "blob_headers",
    "check_exclusive",
    "matching_of",
]

MODES = ("regexp", "prefix", "suffix", "substr", "wdskey")

MEMBER = Option("archpath", "one file inside the object, which is an archive", value="PATH")
SELECTION = (
    MEMBER,
    Option("archmime", "format of the archive when its name does not say it", value="MIME"),
    Option("archregx", "several files inside the archive, by '--archmode'", value="TEXT"),
    Option("archmode", f"how '--archregx' is compared: {', '.join(MODES)}", value="MODE", choices=MODES),
)
RANGE = (
    Option("offset", "first byte of a range, as in 100 or 1MiB; needs '--length'", value="SIZE"),
    Option("length", "bytes of a range; needs '--offset'", value="SIZE"),
)
BLOB = (
    Option("blob-download", "have the cluster fetch a remote object in several ranges at once"),
    Option("chunk-size", "with '--blob-download' or '--mpd': bytes of a range", value="SIZE"),
)

SHOWN = (
    Option("progress", "accepted: progress is shown on every terminal"),
    Option("refresh", "accepted: progress is shown as it happens", value="DURATION"),
)
"""What the reference needs to show progress."""
ACCEPTED = (
    Option("skip-lookup", "accepted: buckets are not looked up before they are used"),
    Option("encode-objname", "accepted: names are always encoded"),
)
"""What the reference needs where we do the right thing anyway."""


def matching_of(parsed: Parsed) -> tuple[str, str] | None:
    """Pattern and mode of several files inside an archive, None when none were asked for.

    Raises:
        UsageError: a mode without a pattern.
    """
    pattern, mode = parsed.text("archregx"), parsed.text("archmode")
    if pattern is None:
        if mode is not None:
            raise UsageError("'--archmode' needs '--archregx'")
        return None
    return pattern, mode or MODES[0]


def blob_headers(context: Context) -> dict[str, str]:
    """Header fields that have the cluster fetch a remote object in several ranges at once."""
    headers = {names.BLOB_DOWNLOAD: "true"}
    if size := context.size("chunk-size"):
        headers[names.BLOB_CHUNK] = str(size)
    if context.parsed.given("num-workers"):
        headers[names.BLOB_WORKERS] = str(context.parsed.number("num-workers", 0))
    return headers


def check_exclusive(parsed: Parsed, *pairs: tuple[str, str]) -> None:
    """Refuse options that exclude each other.

    Raises:
        UsageError: both of a pair were given.
    """
    for first, second in pairs:
        if parsed.given(first) and parsed.given(second):
            raise UsageError(f"flags '--{first}' and '--{second}' are mutually exclusive")
