"""Small enumerations of the SDK. Source: spec/python-sdk.md 1.13."""

from enum import IntEnum, StrEnum

__all__ = ["Colocation", "FLTPresence", "LogSeverity", "NodeFilter"]


class Colocation(IntEnum):
    """Hint how the objects of a batch lie in the cluster. It changes the speed only, never the answer."""

    NONE = 0
    TARGET_AWARE = 1
    TARGET_AND_SHARD_AWARE = 2


class FLTPresence(IntEnum):
    """Which of the objects or buckets a lookup counts, by where they are."""

    FLT_EXISTS = 0
    FLT_EXISTS_NO_PROPS = 1
    FLT_PRESENT = 2
    FLT_PRESENT_NO_PROPS = 3
    FLT_PRESENT_CLUSTER = 4
    FLT_EXISTS_OUTSIDE = 5


class LogSeverity(StrEnum):
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class NodeFilter(StrEnum):
    TARGET = "target"
    PROXY = "proxy"
    ALL = "all"
