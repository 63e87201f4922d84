"""Home of `ObjectIterator` for imports by module path."""

from moss.sdk._sync.iterator import ObjectIterator

__all__ = ["ObjectIterator"]
