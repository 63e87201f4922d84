"""Verifies content against the checksum fields of an answer. Pure."""

import hashlib
import zlib
from collections.abc import Mapping

import xxhash

from moss.errors import ChecksumMismatch

__all__ = ["verify"]

_DIGESTS = {
    "xxhash2": lambda data: xxhash.xxh64_hexdigest(data),
    "md5": lambda data: hashlib.md5(data, usedforsecurity=False).hexdigest(),
    "sha256": lambda data: hashlib.sha256(data).hexdigest(),
    "sha512": lambda data: hashlib.sha512(data).hexdigest(),
    "crc32": lambda data: f"{zlib.crc32(data):08x}",
}


def verify(headers: Mapping[str, str], content: bytes, name: str) -> bool:
    """Compare content with the checksum that the header fields declare.

    Returns:
        Whether there was a checksum of a known type to compare with.

    Raises:
        ChecksumMismatch: they differ.
    """
    expected = headers.get("ais-checksum-value", "")
    digest = _DIGESTS.get(headers.get("ais-checksum-type", ""))
    if not expected or digest is None:
        return False
    found = digest(content)
    if found != expected:
        raise ChecksumMismatch(name, expected=expected, found=found)
    return True
