"""Bit masks that travel as decimal text: what a bucket or a role allows, and feature flags.

People write names; the wire carries numbers. Source: spec/rest-control.md 7.5 and 13.3.
"""

from collections.abc import Sequence

from moss.errors import MossError

__all__ = ["ACCESS_LEVELS", "FEATURES", "OPERATIONS", "InvalidMask", "names_of", "parse_access", "parse_features"]

OPERATIONS = (
    *("GET", "HEAD-OBJECT", "PUT", "APPEND", "DELETE-OBJECT", "MOVE-OBJECT", "PROMOTE", "UPDATE-OBJECT"),
    *("HEAD-BUCKET", "LIST-OBJECTS", "PATCH", "SET-BUCKET-ACL", "LIST-BUCKETS", "SHOW-CLUSTER", "CREATE-BUCKET"),
    *("DESTROY-BUCKET", "MOVE-BUCKET", "ADMIN"),
)
"""Names of the bits of an access mask, lowest first."""

FEATURES = (
    *("Enforce-IntraCluster-Access", "Skip-Loading-VersionChecksum-MD", "Do-not-Auto-Detect-FileShare"),
    *("S3-API-via-Root", "Fsync-PUT", "LZ4-Block-1MB", "LZ4-Frame-Checksum", "Do-not-Allow-Passing-FQN-to-ETL"),
    *("Ignore-LimitedCoexistence-Conflicts", "S3-Presigned-Request", "Do-not-Optimize-Listing-Virtual-Dirs"),
    *("Disable-Cold-GET", "Streaming-Cold-GET", "S3-Reverse-Proxy", "S3-Use-Path-Style"),
    *("Do-not-Delete-When-Rebalancing", "Do-not-Set-Control-Plane-ToS", "Trust-Crypto-Safe-Checksums"),
    *("S3-ListObjectVersions", "Enable-Detailed-Prom-Metrics", "Force-Container-CPU-Mem", "Resume-Interrupted-MPU"),
    *("Keep-Unknown-FQN", "Load-Balance-GET", "Count-Object-NotFound-Stats", "Enable-Go-Runtime-Metrics"),
    *("Dload-Allow-Private-Egress", "S3-Redirect-Rebuild"),
)
"""Names of the bits of the feature flags, lowest first."""

_ALL = (1 << 64) - 1
ACCESS_LEVELS = {"ro": 771, "rw": 831, "su": _ALL}
"""Masks that have a short name: reading, reading and writing, everything."""


class InvalidMask(MossError):
    """Text that names no bit."""

    code = "invalid-mask"


def parse_access(text: str) -> int:
    """Read an access mask: `ro`, `rw`, `su`, a number, or names of operations with commas or bars between them.

    Raises:
        InvalidMask: an unknown name, or a number of more than 64 bits.
    """
    level = ACCESS_LEVELS.get(text.strip().lower())
    return level if level is not None else _parse(text, OPERATIONS, "access permission", ", ".join(ACCESS_LEVELS))


def parse_features(text: str) -> int:
    """Read feature flags: `none`, a number, or names with commas or bars between them.

    Raises:
        InvalidMask: an unknown name, or a number of more than 64 bits.
    """
    return 0 if text.strip().lower() in ("", "none") else _parse(text, FEATURES, "feature flag", "none")


def _parse(text: str, names: Sequence[str], what: str, shorts: str) -> int:
    text = text.strip()
    try:
        number = int(text, 0) if text[:1].isdigit() else None
    except ValueError:
        number = -1
    if number is not None:
        if not 0 <= number <= _ALL:
            raise InvalidMask(f'invalid {what}s "{text}": expecting a number of at most 64 bits')
        return number
    bits = {name.lower(): 1 << at for at, name in enumerate(names)}
    mask = 0
    for word in text.replace("|", ",").split(","):
        bit = bits.get(word.strip().lower())
        if bit is None:
            known = f"expecting {shorts}, a number, or any of: {', '.join(names)}"
            raise InvalidMask(f'unknown {what} "{word.strip()}" ({known})')
        mask |= bit
    return mask


def names_of(mask: int, names: Sequence[str]) -> list[str]:
    """Names of the bits that are set; bits without a name are left out."""
    return [name for at, name in enumerate(names) if mask >> at & 1]
