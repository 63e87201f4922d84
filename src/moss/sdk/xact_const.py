"""Kinds of jobs, and what the end of each looks like. Source: spec/python-sdk.md 1.9, spec/rest-control.md 9.1."""

from typing import Final

__all__ = ["IDLE_KINDS", "KNOWN_KINDS", "SINGLE_TARGET_KINDS", "idles_before_finishing", "is_valid_kind"]

XACT_KIND_ARCHIVE: Final = "archive"
XACT_KIND_BLOB_DL: Final = "blob-download"
XACT_KIND_COPY_BCK: Final = "copy-bck"
XACT_KIND_COPY_OBJECTS: Final = "copy-listrange"
XACT_KIND_CREATE_NBI: Final = "create-inventory"
XACT_KIND_DELETE_OBJECTS: Final = "delete-listrange"
XACT_KIND_DOWNLOAD: Final = "download"
XACT_KIND_DSORT: Final = "dsort"
XACT_KIND_EC_ENCODE: Final = "ec-encode"
XACT_KIND_EC_GET: Final = "ec-get"
XACT_KIND_EC_PUT: Final = "ec-put"
XACT_KIND_EC_RESP: Final = "ec-resp"
XACT_KIND_ELECTION: Final = "election"
XACT_KIND_ETL_BCK: Final = "etl-bck"
XACT_KIND_ETL_INLINE: Final = "etl-inline"
XACT_KIND_ETL_OBJECTS: Final = "etl-listrange"
XACT_KIND_EVICT_OBJECTS: Final = "evict-listrange"
XACT_KIND_EVICT_REMOTE_BCK: Final = "evict-remote-bck"
XACT_KIND_GET_BATCH: Final = "get-batch"
XACT_KIND_INDEX_SHARD: Final = "index-shard"
XACT_KIND_LIST: Final = "list"
XACT_KIND_LOAD_LOM_CACHE: Final = "load-lom-cache"
XACT_KIND_LRU: Final = "lru"
XACT_KIND_MAKE_NCOPIES: Final = "make-n-copies"
XACT_KIND_MOVE_BCK: Final = "move-bck"
XACT_KIND_PREFETCH_OBJECTS: Final = "prefetch-listrange"
XACT_KIND_PROMOTE: Final = "promote"
XACT_KIND_PUT_COPIES: Final = "put-copies"
XACT_KIND_REBALANCE: Final = "rebalance"
XACT_KIND_RECHUNK: Final = "rechunk"
XACT_KIND_RESILVER: Final = "resilver"
XACT_KIND_STORE_CLEANUP: Final = "cleanup-store"
XACT_KIND_SUMMARY_BCK: Final = "summary-bck"
XACT_KIND_SUMMARY_SHARD: Final = "summary-shard"

KNOWN_KINDS: Final = frozenset(value for name, value in dict(globals()).items() if name.startswith("XACT_KIND_"))

IDLE_KINDS: Final = frozenset(
    {
        XACT_KIND_ARCHIVE,
        XACT_KIND_COPY_OBJECTS,
        XACT_KIND_DOWNLOAD,
        XACT_KIND_EC_GET,
        XACT_KIND_EC_PUT,
        XACT_KIND_EC_RESP,
        XACT_KIND_ETL_OBJECTS,
        XACT_KIND_GET_BATCH,
        XACT_KIND_LIST,
        XACT_KIND_PUT_COPIES,
    }
)
"""Kinds that wait for more work when they have done theirs."""

SINGLE_TARGET_KINDS: Final = frozenset({XACT_KIND_BLOB_DL, XACT_KIND_RESILVER})
"""Kinds that run on one target and are known to nobody else."""


def idles_before_finishing(kind: str) -> bool:
    """Whether "done" means idle for this kind."""
    return kind in IDLE_KINDS


def is_valid_kind(kind: str) -> bool:
    """Whether the kind is a known one. A cluster may know more than this release of the SDK."""
    return kind in KNOWN_KINDS
