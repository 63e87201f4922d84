"""Home of `Batch` for imports by module path."""

from moss.sdk._sync.batch import Batch, BatchStream

__all__ = ["Batch", "BatchStream"]
