"""Batches of indices, for a DataLoader with a map-style data set."""

from collections.abc import Iterator
from typing import Any

from torch.utils.data import Sampler

from moss.integrations.sampling import Plan, Position, Tail
from moss.integrations.torch.map_dataset import MossMapDataset
from moss.integrations.torch.ranks import resolve_rank

__all__ = ["MossBatchSampler"]


class MossBatchSampler(Sampler[list[int]]):
    """The planned batches as lists of indices: `DataLoader(dataset, batch_sampler=MossBatchSampler(dataset, 64))`.

    An iteration that comes to its end begins the next epoch. Arguments as for `MossIterableDataset`.

    Raises:
        ValueError: a number is out of its range.
    """

    def __init__(
        self,
        dataset: MossMapDataset,
        batch_size: int,
        *,
        shuffle: bool = False,
        seed: int = 0,
        tail: Tail = "keep",
        rank: int | None = None,
        world_size: int | None = None,
    ) -> None:
        rank, world_size = resolve_rank(rank, world_size)
        self.plan = Plan(len(dataset), batch_size, shuffle, seed, rank, world_size, tail)
        self._dataset = dataset
        self._next = Position()

    def set_epoch(self, epoch: int) -> None:
        """Let the next iteration begin with the first sample of an epoch."""
        self._next = Position(epoch)

    def __iter__(self) -> Iterator[list[int]]:
        epoch, start = self._next
        self._next = Position(epoch)
        for step in self.plan.steps(epoch, start):
            yield step.indices
        self._next = Position(epoch + 1)

    def state_dict(self, epoch: int, batches: int, start: int = 0) -> dict[str, Any]:
        """The state behind so many batches of an epoch.

        A DataLoader's workers draw indices ahead, so that only the training loop knows how many batches it used.

        Args:
            start: samples of the epoch that an earlier run had used, as its state has them.

        Raises:
            ValueError: the epoch has fewer batches on this rank.
        """
        if not 0 <= batches <= self.plan.count_steps(start):
            raise ValueError(f"expected at most {self.plan.count_steps(start)} batches, found {batches}")
        position = Position(epoch, self.plan.end_of(start, batches))
        return self.plan.state(position, self._dataset.fingerprint)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Let the next iteration go on where the state was taken.

        Raises:
            ValueError: it is no such state, or one of other samples or another order.
        """
        self._next = self.plan.position_of(state, self._dataset.fingerprint)

    def __len__(self) -> int:
        """Batches of a whole epoch, on this rank."""
        return self.plan.count_steps()
