"""The block `Performance and Health` of `ais show dashboard`. Source: spec/cli.md 5.9."""

from collections.abc import Sequence

from moss.cli.cluster.disks import disks_of
from moss.cli.cluster.performance import Sample
from moss.cli.cluster.status import NodeStatus
from moss.cli.formats import format_count, format_size

_READS, _WRITES, _BATCHES = "get.size", "put.size", "getbatch.obj.size"
_SENT, _RECEIVED = "stream.out.size", "stream.in.size"


def health(
    statuses: Sequence[NodeStatus], before: Sample, after: Sample, jobs: Sequence[str], units: str
) -> list[tuple[str, str]]:
    """Names and values, from two looks at the counters.

    Args:
        jobs: what runs, as `kind[id]`.
    """
    targets = [status for status in statuses if status.node.daemon_type == "target"]
    disks = [figures for tracker in after.targets.values() for figures in disks_of(tracker).values()]
    utils = [figures.get("util", 0) for figures in disks]
    mountpaths = [one for status in targets for one in status.part("capacity", "mountpaths").values()]
    systems = sorted({str((one.get("fs") or {}).get("FsType") or "") for one in mountpaths} - {""})
    shares = [int(status.part("capacity", "pct_avg") or 0) for status in targets]
    return [
        ("State", _state(statuses)),
        ("Throughput", _throughput(before, after, units)),
        ("I/O Errors", _io_errors(after)),
        ("Load Avg", _load(statuses)),
        ("Disk Usage", f"avg {sum(utils) // len(utils)}%, max {max(utils)}%" if utils else "n/a"),
        ("Network", _network(before, after, units)),
        ("Storage", f"{len(mountpaths)} mountpath(s), used {_spread(shares)}"),
        ("Filesystems", ", ".join(systems) or "n/a"),
        ("Running Jobs", ", ".join(jobs) or "none"),
    ]


def _state(statuses: Sequence[NodeStatus]) -> str:
    alerts = sorted({alert for status in statuses for alert in status.alerts})
    away = sorted({status.state for status in statuses} - {"online"})
    return ", ".join([*away, *alerts]) or "operational"


def _rate(before: Sample, after: Sample, *names: str) -> int:
    """Growth a second of the sums of counters, over all targets."""
    seconds = after.at_s - before.at_s
    grown = sum(
        max(tracker.get(name, 0) - before.targets.get(node, {}).get(name, 0), 0)
        for node, tracker in after.targets.items()
        for name in names
    )
    return int(grown / seconds) if seconds > 0 else 0


def _throughput(before: Sample, after: Sample, units: str) -> str:
    read, written = _rate(before, after, _READS, _BATCHES), _rate(before, after, _WRITES)
    return f"read {format_size(read, units)}/s, write {format_size(written, units)}/s"


def _network(before: Sample, after: Sample, units: str) -> str:
    sent, received = _rate(before, after, _SENT), _rate(before, after, _RECEIVED)
    return f"sent {format_size(sent, units)}/s, received {format_size(received, units)}/s between targets"


def _io_errors(after: Sample) -> str:
    count = sum(
        value
        for tracker in after.targets.values()
        for name, value in tracker.items()
        if name.startswith("err.io") or (name.startswith("err.") and name.endswith(".io.n"))
    )
    return format_count(count)


def _load(statuses: Sequence[NodeStatus]) -> str:
    loads = [float(load.get("One") or 0) for status in statuses if (load := status.part("sys_info", "load_avg"))]
    return f"avg {sum(loads) / len(loads):.1f}, min {min(loads):.1f}, max {max(loads):.1f}" if loads else "n/a"


def _spread(values: Sequence[int]) -> str:
    if not values:
        return "n/a"
    return f"{values[0]}%" if len(set(values)) == 1 else f"{min(values)}% to {max(values)}%"
