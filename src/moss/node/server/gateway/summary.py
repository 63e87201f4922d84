"""Summaries of buckets: a job that counts, asked for in two steps. Source: spec/rest-data.md 3.8."""

import asyncio
import itertools
import os
from typing import Any

import msgspec

from moss.errors import InvalidRequest, NotFound
from moss.naming.bucket import Bucket, parse_provider
from moss.node.jobs import Job, is_job_id
from moss.node.server.answers import ActionMessage, id_answer, json_answer
from moss.node.server.gateway.fields import read_fields, text_of
from moss.node.server.gateway.lookup import check_bucket, query_bucket
from moss.node.server.http import Request, Response
from moss.node.storage.walking import walk
from moss.units import quote
from moss.wire import headers

_PAGE = 1000
_PAGE_BYTES = 4096


async def answer(node: Any, request: Request, message: ActionMessage) -> Response:
    """Start a summary (202 and its id) or answer a poll (202 not yet, 200 the rows)."""
    fields = read_fields(message.value, "summary-bck")
    job_id, prefix = text_of(fields, "uuid"), text_of(fields, "prefix").removesuffix("*")
    if job_id:
        is_over, rows = await find_result(node, job_id, "summary-bck")
        return json_answer(request, rows) if is_over else json_answer(request, [], 202)
    return id_answer(_start(node, _buckets(node, request), prefix, is_info=False).id, 202)


async def answer_info(
    node: Any, request: Request, bucket: Bucket, prefix: str, answer_headers: dict[str, str]
) -> Response:
    """Answer HEAD with a summary: 202 and an id first, then 200 and the summary in a header."""
    job_id = request.query.get("uuid")
    if not job_id:
        return Response(202, answer_headers | {headers.XACTION_ID: _start(node, [bucket], prefix, is_info=True).id})
    is_over, rows = await find_result(node, job_id, "summary-bck")
    answer_headers |= {headers.XACTION_ID: job_id}
    if not is_over or not rows:
        return Response(202, answer_headers)
    answer_headers[headers.BUCKET_SUMMARY] = msgspec.json.encode(rows[0]).decode()
    return Response(200, answer_headers)


def _buckets(node: Any, request: Request) -> list[Bucket]:
    if len(request.items) > 2:
        bucket = query_bucket(request, request.items[2])
        check_bucket(node, bucket)
        return [bucket]
    wanted = request.query.get("provider")
    provider = parse_provider(wanted) if wanted else None
    return [
        record.bucket
        for record in node.engine.list_buckets()
        if not record.bucket.is_system and (provider is None or record.bucket.provider is provider)
    ]


async def find_result(node: Any, job_id: str, action: str) -> tuple[bool, Any]:
    """Return whether a summary job is over, and what it has found so far.

    Raises:
        InvalidRequest: what is no id.
        NotFound: an unknown job.
    """
    if not is_job_id(job_id):
        raise InvalidRequest(f"{action}: invalid UUID {quote(job_id)}")
    found = await asyncio.to_thread(node.jobs.result, job_id)
    if found is None:
        raise NotFound(f"{action}[{job_id}] does not exist")
    return found


def _start(node: Any, buckets: list[Bucket], prefix: str, *, is_info: bool) -> Job:
    def work(job: Job) -> None:
        job.result = [summarize(node, bucket, prefix, job, is_present=is_info) for bucket in buckets]

    return node.jobs.start("summary-bck", work, bucket=buckets[0] if len(buckets) == 1 else None)


def summarize(node: Any, bucket: Bucket, prefix: str, job: Job, *, is_present: bool) -> dict[str, Any]:
    """Count a bucket's objects; one row of spec/rest-data.md 3.8."""
    count = total = largest = on_disk = 0
    smallest: int | None = None
    sizes = (extent[2] for _, extent in walk(node.engine, bucket, prefix))
    while page := list(itertools.islice(sizes, _PAGE)):
        job.check()
        count, total, largest = count + len(page), total + sum(page), max(largest, max(page))
        smallest = min(page) if smallest is None else min(smallest, min(page))
        on_disk += sum(-(-size // _PAGE_BYTES) * _PAGE_BYTES for size in page)
        job.count(len(page), sum(page))
    disk = os.statvfs(node.options.data)
    disk_bytes = disk.f_blocks * disk.f_frsize
    return {
        "name": bucket.name,
        "provider": bucket.provider.value,
        "namespace": {"uuid": bucket.namespace.uuid, "name": bucket.namespace.name},
        "ObjCount": {"obj_count_present": str(count), "obj_count_remote": "0"},
        "ObjSize": {
            "obj_min_size": smallest or 0,
            "obj_avg_size": (2 * total + count) // (2 * count) if count else 0,
            "obj_max_size": largest,
        },
        "TotalSize": {
            "size_on_disk": str(on_disk),
            "size_all_present_objs": str(total),
            "size_all_remote_objs": "0",
            "total_disks_size": str(disk_bytes),
        },
        "used_pct": round(on_disk * 100 / disk_bytes) if disk_bytes else 0,
        "is_present": is_present,
    }
