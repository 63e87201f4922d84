"""Home of `ParallelContentIterProvider` for imports by module path."""

from moss.sdk._sync.parallel import ParallelContentIterProvider

__all__ = ["ParallelContentIterProvider"]
