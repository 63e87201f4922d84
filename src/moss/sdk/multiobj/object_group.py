"""Home of `ObjectGroup` for imports by module path."""

from moss.sdk._sync.object_group import ObjectGroup

__all__ = ["ObjectGroup"]
