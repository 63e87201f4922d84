"""The cluster map and the table of buckets, as text. Pure. Source: spec/cli.md 5.9."""

from collections.abc import Iterator, Mapping
from typing import Any

from moss.cli.cluster.map import node_name
from moss.cli.formats import UNSET, format_day, parse_timestamp
from moss.cli.tables import aligned, table
from moss.naming.bucket import parse_provider
from moss.wire.cluster import ClusterMap, NodeFlag, NodeInfo


def map_text(nodes: ClusterMap, *, headers: bool = True) -> str:
    """Both tables of the cluster map, and what it says about itself."""
    parts = [table(_node_rows(nodes, part, headers)) for part in (nodes.pmap, nodes.tmap) if part]
    not_electable = [node_name(node) for node in nodes.pmap.values() if node.flags & NodeFlag.NON_ELECTABLE]
    counts = f"proxies({len(nodes.pmap)}), targets({len(nodes.tmap)})"
    lines = [
        f"Non-Electable: {', '.join(not_electable)}".rstrip(),
        "",
        f"Primary Proxy: {node_name(nodes.primary)}",
        "",
        f'Summary: {counts}, cluster map(v{nodes.version}), cluster ID("{nodes.uuid}")',
    ]
    return "\n".join([*parts, *lines])


def _node_rows(nodes: ClusterMap, part: Mapping[str, NodeInfo], headers: bool) -> list[list[str]]:
    everyone = [*nodes.pmap.values(), *nodes.tmap.values()]
    # Networks of the cluster's own are shown where it has any.
    has_others = any(node.intra_control_net != node.public_net for node in everyone) or any(
        node.intra_data_net != node.public_net for node in everyone
    )
    header = ["NODE", "TYPE", "PUBLIC URL", *(["INTRA CONTROL URL", "INTRA DATA URL"] if has_others else [])]
    rows = [header] if headers else []
    for _, node in sorted(part.items()):
        nets = [node.public_net, *([node.intra_control_net, node.intra_data_net] if has_others else [])]
        name = node_name(node, primary_id=nodes.primary.daemon_id)
        rows.append([name, node.daemon_type, *(net.direct_url for net in nets)])
    return rows


def bucket_table_text(document: Mapping[str, Any], *, headers: bool = True) -> str:
    """All buckets that the cluster keeps metadata of, with the version of the metadata."""
    header = ["PROVIDER", "NAMESPACE", "NAME", "BACKEND", "COPIES", "EC", "CREATED"]
    rows = [header] if headers else []
    for provider, namespace, name, props in _buckets(document):
        mirror, erasure = props.get("mirror") or {}, props.get("ec") or {}
        backend = props.get("backend_bck") or {}
        copies = str(mirror.get("copies", UNSET)) if mirror.get("enabled") else UNSET
        slices = (
            f"D={erasure.get('data_slices')}, P={erasure.get('parity_slices')}" if erasure.get("enabled") else UNSET
        )
        created = format_day(parse_timestamp(str(props.get("created") or "")))
        backend_name = UNSET
        if backend.get("name"):
            backend_name = f"{parse_provider(backend.get('provider') or '').scheme}://{backend['name']}"
        space = "" if namespace == "@#" else namespace.removeprefix("@").removesuffix("#")
        rows.append([provider, space or UNSET, name, backend_name, copies, slices, created])
    text = aligned(rows)
    return f"{text}\nVersion: {document.get('version', UNSET)}\nUUID: {document.get('uuid', UNSET)}"


def _buckets(document: Mapping[str, Any]) -> Iterator[tuple[str, str, str, Mapping[str, Any]]]:
    for provider, spaces in sorted((document.get("providers") or {}).items()):
        for namespace, buckets in sorted((spaces or {}).items()):
            for name, props in sorted((buckets or {}).items()):
                yield provider, namespace, name, props or {}
