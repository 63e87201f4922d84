"""Jobs of a node: the states (pure), the registry, and one file per kind of work in `kinds`."""

from moss.node.jobs.batch import BatchJob
from moss.node.jobs.job import Job, JobSnapshot
from moss.node.jobs.registry import JobQuery, JobRegistry, check_ids, is_job_id
from moss.node.jobs.table import KINDS, JobKind, Start, find_kind

__all__ = [
    "KINDS",
    "BatchJob",
    "Job",
    "JobKind",
    "JobQuery",
    "JobRegistry",
    "JobSnapshot",
    "Start",
    "check_ids",
    "find_kind",
    "is_job_id",
]
