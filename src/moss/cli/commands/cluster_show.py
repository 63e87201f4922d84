"""`ais show cluster` with `smap`, `bmd`, `cpu` and `memory` below it, and `show dashboard`. Source: spec/cli.md 5.9."""

import time
from collections.abc import Sequence
from typing import Any

from moss.cli.candidates import any_of, nodes, one_of
from moss.cli.cluster.calls import ask_cluster, ask_node
from moss.cli.cluster.dashboard import health
from moss.cli.cluster.map import fetch_map, find_node, node_name
from moss.cli.cluster.maps import bucket_table_text, map_text
from moss.cli.cluster.performance import SAMPLING_S, look
from moss.cli.cluster.status import (
    NodeStatus,
    block,
    fetch_statuses,
    load_average,
    percent,
    status_rows,
    summary,
    version_warning,
)
from moss.cli.context import Context
from moss.cli.failures import CommandError, UsageError
from moss.cli.flags import JSON, NO_HEADERS, REFRESHING, UNITS, VERBOSE
from moss.cli.formats import UNSET, format_size
from moss.cli.options import Command
from moss.cli.output import has_color
from moss.cli.refresh import repeat
from moss.cli.tables import property_table, table
from moss.wire.cluster import ClusterMap, NodeInfo, decode_cluster_map

_ROLES = ("proxy", "target")


def _show(context: Context) -> None:
    is_first = True

    def picture() -> None:
        nonlocal is_first
        _cluster(context, warn=is_first)
        is_first = False

    repeat(context, picture)


def _cluster(context: Context, *, warn: bool) -> None:
    known = fetch_map(context.transport)
    kinds, only = _selection(context, known)
    chosen = [only] if only else [*known.pmap.values(), *known.tmap.values()]
    statuses = fetch_statuses(context.transport, chosen)
    if warn and (text := version_warning(str(one.document.get("ais_version") or "") for one in statuses)):
        context.console.warn(text)
    if context.wants_json:
        context.console.document(_document(known, statuses, kinds))
        return
    parts = [_table(context, known, statuses, kind) for kind in kinds]
    if context.parsed.flag("verbose") and only:
        parts.append(property_table(_details(statuses[0])))
    elif not only and len(kinds) == len(_ROLES):
        config = ask_cluster(context.transport, "cluster_config")
        parts.append(block("Cluster", summary(known, statuses, config, context.transport.url, context.units)))
    context.console.result("\n".join(parts).rstrip("\n"))


def _selection(context: Context, known: ClusterMap) -> tuple[Sequence[str], NodeInfo | None]:
    """The kinds of nodes to show, and the node when it is only one.

    Raises:
        UsageError: neither a node nor a kind of nodes.
    """
    words = context.parsed.positionals
    if len(words) > 1:
        raise UsageError(f'unexpected argument "{words[1]}"')
    if not words:
        return _ROLES, None
    if words[0] in _ROLES:
        return (words[0],), None
    try:
        node = find_node(known, words[0])
    except CommandError:
        expected = 'expecting a valid NODE_ID or node type ("proxy" or "target")'
        raise UsageError(f'{expected}, got "{words[0]}"') from None
    return ("target" if node.daemon_id in known.tmap else "proxy",), node


def _table(context: Context, known: ClusterMap, statuses: Sequence[NodeStatus], kind: str) -> str:
    ids = known.tmap if kind == "target" else known.pmap
    chosen = [one for one in statuses if one.node.daemon_id in ids]
    color = has_color(context.console.stdout, context.environ)
    rows = status_rows(known, chosen, kind, context.units, color=color)
    return table(rows[1:] if context.parsed.flag("no-headers") else rows)


def _document(known: ClusterMap, statuses: Sequence[NodeStatus], kinds: Sequence[str]) -> dict[str, Any]:
    document: dict[str, Any] = {
        "uuid": known.uuid,
        "smap_version": known.version,
        "primary": known.primary.daemon_id,
    }
    for kind in kinds:
        ids = known.tmap if kind == "target" else known.pmap
        document["targets" if kind == "target" else "proxies"] = [
            {"id": one.node.daemon_id, "state": one.state, "alerts": one.alerts, **one.document}
            for one in statuses
            if one.node.daemon_id in ids
        ]
    return document


def _details(status: NodeStatus) -> list[tuple[str, str]]:
    from moss.cli.cluster.config import flat, shown

    return [(key, shown(key, value)) for key, value in flat(status.document).items()]


# -- maps -------------------------------------------------------------------------------------------


def _asked(context: Context, what: str) -> Any:
    """The view of the cluster, or of one node when it is given."""
    words = context.parsed.positionals
    if len(words) > 1:
        raise UsageError(f'unexpected argument "{words[1]}"')
    if not words:
        return ask_cluster(context.transport, what)
    return ask_node(context.transport, find_node(fetch_map(context.transport), words[0]).daemon_id, what)


def _smap(context: Context) -> None:
    def picture() -> None:
        document = _asked(context, "smap")
        if context.wants_json:
            context.console.document(document)
            return
        import json

        nodes = decode_cluster_map(json.dumps(document).encode())
        context.console.result(map_text(nodes, headers=not context.parsed.flag("no-headers")))

    repeat(context, picture)


