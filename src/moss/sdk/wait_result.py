"""How a job ended."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from moss.sdk.job_types import JobSnap, parse_time

__all__ = ["WaitResult"]


@dataclass(frozen=True)
class WaitResult:
    """How a job ended; true when it succeeded.

    Attributes:
        error: what went wrong, or None.
        end_time: when the last target was done; None when the job is idle and may get more work.
    """

    job_id: str
    success: bool
    error: str | None = None
    end_time: datetime | None = None

    def __bool__(self) -> bool:
        return self.success

    @classmethod
    def from_snapshots(cls, job_id: str, snapshots: Iterable[JobSnap]) -> "WaitResult":
        """Sum up what the targets say: the reason of an abort counts first, and the latest end."""
        snapshots = list(snapshots)
        found = sorted(snapshots, key=lambda snap: not snap.aborted)
        errors = [snap.abort_err or snap.err or ("aborted" if snap.aborted else "") for snap in found]
        error = next((text for text in errors if text), None)
        ends = [end for snap in snapshots if (end := parse_time(snap.end_time)) is not None]
        is_over = bool(ends) and len(ends) == len(snapshots)
        return cls(job_id, error is None, error, max(ends) if is_over else None)
