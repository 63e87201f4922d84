"""Shard indexes at the gateway face: build them, count them. Source: spec/getbatch.md 10.5, 10.6."""

import asyncio
import threading
from typing import Any

import msgspec

from moss.errors import JobConflict
from moss.naming.bucket import Bucket
from moss.node.jobs import JobQuery
from moss.node.jobs.kinds import shard_index as kind
from moss.node.server.answers import id_answer, json_answer
from moss.node.server.gateway.fields import flag_of, read_fields, text_of, workers_of
from moss.node.server.gateway.lookup import check_bucket
from moss.node.server.gateway.props import default_props
from moss.node.server.gateway.summary import find_result
from moss.node.server.http import Request, Response
from moss.units import quote

_lock = threading.Lock()
_building: dict[str, tuple[Bucket, str]] = {}


async def build(node: Any, request: Request, bucket: Bucket, value: Any) -> Response:
    """Start an `index-shard` job and answer its id.

    Raises:
        JobConflict: one with an overlapping prefix runs in the bucket.
    """
    del request
    check_bucket(node, bucket)
    fields = read_fields(value, "index-shard")
    prefix, skip = text_of(fields, "prefix"), flag_of(fields, "skip-verify")
    workers = workers_of(fields)
    props = msgspec.json.encode(default_props(node.config.cluster_config()))
    work = kind.build_indexes(node.engine, bucket, prefix, skip_verify=skip, system_props=props)
    with _lock:
        _refuse_overlap(node, bucket, prefix)
        job = node.jobs.start("index-shard", work, bucket=bucket, workers=workers)
        _building[job.id] = (bucket, prefix)
    return id_answer(job.id)


def _refuse_overlap(node: Any, bucket: Bucket, prefix: str) -> None:
    running = {job.id for job in node.jobs.find(JobQuery((), "index-shard", bucket, active_only=True))}
    for job_id in list(_building):
        if job_id not in running and _building[job_id][0] == bucket:
            del _building[job_id]
    for other_bucket, other in _building.values():
        if other_bucket == bucket and (prefix.startswith(other) or other.startswith(prefix)):
            text = f"prefix {quote(prefix)} overlaps with already running prefix {quote(other)}; abort it first"
            raise JobConflict(text)


async def summarize(node: Any, request: Request, bucket: Bucket, value: Any) -> Response:
    """Start a summary (202 and its id), or answer a poll: 202 nothing yet, 206 so far, 200 all."""
    fields = read_fields(value, "summary-shard")
    prefix, job_id = text_of(fields, "prefix"), text_of(fields, "uuid")
    check_bucket(node, bucket)
    if not job_id:
        work = kind.count_shards(node.engine, bucket, prefix)
        return id_answer(node.jobs.start("summary-shard", work, bucket=bucket).id, 202)
    is_over, counts = await find_result(node, job_id, "summary-shard")
    if counts is None:
        counts = kind.ShardCounts().document()
        return json_answer(request, counts, 200 if is_over else 202)
    return json_answer(request, counts, 200 if is_over else 206)


async def forget_bucket(node: Any, bucket: Bucket) -> None:
    """Delete the indexes of a destroyed bucket."""
    await asyncio.to_thread(kind.forget_bucket, node.engine, bucket)


ROUTES: list[Any] = []
