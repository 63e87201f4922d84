"""Home of `Etl` for imports by module path."""

from moss.sdk._sync.etl import Etl

__all__ = ["Etl"]
