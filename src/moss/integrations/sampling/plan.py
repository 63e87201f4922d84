"""Who uses which samples at which step: ranks, workers, positions. Pure.

At each step the ranks together use the next `world_size * batch_size` samples of the epoch's order, each rank a block
of them. So all ranks stand at the same position, a number of samples, and a run that is resumed with another number of
ranks or another batch size goes on with exactly the samples that were not used yet. Workers of one rank take the rank's
steps in turn; whoever reads their answers in turn sees the same sequence for any number of them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

from moss.integrations.sampling.order import EpochOrder

__all__ = ["Plan", "Position", "Step", "Tail"]

Tail = Literal["keep", "drop", "repeat"]
_STATE_VERSION = 1


class Position(NamedTuple):
    """Where a run stands: so many samples of this epoch, counted over all ranks, were used."""

    epoch: int = 0
    samples: int = 0


class Step(NamedTuple):
    """One batch of one rank.

    Attributes:
        indices: of the samples, in their order.
        end: the position behind the step, in samples of all ranks.
    """

    indices: list[int]
    end: int


@dataclass(frozen=True)
class Plan:
    """The batches of one rank.

    Args:
        length: samples of the set.
        batch_size: samples of a batch, on each rank.
        shuffle, seed: another order in each epoch, always the same for one seed.
        rank, world_size: of this process among those that share the epoch.
        tail: what becomes of the last samples, when they do not fill a batch on each rank. `keep` shares them out as
            evenly as they go, so that every sample is used exactly once, and a rank may go without a last batch when
            there are fewer samples than ranks; `drop` leaves them out; `repeat` fills up with samples from the
            beginning of the epoch. With the last two all ranks take the same number of full batches.

    Raises:
        ValueError: a number is out of its range, or `tail` is unknown.
    """

    length: int
    batch_size: int
    shuffle: bool = False
    seed: int = 0
    rank: int = 0
    world_size: int = 1
    tail: Tail = "keep"

    def __post_init__(self) -> None:
        if self.length < 0:
            raise ValueError(f"length must not be negative, found {self.length}")
        if self.batch_size < 1:
            raise ValueError(f"batch_size must be positive, found {self.batch_size}")
        if self.world_size < 1 or not 0 <= self.rank < self.world_size:
            raise ValueError(f"rank must be in range({self.world_size}), found {self.rank}")
        if self.tail not in get_args(Tail):
            raise ValueError(f"tail must be one of {', '.join(get_args(Tail))}, found {self.tail!r}")

    @property
    def step_samples(self) -> int:
        """Samples that all ranks use at one step."""
        return self.batch_size * self.world_size

    def count_steps(self, start: int = 0) -> int:
        """Batches of this rank from a position to the end of its epoch."""
        full, rest = divmod(max(self.length - start, 0), self.step_samples)
        if self.tail == "drop" or not rest:
            return full
        return full + (self.tail == "repeat" or self.rank < rest)

    def steps(self, epoch: int, start: int = 0, *, worker: int = 0, workers: int = 1) -> Iterator[Step]:
        """The steps of one of several workers: every `workers`-th one, from the `worker`-th on.

        Raises:
            ValueError: `start` is behind the end of the epoch.
        """
        if not 0 <= start <= self.length:
            raise ValueError(f"an epoch has {self.length} samples; it cannot be resumed at {start}")
        order = EpochOrder(self.length, self.seed, epoch, shuffle=self.shuffle)
        for number in range(worker, self.count_steps(start), workers):
            begin = start + number * self.step_samples
            yield Step(order.indices(self._positions(begin)), self._end(begin))

    def _positions(self, begin: int) -> list[int]:
        rest = self.length - begin
        if rest >= self.step_samples or self.tail == "repeat":
            first = begin + self.rank * self.batch_size
            return [position % self.length for position in range(first, first + self.batch_size)]
        share, more = divmod(rest, self.world_size)
        first = begin + self.rank * share + min(self.rank, more)
        return list(range(first, first + share + (self.rank < more)))

    def end_of(self, start: int, steps: int) -> int:
        """The position behind so many steps from `start` on."""
        return self._end(start + (steps - 1) * self.step_samples) if steps else start

    def _end(self, begin: int) -> int:
        """Behind a step: what `drop` leaves out does not come back after a resume with smaller batches."""
        end = begin + self.step_samples
        is_last = end >= self.length or (self.tail == "drop" and self.length - end < self.step_samples)
        return self.length if is_last else end

    def state(self, position: Position, fingerprint: str) -> dict[str, Any]:
        """What `position_of` needs to go on: plain numbers and text, the same on all ranks.

        Args:
            fingerprint: of the set, so that another one is noticed.
        """
        return {
            "version": _STATE_VERSION,
            "epoch": position.epoch,
            "samples": position.samples,
            "length": self.length,
            "seed": self.seed,
            "shuffle": self.shuffle,
            "fingerprint": fingerprint,
        }

    def position_of(self, state: dict[str, Any], fingerprint: str) -> Position:
        """Where the run stood whose state this is. Ranks and batch sizes may have changed since.

        Raises:
            ValueError: it is no such state, or one of another set or order of samples.
        """
        if not isinstance(state, dict) or state.get("version") != _STATE_VERSION:
            raise ValueError(f"expected a state of version {_STATE_VERSION}, found {state!r}")
        now = self.state(Position(), fingerprint)
        for name in ("length", "seed", "shuffle", "fingerprint"):
            if state.get(name) != now[name]:
                raise ValueError(
                    f"the state is of another order of samples: its {name} is {state.get(name)!r}, here it is "
                    f"{now[name]!r}"
                )
        epoch, samples = state.get("epoch"), state.get("samples")
        if not isinstance(epoch, int) or not isinstance(samples, int) or not 0 <= samples <= self.length or epoch < 0:
            raise ValueError(f"no position in epochs of {self.length} samples: epoch {epoch!r}, sample {samples!r}")
        return Position(epoch, samples)
