"""Counters of a node and their two outside forms: the `tracker` of node statistics and the Prometheus page."""

from moss.node.metrics.counters import Metrics
from moss.node.metrics.exposition import CONTENT_TYPE
from moss.node.metrics.names import COUNTERS, metric_kinds

__all__ = ["CONTENT_TYPE", "COUNTERS", "Metrics", "metric_kinds"]
