"""Objects one after the other, many with one request."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from moss.integrations.torch.errors import MissingSample
from moss.integrations.torch.prefetch import ahead
from moss.pytorch.base_iter_dataset import AISBaseIterDataset
from moss.pytorch.progress import shown
from moss.pytorch.sources import PrefixMap
from moss.sdk import AISSource, Client, Object
from moss.sdk.batch.types import MossOut
from moss.sdk.enums import Colocation

__all__ = ["AISBatchIterDataset"]

_log = logging.getLogger("moss.pytorch")
_BATCHES_AHEAD = 2


class AISBatchIterDataset(AISBaseIterDataset):
    """Pairs of object name and content, read in batches, the next ones while one is used.

    Args:
        ais_source_list, prefix_map, partition_sources_by_worker, rank, world_size: as for `AISBaseIterDataset`.
        client: the way to the cluster.
        show_progress: write a line of progress to standard error.
        max_batch_size: objects of one request.
        output_format, streaming, colocation: of the request, see `Batch`.
        cont_on_err: log and leave out objects that cannot be read; otherwise they are errors.

    Raises:
        ValueError: no source, or `max_batch_size` below 1.
    """

    def __init__(
        self,
        ais_source_list: AISSource | Sequence[AISSource],
        client: Client,
        prefix_map: PrefixMap | None = None,
        show_progress: bool = False,
        max_batch_size: int = 32,
        output_format: str = ".tar",
        streaming: bool = True,
        colocation: Colocation = Colocation.NONE,
        partition_sources_by_worker: bool = False,
        cont_on_err: bool = False,
        *,
        rank: int | None = None,
        world_size: int | None = None,
    ) -> None:
        super().__init__(ais_source_list, prefix_map, partition_sources_by_worker, rank=rank, world_size=world_size)
        if max_batch_size < 1:
            raise ValueError(f"max_batch_size must be positive, found {max_batch_size}")
        self.client, self.max_batch_size = client, max_batch_size
        self.output_format, self.streaming, self.colocation = output_format, streaming, colocation
        self.cont_on_err = cont_on_err
        self._show_progress = show_progress

    def __iter__(self) -> Iterator[tuple[str, bytes]]:
        """Raises MissingSample (a RuntimeError) where an object cannot be read, unless `cont_on_err`."""
        self._reset_iterator()
        objects, worker = self._get_worker_iter_info()
        return shown(self._pairs(objects), f"{type(self).__name__}{worker}", self._show_progress)

    def _pairs(self, objects: Iterator[Object]) -> Iterator[tuple[str, bytes]]:
        groups: Iterable[list[Object]] = iter(lambda: list(islice(objects, self.max_batch_size)), [])
        for pairs in ahead(self._fetch, groups, _BATCHES_AHEAD):
            for out, content in pairs:
                if not out.err_msg:
                    yield out.obj_name, content
                elif self.cont_on_err:
                    _log.warning("left out %s: %s", out.obj_name, out.err_msg)
                else:
                    raise MissingSample(f"{out.obj_name}: {out.err_msg}")

    def _fetch(self, objects: list[Object]) -> list[tuple[MossOut, bytes]]:
        # The cluster is always to go on: so the error comes in its place, behind what could be read, with its reason.
        batch = self.client.batch(
            objects, output_format=self.output_format, streaming_get=self.streaming, colocation=self.colocation
        )
        return list(batch.get())