def _bmd(context: Context) -> None:
    def picture() -> None:
        document = _asked(context, "bmd")
        if context.wants_json:
            context.console.document(document)
        else:
            context.console.result(bucket_table_text(document, headers=not context.parsed.flag("no-headers")))

    repeat(context, picture)


# -- memory and CPU ---------------------------------------------------------------------------------


def _memory(context: Context) -> None:
    def cells(status: NodeStatus) -> list[str]:
        memory = status.part("sys_info", "mem")
        keys = ("Total", "Used", "Free", "BuffCache", "ActualFree", "SwapUsed")
        sizes = [format_size(int(memory.get(key) or 0), context.units) for key in keys]
        process = int(status.part("sys_info", "proc", "Mem").get("Resident") or 0) if status.document else 0
        return [percent(status.part("sys_info", "pct_mem_used")), *sizes, format_size(process, context.units)]

    header = ["NODE", "USED(%)", "TOTAL", "USED", "FREE", "BUFF/CACHE", "AVAIL", "SWAP USED", "PROCESS"]
    _by_node(context, header, cells, "mem")


def _cpu(context: Context) -> None:
    def cells(status: NodeStatus) -> list[str]:
        info = status.part("sys_info")
        return [
            percent(info.get("pct_cpu_used")),
            f"{info.get('cpu_util') or 0}%",
            f"{info.get('cpu_throttled') or 0}%",
            load_average(status) or UNSET,
        ]

    _by_node(context, ["NODE", "CPU USED(%)", "UTIL(%)", "THROTTLED(%)", "LOAD AVERAGE"], cells, "load_avg")


def _by_node(context: Context, header: list[str], cells: Any, needs: str) -> None:
    """One row for each node; those that do not tell have dashes."""

    def picture() -> None:
        known = fetch_map(context.transport)
        kinds, only = _selection(context, known)
        parts = (known.tmap if kind == "target" else known.pmap for kind in kinds)
        chosen = [only] if only else [node for part in parts for node in part.values()]
        statuses = fetch_statuses(context.transport, chosen)
        rows = [header]
        for status in statuses:
            name = node_name(status.node, primary_id=known.primary.daemon_id)
            is_told = bool(status.part("sys_info", needs))
            rows.append([name, *(cells(status) if is_told else [UNSET] * (len(header) - 1))])
        context.show(rows, lambda: [{"id": one.node.daemon_id, **one.part("sys_info")} for one in statuses])

    repeat(context, picture)


# -- dashboard --------------------------------------------------------------------------------------


def _dashboard(context: Context) -> None:
    def picture() -> None:
        known = fetch_map(context.transport)
        statuses = fetch_statuses(context.transport, [*known.pmap.values(), *known.tmap.values()])
        before = look(context.transport)
        time.sleep(SAMPLING_S)
        running = context.client.cluster().list_running_jobs()
        figures = health(statuses, before, look(context.transport), running, context.units)
        config = ask_cluster(context.transport, "cluster_config")
        about = summary(known, statuses, config, context.transport.url, context.units)
        if context.wants_json:
            context.console.document({"health": dict(figures), "cluster": dict(about)})
        else:
            context.console.result(f"{block('Performance and Health', figures)}\n\n{block('Cluster', about)}")

    repeat(context, picture)


_OPTIONS = (*REFRESHING, JSON, NO_HEADERS, UNITS)
_complete = any_of(one_of(*_ROLES), nodes)

SHOW = Command(
    usage="[NODE_ID | proxy | target]",
    summary="show the nodes of the cluster: memory, load, capacity, state",
    run=_show,
    complete=_complete,
    options=(*_OPTIONS, VERBOSE),
    examples=("ais show cluster", "ais show cluster target --refresh 5", "ais show cluster t[QkxWVZGJR] --verbose"),
)

SMAP = Command(
    usage="[NODE_ID]",
    summary="show the cluster map, as the primary or another node sees it",
    run=_smap,
    complete=nodes,
    options=(*REFRESHING, JSON, NO_HEADERS),
    examples=("ais show cluster smap", "ais show cluster smap --json"),
)

BMD = Command(
    usage="[NODE_ID]",
    summary="show the buckets that the cluster keeps metadata of",
    run=_bmd,
    complete=nodes,
    options=(*REFRESHING, JSON, NO_HEADERS),
    examples=("ais show cluster bmd",),
)

MEMORY = Command(
    usage="[NODE_ID | proxy | target]",
    summary="show the memory of the nodes",
    run=_memory,
    complete=_complete,
    options=_OPTIONS,
    examples=("ais show cluster memory",),
)

CPU = Command(
    usage="[NODE_ID | proxy | target]",
    summary="show the load of the nodes",
    run=_cpu,
    complete=_complete,
    options=(*REFRESHING, JSON, NO_HEADERS),
    examples=("ais show cluster cpu --refresh 5",),
)

DASHBOARD = Command(
    usage="",
    summary="show how the cluster is doing, on one screen",
    run=_dashboard,
    options=(*REFRESHING, JSON, UNITS),
    examples=("ais show dashboard --refresh 5",),
)
