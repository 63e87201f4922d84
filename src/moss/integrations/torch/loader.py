"""A DataLoader that knows which samples were used, and goes on from there."""

from collections.abc import Iterator
from typing import Any

from torch.utils.data import DataLoader

from moss.integrations.sampling import Position, Tail
from moss.integrations.torch.iterable_dataset import Collate, Delivered, PlannedBatches
from moss.integrations.torch.map_dataset import MossMapDataset

__all__ = ["MossLoader"]

_PLANNED = frozenset({"sampler", "batch_sampler", "drop_last", "in_order"})


class MossLoader(DataLoader[Any]):
    """Batches for a training loop, with exact resume in the middle of an epoch.

        loader = MossLoader(dataset, batch_size=64, shuffle=True, num_workers=4)
        for epoch in range(loader.epoch, 10):
            for batch in loader:
                …
                checkpoint = {"model": model.state_dict(), "data": loader.state_dict()}

    `state_dict` stands behind the batch that the loop has now, whatever workers have fetched ahead. A loader that
    loads it yields the batches that were to come next, with any number of workers, ranks or samples of a batch.

    An iteration that comes to its end begins the next epoch, with another order when it shuffles; one that is left
    early is begun anew by the next. Let only one iteration of a loader run at a time.

    Args:
        dataset: the samples.
        batch_size, shuffle, seed, tail, rank, world_size, in_flight, collate_fn: as for `MossIterableDataset`.
        options: further ones of `DataLoader`: `num_workers`, `pin_memory`, `persistent_workers`,
            `multiprocessing_context`, …

    Attributes:
        skipped_count: samples left out so far; each was logged with its name and the reason.

    Raises:
        ValueError: a number is out of its range.
        TypeError: an option of `DataLoader` that would choose samples in another way.
    """

    def __init__(
        self,
        dataset: MossMapDataset,
        batch_size: int = 1,
        shuffle: bool = False,
        *,
        seed: int = 0,
        tail: Tail = "keep",
        rank: int | None = None,
        world_size: int | None = None,
        in_flight: int = 2,
        collate_fn: Collate | None = None,
        **options: Any,
    ) -> None:
        if planned := _PLANNED & options.keys():
            raise TypeError(
                f"{', '.join(sorted(planned))}: MossLoader chooses samples and their order itself; its options are "
                "shuffle, seed, tail, rank and world_size"
            )
        self.batches = PlannedBatches(
            dataset,
            batch_size,
            shuffle=shuffle,
            seed=seed,
            tail=tail,
            rank=rank,
            world_size=world_size,
            in_flight=in_flight,
            collate_fn=collate_fn,
        )
        self._position = self._next = Position()
        self.skipped_count = 0
        super().__init__(self.batches, batch_size=None, collate_fn=_unchanged, **options)

    @property
    def epoch(self) -> int:
        """The epoch that the next iteration is of; while one runs, its own."""
        return self._position.epoch

    def set_epoch(self, epoch: int) -> None:
        """Let the next iteration begin with the first sample of an epoch."""
        self._position = self._next = Position(epoch)

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        start = self._position = self._next
        self._next = Position(start.epoch)
        self.batches.begin_at(start)
        for end, batch, skipped in super().__iter__():
            self._position = Position(start.epoch, end)
            self.skipped_count += len(skipped)
            self.batches.dataset.report(skipped)
            if batch is not None:
                yield batch
        self._position = self._next = Position(start.epoch + 1)

    def state_dict(self) -> dict[str, Any]:
        """Where the training stands: behind the batch that was yielded last. The same on all ranks that are at the
        same step; plain numbers and text, for `torch.save` or JSON."""
        return self.batches.plan.state(self._position, self.batches.dataset.fingerprint)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Let the next iteration go on where the state was taken.

        Raises:
            ValueError: it is no such state, or one of other samples or another order.
        """
        self._position = self._next = self.batches.plan.position_of(state, self.batches.dataset.fingerprint)


def _unchanged(delivered: Delivered) -> Delivered:
    return delivered
