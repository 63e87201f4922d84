"""Deleting and copying many objects: the requests of the jobs. Source: spec/rest-data.md 3.10, 6.1."""

import asyncio
import contextlib
from dataclasses import replace
from typing import Any

from moss.errors import BucketExists, InvalidRequest
from moss.naming.bucket import Bucket, validate_bucket_name, validate_prefix
from moss.node.jobs.kinds import listrange
from moss.node.jobs.selection import Selection, parse_selection
from moss.node.server.answers import id_answer
from moss.node.server.bucket_rules import check_access, decode_rules
from moss.node.server.gateway.etl import EtlNotFound
from moss.node.server.gateway.fields import flag_of, read_fields, text_of, texts_of, workers_of
from moss.node.server.gateway.jobs import bucket_from_json
from moss.node.server.gateway.lookup import NotRemote, check_bucket
from moss.node.server.http import Response
from moss.units import quote

# Copying into a bucket may create and replace objects.
_COPY_OPERATIONS = ("PUT", "APPEND", "DELETE-OBJECT", "MOVE-OBJECT")


def delete(node: Any, bucket: Bucket, value: Any) -> Response:
    """Start a `delete-listrange` job and answer its id."""
    check_access(check_bucket(node, bucket), "DELETE-OBJECT")
    fields = read_fields(value, "delete-listrange")
    work = listrange.delete_objects(
        node.engine,
        bucket,
        parse_selection(fields),
        is_recursive=not flag_of(fields, "non-recurs"),
        continues=flag_of(fields, "coer"),
    )
    return id_answer(node.jobs.start("delete-listrange", work, bucket=bucket, workers=workers_of(fields)).id)


def prefetch(node: Any, bucket: Bucket) -> Response:
    """Refuse to prefetch: only buckets of a cloud, or of another cluster, have anything to fetch."""
    check_bucket(node, bucket)
    raise NotRemote("prefetch-listrange", bucket)


def evict(node: Any, bucket: Bucket) -> Response:
    """Refuse to evict: what is only here would be lost."""
    check_bucket(node, bucket)
    raise NotRemote("evict-remote-bck", bucket)


async def copy(node: Any, source: Bucket, value: Any) -> Response:
    """Start a `copy-listrange` job and answer its id; an absent destination is made like the source."""
    check_bucket(node, source)
    fields = read_fields(value, "copy-listrange")
    plan = parse_copy(fields, source, _destination(fields), parse_selection(fields))
    return await start_copy(node, "copy-listrange", plan, workers_of(fields))


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
    flag_of(fields, "latest-ver"), flag_of(fields, "force")  # nothing to refetch, nothing to override
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


async def start_copy(node: Any, kind: str, plan: listrange.CopyPlan, workers: int) -> Response:
    """Make the destination if need be, start the job and answer its id.

    Raises:
        BackendMissing: the destination is a bucket of a cloud or of another cluster.
        BucketAccessDenied: the destination does not allow it.
    """
    source, destination = plan.source, plan.destination
    if destination.is_remote:
        check_bucket(node, destination)
    elif not plan.is_dry_run:
        record = await asyncio.to_thread(_make_like, node, source, destination)
        check_access(record, *_COPY_OPERATIONS)
        plan = replace(plan, checksum_type=decode_rules(record.props).checksum.type)
    work = listrange.copy_objects(node.engine, plan)
    job = node.jobs.start(kind, work, bucket=source, source=source, destination=destination, workers=workers)
    return id_answer(job.id)


def _make_like(node: Any, source: Bucket, destination: Bucket) -> Any:
    """Return the record of a bucket; make it with the properties of another if it is not there."""
    if destination.is_system:
        raise InvalidRequest(f'reserved bucket name "{destination.name}"')
    with contextlib.suppress(BucketExists):
        if destination != source:
            node.engine.create_bucket(destination, node.engine.get_bucket(source).props)
    return node.engine.get_bucket(destination)
