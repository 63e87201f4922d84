"""`ais performance` with its tables: counters, throughput, latency, streams, capacity, disks.

Source: spec/cli.md 5.9.
"""

import re
import time
from collections.abc import Callable

from moss.cli.arguments import parse_pattern
from moss.cli.candidates import nodes
from moss.cli.cluster.calls import call
from moss.cli.cluster.map import chosen_target
from moss.cli.cluster.performance import (
    SAMPLING_S,
    Column,
    Sample,
    counter_columns,
    figures,
    latency_columns,
    look,
    metric_kinds,
    rows,
    stream_names,
    throughput_columns,
)
from moss.cli.cluster.status import version_warning
from moss.cli.context import Context
from moss.cli.flags import JSON, NO_HEADERS, QUIET, REFRESHING, REGEX, UNITS, VERBOSE
from moss.cli.options import Command, Option
from moss.cli.refresh import LONG_DASHES, repeat
from moss.cli.tables import table

Choose = Callable[[Context, list[str]], list[Column]]

_TITLES = {"counters": "Counters, since the start", "throughput": "Throughput", "latency": "Latency"}


def _counters(context: Context, names: list[str]) -> list[Column]:
    return counter_columns(names, with_averages=context.parsed.flag("average-size"))


def _throughput(_context: Context, names: list[str]) -> list[Column]:
    return throughput_columns(names)


def _latency(_context: Context, names: list[str]) -> list[Column]:
    return latency_columns(names)


def _streams(context: Context, names: list[str]) -> list[Column]:
    streams = stream_names(names)
    return [*_counters(context, streams), *throughput_columns(streams)]


_ALL: dict[str, Choose] = {"counters": _counters, "throughput": _throughput, "latency": _latency}


def _shower(which: dict[str, Choose], *, needs_two_looks: bool) -> Callable[[Context], None]:
    """What shows these tables: the first picture of rates waits for a second look, later ones compare with it."""

    def run(context: Context) -> None:
        target = chosen_target(context)
        text = context.parsed.text("regex")
        pattern = None if text is None else parse_pattern(text, ignore_case=True)
        if not context.parsed.flag("non-verbose"):
            _check_release(context)
        before = look(context.transport)
        kinds = metric_kinds(context.transport, before)
        if needs_two_looks:
            time.sleep(SAMPLING_S)

        def picture() -> None:
            nonlocal before
            after = look(context.transport)
            _print(context, which, kinds, before, after, pattern, target)
            before = after

        repeat(context, picture, dashes=LONG_DASHES)

    return run


def _check_release(context: Context) -> None:
    version = call(context.transport, "GET", "daemon", query={"what": "software_version"})
    if text := version_warning([version.decode("utf-8", "replace")]):
        context.console.warn(text)


def _print(
    context: Context,
    which: dict[str, Choose],
    kinds: dict[str, str],
    before: Sample,
    after: Sample,
    pattern: re.Pattern[str] | None,
    target: str,
) -> None:
    if context.wants_json:
        context.console.document(figures(before, after))
        return
    names = sorted({name for tracker in after.targets.values() for name in tracker} | kinds.keys())
    parts = []
    for title, choose in which.items():
        found = rows(
            choose(context, names),
            before,
            after,
            units=context.units,
            pattern=pattern,
            with_zeros=context.parsed.flag("verbose"),
            only=target,
        )
        if len(found[0]) == 1:
            continue
        text = table(found[1:] if context.parsed.flag("no-headers") else found)
        parts.append(f"{_TITLES[title]}:\n{text}" if len(which) > 1 else text)
    context.console.result("\n".join(parts).rstrip("\n") or _nothing(context))


def _nothing(context: Context) -> str:
    if context.parsed.given("regex"):
        return f"No metrics match '{context.parsed.text('regex')}' (or all are zero, see '--verbose')."
    return "Nothing to show: all values are zero (use '--verbose' to show them)."


_OPTIONS = (*REFRESHING, REGEX, UNITS, JSON, NO_HEADERS, VERBOSE._replace(help="show zeros too"), QUIET)
_AVERAGES = Option("average-size", "show average sizes beside total ones")


def _command(summary: str, which: dict[str, Choose], example: str, *, looks: int, sizes: bool = False) -> Command:
    return Command(
        usage="[TARGET_ID]",
        summary=summary,
        run=_shower(which, needs_two_looks=looks > 1),
        complete=nodes,
        options=(*_OPTIONS, *([_AVERAGES] if sizes else [])),
        examples=(example,),
    )


ALL = _command(
    "show counters, throughput and latency of the targets",
    _ALL,
    "ais performance --refresh 5 --regex GET",
    looks=2,
    sizes=True,
)
COUNTERS = _command(
    "show what the targets have counted since their start",
    {"counters": _counters},
    "ais performance counters --average-size",
    looks=1,
    sizes=True,
)
THROUGHPUT = _command(
    "show how many bytes a second the targets read and write",
    {"throughput": _throughput},
    "ais performance throughput --refresh 10",
    looks=2,
)
LATENCY = _command(
    "show how long operations of the targets take",
    {"latency": _latency},
    "ais performance latency --refresh 10 --count 3",
    looks=2,
)
STREAMS = _command(
    "show what the targets send to each other",
    {"counters": _streams},
    "ais performance intra-data",
    looks=2,
    sizes=True,
)
