"""Objects one after the other."""

from collections.abc import Iterator, Sequence

from moss.integrations.torch.prefetch import ahead
from moss.pytorch.base_iter_dataset import AISBaseIterDataset
from moss.pytorch.progress import shown
from moss.pytorch.sources import PrefixMap
from moss.sdk import AISSource, Object
from moss.sdk.etl import ETLConfig

__all__ = ["AISIterDataset"]

_GETS_AHEAD = 4


class AISIterDataset(AISBaseIterDataset):
    """Pairs of object name and content, each read with a request of its own, a few of them ahead of the consumer.

    `AISBatchIterDataset` is faster for small objects.

    Args:
        ais_source_list, prefix_map, partition_sources_by_worker, rank, world_size: as for `AISBaseIterDataset`.
        etl_name: transformation that objects are read through.
        show_progress: write a line of progress to standard error.
    """

    def __init__(
        self,
        ais_source_list: AISSource | Sequence[AISSource],
        prefix_map: PrefixMap | None = None,
        etl_name: str | None = None,
        show_progress: bool = False,
        partition_sources_by_worker: bool = False,
        *,
        rank: int | None = None,
        world_size: int | None = None,
    ) -> None:
        super().__init__(ais_source_list, prefix_map, partition_sources_by_worker, rank=rank, world_size=world_size)
        self._etl_name, self._show_progress = etl_name, show_progress

    def __iter__(self) -> Iterator[tuple[str, bytes]]:
        """Raises ErrObjNotFound where an object is gone."""
        self._reset_iterator()
        objects, worker = self._get_worker_iter_info()
        return shown(ahead(self._read, objects, _GETS_AHEAD), f"{type(self).__name__}{worker}", self._show_progress)

    def _read(self, item: Object) -> tuple[str, bytes]:
        return item.name, bytes(item.get_reader(etl=ETLConfig(self._etl_name)).read_all())
