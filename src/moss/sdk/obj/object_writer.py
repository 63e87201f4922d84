"""Home of `ObjectWriter` for imports by module path."""

from moss.sdk._sync.writer import ObjectWriter

__all__ = ["ObjectWriter"]
