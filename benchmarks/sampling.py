"""Interleaved arms: every round runs each arm once, in turning order, so that a drifting machine hits all alike."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence

from benchmarks.rawclient import RawClient, Target

Samples = dict[str, list[float]]
_connections: dict[tuple[str, int], RawClient] = {}


def interleave(arms: Mapping[str, Callable[[], float]], rounds: int) -> Samples:
    """Each arm once as a warm-up, then `rounds` rounds; every arm returns seconds (or any other figure)."""
    for arm in arms.values():
        arm()
    samples: Samples = {name: [] for name in arms}
    order = list(arms)
    for _ in range(rounds):
        for name in order:
            samples[name].append(arms[name]())
        order.append(order.pop(0))
    return samples


def ratio(samples: Samples, upper: str, lower: str) -> float:
    """Median of the ratios of one round: what the machine does to both arms at a time cancels out."""
    return statistics.median(a / b for a, b in zip(samples[upper], samples[lower], strict=True))


def median(samples: Samples, name: str) -> float:
    return statistics.median(samples[name])


def line(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Least squares: (value at 0, increase per unit)."""
    slope, intercept = statistics.linear_regression([x for x, _ in points], [y for _, y in points])
    return intercept, slope


def percentile(values: Sequence[float], percent: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


# The rest runs in client processes.


def client_for(target: Target) -> RawClient:
    key = (target.host, target.port)
    client = _connections.get(key)
    if client is None or not client.is_open():
        client = _connections[key] = RawClient(*key)
    return client


def drop_connections() -> None:
    for client in _connections.values():
        client.close()
    _connections.clear()


def fetch_for(targets: Sequence[Target], duration_s: float) -> float:
    """Fetches the targets in turn for at least duration_s; returns mean seconds per answer."""
    client = client_for(targets[0])
    started_s = time.perf_counter()
    count = 0
    while True:
        client.fetch(targets[count % len(targets)])
        count += 1
        elapsed_s = time.perf_counter() - started_s
        if elapsed_s >= duration_s and count >= len(targets):
            return elapsed_s / count


def latencies(targets: Sequence[Target], count: int) -> list[float]:
    client = client_for(targets[0])
    return [client.fetch(targets[index % len(targets)]).total_s for index in range(count)]


def first_entry_s(targets: Sequence[Target], first_bytes: int) -> float:
    """Median seconds until the first entry's header and payload had arrived."""
    client = client_for(targets[0])
    return statistics.median(client.fetch(target, first_bytes).first_s for target in targets)


def body_of(target: Target) -> bytes:
    return client_for(target).fetch_body(target)
