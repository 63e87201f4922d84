"""Home of `ObjectClient` for imports by module path."""

from moss.sdk._sync.object_client import ObjectClient

__all__ = ["ObjectClient"]
