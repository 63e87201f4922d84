"""Home of `Download` for imports by module path."""

from moss.sdk._sync.download import Download

__all__ = ["Download"]
