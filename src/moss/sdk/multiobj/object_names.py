"""A selection by names."""

from collections.abc import Iterable, Iterator
from typing import Any

from moss.sdk.multiobj.object_collection import ObjectCollection

__all__ = ["ObjectNames"]


class ObjectNames(ObjectCollection):
    """A list of names."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = [names] if isinstance(names, str) else list(names)

    def get_value(self) -> dict[str, Any]:
        return {"objnames": self._names}

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __str__(self) -> str:
        return str(self._names)

    def __repr__(self) -> str:
        return f"ObjectNames({self._names!r})"
