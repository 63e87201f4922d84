"""The nodes that belong together; so far one."""

from moss.node.cluster.map import build_embedded_map, gateway_entry, target_entry

__all__ = ["build_embedded_map", "gateway_entry", "target_entry"]
