"""The nodes that belong together; so far one."""

from moss.node.cluster.map import MAP_VERSION, build_embedded_map, gateway_entry, target_entry

__all__ = ["MAP_VERSION", "build_embedded_map", "gateway_entry", "target_entry"]
