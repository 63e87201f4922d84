"""Cluster configuration: one table of keys, the rules that hold between them, and the shared store."""

from moss.node.config.store import ConfigStore, GetBatchConfig, make_short_id

__all__ = ["ConfigStore", "GetBatchConfig", "make_short_id"]
