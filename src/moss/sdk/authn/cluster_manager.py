"""Home of `ClusterManager` for imports by module path."""

from moss.sdk._sync.authn_managers import ClusterManager

__all__ = ["ClusterManager"]
