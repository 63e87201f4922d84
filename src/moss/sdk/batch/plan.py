"""Requests of batches: what is sent, and the member names that must come back. Pure."""

from collections.abc import Sequence

import msgspec

from moss.sdk.batch.types import MossIn, MossReq

__all__ = ["PLACEHOLDER_PREFIX", "encode_request", "member_names", "remaining_entries"]

PLACEHOLDER_PREFIX = "__404__/"
_encoder = msgspec.json.Encoder()


def encode_request(request: MossReq) -> bytes:
    """JSON body of a batch; fields at their defaults are left out."""
    return _encoder.encode(request)


def member_names(entries: Sequence[MossIn], bucket: str, *, only_obj_name: bool) -> list[str]:
    """Names that the archive's members must have, in order. Source: spec/getbatch.md 6.

    Args:
        bucket: name of the default bucket, for entries that name none.
    """
    names = []
    for entry in entries:
        name = entry.obj_name
        if entry.archpath:
            name = f"{name}/{entry.archpath.removeprefix('/')}"
        if not only_obj_name:
            name = f"{_bucket_of_uname(entry.uname) if entry.uname else entry.bck or bucket}/{name}"
        names.append(name)
    return names


def _bucket_of_uname(uname: str) -> str:
    parts = uname.split("/")
    return parts[2] if len(parts) > 2 else ""


def remaining_entries(entries: Sequence[MossIn], index: int, received: int, size: int) -> tuple[list[MossIn], bool]:
    """Entries to ask for after a broken answer.

    Args:
        index: the first entry that was not delivered.
        received: bytes of its payload that were received.
        size: bytes that the payload should have.

    Returns:
        The entries, and whether the first one asks for the rest of a payload only. Members of archives are asked for
        whole: not every server cuts ranges out of them.
    """
    rest = list(entries[index:])
    first = rest[0]
    if not 0 < received < size or first.archpath:
        return rest, False
    start = (first.start or 0) + received
    rest[0] = msgspec.structs.replace(first, start=start, length=size - received)
    return rest, True
