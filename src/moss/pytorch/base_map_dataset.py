"""What map-style data sets have in common."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from torch.utils.data import Dataset

from moss.pytorch.sources import PrefixMap, as_list, objects_of
from moss.sdk import AISSource, Object

__all__ = ["AISBaseMapDataset"]


class AISBaseMapDataset(ABC, Dataset[Any]):
    """Objects by their index. All sources are listed when it is made.

    Args:
        ais_source_list: buckets or groups of objects, or one of them.
        prefix_map: prefixes by source; sources that are not in it are used whole.

    Raises:
        ValueError: no source.
    """

    def __init__(self, ais_source_list: AISSource | Sequence[AISSource], prefix_map: PrefixMap | None = None) -> None:
        sources = as_list(ais_source_list, type(self).__name__)
        self._obj_list = list(objects_of(sources, prefix_map or {}))

    def get_obj_list(self) -> list[Object]:
        """The objects, in the order of their indices."""
        return self._obj_list

    def __len__(self) -> int:
        return len(self._obj_list)

    @abstractmethod
    def __getitem__(self, index: int) -> Any: ...

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        """The samples of a batch."""
        return [self[index] for index in indices]
