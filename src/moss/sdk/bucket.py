"""Home of `Bucket` for imports by module path."""

from moss.sdk._sync.bucket import Bucket

__all__ = ["Bucket"]
