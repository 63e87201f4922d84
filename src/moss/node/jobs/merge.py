"""One job, seen from several worker processes, as one snapshot. Pure."""

from collections.abc import Iterable
from dataclasses import fields, replace

from moss.node.jobs.job import JobCounters, JobSnapshot


def merge_snapshots(parts: Iterable[JobSnapshot]) -> list[JobSnapshot]:
    """Put the snapshots of the same id together; the order is that of their start."""
    by_id: dict[str, JobSnapshot] = {}
    for part in parts:
        known = by_id.get(part.id)
        by_id[part.id] = part if known is None else _merge(known, part)
    return sorted(by_id.values(), key=lambda found: found.started_ns)


def _merge(one: JobSnapshot, two: JobSnapshot) -> JobSnapshot:
    is_over = bool(one.ended_ns and two.ended_ns)
    counters = JobCounters(
        **{
            field.name: getattr(one.counters, field.name) + getattr(two.counters, field.name)
            for field in fields(JobCounters)
        }
    )
    return replace(
        one,
        started_ns=min(one.started_ns, two.started_ns),
        ended_ns=max(one.ended_ns, two.ended_ns) if is_over else 0,
        control_text=one.control_text or two.control_text,
        abort_error=one.abort_error or two.abort_error,
        error=one.error or two.error,
        is_aborted=one.is_aborted or two.is_aborted,
        is_idle=one.is_idle and two.is_idle,
        counters=counters,
    )
