"""Large objects by their index."""

from collections.abc import Sequence

from moss.pytorch.base_map_dataset import AISBaseMapDataset
from moss.pytorch.sources import PrefixMap
from moss.sdk import AISSource
from moss.sdk.obj.content_iterator.buffer import ParallelBuffer

__all__ = ["AISParallelMapDataset"]


class AISParallelMapDataset(AISBaseMapDataset):
    """Pairs of object name and a buffer that several workers filled, for objects of many megabytes.

    Args:
        ais_source_list, prefix_map: as for `AISBaseMapDataset`.
        num_workers: ranges of an object that are read at the same time.
    """

    def __init__(
        self,
        ais_source_list: AISSource | Sequence[AISSource] | None = None,
        prefix_map: PrefixMap | None = None,
        num_workers: int = 16,
    ) -> None:
        super().__init__(ais_source_list or (), prefix_map)
        self._num_workers = num_workers

    @property
    def num_workers(self) -> int:
        """Ranges of an object that are read at the same time."""
        return self._num_workers

    def __getitem__(self, index: int) -> tuple[str, ParallelBuffer]:
        """Name and content of one object; the caller may close the buffer to free its memory at once.

        Raises:
            IndexError: no such index.
            ErrObjNotFound: the object is gone.
        """
        item = self._obj_list[index]
        content = item.get_reader(num_workers=self._num_workers).read_all()
        assert isinstance(content, ParallelBuffer)
        return item.name, content
