"""Jobs on whole buckets: rename, copy, rechunk, copies, erasure coding, inventories.

Source: spec/rest-data.md 3.9-3.11.
"""

import asyncio
from typing import Any

from moss.errors import BucketExists, InvalidBody, InvalidRequest, JobConflict, Unsupported
from moss.naming.bucket import Bucket, parse_bucket_uname, validate_prefix
from moss.naming.template import Template
from moss.node.jobs import Job, JobQuery
from moss.node.jobs.kinds.rechunk import RechunkPlan, rechunk_objects
from moss.node.jobs.kinds.rename import follow_rename
from moss.node.jobs.selection import Selection
from moss.node.remote.places import is_kept_elsewhere
from moss.node.server.answers import ActionMessage, decode_json, id_answer
from moss.node.server.bucket_rules import check_access, decode_rules
from moss.node.server.gateway.fields import number_of, read_fields, text_of
from moss.node.server.gateway.lookup import BucketUnsupported, NotRemote, check_bucket
from moss.node.server.gateway.multiobject import parse_copy, prefetch, start_copy
from moss.node.server.http import Request, Response

_COPIES_MAX = 32
_SLICES_MAX = 32
# The value of `presence` that a copy has by itself: what is in the cluster.
_PRESENT = 2
# What a copy of a bucket onto itself says that is of use to its prefetch.
_REFRESHED = ("latest-ver", "coer", "non-recurs", "num-workers")
_CHUNK_BYTES_MAX = 5 << 30
# What reads, or is about nothing but itself, does not mind that the bucket gets another name.
_HARMLESS = frozenset({"get-batch", "list", "summary-bck", "summary-shard", "move-bck"})


class DestinationExists(BucketExists):
    """A bucket cannot be renamed to the name of another; 400, unlike a second creation."""

    code = "destination-exists"


def destination_of(request: Request) -> Bucket:
    """Return the bucket that `bck_to` names.

    Raises:
        InvalidRequest: there is no such parameter.
        InvalidName, InvalidProvider: it names no possible bucket.
    """
    text = request.query.get("bck_to")
    if not text:
        raise InvalidRequest('missing "bck_to" query parameter')
    return parse_bucket_uname(text)


# -- rename -----------------------------------------------------------------------------------------


async def rename(node: Any, request: Request, bucket: Bucket) -> Response:
    """Rename a bucket; the answer is the id of the job that does what is left.

    Raises:
        InvalidRequest: the source, or the destination, is no bucket that can be renamed, or they are the same.
        DestinationExists: there is a bucket of the new name.
        JobConflict: a job changes one of the two buckets.
    """
    if bucket.is_remote:
        raise BucketUnsupported(f"cannot rename/move remote bucket {bucket.cname} - operation not supported")
    new = destination_of(request)
    if new.is_remote:
        raise InvalidRequest(f"can only rename to AIS ('ais://') bucket (\"{new.cname}\" is remote)")
    check_access(check_bucket(node, bucket), "MOVE-BUCKET")
    if node.remotes.bucket_store(node.engine.get_bucket(bucket)) is not None:
        raise InvalidRequest(f"cannot rename {bucket.cname}: its objects are kept in a store under its name")
    if new == bucket:
        raise InvalidRequest(f'cannot rename bucket "{bucket.cname}" to itself ("{new.cname}")')
    if bucket.is_system or new.is_system:
        raise InvalidRequest(f'reserved bucket name "{(bucket if bucket.is_system else new).name}"')
    await asyncio.to_thread(_refuse_busy, node, bucket, new)
    try:
        await asyncio.to_thread(node.engine.rename_bucket, bucket, new)
    except BucketExists:
        raise DestinationExists(new.cname) from None
    work = follow_rename(node.engine, bucket, new)
    return id_answer(node.jobs.start("move-bck", work, bucket=bucket, source=bucket, destination=new).id)


def _refuse_busy(node: Any, *buckets: Bucket) -> None:
    for bucket in buckets:
        for part in node.jobs.snapshots(JobQuery(bucket=bucket, active_only=True)):
            if part.kind not in _HARMLESS and not part.is_idle:
                # No bucket in the text: clients would take the answer for "bucket exists".
                text = f'{part.kind}[{part.id}] is currently running, cannot run "move-bck" concurrently'
                raise JobConflict(f"{node.gateway_name}: {text}")


# -- copy -------------------------------------------------------------------------------------------


