"""Helpers that users import. Pure. Source: spec/python-sdk.md 1.13 and 1.16."""

import logging
import re
from pathlib import Path
from urllib.parse import urlsplit

import xxhash

from moss.sdk.braces import expand_braces
from moss.units import format_si

__all__ = [
    "convert_to_seconds",
    "expand_braces",
    "extract_and_parse_url",
    "get_digest",
    "get_file_size",
    "get_logger",
    "parse_bool",
    "parse_url",
    "probing_frequency",
    "read_file_bytes",
    "validate_directory",
    "validate_file",
    "xoshiro256_hash",
]

_DIGEST_SEED = 1103515245
_MASK = (1 << 64) - 1
_GAMMA = 0x9E3779B97F4A7C15
_MIX_1 = 0xBF58476D1CE4E5B9
_MIX_2 = 0x94D049BB133111EB
_CNAME = re.compile(r"(ais|aws|azure|gcp|oci|gs|s3)://([A-Za-z0-9@#._-]{1,132})(?:(/)|(?![A-Za-z0-9@#._-]))")
_TRUE_WORDS = frozenset({"1", "t", "true", "y", "yes", "on"})
_SECONDS_OF = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_url(url: str) -> tuple[str, str, str]:
    """Split `provider://bucket/name` like any URL: what follows `?` or `#` is dropped, nothing is unescaped.

    Returns:
        Provider, bucket, and object name without leading slashes; absent parts are empty.
    """
    parts = urlsplit(url)
    return parts.scheme, parts.netloc, parts.path.lstrip("/")


def extract_and_parse_url(message: str) -> tuple[str, str, bool] | None:
    """Find the first `provider://bucket` in a text.

    Returns:
        Provider, bucket, and whether a slash follows (an object is named); None without any.
    """
    found = _CNAME.search(message)
    return (found[1], found[2], found[3] is not None) if found else None


def parse_bool(text: str | None) -> bool:
    """True for `1 t true y yes on` in any letter case."""
    return text is not None and text.strip().lower() in _TRUE_WORDS


def convert_to_seconds(time_val: str | int) -> int:
    """Seconds of `"5s"`, `"10m"`, `"2h"`, `"3d"`, `"10"` or a number.

    Raises:
        ValueError: something else.
    """
    if isinstance(time_val, int):
        return time_val
    number, unit = (time_val[:-1], time_val[-1:]) if time_val[-1:] in _SECONDS_OF else (time_val, "s")
    if not number.isdigit():
        raise ValueError(f"Invalid time: {time_val!r} (expected a number, or one with s, m, h or d)")
    return int(number) * _SECONDS_OF[unit]


def probing_frequency(dur: float) -> float:
    """Seconds between two looks at something that may take `dur` seconds."""
    return max(dur / 64.0, min(dur / 8.0, 1.0), 0.1)


def read_file_bytes(filepath: str | Path) -> bytes:
    """The content of a file."""
    return Path(filepath).read_bytes()


def get_file_size(file: Path) -> str:
    """Size of a file for people, `1.50KB`."""
    return format_si(file.stat().st_size)


def get_logger(name: str, log_format: str = "%(asctime)s %(levelname)s: %(message)s") -> logging.Logger:
    """A logger that writes to the standard error, once however often it is asked for."""
    logger = logging.getLogger(name)
    if not logger.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter(log_format))
        logger.addHandler(handler)
    return logger


def validate_file(path: str | Path) -> Path:
    """Check that a path is a file.

    Raises:
        ValueError: missing, or a folder.
    """
    path = Path(path)
    if not path.exists():
        raise ValueError(f"Path: {path} does not exist")
    if not path.is_file():
        raise ValueError(f"Path: {path} is a directory, not a file")
    return path


def validate_directory(path: str | Path) -> Path:
    """Check that a path is a folder.

    Raises:
        ValueError: missing, or a file.
    """
    path = Path(path)
    if not path.exists():
        raise ValueError(f"Path: {path} does not exist")
    if not path.is_dir():
        raise ValueError(f"Path: {path} is a file, not a directory")
    return path


def get_digest(name: str) -> int:
    """64-bit digest of a unique name, as placement uses it."""
    return xxhash.xxh64_intdigest(name.encode("utf-8", "surrogateescape"), seed=_DIGEST_SEED)


def xoshiro256_hash(seed: int) -> int:
    """Scramble 64 bits, as placement does."""
    z = (seed + _GAMMA) & _MASK
    z = ((z ^ (z >> 30)) * _MIX_1) & _MASK
    z = ((z ^ (z >> 27)) * _MIX_2) & _MASK
    z = ((z ^ (z >> 31)) + _GAMMA) & _MASK
    z = ((z ^ (z >> 30)) * _MIX_1) & _MASK
    z = ((z ^ (z >> 27)) * _MIX_2) & _MASK
    z = ((z ^ (z >> 31)) * 5) & _MASK
    return (((z << 7) | (z >> 57)) * 9) & _MASK
