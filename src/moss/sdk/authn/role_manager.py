"""Home of `RoleManager` for imports by module path."""

from moss.sdk._sync.authn_managers import RoleManager

__all__ = ["RoleManager"]
