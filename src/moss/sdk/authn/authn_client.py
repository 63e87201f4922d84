"""Home of `AuthNClient` for imports by module path."""

from moss.sdk._sync.authn import AuthNClient

__all__ = ["AuthNClient"]
