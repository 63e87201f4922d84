"""The objects that data sets are made of, and who of several workers and ranks reads which."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

from torch.utils.data import get_worker_info

from moss.sdk import AISSource, Object

__all__ = ["PrefixMap", "Share", "as_list", "objects_of"]

Item = TypeVar("Item")
PrefixMap = Mapping[Any, str | Sequence[str] | None]


def as_list(sources: Any, owner: str) -> list[Any]:
    """Sources as a list.

    Raises:
        ValueError: there is none.
    """
    found = [sources] if isinstance(sources, AISSource) else list(sources or ())
    if not found:
        raise ValueError(f"<{owner}> ais_source_list must be provided")
    return found


def objects_of(sources: Iterable[Any], prefix_map: PrefixMap) -> Iterator[Object]:
    """The objects of some sources, with their sizes; of a source that the map has, those with its prefixes only."""
    for source in sources:
        prefixes = prefix_map.get(source)
        for prefix in [prefixes or ""] if isinstance(prefixes, str | None) else prefixes:
            yield from source.list_all_objects_iter(prefix=prefix)


class Share:
    """One of equal shares, one for each worker of each rank.

    Args:
        rank, world_size: of this process. The worker is the one that calls.
    """

    def __init__(self, rank: int, world_size: int) -> None:
        worker = get_worker_info()
        self.worker, self.workers = (worker.id, worker.num_workers) if worker is not None else (0, 1)
        self.rank, self.world_size = rank, world_size

    @property
    def title(self) -> str:
        """Empty, or ` (Worker n)`."""
        return f" (Worker {self.worker})" if self.workers > 1 else ""

    def of(self, items: Iterable[Item]) -> Iterator[Item]:
        """This share of the items: every so manyth."""
        return islice(items, self.rank * self.workers + self.worker, None, self.world_size * self.workers)

    def of_rank(self, items: Iterable[Item]) -> Iterator[Item]:
        """The share of the whole rank."""
        return islice(items, self.rank, None, self.world_size)
