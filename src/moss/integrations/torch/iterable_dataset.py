"""Batches in a planned order, several of them on their way while one is used."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch.utils.data import IterableDataset, default_collate, get_worker_info

from moss.integrations.sampling import Plan, Position, Step, Tail
from moss.integrations.torch.fetch import Skipped
from moss.integrations.torch.map_dataset import MossMapDataset
from moss.integrations.torch.prefetch import ahead
from moss.integrations.torch.ranks import resolve_rank

__all__ = ["Delivered", "MossIterableDataset", "PlannedBatches"]

Collate = Callable[[list[Any]], Any]


class Delivered(NamedTuple):
    """One planned batch.

    Attributes:
        end: samples of the epoch, on all ranks, that are behind it.
        batch: what `collate_fn` made of the samples; None when all of them were skipped.
        skipped: samples that are missing in it.
    """

    end: int
    batch: Any
    skipped: list[Skipped]


class PlannedBatches(IterableDataset[Delivered]):
    """Fetches the batches of a plan; `MossIterableDataset` says what the arguments are."""

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
        in_flight: int = 2,
        collate_fn: Collate | None = None,
    ) -> None:
        if not isinstance(dataset, MossMapDataset):
            raise TypeError(f"expected a MossMapDataset (or a subset() of one), found {type(dataset).__name__}")
        if in_flight < 0:
            raise ValueError(f"in_flight must not be negative, found {in_flight}")
        rank, world_size = resolve_rank(rank, world_size)
        self.plan = Plan(len(dataset), batch_size, shuffle, seed, rank, world_size, tail)
        self.dataset, self.in_flight = dataset, in_flight
        self._collate = default_collate if collate_fn is None else collate_fn
        # Shared memory: workers that live on from one epoch to the next must see where the next one begins.
        self._begin = torch.zeros(2, dtype=torch.int64).share_memory_()

    @property
    def begin(self) -> Position:
        """Where the next iteration begins."""
        return Position(*self._begin.tolist())

    def begin_at(self, position: Position) -> None:
        """Let the next iteration begin there."""
        self._begin[0], self._begin[1] = position

    def __iter__(self) -> Iterator[Any]:
        """This worker's batches of the epoch."""
        worker = get_worker_info()
        number, count = (worker.id, worker.num_workers) if worker is not None else (0, 1)
        steps = self.plan.steps(*self.begin, worker=number, workers=count)
        return ahead(self._deliver, steps, self.in_flight)

    def _deliver(self, step: Step) -> Delivered:
        fetched = self.dataset.fetch(step.indices)
        batch = self._collate(fetched.samples) if fetched.samples else None
        return Delivered(step.end, batch, fetched.skipped)

    def __len__(self) -> int:
        """Batches of a whole epoch, on this rank."""
        return self.plan.count_steps()


class MossIterableDataset(PlannedBatches):
    """Yields whole batches: give it to a `DataLoader` with `batch_size=None`, or use `MossLoader`, which also goes on
    from one epoch to the next and knows where the training stands.

    Ranks share each epoch and workers share the batches of a rank, so that every sample is used exactly once; the order
    of the batches that a `DataLoader` returns is the same for any number of workers.

    Args:
        dataset: the samples.
        batch_size: samples of a batch, on each rank.
        shuffle, seed: use another order in each epoch, always the same for one seed.
        tail: what becomes of the last samples, see `moss.integrations.sampling.Plan`.
        rank, world_size: of this process; None takes them from `torch.distributed`, or `RANK` and `WORLD_SIZE`.
        in_flight: batches that are fetched and decoded, by as many threads of each worker, while one is used; 0 uses
            no threads.
        collate_fn: makes a batch of a list of samples; None takes torch's default.

    Raises:
        ValueError: a number is out of its range.
    """

    _last = Position()

    def set_epoch(self, epoch: int) -> None:
        """Let the next iterations begin with the first sample of an epoch."""
        self._last = Position(epoch)
        self.begin_at(self._last)

    def __iter__(self) -> Iterator[Any]:
        return self._batches(self.begin.epoch, super().__iter__())

    def _batches(self, epoch: int, delivered: Iterator[Delivered]) -> Iterator[Any]:
        for end, batch, skipped in delivered:
            self._last = Position(epoch, end)
            self.dataset.report(skipped)
            if batch is not None:
                yield batch

    def state_dict(self) -> dict[str, Any]:
        """Where the iteration stands: behind the batch that was yielded last.

        Raises:
            RuntimeError: called in a worker of a DataLoader, which knows only its own batches.
        """
        _refuse_in_worker("state_dict")
        return self.plan.state(self._last, self.dataset.fingerprint)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Let the next iterations go on where the state was taken, until `set_epoch`. Ranks, workers and batch size may
        have changed since.

        Raises:
            ValueError: it is no such state, or one of other samples or another order.
            RuntimeError: called in a worker of a DataLoader.
        """
        _refuse_in_worker("load_state_dict")
        self._last = self.plan.position_of(state, self.dataset.fingerprint)
        self.begin_at(self._last)


def _refuse_in_worker(name: str) -> None:
    if get_worker_info() is not None:
        raise RuntimeError(f"{name} in a worker cannot know what the other workers did; use MossLoader, which does")
