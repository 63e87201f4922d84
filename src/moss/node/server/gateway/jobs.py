"""Jobs at the gateway face: start, stop, and the questions about them. Source: spec/rest-control.md 9."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from moss.errors import InvalidBody, InvalidRequest, JobNotFound, NotFound, Unsupported
from moss.naming.bucket import Bucket
from moss.node.jobs import KINDS, Job, JobKind, JobQuery, JobSnapshot, Start, check_ids, find_kind
from moss.node.jobs.kinds import housekeeping
from moss.node.jobs.kinds.remote import PrefetchPlan, evict_cached, prefetch_objects
from moss.node.jobs.selection import parse_selection
from moss.node.remote.places import is_kept_elsewhere
from moss.node.server.answers import MESSAGE_BYTES_MAX, decode_json, empty_answer, id_answer, json_answer, lower_keys
from moss.node.server.gateway.lookup import NotRemote, check_bucket
from moss.node.server.gateway.remotes import stores_of
from moss.node.server.http import Request, Response
from moss.wire import job as wire
from moss.wire.bucket import BucketModel


class NotEnoughTargets(InvalidRequest):
    """A job that needs more targets than there are."""

    code = "not-enough-targets"


_TYPES = {
    "id": (str,),
    "kind": (str,),
    "daemonid": (str,),
    "node": (str,),
    "bck": (dict,),
    "buckets": (list,),
    "timeout": (int, str),
    "flags": (int,),
    "force": (bool,),
    "onlyrunning": (bool,),
    "show_active": (bool,),
}


def parse_job_message(value: Any) -> dict[str, Any]:
    """Read a job message: keys in any letter case, null as absent, unknown ones ignored.

    Raises:
        InvalidBody: no object, or a key of the wrong type.
    """
    if not isinstance(value, dict):
        raise InvalidBody("invalid job message: expecting a JSON object")
    message = {key: item for key, item in lower_keys(value).items() if item is not None}
    for key, types in _TYPES.items():
        if key in message and type(message[key]) not in types:
            raise InvalidBody(f"invalid job message: {key} has the wrong type")
    return message


def bucket_from_json(document: Any) -> Bucket | None:
    """Read the JSON form of a bucket, keys in any letter case; None for the empty one.

    Raises:
        InvalidBody: it has not the form of a bucket.
        InvalidName, InvalidProvider: it is no possible bucket.
    """
    fields = lower_keys(document)
    if isinstance(fields, dict):
        fields = {key: item for key, item in fields.items() if item is not None}
    try:
        return msgspec.convert(fields, BucketModel).to_bucket()
    except msgspec.ValidationError as error:
        raise InvalidBody(f"invalid bucket: {error}") from None


# -- start and stop ---------------------------------------------------------------------------------


def _bucket_of(node: Any, message: dict[str, Any]) -> Bucket | None:
    bucket = bucket_from_json(message["bck"]) if "bck" in message else None
    return node.clusters.resolve(bucket) if bucket is not None else None


def start(node: Any, value: Any) -> Response:
    """Start a housekeeping job and answer its id."""
    message = parse_job_message(value if value is not None else {})
    word = message.get("kind", "")
    kind = find_kind(word)
    if kind is None:
        raise InvalidRequest(f'invalid xaction (job) kind "{word}"')
    bucket = _bucket_of(node, message)
    if bucket is not None:
        check_bucket(node, bucket)
    if kind.start is Start.UNSUPPORTED:
        raise Unsupported(f"cannot start xaction {kind.name} - operation not supported")
    if kind.name == "put-copies":
        raise InvalidRequest('cannot start "put-copies": it is driven by writes into a mirrored bucket')
    if kind.start is Start.OWN_API:
        raise InvalidRequest(f'initiating "{kind.name}" must be done via a separate documented API')
    if kind.needs_bucket and bucket is None:
        raise InvalidRequest(f'xaction "{kind.name}" requires a bucket to start')
    _check_special(node, kind, bucket, message)
    work = _remote_work(node, kind, bucket) or housekeeping.work_of(kind.name, node.engine, bucket, node.cache)
    job = node.jobs.start(kind.name, work, bucket=bucket)
    return id_answer(job.id)


def _check_special(node: Any, kind: JobKind, bucket: Bucket | None, message: dict[str, Any]) -> None:
    if kind.name == "rebalance":
        raise NotEnoughTargets(f"{node.gateway_name}: not enough targets: have 1, need at least 2")
    if kind.name == "resilver":
        target = message.get("daemonid", "")
        if not target:
            raise Unsupported("cannot run resilver on all targets in the cluster - operation not supported")
        if target != node.target_id:
            raise InvalidRequest(f"resilver failure: node {target} not present in Smap")
    if bucket is not None and kind.name in ("blob-download", "prefetch-listrange", "evict-remote-bck"):
        if not is_kept_elsewhere(node.engine.get_bucket(bucket)):
            raise NotRemote(kind.name, bucket)
        if kind.name == "blob-download":
            raise InvalidRequest('initiating "blob-download" must be done via a separate documented API')


def _remote_work(node: Any, kind: JobKind, bucket: Bucket | None) -> Callable[[Job], None] | None:
    """Return the work of a job on all of a bucket that is kept elsewhere, None for other kinds."""
    if bucket is None or kind.name not in ("prefetch-listrange", "evict-remote-bck"):
        return None
    place, everything = node.remotes.place(node.engine.get_bucket(bucket)), parse_selection({})
    if kind.name == "evict-remote-bck":
        return evict_cached(stores_of(node), place, everything)
    plan = PrefetchPlan(place, everything, latest=place.validates)
    return prefetch_objects(stores_of(node), plan, partial(node.jobs.start, bucket=bucket))


async def stop(node: Any, value: Any) -> Response:
    """Stop jobs by id, or by kind and bucket; what is not running is silently fine."""
    message = parse_job_message(value if value is not None else {})
    ids = check_ids(message.get("id", "")) if "," not in message.get("id", "") else ()
    if "," in message.get("id", ""):
        raise InvalidRequest(f'invalid xaction (job) UUID "{message["id"]}"')
    kind = find_kind(message.get("kind", ""))
    if not ids and kind is None:
        raise InvalidRequest("cannot stop xaction given 'xa-[]' - expecting a valid kind and/or UUID")
    bucket = _bucket_of(node, message) if not ids else None
    wanted = JobQuery(ids, "" if ids or kind is None else kind.name, bucket, active_only=True)
    await asyncio.to_thread(node.jobs.stop, wanted)
    return empty_answer()


# -- questions --------------------------------------------------------------------------------------


async def query(node: Any, request: Request, what: str) -> Response:
    """Answer `what=status`, `status_all`, `qryxstats` and `running_all`."""
    body = await request.read(MESSAGE_BYTES_MAX)
    message = parse_job_message(decode_json(body)) if body else {}
    # Other worker processes are asked too.
    value = await asyncio.to_thread(_QUESTIONS[what], node, message)
    return json_answer(request, value)


def _selection(node: Any, message: dict[str, Any]) -> JobQuery:
    ids = check_ids(message.get("id", ""))
    kind = find_kind(message.get("kind", ""))
    if message.get("kind") and kind is None:
        raise InvalidRequest(f'invalid xaction (job) kind "{message["kind"]}"')
    bucket = _bucket_of(node, message)
    if bucket is not None:
        check_bucket(node, bucket)
    name = kind.name if kind else ""
    return JobQuery(ids, name, bucket, active_only=message.get("show_active", False) and not ids)


def _snapshots(node: Any, message: dict[str, Any]) -> dict[str, list[wire.JobSnapshot]]:
    wanted = _selection(node, message)
    found = node.jobs.snapshots(wanted)
    if wanted.ids and not found:
        raise JobNotFound(f'"x-{wanted.kind}[{",".join(wanted.ids)}]" not found')
    return {node.target_id: [snapshot_document(part) for part in found]}


def _running(node: Any, message: dict[str, Any]) -> list[str]:
    wanted = _selection(node, message)
    active = node.jobs.snapshots(JobQuery((), wanted.kind, wanted.bucket, active_only=True))
    return [f"{part.kind}[{part.id}]" for part in active]


def _status(node: Any, message: dict[str, Any]) -> wire.JobStatus:
    ids = check_ids(message.get("id", ""))
    kind = find_kind(message.get("kind", ""))
    if not ids and kind is None:
        raise InvalidRequest("invalid job query: expecting a valid kind and/or UUID")
    wanted = JobQuery(ids, kind.name if kind and not ids else "")
    found = [part for part in node.jobs.snapshots(wanted) if KINDS[part.kind].has_listener]
    found = [part for part in found if not part.ended_ns] or found
    if not found:
        word, job_id = (kind.name if kind else ""), ",".join(ids)
        raise NotFound(f"{node.gateway_name}: x-{word}[{job_id}] does not exist")
    latest = found[-1]
    if kind is not None and latest.kind != kind.name:
        raise InvalidRequest(f"{latest.kind}[{latest.id}] is not {kind.name}")
    return _status_document(latest)


def _status_all(node: Any, message: dict[str, Any]) -> list[wire.JobStatus]:
    wanted = JobQuery((), message.get("kind", ""), active_only=message.get("show_active", False))
    return [_status_document(part) for part in node.jobs.snapshots(wanted) if KINDS[part.kind].has_listener]


_QUESTIONS = {"status": _status, "status_all": _status_all, "qryxstats": _snapshots, "running_all": _running}


def _status_document(found: JobSnapshot) -> wire.JobStatus:
    return wire.JobStatus(
        kind=found.kind,
        uuid=found.id,
        err=found.error or found.abort_error,
        end_time=found.ended_ns,
        aborted=found.is_aborted,
    )


def snapshot_document(found: JobSnapshot) -> wire.JobSnapshot:
    """Return the wire form of a snapshot."""
    counters = found.counters
    return wire.JobSnapshot(
        id=found.id,
        kind=found.kind,
        start_time=wire.format_time(found.started_ns),
        end_time=wire.format_time(found.ended_ns),
        bck=BucketModel.of(found.bucket),
        src_bck=BucketModel.of(found.source),
        dst_bck=BucketModel.of(found.destination),
        ctlmsg=found.control_text or msgspec.UNSET,
        abort_err=found.abort_error,
        err=found.error,
        workers=wire.pack_workers(joggers=1 if found.workers else 0, workers=found.workers),
        aborted=found.is_aborted,
        is_idle=found.is_idle,
        stats=wire.JobStats(
            loc_objs=str(counters.local_objects),
            loc_bytes=str(counters.local_bytes),
            out_objs=str(counters.out_objects),
            out_bytes=str(counters.out_bytes),
            in_objs=str(counters.in_objects),
            in_bytes=str(counters.in_bytes),
        ),
    )
