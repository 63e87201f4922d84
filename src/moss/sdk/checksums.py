"""Verifies content against the checksum fields of an answer. Pure."""

from collections.abc import Mapping

from moss.errors import ChecksumMismatch, InvalidRequest
from moss.hashing import Hasher, make_hasher

__all__ = ["check_digest", "hasher_of", "verify"]


def verify(headers: Mapping[str, str], content: bytes, name: str) -> bool:
    """Compare content with the checksum that the header fields declare.

    Returns:
        Whether there was a checksum of a known type to compare with.

    Raises:
        ChecksumMismatch: they differ.
    """
    hasher = hasher_of(headers)
    if hasher is None:
        return False
    hasher.update(content)
    check_digest(headers, hasher, name)
    return True


def hasher_of(headers: Mapping[str, str]) -> Hasher | None:
    """What computes the checksum that the header fields declare; None when there is none of a known type."""
    kind = headers.get("ais-checksum-type", "")
    if not headers.get("ais-checksum-value", "") or kind == "none":
        return None
    try:
        return make_hasher(kind)
    except InvalidRequest:
        return None


def check_digest(headers: Mapping[str, str], hasher: Hasher, name: str) -> None:
    """Compare what a hasher found with what the header fields declare.

    Raises:
        ChecksumMismatch: they differ.
    """
    expected, found = headers.get("ais-checksum-value", ""), hasher.hexdigest()
    if found != expected:
        raise ChecksumMismatch(name, expected=expected, found=found)
