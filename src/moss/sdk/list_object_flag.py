"""Flags of object listings. Source: spec/rest-data.md 4.5; the values are bit positions."""

from collections.abc import Iterable
from enum import Enum

__all__ = ["ListObjectFlag"]


class ListObjectFlag(Enum):
    """One flag of a listing; the value is its bit position."""

    CACHED = 0
    MISSING = 1
    ALL = 1
    DELETED = 2
    ARCH_DIR = 3
    NAME_ONLY = 4
    NAME_SIZE = 5
    BCK_PRESENT = 6
    DONT_HEAD_REMOTE = 7
    DONT_ADD_REMOTE = 8
    NOT_CACHED = 9
    USE_CACHE = 9
    ONLY_REMOTE_PROPS = 10
    NO_RECURSION = 11
    DIFF = 12
    NO_DIRS = 13
    IS_S3 = 14
    NBI = 15

    @staticmethod
    def join_flags(flags: "Iterable[ListObjectFlag]") -> int:
        """Bit mask of several flags."""
        mask = 0
        for flag in flags:
            mask |= 1 << flag.value
        return mask
