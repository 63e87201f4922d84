"""What data sets read from: buckets and groups of objects."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator
from typing import Any

__all__ = ["AISSource"]


class AISSource(ABC):
    """A source of objects. Hashable by identity, so that it can be a key in tables of prefixes."""

    @property
    @abstractmethod
    def client(self) -> Any:
        """The session that requests go through."""

    @abstractmethod
    def list_all_objects_iter(self, prefix: str = "", props: str = "name,size") -> Iterator[Any] | AsyncIterator[Any]:
        """Iterate over the objects, with the listed properties cached in them."""

    @abstractmethod
    def list_urls(self, prefix: str = "", etl: Any = None) -> Iterator[str] | AsyncIterator[str]:
        """Iterate over the HTTP URLs of the objects."""
