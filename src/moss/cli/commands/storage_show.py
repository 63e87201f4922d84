"""`ais show storage`: how full the targets are, their mountpaths, what their disks do. Source: spec/cli.md 5.9."""

from typing import Any

from moss.cli.arguments import parse_pattern
from moss.cli.candidates import nodes
from moss.cli.cluster.calls import ask_cluster
from moss.cli.cluster.disks import capacity_rows, disk_rows, disks_matching, disks_of, mountpath_rows
from moss.cli.cluster.map import chosen_target
from moss.cli.cluster.performance import Sample
from moss.cli.context import Context
from moss.cli.flags import JSON, NO_HEADERS, REFRESHING, REGEX, UNITS
from moss.cli.options import Command, Option
from moss.cli.refresh import repeat


def _stats(context: Context) -> dict[str, Any]:
    """`node_stats` of the targets that were asked for, by id."""
    target = chosen_target(context)
    found = ask_cluster(context.transport, "node_stats").get("target") or {}
    return {node: stats for node, stats in found.items() if target in ("", node)}


def _capacity(context: Context) -> None:
    def picture() -> None:
        stats = _stats(context)
        shown = (
            _mountpath_rows(context, stats) if context.parsed.flag("mountpath") else capacity_rows(stats, context.units)
        )
        context.show(shown, lambda: {node: one.get("capacity") for node, one in stats.items()})

    repeat(context, picture)


def _mountpath_rows(context: Context, stats: dict[str, Any]) -> list[list[str]]:
    lists = ask_cluster(context.transport, "mountpaths").get("targets") or {}
    return mountpath_rows(stats, context.units, {node: one for node, one in lists.items() if node in stats})


def _mountpaths(context: Context) -> None:
    def picture() -> None:
        stats = _stats(context)
        lists = ask_cluster(context.transport, "mountpaths").get("targets") or {}
        context.show(_mountpath_rows(context, stats), {node: one for node, one in lists.items() if node in stats})

    repeat(context, picture)


def _disks(context: Context) -> None:
    pattern = parse_pattern(context.parsed.text("regex") or "")

    def picture() -> None:
        stats = _stats(context)
        trackers = {node: one.get("tracker") or {} for node, one in stats.items()}
        sample = Sample(0.0, {node: disks_matching(tracker, pattern) for node, tracker in trackers.items()})
        shown = disk_rows(stats, sample, context.units, with_capacity=True, summarize=context.parsed.flag("summary"))
        if len(shown) == 1 and not context.wants_json:
            context.console.result("The targets report no disks of their own (see 'ais show storage mountpath').")
            return
        context.show(shown, {node: disks_of(tracker) for node, tracker in sample.targets.items()})

    repeat(context, picture)


_OPTIONS = (*REFRESHING, UNITS, JSON, NO_HEADERS)

CAPACITY = Command(
    usage="[TARGET_ID]",
    summary="show how full the targets are",
    run=_capacity,
    complete=nodes,
    options=(*_OPTIONS, Option("mountpath", "show each mountpath")),
    examples=("ais show storage capacity", "ais performance capacity --mountpath"),
)

MOUNTPATHS = Command(
    usage="[TARGET_ID]",
    summary="show the mountpaths of the targets",
    run=_mountpaths,
    complete=nodes,
    options=_OPTIONS,
    examples=("ais show storage mountpath",),
)

DISKS = Command(
    usage="[TARGET_ID]",
    summary="show what the disks of the targets are doing",
    run=_disks,
    complete=nodes,
    options=(
        *_OPTIONS,
        REGEX._replace(help="only disks whose names match"),
        Option("summary", "one line for each target"),
    ),
    examples=("ais show storage disk --refresh 5", "ais show storage disk --summary"),
)
