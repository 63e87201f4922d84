"""Small helpers that programs import from here."""

from math import floor

from moss.sdk.utils import parse_url

__all__ = ["convert_bytes_to_mb", "convert_mb_to_bytes", "get_basename", "get_extension", "parse_url", "unparse_url"]

_MB = 1_000_000


def convert_mb_to_bytes(megabytes: float) -> int:
    """Whole bytes in so many megabytes of 10**6 bytes."""
    return floor(megabytes * _MB)


def convert_bytes_to_mb(bytes: float) -> float:
    """Megabytes of 10**6 bytes."""
    return bytes / _MB


def unparse_url(provider: str, bck_name: str, obj_name: str) -> str:
    """`provider://bucket/object`."""
    return f"{provider}://{bck_name}/{obj_name}"


def get_basename(name: str) -> str:
    """The last part of a path, up to its first dot."""
    return name.rpartition("/")[2].partition(".")[0]


def get_extension(name: str) -> str:
    """What is behind the last dot of the last part of a path; empty without a dot."""
    _, dot, extension = name.rpartition("/")[2].rpartition(".")
    return extension if dot else ""
