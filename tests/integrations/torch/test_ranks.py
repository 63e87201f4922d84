import multiprocessing
from pathlib import Path
from typing import Any

import pytest
import torch.distributed

from moss.integrations.torch import MossLoader, MossMapDataset
from moss.integrations.torch.ranks import resolve_rank
from moss.sdk import Bucket
from tests.integrations.torch.conftest import FILES


@pytest.fixture(autouse=True)
def no_ranks(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.delenv("WORLD_SIZE", raising=False)


def test_ranks_are_given_or_of_the_environment(monkeypatch: pytest.MonkeyPatch):
    assert resolve_rank(None, None) == (0, 1)
    monkeypatch.setenv("RANK", "3")
    assert resolve_rank(None, None) == (0, 1)
    monkeypatch.setenv("WORLD_SIZE", "8")
    assert resolve_rank(None, None) == (3, 8)
    assert resolve_rank(1, 2) == (1, 2)


def test_half_a_rank_is_refused(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(ValueError, match="together"):
        resolve_rank(1, None)
    monkeypatch.setenv("RANK", "one")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ValueError, match="must be numbers, found 'one' and '2'"):
        resolve_rank(None, None)


def train(rank: int, folder: Path, dataset: MossMapDataset, found: Any) -> None:
    """One process of a distributed training: every step is an `all_reduce`, as with gradients."""
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    names: list[str] = []
    for batch in MossLoader(dataset, 15, shuffle=True, seed=2, collate_fn=list, num_workers=1):
        size = torch.tensor(len(batch))
        torch.distributed.all_reduce(size)
        names += [name for name, _ in batch]
    torch.distributed.destroy_process_group()
    found.put((rank, names))


def test_processes_of_a_distributed_training_share_an_epoch(digits: Bucket, tmp_path: Path):
    dataset = MossMapDataset.from_bucket(digits)
    context = multiprocessing.get_context("fork")
    found: Any = context.Queue()
    ranks = [context.Process(target=train, args=(rank, tmp_path, dataset, found)) for rank in range(2)]
    for process in ranks:
        process.start()
    shares = dict(found.get(timeout=60) for _ in ranks)
    for process in ranks:
        process.join(30)
        assert process.exitcode == 0
    assert [len(shares[rank]) for rank in range(2)] == [100, 100]
    assert sorted(shares[0] + shares[1]) == sorted(FILES)
