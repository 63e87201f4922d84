"""The cluster map of a node that is alone: one gateway and one target, the two faces of the same process. Pure."""

from moss.wire.cluster import ClusterMap, NodeFlag, NodeInfo, build_cluster_map
from moss.wire.job import format_time


def gateway_entry(node_id: str, url: str) -> NodeInfo:
    return NodeInfo.build(node_id, "proxy", url, flags=NodeFlag.IC_MEMBER)


def target_entry(node_id: str, url: str) -> NodeInfo:
    return NodeInfo.build(node_id, "target", url)


def build_embedded_map(gateway: NodeInfo, target: NodeInfo, *, uuid: str, created_ns: int, version: int) -> ClusterMap:
    """Build the map from the entries of both faces.

    Args:
        uuid: identity of the cluster.
        created_ns: when the cluster was made, nanoseconds since 1970.
        version: from 1 on; another one whenever an entry has changed.
    """
    return build_cluster_map(
        [gateway],
        [target],
        primary_id=gateway.daemon_id,
        uuid=uuid,
        created=format_time(created_ns),
        version=version,
    )
