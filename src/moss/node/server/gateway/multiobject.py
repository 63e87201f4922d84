"""Deleting, fetching, evicting and copying many objects: the requests of the jobs.

Source: spec/rest-data.md 3.10, 6.1, 8.
"""

import contextlib
from dataclasses import replace
from functools import partial
from typing import Any

from moss.errors import BucketExists, InvalidRequest
from moss.naming.bucket import Bucket, validate_bucket_name, validate_prefix
from moss.node.jobs.kinds import listrange
from moss.node.jobs.kinds.remote import PrefetchPlan, delete_remote, evict_cached, prefetch_objects
from moss.node.jobs.kinds.remote_copy import copy_remote
from moss.node.jobs.selection import Selection, parse_selection
from moss.node.jobs.stores import WORKERS
from moss.node.remote.blobs import BlobOptions
from moss.node.remote.buckets import known
from moss.node.server.answers import id_answer
from moss.node.server.bucket_rules import check_access, decode_rules
from moss.node.server.gateway import remotes
from moss.node.server.gateway.etl import EtlNotFound
from moss.node.server.gateway.fields import flag_of, number_of, read_fields, text_of, texts_of, workers_of
from moss.node.server.gateway.jobs import bucket_from_json
from moss.node.server.gateway.lookup import NotRemote, check_bucket
from moss.node.server.gateway.making import make_like
from moss.node.server.gateway.remotes import stores_of
from moss.node.server.http import Response
from moss.units import quote

_BLOB_BYTES_MIN = 1 << 20
# Copying into a bucket may create and replace objects.
_COPY_OPERATIONS = ("PUT", "APPEND", "DELETE-OBJECT", "MOVE-OBJECT")


def delete(node: Any, bucket: Bucket, value: Any) -> Response:
    """Start a `delete-listrange` job and answer its id."""
    record = check_bucket(node, bucket)
    check_access(record, "DELETE-OBJECT")
    fields = read_fields(value, "delete-listrange")
    selection = parse_selection(fields)
    options = {"is_recursive": not flag_of(fields, "non-recurs"), "continues": flag_of(fields, "coer")}
    place = node.remotes.place(record)
    if place is None:
        work = listrange.delete_objects(node.engine, bucket, selection, **options)
    else:
        work = delete_remote(stores_of(node), place, selection, **options, workers=in_flight_of(fields))
    return id_answer(node.jobs.start("delete-listrange", work, bucket=bucket, workers=workers_of(fields)).id)


def prefetch(node: Any, bucket: Bucket, value: Any, selection: Selection | None = None) -> Response:
    """Start a `prefetch-listrange` job and answer its id.

    Args:
        selection: what to fetch, None for what the message says.

    Raises:
        NotRemote: the bucket has no store behind it.
    """
    record = check_bucket(node, bucket)
    place = node.remotes.place(record)
    if place is None:
        raise NotRemote("prefetch-listrange", bucket)
    fields = read_fields(value, "prefetch-listrange")
    blob_bytes = number_of(fields, "blob-threshold")
    plan = PrefetchPlan(
        place=place,
        selection=selection or parse_selection(fields),
        is_recursive=not flag_of(fields, "non-recurs"),
        latest=flag_of(fields, "latest-ver") or place.validates,
        blob_bytes=max(blob_bytes, _BLOB_BYTES_MIN) if blob_bytes else 0,
        blob_options=BlobOptions(number_of(fields, "blob-chunk-size"), number_of(fields, "blob-num-workers")),
        continues=flag_of(fields, "coer"),
        workers=in_flight_of(fields),
    )
    work = prefetch_objects(stores_of(node), plan, partial(node.jobs.start, bucket=bucket))
    return id_answer(node.jobs.start("prefetch-listrange", work, bucket=bucket, workers=workers_of(fields)).id)


def evict(node: Any, bucket: Bucket, value: Any) -> Response:
    """Start an `evict-listrange` job and answer its id.

    Raises:
        NotRemote: the bucket has no store behind it: what is only here would be lost.
    """
    place = node.remotes.place(check_bucket(node, bucket))
    if place is None:
        raise NotRemote("evict-remote-bck", bucket)
    fields = read_fields(value, "evict-listrange")
    options = {"is_recursive": not flag_of(fields, "non-recurs"), "continues": flag_of(fields, "coer")}
    work = evict_cached(stores_of(node), place, parse_selection(fields), **options)
    return id_answer(node.jobs.start("evict-listrange", work, bucket=bucket, workers=workers_of(fields)).id)


