"""Home of `Client` for imports by module path."""

from moss.sdk._sync.client import Client

__all__ = ["Client"]
