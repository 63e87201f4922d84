"""Goals that include a Python client, all arms in the same client process: G1, G2, G20, and the SDK by size."""

from functools import partial

from benchmarks import clients, sampling
from benchmarks.bench import Bench
from benchmarks.dataset import BUCKET, KIB, label
from benchmarks.results import Result, rate
from benchmarks.server_goals import G5_BOUNDS, MAIN_BATCH, main_batch

SIZE_BYTES = 10 * KIB


def _arms(bench: Bench, names_of: dict[str, tuple]) -> dict[str, partial[float]]:  # type: ignore[type-arg]
    """Arms that all read the same random objects: name → (function, further arguments)."""
    names = bench.dataset.names(SIZE_BYTES, MAIN_BATCH)
    total = SIZE_BYTES * MAIN_BATCH
    return {
        arm: partial(bench.client.call, function, bench.url, BUCKET, names, total, *further)
        for arm, (function, *further) in names_of.items()
    }


def _against(bench: Bench, goal: str, arms: dict[str, tuple], must: float, aim: float) -> list[Result]:  # type: ignore[type-arg]
    all_arms = _arms(bench, {"batch": (clients.our_batch,), **arms})
    samples = sampling.interleave(all_arms, bench.rounds)
    batch = rate(MAIN_BATCH, sampling.median(samples, "batch"), SIZE_BYTES)
    return [
        Result(
            goal,
            f"against {name}",
            sampling.ratio(samples, name, "batch"),
            must=must,
            aim=aim,
            absolute={"batch": batch, name: rate(MAIN_BATCH, sampling.median(samples, name), SIZE_BYTES)},
        )
        for name in arms
    ]


def g1(bench: Bench) -> list[Result]:
    arms = {
        "requests, redirected as usual": (clients.requests_sequential, False),
        "requests, not redirected": (clients.requests_sequential, True),
    }
    return _against(bench, "G1", arms, 50.0, 130.0)


def g2(bench: Bench) -> list[Result]:
    arms = {
        "aiohttp, 64 in flight, not redirected": (clients.aiohttp_parallel,),
        "urllib3, 64 threads, not redirected": (clients.urllib3_parallel,),
        "official SDK, 64 threads": (clients.official_parallel,),
    }
    return _against(bench, "G2", arms, 10.0, 20.0)


def g20(bench: Bench) -> list[Result]:
    return _against(bench, "G20", {"official SDK": (clients.official_batch,)}, 3.0, 6.0)


def sdk(bench: Bench) -> list[Result]:
    results = []
    for size_bytes in G5_BOUNDS:
        count = main_batch(bench, size_bytes)
        targets = bench.batch_targets(size_bytes, count, distinct=1)
        names = bench.dataset.names(size_bytes, count)
        arms = {
            "SDK": partial(bench.client.call, clients.our_batch, bench.url, BUCKET, names, size_bytes * count),
            "nginx": bench.fetch_arm([bench.nginx_copy(targets[0])]),
        }
        samples = sampling.interleave(arms, bench.rounds)
        absolute = {name: rate(count, sampling.median(samples, name), size_bytes) for name in arms}
        case = f"{label(size_bytes)}, batch {count:,}"
        results.append(Result("SDK", case, sampling.ratio(samples, "nginx", "SDK"), absolute=absolute))
    return results