def in_flight_of(fields: dict[str, Any]) -> int:
    """Return how many objects a job is to have under way at one time."""
    return 1 if number_of(fields, "num-workers") < 0 else workers_of(fields) or WORKERS


async def copy(node: Any, source: Bucket, value: Any) -> Response:
    """Start a `copy-listrange` job and answer its id; an absent destination is made like the source."""
    check_bucket(node, source)
    fields = read_fields(value, "copy-listrange")
    destination = node.clusters.resolve(_destination(fields))
    plan = parse_copy(fields, source, destination, parse_selection(fields))
    return await start_copy(node, "copy-listrange", plan, fields)


def transform(node: Any, source: Bucket, value: Any) -> Response:
    """Refuse to transform objects by a transformer that is not there.

    Raises:
        EtlNotFound: always; this node runs no transformers.
    """
    check_bucket(node, source)
    raise EtlNotFound(node.gateway_name, text_of(read_fields(value, "etl"), "id"))


def _destination(fields: dict[str, Any]) -> Bucket:
    bucket = bucket_from_json(fields["tobck"]) if fields.get("tobck") is not None else None
    if bucket is None:
        validate_bucket_name("")
    assert bucket is not None
    return bucket


def parse_copy(fields: dict[str, Any], source: Bucket, destination: Bucket, selection: Selection) -> listrange.CopyPlan:
    """Read the fields that both ways to copy have.

    Raises:
        InvalidBody: a value of the wrong type.
        InvalidName: objects cannot be called what `prepend` makes of their names.
        InvalidRequest: `synchronize` together with `prepend`.
    """
    prepend = text_of(fields, "prepend")
    synchronizes = flag_of(fields, "synchronize")
    if synchronizes and prepend:
        text = "is incompatible with the request to synchronize buckets"
        raise InvalidRequest(f"prepend option ({quote(prepend)}) {text}")
    validate_prefix(prepend)
    flag_of(fields, "force")  # nothing to override
    return listrange.CopyPlan(
        source=source,
        destination=destination,
        selection=selection,
        prefix=text_of(fields, "prefix"),
        prepend=prepend,
        extensions=texts_of(fields, "ext"),
        is_dry_run=flag_of(fields, "dry_run"),
        is_recursive=not flag_of(fields, "non-recurs"),
        synchronizes=synchronizes,
        continues=flag_of(fields, "coer"),
    )


async def start_copy(
    node: Any, kind: str, plan: listrange.CopyPlan, fields: dict[str, Any], *, only_cached: bool = False
) -> Response:
    """Make the destination if need be, start the job and answer its id.

    Args:
        fields: of the message.
        only_cached: of a source that is kept elsewhere only what is in the cache.

    Raises:
        BackendMissing, BucketNotFound: the destination is a bucket of a cloud, or of another cluster, and not there.
        BackendUnavailable, BackendDenied: as its store says.
        BucketAccessDenied: the destination does not allow it.
    """
    source, destination = plan.source, plan.destination
    # Wrong fields are refused before anything is made.
    workers, in_flight, latest = workers_of(fields), in_flight_of(fields), flag_of(fields, "latest-ver")
    record = None
    if destination.is_remote:
        await remotes.know(node, destination)
        record = check_bucket(node, destination)
    elif not plan.is_dry_run:
        record = await _make_like(node, source, destination)
    if record is not None and not plan.is_dry_run:
        check_access(record, *_COPY_OPERATIONS)
        plan = replace(plan, checksum_type=decode_rules(record.props).checksum.type)
    ends = [node.remotes.place(end) for end in (node.engine.get_bucket(source), record) if end is not None]
    if any(ends):
        work = copy_remote(stores_of(node), plan, only_cached=only_cached, latest=latest, workers=in_flight)
    else:
        work = listrange.copy_objects(node.engine, plan)
    job = node.jobs.start(kind, work, bucket=source, source=source, destination=destination, workers=workers)
    return id_answer(job.id)


async def _make_like(node: Any, source: Bucket, destination: Bucket) -> Any:
    """Return the record of a bucket; make it with the properties of another if it is not there."""
    if destination.is_system:
        raise InvalidRequest(f'reserved bucket name "{destination.name}"')
    if destination != source and known(node.engine, destination) is None:
        with contextlib.suppress(BucketExists):
            await make_like(node, node.engine.get_bucket(source), destination)
    return node.engine.get_bucket(destination)
