"""Checksums of objects by the names that the wire has for them. Pure. Source: spec/rest-data.md 5.1, 5.2."""

import hashlib
import zlib
from collections.abc import Callable
from typing import Protocol

import google_crc32c
import xxhash

from moss.errors import InvalidRequest

__all__ = ["CHECKSUM_TYPES", "Hasher", "make_hasher"]

Buffer = bytes | bytearray | memoryview


class Hasher(Protocol):
    """Takes bytes piece by piece."""

    def update(self, data: Buffer, /) -> None: ...

    def hexdigest(self) -> str:
        """The checksum of everything so far, in lower-case hex."""
        ...


class _Crc32:
    def __init__(self) -> None:
        self._value = 0

    def update(self, data: Buffer) -> None:
        self._value = zlib.crc32(data, self._value)

    def hexdigest(self) -> str:
        return f"{self._value:08x}"


class _Crc32c:
    """CRC-32C (Castagnoli), written as eight hex digits."""

    def __init__(self) -> None:
        self._value = 0

    def update(self, data: Buffer) -> None:
        self._value = google_crc32c.extend(self._value, data if isinstance(data, bytes) else bytes(data))

    def hexdigest(self) -> str:
        return f"{self._value:08x}"


class _NoHash:
    def update(self, data: Buffer) -> None:
        pass

    def hexdigest(self) -> str:
        return ""


_HASHERS: dict[str, Callable[[], Hasher]] = {
    "xxhash2": xxhash.xxh64,
    "xxhash": xxhash.xxh64,
    "md5": lambda: hashlib.md5(usedforsecurity=False),
    "sha256": hashlib.sha256,
    "sha512": hashlib.sha512,
    "crc32c": _Crc32c,
    "crc32": _Crc32,
    "none": _NoHash,
}
CHECKSUM_TYPES = frozenset(_HASHERS)


def make_hasher(checksum_type: str) -> Hasher:
    """Return an object with `update` and `hexdigest`.

    Raises:
        InvalidRequest: unknown type.
    """
    maker = _HASHERS.get(checksum_type)
    if maker is None:
        expected = " ".join(sorted(_HASHERS))
        raise InvalidRequest(f'invalid checksum type "{checksum_type}" (expecting [{expected}])')
    return maker()
