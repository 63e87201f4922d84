"""Home of `ObjectReader` for imports by module path."""

from moss.sdk._sync.reader import ObjectReader

__all__ = ["ObjectReader"]
