"""Mountpaths and disks of the targets: capacity, utilisation. Pure. Source: spec/cli.md 5.9."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from moss.cli.cluster.performance import Sample
from moss.cli.formats import UNSET, format_size

_DISK = re.compile(r"disk\.(.+)\.(read\.bps|avg\.rsize|write\.bps|avg\.wsize|util)")
Stats = Mapping[str, Mapping[str, Any]]
"""`node_stats` of each target by its id."""


def _mountpaths(stats: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    capacity = stats.get("capacity") or {}
    yield from sorted((capacity.get("mountpaths") or {}).items())


def capacity_rows(targets: Stats, units: str) -> list[list[str]]:
    """`TARGET MOUNTPATHS USED(min%, avg%, max%) CAP AVAIL Disks & File System CAP STATUS`."""
    rows = [["TARGET", "MOUNTPATHS", "USED(min%, avg%, max%)", "CAP AVAIL", "Disks & File System", "CAP STATUS"]]
    for node, stats in sorted(targets.items()):
        capacity = stats.get("capacity") or {}
        shares = ", ".join(f"{capacity.get(key) or 0}%" for key in ("pct_min", "pct_avg", "pct_max"))
        mountpaths = [path for path, _ in _mountpaths(stats)]
        systems = [_file_system(one) for _, one in _mountpaths(stats)]
        rows.append(
            [
                f"t[{node}]",
                str(len(mountpaths)),
                f"[{shares}]",
                format_size(int(capacity.get("total_avail") or 0), units),
                ", ".join(dict.fromkeys(filter(None, systems))) or UNSET,
                str(capacity.get("cs_err") or "good"),
            ]
        )
    return rows


def _file_system(mountpath: Mapping[str, Any]) -> str:
    """`sda (ext4)`."""
    system = mountpath.get("fs") or {}
    disks = " ".join(mountpath.get("disks") or ()) or str(system.get("Fs") or "")
    kind = str(system.get("FsType") or "")
    return f"{disks}({kind})" if disks and kind else disks or kind


def mountpath_rows(targets: Stats, units: str, lists: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    """`TARGET MOUNTPATH STATE USED(%) CAP USED CAP AVAIL DISKS`.

    Args:
        lists: which mountpaths of each target are available, waiting to be disabled, disabled.
    """
    rows = [["TARGET", "MOUNTPATH", "STATE", "USED(%)", "CAP USED", "CAP AVAIL", "DISKS"]]
    for node in sorted(lists):
        figures = dict(_mountpaths(targets.get(node) or {}))
        for key, state in (("available", "available"), ("waiting_dd", "being disabled"), ("disabled", "disabled")):
            for path in sorted(lists[node].get(key) or ()):
                one = figures.get(path)
                cells = [UNSET] * 4
                if one is not None:
                    sizes = [format_size(int(one.get(name) or 0), units) for name in ("used", "avail")]
                    cells = [f"{one.get('pct_used') or 0}%", *sizes, _file_system(one) or UNSET]
                rows.append([f"t[{node}]", path, state, *cells])
    return rows


def disk_rows(
    targets: Stats, sample: Sample, units: str, *, with_capacity: bool = False, summarize: bool = False
) -> list[list[str]]:
    """`TARGET DISK READ READ(avg size) WRITE WRITE(avg size) UTIL(%)`, with the capacity of the disk's mountpath.

    Args:
        summarize: one row for each target: sums of rates, averages of sizes and utilisation.
    """
    extra = ["CAP USED(%)", "CAP AVAIL"] if with_capacity and not summarize else []
    rows = [["TARGET", "DISK", "READ", "READ(avg size)", "WRITE", "WRITE(avg size)", "UTIL(%)", *extra]]
    for node, tracker in sorted(sample.targets.items()):
        disks = disks_of(tracker)
        if summarize and disks:
            disks = {f"{len(disks)} disk(s)": _summed(list(disks.values()))}
        for disk, figures in sorted(disks.items()):
            capacity = _capacity_of(targets.get(node) or {}, disk, units) if extra else []
            rows.append([f"t[{node}]", disk, *_rates(figures, units), f"{figures.get('util', 0)}%", *capacity])
    return rows


def _summed(disks: Sequence[Mapping[str, int]]) -> dict[str, int]:
    sums = {key: sum(one.get(key, 0) for one in disks) for key in ("read.bps", "write.bps")}
    return sums | {
        key: sum(one.get(key, 0) for one in disks) // len(disks) for key in ("avg.rsize", "avg.wsize", "util")
    }


def _rates(figures: Mapping[str, int], units: str) -> list[str]:
    cells = []
    for key, suffix in (("read.bps", "/s"), ("avg.rsize", ""), ("write.bps", "/s"), ("avg.wsize", "")):
        cells.append(format_size(figures[key], units) + suffix if figures.get(key) else UNSET)
    return cells


def disks_matching(tracker: Mapping[str, int], pattern: re.Pattern[str]) -> dict[str, int]:
    """The counters of those disks only whose names match."""
    matches = ((_DISK.fullmatch(name), name) for name in tracker)
    return {name: tracker[name] for match, name in matches if match and pattern.search(match[1])}


def disks_of(tracker: Mapping[str, int]) -> dict[str, dict[str, int]]:
    """Figures of each disk, by its name: `read.bps`, `avg.rsize`, `write.bps`, `avg.wsize`, `util`."""
    disks: dict[str, dict[str, int]] = {}
    for name, value in tracker.items():
        if match := _DISK.fullmatch(name):
            disks.setdefault(match[1], {})[match[2]] = value
    return disks


def _capacity_of(stats: Mapping[str, Any], disk: str, units: str) -> list[str]:
    for _, mountpath in _mountpaths(stats):
        if disk in (mountpath.get("disks") or ()):
            return [f"{mountpath.get('pct_used') or 0}%", format_size(int(mountpath.get("avail") or 0), units)]
    return [UNSET, UNSET]
