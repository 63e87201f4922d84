"""Which samples are used in which order, by whom, and from where on: pure, without torch and without I/O.

An epoch is a permutation of the samples (`order`), cut into steps that all ranks take together (`plan`). Where a
training run stands is one number, the samples of the epoch that are behind it; from it any number of ranks and workers
can go on.
"""

from moss.integrations.sampling.order import EpochOrder
from moss.integrations.sampling.plan import Plan, Position, Step, Tail

__all__ = ["EpochOrder", "Plan", "Position", "Step", "Tail"]
