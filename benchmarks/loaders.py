"""DataLoaders as arms, run in a client process: seconds for each sample of one epoch, every byte count checked.

All make the same of their samples: tensors of bytes, stacked to batches. Loaders and their workers live on from one
epoch to the next; they are made, and read once, before anything is measured.
"""

import os
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from benchmarks.dataset import BUCKET, object_name

BATCH = 128


@dataclass(frozen=True)
class Case:
    """What is read.

    Attributes:
        files: folder of a file for each sample, `000000.bin` and so on.
        shards: WebDataset shards of the same samples.
        count: samples of the fast arms; the slow ones read fewer.
    """

    url: str
    files: Path
    shards: Sequence[Path]
    size_bytes: int
    count: int
    workers: int


def _options(case: Case) -> dict[str, Any]:
    return {"num_workers": case.workers, "persistent_workers": case.workers > 0}


def _tensor(data: bytes) -> torch.Tensor:
    return torch.frombuffer(bytearray(data), dtype=torch.uint8)


def _contents(pairs: Sequence[tuple[str, bytes]]) -> torch.Tensor:
    return torch.stack([_tensor(content) for _, content in pairs])


def _names(case: Case) -> list[str]:
    return [object_name(case.size_bytes, index) for index in range(case.count)]


def _moss_dataset(case: Case) -> Any:
    from moss.integrations.torch import MossMapDataset, TensorDecoder
    from moss.sdk import Client

    bucket = Client(case.url).bucket(BUCKET)
    return MossMapDataset(_names(case), bucket, decode=TensorDecoder(), zero_copy=True)


def moss_loader(case: Case) -> Any:
    """`MossLoader`: batches on their way while one is used."""
    from moss.integrations.torch import MossLoader

    return MossLoader(_moss_dataset(case), BATCH, shuffle=True, collate_fn=torch.stack, **_options(case))


def moss_map(case: Case) -> Any:
    """The map-style data set with torch's own loader."""
    return DataLoader(_moss_dataset(case), BATCH, shuffle=True, collate_fn=torch.stack, **_options(case))


class _Files(Dataset[torch.Tensor]):
    def __init__(self, folder: Path, count: int) -> None:
        self._paths = [os.path.join(folder, f"{index:06d}.bin") for index in range(count)]

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> torch.Tensor:
        with open(self._paths[index], "rb") as file:
            return _tensor(file.read())


def local_files(case: Case) -> Any:
    """A file for each sample, in the page cache."""
    return DataLoader(_Files(case.files, case.count), BATCH, shuffle=True, collate_fn=torch.stack, **_options(case))


def _payload(sample: dict[str, Any]) -> torch.Tensor:
    return _tensor(sample["bin"])


def webdataset_shards(case: Case) -> Any:
    """WebDataset shards in the page cache, in the order in which they lie there: a shuffle buffer would cost more."""
    import webdataset

    urls = [str(path) for path in case.shards]
    shards = webdataset.WebDataset(urls, shardshuffle=False, empty_check=False).map(_payload)
    return DataLoader(shards, BATCH, collate_fn=torch.stack, **_options(case))


def _official_bucket(case: Case, prefixes: list[str]) -> tuple[Any, Any, dict[Any, list[str]]]:
    from aistore.sdk import Client

    client = Client(case.url)
    bucket = client.bucket(BUCKET)
    return client, bucket, {bucket: [f"{case.size_bytes}/{prefix}" for prefix in prefixes]}


def official_map(case: Case) -> Any:
    """The official `AISMapDataset` on 100 objects: a GET for each."""
    from aistore.pytorch import AISMapDataset

    _, bucket, prefixes = _official_bucket(case, ["0000"])
    return DataLoader(AISMapDataset(bucket, prefixes), BATCH, shuffle=True, collate_fn=_contents, **_options(case))


def official_batch(case: Case) -> Any:
    """The official `AISBatchIterDataset` on 2,000 objects, which each worker lists at each epoch."""
    from aistore.pytorch.batch_iter_dataset import AISBatchIterDataset

    client, bucket, prefixes = _official_bucket(case, ["000", "001"])
    dataset = AISBatchIterDataset(bucket, client, prefixes, max_batch_size=BATCH)
    return DataLoader(dataset, BATCH, collate_fn=_contents, **_options(case))


_kept: dict[str, Any] = {}


def epoch(make: Callable[[Case], Any], case: Case) -> float:
    """Seconds for each sample of one epoch, as the loop sees it."""
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", message="This DataLoader will create")  # More workers than cores are the case.
    if make.__name__ not in _kept:
        _kept[make.__name__] = make(case)
    loader = _kept[make.__name__]
    started_s = time.perf_counter()
    sample_count = sum(_checked(loader, case.size_bytes))
    elapsed_s = time.perf_counter() - started_s
    if not sample_count:
        raise ValueError(f"{make.__name__} delivered nothing")
    return elapsed_s / sample_count


def _checked(loader: Any, size_bytes: int) -> Iterator[int]:
    for batch in loader:
        if batch.shape[1] != size_bytes:
            raise ValueError(f"samples of {batch.shape[1]} bytes instead of {size_bytes}")
        yield len(batch)


def close_loaders() -> None:
    """End the workers."""
    _kept.clear()
