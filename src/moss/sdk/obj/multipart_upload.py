"""Home of `MultipartUpload` for imports by module path."""

from moss.sdk._sync.multipart import MultipartUpload

__all__ = ["MultipartUpload"]
