"""Goals against the reference server, carried over through nginx (see reference.py): G21, G22, G23."""

from benchmarks import machine, reference, sampling
from benchmarks.bench import Bench
from benchmarks.dataset import KIB, MIB, label
from benchmarks.results import Result, rate
from benchmarks.server_goals import MAIN_BATCH, main_batch, nginx_rate
from benchmarks.workers import Worker

G21_BOUNDS = {KIB: (5.0, 8.0), 10 * KIB: (5.0, 8.0), 100 * KIB: (2.5, 3.5), MIB: (2.0, 2.5)}
CLIENT_COUNT = 4
CLIENT_BATCH = 128


def g21(bench: Bench) -> list[Result]:
    results = []
    for size_bytes, (must, aim) in G21_BOUNDS.items():
        count = main_batch(bench, size_bytes)
        samples = bench.compare_with_nginx(size_bytes, count)
        part = sampling.ratio(samples, "nginx", "moss")
        known = reference.PART_OF_NGINX[size_bytes]
        absolute = {name: rate(count, sampling.median(samples, name), size_bytes) for name in samples}
        absolute["of nginx"] = f"{part:.2f}, reference {known}"
        case = f"{label(size_bytes)}, batch {count:,}"
        results.append(Result("G21", case, part / known, must=must, aim=aim, absolute=absolute))
    return results


def g22(bench: Bench) -> list[Result]:
    factor = reference.speed_factor(nginx_rate(bench, 10 * KIB, MAIN_BATCH))
    kinds = {
        "indexed TAR members": (
            [bench.dataset.member_entries(MAIN_BATCH) for _ in range(4)],
            reference.INDEXED_MEMBERS_PER_S,
            (8.0, 12.0),
        ),
        "`.tgz` members": (
            [bench.dataset.tgz_entries(500) for _ in range(4)],
            reference.TGZ_MEMBERS_PER_S,
            (50.0, 500.0),
        ),
    }
    arms = {
        name: bench.fetch_arm(bench.targets(entries, 10 * KIB)) for name, (entries, _known, _bounds) in kinds.items()
    }
    samples = sampling.interleave(arms, bench.rounds)
    results = []
    for name, (entries, known, (must, aim)) in kinds.items():
        per_s = len(entries[0]) / sampling.median(samples, name)
        absolute = {"moss": f"{per_s:,.0f}/s", "reference, carried over": f"{known * factor:,.0f}/s"}
        results.append(Result("G22", name, per_s / (known * factor), must=must, aim=aim, absolute=absolute))
    return results


def g23(bench: Bench) -> list[Result]:
    factor = reference.speed_factor(nginx_rate(bench, 10 * KIB, CLIENT_BATCH))
    per_client = max(50, int(400 * bench.sample_s / 0.25))
    clients = [Worker(machine.client_cores()) for _ in range(CLIENT_COUNT)]
    try:
        values: list[float] = []
        for repeat in range(2):
            for client in clients:
                targets = bench.batch_targets(10 * KIB, CLIENT_BATCH, distinct=16)
                client.start(sampling.latencies, targets, per_client if repeat else 5)
            answers = [client.result() for client in clients]
            values = [value for answer in answers for value in answer]
    finally:
        for client in clients:
            client.close()
    p50, p99 = sampling.percentile(values, 50), sampling.percentile(values, 99)
    results = []
    for name, value, known in (
        ("P50", p50, reference.FOUR_CLIENTS_P50_S),
        ("P99", p99, reference.FOUR_CLIENTS_P99_S),
    ):
        absolute = {
            "moss": f"{value * 1e3:.2f} ms",
            "reference, carried over": f"{known / factor * 1e3:.1f} ms",
        }
        results.append(Result("G23", name, value / (known / factor), "×", 1 / 3, 1 / 6, "less", absolute))
    results.append(Result("G23", "P99 against P50", p99 / p50, "×", better="less"))
    return results
