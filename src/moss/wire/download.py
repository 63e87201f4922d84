"""Download jobs in messages: what a client asks for, and what a job says of itself. Source: spec/rest-control.md 12."""

import msgspec

__all__ = ["TIME_UNSET", "DownloadError", "DownloadJob", "DownloadStatus", "DownloadTask"]

TIME_UNSET = "1970-01-01T00:00:00Z"
"""The end of a download that has not ended; clients compare with the epoch, not with the zero time of other jobs."""


class DownloadJob(msgspec.Struct, kw_only=True):
    """One job, as lists show it. Field order is the order on the wire."""

    id: str
    xaction_id: str
    description: str = ""
    started_time: str = TIME_UNSET
    finished_time: str = TIME_UNSET
    finished_cnt: int = 0
    """Objects stored, those that were there already included."""
    scheduled_cnt: int = 0
    """Objects begun; in the end those that ended well and those that failed."""
    skipped_cnt: int = 0
    """Objects that were there already and are the same."""
    error_cnt: int = 0
    total: int = 0
    all_dispatched: bool = False
    aborted: bool = False


class DownloadTask(msgspec.Struct, kw_only=True):
    """One object of a job; sizes are decimal text, `total` is "0" when the source does not tell."""

    name: str
    downloaded: str = "0"
    total: str = "0"
    start_time: str = TIME_UNSET
    end_time: str = TIME_UNSET


class DownloadError(msgspec.Struct):
    """Why one object was not stored."""

    name: str
    error: str


class DownloadStatus(DownloadJob, kw_only=True):
    """One job with its objects: those under way, the latest that ended, and the first that failed."""

    current_tasks: list[DownloadTask] | msgspec.UnsetType = msgspec.UNSET
    finished_tasks: list[DownloadTask] | msgspec.UnsetType = msgspec.UNSET
    download_errors: list[DownloadError] | msgspec.UnsetType = msgspec.UNSET