async def copy(node: Any, request: Request, bucket: Bucket, value: Any) -> Response:
    """Start a `copy-bck` job and answer its id; an absent destination is made like the source.

    Raises:
        InvalidRequest: source and destination are the same, and it is no rehearsal.
    """
    record = check_bucket(node, bucket)
    destination = destination_of(request)
    presence = request.query.signed("presence") if request.query.get("presence") else _PRESENT
    fields = read_fields(value, "copy-bck")
    prefix = text_of(fields, "prefix")
    # Here a prefix is taken literally, a star at its end included.
    plan = parse_copy(fields, bucket, destination, Selection(None, Template(prefix, prefix)))
    is_remote = is_kept_elsewhere(record)
    if bucket == destination and not plan.is_dry_run:
        if is_remote:
            return prefetch(node, bucket, {key: fields.get(key) for key in _REFRESHED}, plan.selection)
        raise InvalidRequest(f'cannot copy-bck bucket "{bucket.cname}" onto itself')
    only_cached = is_remote and presence in (_PRESENT, 3, 4)
    # What is listed by the store is copied as many objects, whose job has another name.
    kind = "copy-listrange" if is_remote and not only_cached else "copy-bck"
    return await start_copy(node, kind, plan, fields, only_cached=only_cached)


# -- the rest ---------------------------------------------------------------------------------------


def rechunk(node: Any, bucket: Bucket, value: Any) -> Response:
    """Start a `rechunk` job and answer its id.

    Raises:
        InvalidBody: no chunk size, a negative one, or one above 5 GiB; a limit below zero.
    """
    record = check_bucket(node, bucket)
    fields = read_fields(value, "rechunk")
    chunk_bytes, limit_bytes = number_of(fields, "chunk-size"), number_of(fields, "objsize-limit")
    if not 0 < chunk_bytes <= _CHUNK_BYTES_MAX:
        raise InvalidBody(
            f"rechunk: invalid chunk-size {chunk_bytes} (expected value in range [1, {_CHUNK_BYTES_MAX}])"
        )
    if limit_bytes < 0:
        raise InvalidBody(f"rechunk: invalid objsize-limit {limit_bytes} (expected zero or a positive number)")
    prefix = text_of(fields, "prefix").removesuffix("*")
    validate_prefix(prefix)
    plan = RechunkPlan(
        bucket=bucket,
        selection=Selection(None, Template(prefix, prefix)),
        chunk_bytes=chunk_bytes,
        limit_bytes=limit_bytes,
        # What a store keeps has its store's versions, however it is cut here.
        has_versions=decode_rules(record.props).versioning.enabled and not is_kept_elsewhere(record),
    )
    return id_answer(node.jobs.start("rechunk", rechunk_objects(node.engine, plan), bucket=bucket).id)


def make_copies(node: Any, bucket: Bucket, value: Any) -> Response:
    """Start a `make-n-copies` job and answer its id: one copy is all that one disk can hold.

    Raises:
        InvalidBody: no positive number, or more copies than there are disks.
    """
    check_bucket(node, bucket)
    if type(value) is not int or not 1 <= value <= _COPIES_MAX:
        raise InvalidBody(f"make-n-copies: invalid number of copies (expected value in range [1, {_COPIES_MAX}])")
    if value > 1:
        raise InvalidBody(f"not enough mountpaths (1) to configure {bucket.cname} as {value}-way mirror")
    return id_answer(node.jobs.start("make-n-copies", Job.check, bucket=bucket).id)


def encode(node: Any, bucket: Bucket, message: ActionMessage) -> Response:
    """Refuse to code a bucket's objects in slices: that takes several targets.

    Raises:
        InvalidBody: always; what is wrong with the message first.
    """
    check_bucket(node, bucket)
    if message.name not in ("", "recover"):
        raise InvalidBody(f'ec-encode: invalid name "{message.name}" (expecting none, or "recover")')
    if not isinstance(message.value, str):
        raise InvalidBody("ec-encode: expecting a string that holds a JSON object")
    fields = read_fields(decode_json(message.value.encode()), "ec-encode")
    data, parity = number_of(fields, "data_slices"), number_of(fields, "parity_slices")
    for key, slices in (("data_slices", data), ("parity_slices", parity)):
        if not 1 <= slices <= _SLICES_MAX:
            raise InvalidBody(f"invalid ec.{key}: {slices} (expected value in range [1, {_SLICES_MAX}])")
    needed = data + parity + 1
    raise InvalidBody(f"not enough targets: need at least {needed} for erasure coding of {bucket.cname}, have 1")


def create_inventory(node: Any, bucket: Bucket) -> Response:
    """Refuse an inventory: there is nothing remote to take stock of, or nothing that takes it.

    Raises:
        NotRemote: a bucket of this node alone.
        Unsupported: every other one.
    """
    if not is_kept_elsewhere(check_bucket(node, bucket)):
        raise NotRemote("create-inventory", bucket)
    raise Unsupported(f"cannot create inventory of {bucket.cname} - operation not supported")
