"""Counters of the targets as rates, averages and sums. Pure, but for the questions. Source: spec/cli.md 5.9.

A target counts from its start on; what happens now is the difference of two looks.
"""

import re
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from moss.cli.cluster.calls import ask_cluster, ask_node
from moss.cli.failures import CommandError
from moss.cli.formats import UNSET, format_count, format_elapsed, format_size
from moss.cli.transport import Transport

TOTAL = "--- Cluster:"
SAMPLING_S = 1.0
"""Time between two looks when nothing else says how long."""
_COUNT, _SIZE, _BANDWIDTH, _LATENCY, _LATENCY_TOTAL = ".n", ".size", ".bps", ".ns", ".ns.total"
_ERROR = "err."
_STREAM = "stream."


class Sample(NamedTuple):
    """One look at all targets: when, in seconds of a monotonic clock, and what by target and name."""

    at_s: float
    targets: Mapping[str, Mapping[str, int]]


class Column(NamedTuple):
    """A column: its header, and the text for two looks at a target (or at the sum of all)."""

    header: str
    number: Callable[[Mapping[str, int], Mapping[str, int], float], float]
    write: Callable[[float, str], str]
    has_sum: bool = True


def look(transport: Transport) -> Sample:
    """Ask all targets for their counters."""
    stats = ask_cluster(transport, "node_stats")
    targets = stats.get("target") or {}
    at_s = time.monotonic()
    return Sample(at_s, {node: (one or {}).get("tracker") or {} for node, one in sorted(targets.items())})


def metric_kinds(transport: Transport, sample: Sample) -> dict[str, str]:
    """Names of all metrics of a target with their kinds.

    Raises:
        CommandError: there is no target.
    """
    if not sample.targets:
        raise CommandError("the cluster has no targets")
    return ask_node(transport, next(iter(sample.targets)), "metrics")


def _title(name: str, suffix: str, unit: str) -> str:
    return f"{name.removesuffix(suffix).upper().replace('.', '-')}({unit})"


def _now(key: str) -> Callable[[Mapping[str, int], Mapping[str, int], float], float]:
    return lambda _before, after, _seconds: float(after.get(key, 0))


def _count_text(value: float, _units: str) -> str:
    return format_count(int(value)) if value else UNSET


def _size_text(value: float, units: str) -> str:
    return format_size(int(value), units) if value else UNSET


def _rate_text(value: float, units: str) -> str:
    return f"{format_size(int(value), units)}/s" if value else UNSET


def _time_text(value: float, _units: str) -> str:
    """A mean: its digits below a microsecond, or below a thousandth of it, are noise."""
    return format_elapsed(round(value, -3 if value >= 1e6 else -1) / 1e9) if value else UNSET


def counter_columns(names: Iterable[str], *, with_averages: bool = False) -> list[Column]:
    """`GET(n)`, `GET(size)`; errors last. With averages `GET(total/avg size)` takes the place of sizes."""
    names = sorted(names, key=lambda name: (name.startswith(_ERROR), name))
    known = set(names)
    columns = []
    for name in names:
        if name.endswith(_COUNT):
            columns.append(Column(_title(name, _COUNT, "n"), _now(name), _count_text))
        elif name.endswith(_SIZE) and with_averages and name.removesuffix(_SIZE) + _COUNT in known:
            columns += _average(name)
        elif name.endswith(_SIZE):
            columns.append(Column(_title(name, _SIZE, "size"), _now(name), _size_text))
    return columns


def _average(name: str) -> list[Column]:
    count = name.removesuffix(_SIZE) + _COUNT

    def mean(_before: Mapping[str, int], after: Mapping[str, int], _seconds: float) -> float:
        return after.get(name, 0) / after[count] if after.get(count) else 0.0

    return [
        Column(_title(name, _SIZE, "size"), _now(name), _size_text),
        Column(_title(name, _SIZE, "avg size"), mean, _size_text),
    ]


