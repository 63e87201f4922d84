"""Summaries of buckets: a job that counts, asked for in two steps. Source: spec/rest-data.md 3.8."""

import asyncio
import itertools
import os
from dataclasses import dataclass
from typing import Any

import msgspec

from moss.errors import InvalidRequest, NotFound, Unavailable
from moss.naming.bucket import Bucket, Provider, parse_provider
from moss.node.jobs import Job, JobQuery, is_job_id
from moss.node.remote.listing import pages
from moss.node.server.answers import ActionMessage, id_answer, json_answer
from moss.node.server.gateway import remotes
from moss.node.server.gateway.fields import flag_of, read_fields, text_of
from moss.node.server.gateway.lookup import check_bucket, query_bucket
from moss.node.server.gateway.remotes import stores_of
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
        is_over, rows = await _find_rows(node, job_id)
        return json_answer(request, rows) if is_over else json_answer(request, [], 202)
    bucket = query_bucket(request, request.items[2]) if len(request.items) > 2 else None
    if bucket is not None and not (flag_of(fields, "present") or flag_of(fields, "dont_add_remote")):
        await remotes.know(node, bucket)
    is_cached = flag_of(fields, "cached")
    return id_answer(_start(node, _buckets(node, request), prefix, is_info=False, is_cached=is_cached).id, 202)


async def answer_info(
    node: Any, request: Request, bucket: Bucket, prefix: str, answer_headers: dict[str, str]
) -> Response:
    """Answer HEAD with a summary: 202 and an id first, then 200 and the summary in a header."""
    job_id = request.query.get("uuid")
    if not job_id:
        is_cached = not request.query.boolean("bsumm_remote")
        job = _start(node, [bucket], prefix, is_info=True, is_cached=is_cached)
        return Response(202, answer_headers | {headers.XACTION_ID: job.id})
    is_over, rows = await _find_rows(node, job_id)
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


async def _find_rows(node: Any, job_id: str) -> tuple[bool, Any]:
    """Return what `find_result` returns of a job that has not failed.

    Raises:
        Unavailable: it has: a store could not be asked, or the bucket went away.
    """
    is_over, rows = await find_result(node, job_id, "summary-bck")
    if is_over and rows is None:
        parts = await asyncio.to_thread(node.jobs.snapshots, JobQuery((job_id,)))
        reasons = [part.error or part.abort_error for part in parts]
        raise Unavailable(next(filter(None, reasons), f"summary-bck[{job_id}] has no result"))
    return is_over, rows


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


def _start(node: Any, buckets: list[Bucket], prefix: str, *, is_info: bool, is_cached: bool) -> Job:
    def work(job: Job) -> None:
        job.result = [
            summarize(node, bucket, prefix, job, is_present=is_info, is_cached=is_cached) for bucket in buckets
        ]

    return node.jobs.start("summary-bck", work, bucket=buckets[0] if len(buckets) == 1 else None)


@dataclass(slots=True)
class _Sizes:
    """Number and sizes of objects."""

    count: int = 0
    total: int = 0
    smallest: int = 0
    largest: int = 0
    on_disk: int = 0

    def add(self, page: list[int]) -> None:
        self.smallest = min(min(page), self.smallest) if self.count else min(page)
        self.largest = max(self.largest, max(page))
        self.count, self.total = self.count + len(page), self.total + sum(page)
        self.on_disk += sum(-(-size // _PAGE_BYTES) * _PAGE_BYTES for size in page)

    @property
    def average(self) -> int:
        return (2 * self.total + self.count) // (2 * self.count) if self.count else 0


def summarize(
    node: Any, bucket: Bucket, prefix: str, job: Job, *, is_present: bool, is_cached: bool = True
) -> dict[str, Any]:
    """Count a bucket's objects; one row of spec/rest-data.md 3.8.

    Args:
        is_cached: count what is on this node only, and not what a store has behind the bucket.
    """
    here, remote = _Sizes(), _Sizes()
    sizes = (extent[2] for _, extent in walk(node.engine, bucket, prefix))
    while page := list(itertools.islice(sizes, _PAGE)):
        job.check()
        here.add(page)
        job.count(len(page), sum(page))
    # Web servers list nothing.
    is_listed = not is_cached and bucket.provider is not Provider.HTTP
    place = node.remotes.place(node.engine.get_bucket(bucket)) if is_listed else None
    if place is not None:
        for listed in stores_of(node).walk(job, pages(place, prefix)):
            if listed.objects:
                remote.add([row.size for row in listed.objects])
    shown = remote if place is not None else here
    disk = os.statvfs(node.options.data)
    disk_bytes = disk.f_blocks * disk.f_frsize
    return {
        "name": bucket.name,
        "provider": bucket.provider.value,
        "namespace": {"uuid": bucket.namespace.uuid, "name": bucket.namespace.name},
        "ObjCount": {"obj_count_present": str(here.count), "obj_count_remote": str(remote.count)},
        "ObjSize": {
            "obj_min_size": shown.smallest,
            "obj_avg_size": shown.average,
            "obj_max_size": shown.largest,
        },
        "TotalSize": {
            "size_on_disk": str(here.on_disk),
            "size_all_present_objs": str(here.total),
            "size_all_remote_objs": str(remote.total),
            "total_disks_size": str(disk_bytes),
        },
        "used_pct": round(here.on_disk * 100 / disk_bytes) if disk_bytes else 0,
        "is_present": is_present,
    }
