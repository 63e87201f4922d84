"""Kinds of jobs and the words that people use for them. Source: spec/cli.md 5.8.1, spec/rest-control.md 9.1."""

__all__ = ["DISPLAY_NAMES", "display_name"]

_SAME = (
    "archive", "blob-download", "create-inventory", "download", "dsort", "ec-get", "ec-put", "ec-resp", "etl-inline",
    "get-batch", "list", "put-copies", "rebalance", "rechunk", "resilver",
)  # fmt: skip

DISPLAY_NAMES: dict[str, str] = {
    **{kind: kind for kind in _SAME},
    "cleanup-store": "cleanup",
    "copy-bck": "copy-bucket",
    "copy-listrange": "copy-objects",
    "delete-listrange": "delete-objects",
    "ec-encode": "ec-bucket",
    "election": "elect-primary",
    "etl-bck": "etl-bucket",
    "etl-listrange": "etl-objects",
    "evict-listrange": "evict-objects",
    "evict-remote-bck": "evict-remote-bucket",
    "index-shard": "shard-index",
    "load-lom-cache": "warm-up-metadata",
    "lru": "lru-eviction",
    "make-n-copies": "mirror",
    "move-bck": "rename-bucket",
    "prefetch-listrange": "prefetch-objects",
    "promote": "promote-files",
    "summary-bck": "summary",
    "summary-shard": "shard-summary",
}
"""The word for each kind that a cluster knows."""


def display_name(kind: str) -> str:
    """The word that people use for a kind; a kind that we do not know is its own word."""
    return DISPLAY_NAMES.get(kind, kind)
