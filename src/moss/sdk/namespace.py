"""Namespaces of buckets."""

from dataclasses import dataclass

__all__ = ["Namespace"]


@dataclass(frozen=True)
class Namespace:
    """A space of bucket names: of a remote cluster (`uuid`) or of this one (`name`); global when both are empty."""

    uuid: str = ""
    name: str = ""

    def get_path(self) -> str:
        """`@uuid#name`, the form on the wire."""
        return f"@{self.uuid}#{self.name}"
