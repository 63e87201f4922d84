"""Batches of at most so many bytes."""

import logging
from collections.abc import Iterator

from torch.utils.data import Sampler

from moss.integrations.sampling import EpochOrder
from moss.pytorch.base_map_dataset import AISBaseMapDataset

__all__ = ["DynamicBatchSampler"]

SATURATION_FACTOR = 0.8

_log = logging.getLogger("moss.pytorch")


class DynamicBatchSampler(Sampler[list[int]]):
    """Batches of indices of samples that together have at most `max_batch_size` bytes.

    Samples without a byte are left out, with a warning. Sizes are those of the listing; data sets of object groups ask
    for the size of each object when they are made.

    Args:
        data_source: the data set.
        max_batch_size: bytes.
        drop_last: leave out the last batch unless it is filled by more than `saturation_factor`.
        allow_oversized_samples: make a batch of its own of a larger sample, instead of leaving it out with a warning.
        saturation_factor: part of `max_batch_size`.
        shuffle: use another order in each iteration, always the same ones for one seed.

    Raises:
        ValueError: `saturation_factor` is not between 0 and 1, or `max_batch_size` is not positive.
    """

    def __init__(
        self,
        data_source: AISBaseMapDataset,
        max_batch_size: float,
        drop_last: bool = False,
        allow_oversized_samples: bool = False,
        saturation_factor: float = SATURATION_FACTOR,
        shuffle: bool = False,
        *,
        seed: int = 0,
    ) -> None:
        if not 0 <= saturation_factor <= 1:
            raise ValueError("`saturation_factor` must be between 0 and 1")
        if max_batch_size <= 0:
            raise ValueError(f"max_batch_size must be positive, found {max_batch_size}")
        objects = data_source.get_obj_list()
        self._names = [item.name for item in objects]
        self._sizes = [item.props_cached.size if item.props_cached is not None else 0 for item in objects]
        self._max_batch_size, self._drop_last = max_batch_size, drop_last
        self._allow_oversized_samples, self._saturation_factor = allow_oversized_samples, saturation_factor
        self._shuffle, self._seed, self._epoch = shuffle, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Let the next iteration use the order of this epoch."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[list[int]]:
        yield from self._batches(is_told=True)
        self._epoch += 1

    def __len__(self) -> int:
        """Batches of the next iteration."""
        return sum(1 for _ in self._batches(is_told=False))

    def _batches(self, *, is_told: bool) -> Iterator[list[int]]:
        batch: list[int] = []
        batch_size = 0
        order = EpochOrder(len(self._sizes), self._seed, self._epoch, shuffle=self._shuffle)
        for index in order.indices(range(len(order))):
            size = self._sizes[index]
            if size == 0 or size > self._max_batch_size:
                if size and self._allow_oversized_samples:
                    yield [index]
                elif is_told:
                    limit = f"more than the {self._max_batch_size:,} of a batch" if size else "nothing to use"
                    _log.warning("left out sample %s: it has %d bytes, %s", self._names[index], size, limit)
                continue
            if batch_size + size > self._max_batch_size:
                yield batch
                batch, batch_size = [], 0
            batch.append(index)
            batch_size += size
            if batch_size == self._max_batch_size:
                yield batch
                batch, batch_size = [], 0
        is_saturated = batch_size / self._max_batch_size > self._saturation_factor
        if batch and (is_saturated or not self._drop_last):
            yield batch
