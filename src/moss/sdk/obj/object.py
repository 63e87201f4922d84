"""Home of `Object` for imports by module path."""

from moss.sdk._sync.object import Object

__all__ = ["Object"]
