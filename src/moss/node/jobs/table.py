"""The one table of job kinds. Source: spec/rest-control.md 9.1, 9.2."""

from dataclasses import dataclass
from enum import StrEnum

from moss.wire.job_kinds import DISPLAY_NAMES


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
        needs_bucket: it works inside one bucket.
        start: whether the generic start call starts it.
        is_demand: it waits for more work and ends when none came for a while.
        has_listener: its end can be asked for with `what=status`.
    """

    name: str
    needs_bucket: bool
    start: Start
    is_demand: bool = False
    has_listener: bool = True


def _kinds() -> list[JobKind]:
    yes, no, own = Start.YES, Start.UNSUPPORTED, Start.OWN_API
    return [
        JobKind("election", False, no, has_listener=False),
        JobKind("rebalance", False, yes),
        JobKind("resilver", False, yes),
        JobKind("etl-inline", False, no),
        JobKind("lru", False, yes),
        JobKind("cleanup-store", False, yes),
        JobKind("summary-bck", False, no),
        JobKind("summary-shard", True, no),
        JobKind("rechunk", True, yes),
        JobKind("index-shard", True, no),
        JobKind("ec-get", True, no, is_demand=True),
        JobKind("ec-put", True, no, is_demand=True),
        JobKind("ec-resp", True, no, is_demand=True),
        JobKind("put-copies", True, own, is_demand=True),
        JobKind("archive", True, no, is_demand=True),
        JobKind("copy-listrange", True, no, is_demand=True),
        JobKind("etl-listrange", True, no, is_demand=True),
        JobKind("blob-download", True, yes),
        JobKind("download", False, own, is_demand=True),
        JobKind("dsort", True, no),
        JobKind("promote", True, no),
        JobKind("evict-listrange", True, own),
        JobKind("evict-remote-bck", True, yes),
        JobKind("delete-listrange", True, own),
        JobKind("prefetch-listrange", True, yes),
        JobKind("ec-encode", True, own),
        JobKind("make-n-copies", True, own),
        JobKind("move-bck", True, no),
        JobKind("copy-bck", True, no),
        JobKind("etl-bck", True, no),
        JobKind("list", True, no, is_demand=True, has_listener=False),
        JobKind("get-batch", False, no, is_demand=True, has_listener=False),
        JobKind("create-inventory", True, no),
        JobKind("load-lom-cache", True, yes),
    ]


KINDS: dict[str, JobKind] = {kind.name: kind for kind in _kinds()}
_BY_ANY_NAME = {DISPLAY_NAMES[name]: kind for name, kind in KINDS.items()} | KINDS | {"x-moss": KINDS["get-batch"]}


def find_kind(name: str) -> JobKind | None:
    """Return the kind with this name or the word that people use for it, or None."""
    return _BY_ANY_NAME.get(name)
