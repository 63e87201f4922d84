"""Which members of an archive a GET selects. Source: spec/python-sdk.md 1.13 and 3.1."""

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["ArchiveConfig", "ArchiveMode"]


class ArchiveMode(StrEnum):
    """How `ArchiveConfig.regex` is compared with member names."""

    REGEXP = "regexp"
    PREFIX = "prefix"
    SUFFIX = "suffix"
    SUBSTR = "substr"
    WDSKEY = "wdskey"


@dataclass
class ArchiveConfig:
    """One member by name (`archpath`), or every member that matches (`regex` and `mode`).

    Raises:
        ValueError: `mode` without `regex`, `regex` without `mode`, or `regex` together with `archpath`.
    """

    archpath: str = ""
    regex: str = ""
    mode: ArchiveMode | None = None

    def __post_init__(self) -> None:
        if self.mode and not self.regex:
            raise ValueError("Archive mode requires archive regex")
        if self.regex and not self.mode:
            raise ValueError("Archive regex requires archive mode")
        if self.regex and self.archpath:
            raise ValueError("Cannot use both archive regex and archive path")

    def query(self) -> list[tuple[str, str]]:
        """Query parameters; the first two are always sent, empty ones are ignored by the server."""
        pairs = [("archpath", self.archpath), ("archregx", self.regex)]
        if self.mode:
            pairs.append(("archmode", ArchiveMode(self.mode).value))
        return pairs
