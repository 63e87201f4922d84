"""Asking the cluster to count objects and bytes of buckets. Source: spec/rest-data.md 3.8."""

from typing import Any

from moss.cli.buckets.actions import begin, outcome
from moss.cli.context import Context
from moss.naming.uri import UriQuery

__all__ = ["count_objects"]

_ACTION = "summary-bck"


def count_objects(context: Context, query: UriQuery, *, job_id: str = "", present: bool = True) -> Any:
    """Ask for the summaries of one bucket, or of all that match.

    With `--dont-wait` only says how to see the answer later.

    Args:
        job_id: of a question that was asked before.
        present: only buckets that the cluster has.

    Returns:
        The answer as the cluster sent it, or None with `--dont-wait`.
    """
    parsed = context.parsed
    value = {
        "prefix": parsed.text("prefix") or query.object_name,
        "cached": parsed.flag("cached"),
        "present": present,
    }
    where = {"provider": query.provider.value} if query.provider and not query.bucket else {}
    question = (context.transport, query.bucket, _ACTION, value)
    job_id = job_id or begin(*question, where)
    if not parsed.flag("dont-wait"):
        return outcome(*question, job_id, where)
    place = query.bucket or (f"{query.provider.scheme}:" if query.provider else "ais:")
    context.console.result(f"summary[{job_id}]: started. To see the result, run 'ais bucket summary {place} {job_id}'")
    return None
