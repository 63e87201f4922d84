"""Home of `Cluster` for imports by module path."""

from moss.sdk._sync.cluster import Cluster

__all__ = ["Cluster"]
