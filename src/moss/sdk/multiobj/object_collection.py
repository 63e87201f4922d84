"""What all selections have in common."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

__all__ = ["ObjectCollection"]


class ObjectCollection(ABC):
    """A selection of object names."""

    @abstractmethod
    def get_value(self) -> dict[str, Any]:
        """The selection as the cluster is told: `{"objnames": […]}` or `{"template": "…"}`."""

    @abstractmethod
    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
