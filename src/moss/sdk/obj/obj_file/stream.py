"""Home of `ResumableStream` for imports by module path."""

from moss.sdk._sync.resumable import ResumableStream

__all__ = ["ResumableStream"]
