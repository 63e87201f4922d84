"""DataLoaders: samples per second against local files, WebDataset shards and the official plugin: L1, L2, L3."""

import io
import tarfile
from functools import partial
from pathlib import Path

from benchmarks import loaders, sampling
from benchmarks.bench import Bench
from benchmarks.dataset import KIB, object_content
from benchmarks.results import Result, rate
from benchmarks.workers import Worker

SIZE_BYTES = 10 * KIB
SAMPLES_MAX = 4_000
SAMPLES_PER_SHARD = 250
WORKERS = (0, 2, 4)

# goal, name of the arm, what makes its loader, must and goal of the ratio
ARMS = (
    ("L1", "local files", loaders.local_files, None, None),
    ("L2", "WebDataset shards on the local disk", loaders.webdataset_shards, None, None),
    ("L3", "official plugin, map-style", loaders.official_map, 10.0, 20.0),
    ("L3", "official plugin, batches", loaders.official_batch, 2.0, 4.0),
    ("L3", "our map-style data set in torch's loader", loaders.moss_map, None, None),
)


def l1_to_l3(bench: Bench) -> list[Result]:
    count = min(SAMPLES_MAX, bench.dataset.object_counts[SIZE_BYTES])
    files, shards = write_files(bench.folder, count)
    found: list[Result] = []
    client = Worker(may_have_children=True)
    try:
        for workers in WORKERS:
            case = loaders.Case(bench.url, files, shards, SIZE_BYTES, count, workers)
            found += _compare(bench, client, case)
    finally:
        client.close()
    return sorted(found, key=lambda result: result.goal)


def _compare(bench: Bench, client: Worker, case: loaders.Case) -> list[Result]:
    makers = {"MossLoader": loaders.moss_loader} | {name: make for _, name, make, _, _ in ARMS}
    arms = {name: partial(client.call, loaders.epoch, make, case) for name, make in makers.items()}
    samples = sampling.interleave(arms, bench.rounds)
    client.call(loaders.close_loaders)
    speeds = {name: rate(1, sampling.median(samples, name), SIZE_BYTES) for name in arms}
    return [
        Result(
            goal,
            f"against {name}, {case.workers or 'no'} workers",
            sampling.ratio(samples, name, "MossLoader"),
            must=must,
            aim=aim,
            absolute={"MossLoader": speeds["MossLoader"], name: speeds[name]},
        )
        for goal, name, _, must, aim in ARMS
    ]


def write_files(folder: Path, count: int) -> tuple[Path, list[Path]]:
    """The samples on the local disk: a file each, and as shards."""
    files = folder / "files"
    files.mkdir(exist_ok=True)
    shards = []
    for first in range(0, count, SAMPLES_PER_SHARD):
        shards.append(folder / f"shard-{first:06d}.tar")
        with tarfile.open(shards[-1], "w") as shard:
            for index in range(first, min(first + SAMPLES_PER_SHARD, count)):
                content = object_content(SIZE_BYTES, index)
                (files / f"{index:06d}.bin").write_bytes(content)
                member = tarfile.TarInfo(f"{index:06d}.bin")
                member.size = len(content)
                shard.addfile(member, io.BytesIO(content))
    return files, shards
