"""Home of `UserManager` for imports by module path."""

from moss.sdk._sync.authn_managers import UserManager

__all__ = ["UserManager"]
