"""Which process this is among those that train together."""

import os

import torch.distributed

__all__ = ["resolve_rank"]


def resolve_rank(rank: int | None, world_size: int | None) -> tuple[int, int]:
    """Rank and number of ranks: as given, else those of `torch.distributed`, else of the environment that `torchrun`
    makes (`RANK`, `WORLD_SIZE`), else a single one.

    Raises:
        ValueError: only one of the two is given, or the environment holds no numbers.
    """
    if (rank is None) != (world_size is None):
        raise ValueError("rank and world_size must be given together, or not at all")
    if rank is not None and world_size is not None:
        return rank, world_size
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    found = os.environ.get("RANK"), os.environ.get("WORLD_SIZE")
    if found[0] is None or found[1] is None:
        return 0, 1
    try:
        return int(found[0]), int(found[1])
    except ValueError:
        raise ValueError(f"RANK and WORLD_SIZE must be numbers, found {found[0]!r} and {found[1]!r}") from None
