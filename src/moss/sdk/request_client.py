"""Home of `RequestClient` for imports by module path."""

from moss.sdk._sync.session import RequestClient

__all__ = ["RequestClient"]