def throughput_columns(names: Iterable[str]) -> list[Column]:
    """`GET(bw)`: bytes a second, from sizes, or from sums of bandwidths where there are no sizes."""
    names = sorted(names)
    sized = {name.removesuffix(_SIZE) for name in names if name.endswith(_SIZE)}
    columns = []
    for name in names:
        base = name.removesuffix(_BANDWIDTH)
        if name.endswith(_SIZE):
            columns.append(Column(_title(name, _SIZE, "bw"), _rate(name), _rate_text))
        elif name.endswith(_BANDWIDTH) and base not in sized and not name.startswith("disk."):
            columns.append(Column(_title(name, _BANDWIDTH, "bw"), _rate(name), _rate_text))
    return columns


def _rate(name: str) -> Callable[[Mapping[str, int], Mapping[str, int], float], float]:
    def of(before: Mapping[str, int], after: Mapping[str, int], seconds: float) -> float:
        # Counters that were set to zero in between count from there.
        grown = after.get(name, 0) - before.get(name, 0)
        return max(grown, 0) / seconds if seconds > 0 else 0.0

    return of


def latency_columns(names: Iterable[str]) -> list[Column]:
    """`GET(t)`: average duration of an operation."""
    columns = []
    for name in sorted({name.removesuffix(".total") for name in names if name.endswith((_LATENCY, _LATENCY_TOTAL))}):
        columns.append(Column(_title(name, _LATENCY, "t"), _mean_time(name), _time_text, has_sum=False))
    return columns


def _mean_time(name: str) -> Callable[[Mapping[str, int], Mapping[str, int], float], float]:
    total, count = name + ".total", name.removesuffix(_LATENCY) + _COUNT

    def of(before: Mapping[str, int], after: Mapping[str, int], _seconds: float) -> float:
        done = after.get(count, 0) - before.get(count, 0)
        return (after.get(total, 0) - before.get(total, 0)) / done if done > 0 else 0.0

    return of


def stream_names(names: Iterable[str]) -> list[str]:
    """Metrics of what targets send to each other."""
    return [name for name in names if name.startswith(_STREAM)]


def rows(
    columns: Iterable[Column],
    before: Sample,
    after: Sample,
    *,
    units: str = "iec",
    pattern: re.Pattern[str] | None = None,
    with_zeros: bool = False,
    only: str = "",
) -> list[list[str]]:
    """`TARGET` and those columns that are not zero everywhere; a row for each target, and their sum.

    Args:
        pattern: only columns whose headers match.
        only: id of the one target to show.

    Returns:
        The header first; the header alone when there is nothing but zeros.
    """
    seconds = after.at_s - before.at_s
    targets = [node for node in after.targets if only in ("", node)]
    table = [["TARGET", *(f"t[{node}]" for node in targets)]]
    if len(targets) > 1:
        table[0].append(TOTAL)
    for column in columns:
        if pattern is not None and not pattern.search(column.header):
            continue
        values = [column.number(before.targets.get(node, {}), after.targets[node], seconds) for node in targets]
        if not any(values) and not with_zeros:
            continue
        texts = [column.write(value, units) for value in values]
        if len(targets) > 1:
            texts.append(column.write(sum(values), units) if column.has_sum else "")
        table.append([column.header, *texts])
    if len(table) == 1 and not with_zeros:
        return [["TARGET"]]
    return [list(row) for row in zip(*table, strict=True)]


def figures(before: Sample, after: Sample) -> dict[str, Any]:
    """Exact values for programs: counters of all targets, and how they grew since the look before."""
    return {
        "interval_s": round(after.at_s - before.at_s, 3),
        "targets": {
            node: {
                "total": dict(tracker),
                "change": {
                    name: value - before.targets.get(node, {}).get(name, 0) for name, value in sorted(tracker.items())
                },
            }
            for node, tracker in after.targets.items()
        },
    }
