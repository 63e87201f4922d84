"""What iterable data sets have in common."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from torch.utils.data import IterableDataset

from moss.integrations.torch.ranks import resolve_rank
from moss.pytorch.sources import PrefixMap, Share, as_list, objects_of
from moss.sdk import AISSource, Object

__all__ = ["AISBaseIterDataset"]


class AISBaseIterDataset(ABC, IterableDataset[Any]):
    """Objects in the order of their listings. Workers and ranks share them: each object is read by one of them.

    Args:
        ais_source_list: buckets or groups of objects, or one of them.
        prefix_map: prefixes by source; sources that are not in it are used whole.
        partition_sources_by_worker: give workers whole sources, which only they list; workers beyond the number of
            sources have none.
        rank, world_size: of this process; None takes them from `torch.distributed`, or `RANK` and `WORLD_SIZE`. With
            0 and 1 it reads everything.

    Raises:
        ValueError: no source.
    """

    def __init__(
        self,
        ais_source_list: AISSource | Sequence[AISSource],
        prefix_map: PrefixMap | None = None,
        partition_sources_by_worker: bool = False,
        *,
        rank: int | None = None,
        world_size: int | None = None,
    ) -> None:
        self._ais_source_list = as_list(ais_source_list, type(self).__name__)
        self._prefix_map = prefix_map or {}
        self._partition_sources_by_worker = partition_sources_by_worker
        self._rank, self._world_size = resolve_rank(rank, world_size)
        self._obj_iterator: Iterator[Object] = iter(())

    def _create_objects_iter(self, sources: Iterable[AISSource] | None = None) -> Iterator[Object]:
        """The objects of these sources, or of all."""
        return objects_of(self._ais_source_list if sources is None else sources, self._prefix_map)

    def _reset_iterator(self) -> None:
        """Begin with the first object again."""
        self._obj_iterator = self._create_objects_iter()

    def _get_worker_iter_info(self) -> tuple[Iterator[Object], str]:
        """The objects that this worker of this rank reads, and the worker's name for titles."""
        share = Share(self._rank, self._world_size)
        if self._partition_sources_by_worker and share.workers > 1:
            sources = self._ais_source_list[share.worker :: share.workers]
            return share.of_rank(self._create_objects_iter(sources)), share.title
        return share.of(self._obj_iterator), share.title

    @abstractmethod
    def __iter__(self) -> Iterator[Any]: ...

    def __getstate__(self) -> dict[str, Any]:
        # A listing that has begun belongs to its process.
        return {**self.__dict__, "_obj_iterator": iter(())}

    def __len__(self) -> int:
        """Samples that this rank reads with all its workers; lists everything."""
        return sum(1 for _ in Share.of_rank(Share(self._rank, self._world_size), self._create_objects_iter()))
