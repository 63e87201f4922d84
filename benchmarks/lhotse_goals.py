"""Minibatches of cuts, loaded and not decoded: Lhotse's own batch loader with either SDK, and ours: L4."""

import os
import random
import time
from functools import partial
from typing import Any

from benchmarks import sampling
from benchmarks.bench import Bench
from benchmarks.dataset import BUCKET, KIB, object_name
from benchmarks.results import Result, rate
from benchmarks.workers import Worker

SIZE_BYTES = 10 * KIB
CUTS = 64
OBJECTS_MAX = 5_000

# name of the arm, name of its loader, must and goal of the ratio
ARMS = (
    ("Lhotse's loader, our SDK under the name aistore", "compat", 1.5, 2.5),
    ("MossBatchLoader", "moss", 1.5, 2.5),
    ("MossBatchLoader without checksums", "unverified", 2.0, 4.0),
)
BASE = "Lhotse's loader, official SDK"


def l4(bench: Bench) -> list[Result]:
    count = min(OBJECTS_MAX, bench.dataset.object_counts[SIZE_BYTES])
    kinds = {BASE: "official"} | {name: kind for name, kind, _, _ in ARMS}
    # A process has one `aistore`.
    clients = {name: Worker() for name in kinds}
    try:
        for name, kind in kinds.items():
            clients[name].call(prepare, kind, bench.url, count)
        arms = {name: partial(clients[name].call, load_for, bench.sample_s) for name in kinds}
        samples = sampling.interleave(arms, bench.rounds)
    finally:
        for client in clients.values():
            client.close()
    speeds = {name: rate(1, sampling.median(samples, name), SIZE_BYTES) for name in kinds}
    return [
        Result(
            "L4",
            f"{name}, against {BASE}",
            sampling.ratio(samples, BASE, name),
            must=must,
            aim=aim,
            absolute={name: speeds[name], BASE: speeds[BASE]},
        )
        for name, _, must, aim in ARMS
    ]


# The rest runs in client processes.

_state: dict[str, Any] = {}


def prepare(kind: str, url: str, count: int) -> None:
    """Make the loader of this process."""
    os.environ["AIS_ENDPOINT"] = url
    if kind in ("moss", "unverified"):
        from moss.lhotse import MossBatchLoader

        _state["loader"] = MossBatchLoader(verify=kind == "moss")
    else:
        if kind == "compat":
            import moss.compat.aistore  # noqa: F401 - has an effect
        from lhotse.ais import AISBatchLoader

        _state["loader"] = AISBatchLoader()
    _state["names"] = [object_name(SIZE_BYTES, index) for index in range(count)]


def load_for(duration_s: float) -> float:
    """Load minibatches for at least `duration_s`; mean seconds per cut, without making the cuts."""
    loader, elapsed_s, loaded = _state["loader"], 0.0, 0
    while elapsed_s < duration_s:
        cuts = _cuts()
        started_s = time.perf_counter()
        loader(cuts)
        elapsed_s += time.perf_counter() - started_s
        if any(len(cut.recording.sources[0].source) != SIZE_BYTES for cut in cuts):
            raise ValueError("a cut did not get its bytes")
        loaded += CUTS
    return elapsed_s / loaded


def _cuts() -> Any:
    from lhotse import CutSet, Recording
    from lhotse.audio import AudioSource

    made = []
    for name in random.sample(_state["names"], CUTS):
        source = AudioSource("url", [0], f"ais://{BUCKET}/{name}")
        made.append(Recording(name, [source], 16_000, 5_000, 0.3125).to_cut())
    return CutSet.from_cuts(made)
