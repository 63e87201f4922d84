"""`ais show rebalance`, `show remote-cluster`, `tls`. Source: spec/cli.md 5.9."""

from typing import Any

from moss.cli.arguments import check_count
from moss.cli.candidates import nodes
from moss.cli.cluster.calls import ask_cluster, ask_node, call
from moss.cli.cluster.map import fetch_map, find_node, node_name
from moss.cli.context import Context
from moss.cli.failures import CommandError
from moss.cli.flags import ALL, DATE_TIME, JSON, NO_HEADERS, REFRESHING, UNITS
from moss.cli.formats import UNSET, format_elapsed
from moss.cli.jobs.arguments import JobArguments
from moss.cli.jobs.snapshots import as_document, fetch_jobs
from moss.cli.jobs.tables import Style, job_rows
from moss.cli.options import Command
from moss.cli.refresh import LONG_DASHES, repeat
from moss.cli.tables import aligned, property_table
from moss.cli.transport import ServerError
from moss.wire.cluster import ClusterMap, NodeInfo

# -- rebalance --------------------------------------------------------------------------------------


def _rebalance(context: Context) -> None:
    check_count(context.parsed.positionals, [], most=1)
    job_id = context.parsed.positionals[0] if context.parsed.positionals else ""
    wanted = JobArguments("rebalance", ("rebalance",), job_id)

    def picture() -> None:
        jobs = fetch_jobs(context.transport, wanted, active_only=not context.parsed.flag("all"))
        if context.wants_json:
            context.console.document([as_document(job) for job in jobs])
            return
        if not jobs:
            context.console.result("No running rebalance jobs. Use '--all' to show all.")
            return
        style = Style(context.units, context.parsed.flag("date-time"))
        rows = [["REB ID", "NODE", "TX OBJECTS", "TX BYTES", "RX OBJECTS", "RX BYTES", "START", "END", "STATE"]]
        for job in jobs:
            # The table of jobs has NODE, ID and KIND first.
            for node, reb_id, _, *rest in job_rows(job, style, headers=False):
                rows.append([reb_id or "Total:", node, *rest])
        context.show(rows)

    repeat(context, picture, dashes=LONG_DASHES)


# -- remote clusters --------------------------------------------------------------------------------


def _remote_clusters(context: Context) -> None:
    check_count(context.parsed.positionals, [], most=0)

    def picture() -> None:
        found = ask_cluster(context.transport, "remote").get("a") or []
        if context.wants_json:
            context.console.document(found)
            return
        if not found:
            context.console.result("No remote clusters are attached (attach one with 'ais cluster remote-attach').")
            return
        rows = [["UUID", "URL", "Alias", "Primary", "Smap", "Targets", "Uptime"], *map(_remote_row, found)]
        context.console.stdout.write(aligned(rows[1:] if context.parsed.flag("no-headers") else rows))

    repeat(context, picture)


def _remote_row(cluster: dict[str, Any]) -> list[str]:
    known = cluster.get("smap") or {}
    primary = known.get("proxy_si") or {}
    version = f"v{known['version']}" if known.get("version") else UNSET
    uptime = int(cluster.get("uptime") or 0) / 1e9
    return [
        str(cluster.get("uuid") or UNSET),
        str(cluster.get("url") or UNSET),
        str(cluster.get("alias") or UNSET),
        f"p[{primary['daemon_id']}]" if primary.get("daemon_id") else UNSET,
        version,
        str(len(known.get("tmap") or {})) if known else UNSET,
        format_elapsed(round(uptime)) if uptime else UNSET,
    ]


# -- certificates -----------------------------------------------------------------------------------


def _chosen(context: Context) -> tuple[ClusterMap, list[NodeInfo]]:
    """The cluster map, and the node that was asked for or all of them."""
    check_count(context.parsed.positionals, [], most=1)
    known = fetch_map(context.transport)
    if context.parsed.positionals:
        return known, [find_node(known, context.parsed.positionals[0])]
    return known, [*known.pmap.values(), *known.tmap.values()]


def _certificate(context: Context, node: NodeInfo) -> dict[str, Any]:
    try:
        return ask_node(context.transport, node.daemon_id, "tls_certificate") or {}
    except ServerError as error:
        if error.code == 404:
            raise CommandError(f"{node_name(node)} has no certificate: it is deployed without TLS (HTTPS)") from None
        raise


def _show_certificate(context: Context) -> None:
    known, chosen = _chosen(context)
    node = chosen[0] if len(chosen) == 1 else known.primary
    found = _certificate(context, node)
    if context.wants_json:
        context.console.document(found)
        return
    pairs = [(key, str(value)) for key, value in found.items()]
    context.console.stdout.write(property_table(pairs, headers=not context.parsed.flag("no-headers")))


def _validate_certificates(context: Context) -> None:
    known, chosen = _chosen(context)
    rows = [["NODE", "STATUS"]]
    reference: dict[str, Any] | None = None
    bad = 0
    for node in chosen:
        found = _certificate(context, node)
        reference = reference or found
        problem = str(found.get("error") or found.get("warning") or "")
        if not problem and found != reference:
            problem = "another certificate than the first node's"
        bad += bool(problem)
        rows.append([node_name(node, primary_id=known.primary.daemon_id), problem or "valid"])
    context.show(rows)
    if bad:
        raise CommandError(f"{bad} of {len(chosen)} nodes have certificates that need attention")


def _load_certificate(context: Context) -> None:
    check_count(context.parsed.positionals, [], most=1)
    words = context.parsed.positionals
    node = find_node(fetch_map(context.transport), words[0]) if words else None
    call(context.transport, "PUT", "cluster", "load-x509", *([node.daemon_id] if node else []))
    context.console.result(f"{node_name(node) if node else 'Cluster'}: certificate successfully reloaded")


REBALANCE = Command(
    usage="[REB_ID]",
    summary="show rebalancing: what moves between the targets",
    run=_rebalance,
    options=(ALL, *REFRESHING, JSON, NO_HEADERS, UNITS, DATE_TIME),
    examples=("ais show rebalance", "ais show rebalance --all", "ais show rebalance g2 --refresh 5"),
)
REMOTE_CLUSTERS = Command(
    usage="",
    summary="show attached remote clusters",
    run=_remote_clusters,
    options=(*REFRESHING, JSON, NO_HEADERS),
    examples=("ais show remote-cluster",),
)
SHOW_CERTIFICATE = Command(
    usage="[NODE_ID]",
    summary="show the certificate of the primary, or of another node",
    run=_show_certificate,
    complete=nodes,
    options=(JSON, NO_HEADERS),
    examples=("ais show tls", "ais tls show t[QkxWVZGJR]"),
)
VALIDATE_CERTIFICATES = Command(
    usage="[NODE_ID]",
    summary="check the certificates of all nodes, and that they are the same",
    run=_validate_certificates,
    complete=nodes,
    options=(JSON, NO_HEADERS),
    examples=("ais tls validate-certificates",),
)
LOAD_CERTIFICATE = Command(
    usage="[NODE_ID]",
    summary="have nodes read their certificate again",
    run=_load_certificate,
    complete=nodes,
    examples=("ais tls load-certificate",),
)
