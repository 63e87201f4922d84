"""The one table of job kinds. Source: spec/rest-control.md 9.1, 9.2."""

from dataclasses import dataclass
from enum import StrEnum


class Start(StrEnum):
    """What the generic start call does with a kind."""

    YES = "yes"
    UNSUPPORTED = "unsupported"  # 501
    OWN_API = "own-api"  # 400, names the documented interface


@dataclass(frozen=True, slots=True)
class JobKind:
    """One kind of job.

    Attributes:
        name: the word on the wire.
        display: the word that people use; both are accepted as input.
        needs_bucket: it works inside one bucket.
        start: whether the generic start call starts it.
        is_demand: it waits for more work and ends when none came for a while.
        has_listener: its end can be asked for with `what=status`.
    """

    name: str
    display: str
    needs_bucket: bool
    start: Start
    is_demand: bool = False
    has_listener: bool = True


def _kinds() -> list[JobKind]:
    yes, no, own = Start.YES, Start.UNSUPPORTED, Start.OWN_API
    return [
        JobKind("election", "elect-primary", False, no, has_listener=False),
        JobKind("rebalance", "rebalance", False, yes),
        JobKind("resilver", "resilver", False, yes),
        JobKind("etl-inline", "etl-inline", False, no),
        JobKind("lru", "lru-eviction", False, yes),
        JobKind("cleanup-store", "cleanup", False, yes),
        JobKind("summary-bck", "summary", False, no),
        JobKind("summary-shard", "shard-summary", True, no),
        JobKind("rechunk", "rechunk", True, yes),
        JobKind("index-shard", "shard-index", True, no),
        JobKind("ec-get", "ec-get", True, no, is_demand=True),
        JobKind("ec-put", "ec-put", True, no, is_demand=True),
        JobKind("ec-resp", "ec-resp", True, no, is_demand=True),
        JobKind("put-copies", "put-copies", True, own, is_demand=True),
        JobKind("archive", "archive", True, no, is_demand=True),
        JobKind("copy-listrange", "copy-objects", True, no, is_demand=True),
        JobKind("etl-listrange", "etl-objects", True, no, is_demand=True),
        JobKind("blob-download", "blob-download", True, yes),
        JobKind("download", "download", False, own, is_demand=True),
        JobKind("dsort", "dsort", True, no),
        JobKind("promote", "promote-files", True, no),
        JobKind("evict-listrange", "evict-objects", True, own),
        JobKind("evict-remote-bck", "evict-remote-bucket", True, yes),
        JobKind("delete-listrange", "delete-objects", True, own),
        JobKind("prefetch-listrange", "prefetch-objects", True, yes),
        JobKind("ec-encode", "ec-bucket", True, own),
        JobKind("make-n-copies", "mirror", True, own),
        JobKind("move-bck", "rename-bucket", True, no),
        JobKind("copy-bck", "copy-bucket", True, no),
        JobKind("etl-bck", "etl-bucket", True, no),
        JobKind("list", "list", True, no, is_demand=True, has_listener=False),
        JobKind("get-batch", "x-moss", False, no, is_demand=True, has_listener=False),
        JobKind("create-inventory", "create-inventory", True, no),
        JobKind("load-lom-cache", "warm-up-metadata", True, yes),
    ]


KINDS: dict[str, JobKind] = {kind.name: kind for kind in _kinds()}
_BY_ANY_NAME = {kind.display: kind for kind in _kinds()} | KINDS


def find_kind(name: str) -> JobKind | None:
    """Return the kind with this name or display name, or None."""
    return _BY_ANY_NAME.get(name)
