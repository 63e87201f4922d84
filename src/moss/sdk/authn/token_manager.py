"""Home of `TokenManager` for imports by module path."""

from moss.sdk._sync.authn_managers import TokenManager

__all__ = ["TokenManager"]
