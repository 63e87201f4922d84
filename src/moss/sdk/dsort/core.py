"""Home of `Dsort` for imports by module path."""

from moss.sdk._sync.dsort import Dsort

__all__ = ["Dsort"]
