"""Errors of batches. All but `MultipartDecodeError` are also `RuntimeError`, which other clients of GetBatch raise."""

from collections.abc import Sequence
from typing import Any

from moss.errors import MossError

__all__ = ["BatchChecksumError", "BatchError", "BatchIncompleteError", "BatchMismatchError", "MultipartDecodeError"]

_NAMES_SHOWN_MAX = 3


class BatchError(MossError, RuntimeError):
    """The answer of a batch cannot be used: it is no archive, or a damaged one."""

    code = "batch"


class BatchIncompleteError(BatchError):
    """The answer ended before every entry was delivered.

    Attributes:
        received: entries delivered, counted from the first one.
        expected: entries asked for.
        missing_entries: the entries (`MossIn`) that were not delivered, in request order.
    """

    code = "batch-incomplete"

    def __init__(self, received: int, expected: int, missing_entries: Sequence[Any], reason: str = "") -> None:
        self.received, self.expected, self.missing_entries = received, expected, missing_entries
        names = ", ".join(entry.obj_name for entry in missing_entries[:_NAMES_SHOWN_MAX])
        more = ", …" if len(missing_entries) > _NAMES_SHOWN_MAX else ""
        text = f"batch is incomplete: {received} of {expected} entries received, missing {names}{more}"
        super().__init__(f"{text} ({reason})" if reason else text)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.received, self.expected, list(self.missing_entries))


class BatchMismatchError(BatchError):
    """A member of the archive is not the entry that was asked for at its position.

    Attributes:
        index: position in the request (for a surplus member: the number of entries).
        expected: member name that the entry should have, None for a surplus member.
        found: member name in the archive.
    """

    code = "batch-mismatch"

    def __init__(self, index: int, expected: str | None, found: str) -> None:
        self.index, self.expected, self.found = index, expected, found
        if expected is None:
            super().__init__(f"the archive holds more members than the batch has entries: {found!r} at {index}")
        else:
            super().__init__(f"entry {index}: expected member {expected!r}, found {found!r}")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.index, self.expected, self.found)


class BatchChecksumError(BatchError):
    """The bytes of an entry differ from the checksum that the server sent with them."""

    code = "batch-checksum"

    def __init__(self, index: int, name: str, expected: str, found: str) -> None:
        self.index, self.name, self.expected, self.found = index, name, expected, found
        super().__init__(f"entry {index} ({name}): expected checksum {expected}, found {found}")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.index, self.name, self.expected, self.found)


class MultipartDecodeError(MossError):
    """A buffered answer is not the documented `multipart/mixed` body."""

    code = "multipart-decode"
