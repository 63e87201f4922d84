"""Arguments of `Object.get`, whose order changed between releases. Pure. Source: spec/python-sdk.md 1.18."""

from typing import Any

from moss.sdk.archive_config import ArchiveConfig
from moss.sdk.blob_download_config import BlobDownloadConfig

__all__ = ["EtlByName", "check_options", "etl_query", "get_options", "parse_range"]

_ORDER = ("archpath", "chunk_size", "etl_name", "writer", "latest", "byte_range")
_LEGACY_ORDER = ("archive_config", "blob_download_config", "chunk_size", "etl", "writer", "latest", "byte_range")
_NAMES = frozenset({*_ORDER, *_LEGACY_ORDER, "direct", "num_workers"})


class EtlByName:
    """A transformation that is known by its name only; the part of `ETLConfig` that a GET needs."""

    def __init__(self, name: Any) -> None:
        self._name = name

    def update_qparams(self, parameters: dict[str, str]) -> None:
        """Add the query parameters."""
        if self._name:
            parameters["etl_name"] = str(self._name)


def etl_query(etl: Any) -> list[tuple[str, str]]:
    """Query parameters of an `ETLConfig`, or of None."""
    parameters: dict[str, str] = {}
    if etl is not None:
        etl.update_qparams(parameters)
    return list(parameters.items())


def get_options(positional: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
    """Arguments for `Object.get_reader` from those of `Object.get` in either order.

    Raises:
        TypeError: too many, unknown or repeated arguments.
    """
    is_legacy = isinstance(positional[0] if positional else None, ArchiveConfig) or isinstance(
        positional[1] if len(positional) > 1 else None, BlobDownloadConfig
    )
    order = _LEGACY_ORDER if is_legacy else _ORDER
    if len(positional) > len(order):
        raise TypeError(f"get() takes at most {len(order)} positional arguments")
    options = dict(zip(order, positional, strict=False))
    repeated, unknown = options.keys() & named.keys(), named.keys() - _NAMES
    if repeated or unknown:
        kind = "repeated" if repeated else "unknown"
        raise TypeError(f"get() got {kind} arguments: {', '.join(sorted(repeated or unknown))}")
    options |= named
    archpath, etl_name = options.pop("archpath", ""), options.pop("etl_name", None)
    if archpath:
        options["archive_config"] = ArchiveConfig(archpath=archpath)
    if etl_name:
        options["etl"] = EtlByName(etl_name)
    return options


def parse_range(text: str) -> tuple[int | None, int | None]:
    """First and last byte of `bytes=a-b`, `bytes=a-` (no last byte) or `bytes=-n` (no first one: the last n bytes).

    Raises:
        ValueError: something else.
    """
    unit, _, span = text.partition("=")
    first, dash, last = (part.strip() for part in span.partition("-"))
    if unit.strip() != "bytes" or not dash or not (first or last):
        raise ValueError(f"invalid byte range {text!r}: expected bytes=a-b, bytes=a- or bytes=-n")
    if not all(number.isascii() and number.isdigit() for number in (first, last) if number):
        raise ValueError(f"invalid byte range {text!r}: {span!r} holds no numbers")
    if first and last and int(first) > int(last):
        raise ValueError(f"invalid byte range {text!r}: it ends before it starts")
    return int(first) if first else None, int(last) if last else None


def check_options(*, byte_range: str | None, blob: Any, etl: Any, num_workers: int | None) -> None:
    """Check which options of a reader go together. Source: spec/python-sdk.md 3.1.

    Raises:
        ValueError: a malformed range, or options that exclude each other.
    """
    if byte_range is not None:
        parse_range(byte_range)
        if blob is not None:
            raise ValueError("Cannot use both byte range and blob download")
    if num_workers is None:
        return
    if isinstance(num_workers, bool) or not isinstance(num_workers, int) or num_workers < 2:
        raise ValueError(f"num_workers must be at least 2, found {num_workers!r}")
    for name, value in (("byte_range", byte_range), ("blob_download_config", blob), ("etl", etl)):
        if value is not None:
            raise ValueError(f"Cannot use both num_workers and {name}")
