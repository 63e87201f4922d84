"""Arguments of `Object.get`, whose order changed between releases. Pure. Source: spec/python-sdk.md 1.18."""

from typing import Any

from moss.sdk.archive_config import ArchiveConfig
from moss.sdk.blob_download_config import BlobDownloadConfig

__all__ = ["EtlByName", "check_range", "get_options"]

_ORDER = ("archpath", "chunk_size", "etl_name", "writer", "latest", "byte_range")
_LEGACY_ORDER = ("archive_config", "blob_download_config", "chunk_size", "etl", "writer", "latest", "byte_range")
_NAMES = frozenset({*_ORDER, *_LEGACY_ORDER, "direct"})


class EtlByName:
    """A transformation that is known by its name only; the part of `ETLConfig` that a GET needs."""

    def __init__(self, name: Any) -> None:
        self._name = name

    def update_qparams(self, parameters: dict[str, str]) -> None:
        """Add the query parameters."""
        if self._name:
            parameters["etl_name"] = str(self._name)


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


def check_range(text: str) -> None:
    """Raise ValueError unless `text` is one range, `bytes=a-b`, `bytes=a-` or `bytes=-n`."""
    unit, _, span = text.partition("=")
    first, dash, last = (part.strip() for part in span.partition("-"))
    if unit.strip() != "bytes" or not dash or not (first or last):
        raise ValueError(f"invalid byte range {text!r}: expected bytes=a-b, bytes=a- or bytes=-n")
    numbers = [int(number) for number in (first, last) if number]
    if len(numbers) == 2 and numbers[0] > numbers[1]:
        raise ValueError(f"invalid byte range {text!r}: it ends before it starts")
