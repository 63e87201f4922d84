"""Home of `Job` for imports by module path."""

from moss.sdk._sync.job import Job

__all__ = ["Job"]
