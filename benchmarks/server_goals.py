"""Goals of the server itself, measured with the discarding raw client: G5, G6, G8, G10, G14, G16."""

import statistics
from functools import partial

from benchmarks import rawclient, sampling
from benchmarks.bench import Bench
from benchmarks.dataset import KIB, MIB, label
from benchmarks.results import Result, rate

G5_BOUNDS = {KIB: (0.15, 0.4), 10 * KIB: (0.45, 1.0), 100 * KIB: (0.8, 1.0), MIB: (0.9, 1.0)}
G6_BOUNDS = {10 * KIB: (30.0, 65.0), 100 * KIB: (60.0, 80.0), MIB: (65.0, 90.0)}
MAIN_BATCH = 1000
TTFB_BATCHES = (100, 10_000)


def main_batch(bench: Bench, size_bytes: int) -> int:
    """The batch that carries a size's goal: 1,000 entries, or as many as stay below the bytes of one batch."""
    return max(count for count in bench.batches if count <= MAIN_BATCH and bench.fits(size_bytes, count))


def g5(bench: Bench) -> list[Result]:
    results = []
    for size_bytes, (must, aim) in G5_BOUNDS.items():
        main = main_batch(bench, size_bytes)
        for count in (count for count in bench.batches if bench.fits(size_bytes, count)):
            samples = bench.compare_with_nginx(size_bytes, count)
            bounds = {"must": must, "aim": aim} if count == main else {}
            absolute = {name: rate(count, sampling.median(samples, name), size_bytes) for name in samples}
            case = f"{label(size_bytes)}, batch {count:,}"
            results.append(Result("G5", case, sampling.ratio(samples, "nginx", "moss"), absolute=absolute, **bounds))
    return results


def g6(bench: Bench) -> list[Result]:
    results = []
    for size_bytes, (must, aim) in G6_BOUNDS.items():
        count = main_batch(bench, size_bytes)
        targets = bench.batch_targets(size_bytes, count)
        body_bytes = len(bench.client.call(sampling.body_of, targets[0]))
        tcp_bytes = max(body_bytes, 64 * MIB)
        tcp = partial(bench.client.call, rawclient.receive_all, "127.0.0.1", bench.sender_port, tcp_bytes)
        arms = {"moss": bench.fetch_arm(targets), "tcp": lambda tcp=tcp, n=tcp_bytes, m=body_bytes: tcp() * m / n}
        samples = sampling.interleave(arms, bench.rounds)
        absolute = {name: f"{body_bytes / sampling.median(samples, name) / 1e9:.2f} GB/s" for name in arms}
        value = 100 * sampling.ratio(samples, "tcp", "moss")
        results.append(Result("G6", f"{label(size_bytes)}, batch {count:,}", value, "%", must, aim, absolute=absolute))
    return results


def g8(bench: Bench) -> list[Result]:
    counts = (1, 32, 128, 512, 1000)
    arms = {str(count): bench.fetch_arm(bench.batch_targets(10 * KIB, count)) for count in counts}
    samples = sampling.interleave(arms, bench.rounds)
    medians = {count: sampling.median(samples, str(count)) for count in counts}
    fixed_s, marginal_s = sampling.line(list(medians.items()))
    fixed_ms = max(fixed_s, 0.0) * 1e3
    absolute = {f"batch {count:,}": f"{seconds * 1e3:.3f} ms" for count, seconds in medians.items()}
    return [
        Result("G8", "fixed, least squares", fixed_ms, "ms", 0.3, 0.1, "less", absolute),
        Result("G8", "whole batch of one entry", medians[1] * 1e3, "ms", better="less"),
        Result("G8", "one more entry", marginal_s * 1e6, "µs", 8.0, 3.0, "less"),
    ]


def g10(bench: Bench) -> list[Result]:
    entries = [bench.dataset.member_entries(MAIN_BATCH) for _ in range(4)]
    arms = {
        "members": bench.fetch_arm(bench.targets(entries, 10 * KIB)),
        "objects": bench.fetch_arm(bench.batch_targets(10 * KIB, MAIN_BATCH)),
    }
    samples = sampling.interleave(arms, bench.rounds)
    absolute = {name: rate(MAIN_BATCH, sampling.median(samples, name), 10 * KIB) for name in arms}
    value = sampling.ratio(samples, "objects", "members")
    return [Result("G10", "batch 1,000", value, must=0.8, aim=0.95, absolute=absolute)]


def g14(bench: Bench) -> list[Result]:
    wanted = 512 + 10 * KIB
    results = []
    for mode, continue_on_error in (("errors as placeholders", True), ("strict", False)):
        arms = {}
        for count in TTFB_BATCHES:
            targets = bench.batch_targets(10 * KIB, count, distinct=8, continue_on_error=continue_on_error)
            arms[str(count)] = partial(bench.client.call, sampling.first_entry_s, targets, wanted)
        samples = sampling.interleave(arms, bench.rounds)
        small, large = (str(count) for count in TTFB_BATCHES)
        absolute = {f"batch {int(name):,}": f"{sampling.median(samples, name) * 1e3:.2f} ms" for name in arms}
        ratio = sampling.ratio(samples, large, small)
        large_ms = sampling.median(samples, large) * 1e3
        results += [
            Result("G14", f"{mode}, against a batch of 100", ratio, "×", 2.0, 1.2, "less", absolute),
            Result("G14", f"{mode}, absolute", large_ms, "ms", 5.0, 1.0, "less"),
        ]
    return results


def g16(bench: Bench) -> list[Result]:
    bench.set_config("get_batch.max_soft_errs=100000")
    whole = [bench.dataset.entries(10 * KIB, MAIN_BATCH) for _ in range(4)]
    holes = [
        [{"objname": f"missing/{index}"} if index % 10 == 3 else entry for index, entry in enumerate(entries)]
        for entries in whole
    ]
    arms = {
        "none missing": bench.fetch_arm(bench.targets(whole, 10 * KIB)),
        "10 % missing": bench.fetch_arm(bench.targets(holes, 9 * KIB)),
    }
    samples = sampling.interleave(arms, bench.rounds)
    bench.set_config("get_batch.max_soft_errs=0&get_batch.max_gfn=0")
    absolute = {name: f"{sampling.median(samples, name) * 1e3:.2f} ms" for name in arms}
    slower = 100 * (sampling.ratio(samples, "10 % missing", "none missing") - 1)
    return [Result("G16", "time of a batch of 1,000, 10 KiB", slower, "% slower", 15.0, 3.0, "less", absolute)]


def nginx_rate(bench: Bench, size_bytes: int, count: int) -> float:
    """Entries/s of nginx sending a batch of this shape as a file."""
    copy = bench.nginx_copy(bench.batch_targets(size_bytes, count, distinct=1)[0])
    arm = bench.fetch_arm([copy])
    arm()
    return count / statistics.median(arm() for _ in range(bench.rounds))
