"""Deleting and copying many objects: the requests of the jobs. Source: spec/rest-data.md 3.10, 6.1."""

from dataclasses import replace
from typing import Any

import msgspec

from moss.errors import BucketExists, InvalidBody, InvalidRequest
from moss.naming.bucket import Bucket, validate_bucket_name
from moss.node.jobs.kinds import listrange
from moss.node.jobs.selection import parse_selection
from moss.node.server.answers import id_answer, lower_keys
from moss.node.server.bucket_rules import check_access, decode_rules
from moss.node.server.gateway.jobs import bucket_from_json
from moss.node.server.gateway.lookup import check_bucket
from moss.node.server.http import Response
from moss.units import quote

_WORKERS_MAX = 64


def delete(node: Any, bucket: Bucket, value: Any) -> Response:
    """Start a `delete-listrange` job and answer its id."""
    check_access(check_bucket(node, bucket), "DELETE-OBJECT")
    fields = _fields(value)
    selection = parse_selection(fields)
    work = listrange.delete_objects(node.engine, bucket, selection, is_recursive=not fields.get("non-recurs"))
    return id_answer(node.jobs.start("delete-listrange", work, bucket=bucket, workers=_workers(fields)).id)


def copy(node: Any, source: Bucket, value: Any) -> Response:
    """Start a `copy-listrange` job and answer its id; an absent destination is made like the source."""
    record = check_bucket(node, source)
    fields = _fields(value)
    destination = bucket_from_json(fields["tobck"]) if fields.get("tobck") is not None else None
    if destination is None:
        validate_bucket_name("")
    assert destination is not None
    if fields.get("synchronize") and fields.get("prepend"):
        text = "is incompatible with the request to synchronize buckets"
        raise InvalidRequest(f"prepend option ({quote(str(fields['prepend']))}) {text}")
    plan = listrange.CopyPlan(
        source=source,
        destination=destination,
        selection=parse_selection(fields),
        prefix=_text(fields, "prefix"),
        prepend=_text(fields, "prepend"),
        extensions=_extensions(fields.get("ext")),
        is_dry_run=bool(fields.get("dry_run")),
        is_recursive=not fields.get("non-recurs"),
    )
    if destination.is_remote:
        check_bucket(node, destination)
    elif not plan.is_dry_run:
        try:
            node.engine.create_bucket(destination, msgspec.json.encode(msgspec.json.decode(record.props)))
        except BucketExists:
            pass
        check_access(node.engine.get_bucket(destination), "PUT", "APPEND", "DELETE-OBJECT", "MOVE-OBJECT")
        plan = replace(plan, checksum_type=decode_rules(node.engine.get_bucket(destination).props).checksum.type)
    work = listrange.copy_objects(node.engine, plan)
    job = node.jobs.start(
        "copy-listrange", work, bucket=source, source=source, destination=destination, workers=_workers(fields)
    )
    return id_answer(job.id)


def _fields(value: Any) -> dict[str, Any]:
    fields = lower_keys(value) if value is not None else {}
    if not isinstance(fields, dict):
        raise InvalidBody("invalid value: expecting a JSON object")
    return fields


def _workers(fields: dict[str, Any]) -> int:
    workers = fields.get("num-workers") or 0
    if type(workers) is not int:
        raise InvalidBody("num-workers must be an integer")
    return max(0, min(workers, _WORKERS_MAX))


def _text(fields: dict[str, Any], key: str) -> str:
    found = fields.get(key) or ""
    if not isinstance(found, str):
        raise InvalidBody(f"{key} must be a string")
    return found


def _extensions(found: Any) -> dict[str, str]:
    if found is None:
        return {}
    if not isinstance(found, dict) or not all(isinstance(text, str) for text in found.values()):
        raise InvalidBody("ext: expecting an object of strings")
    return dict(found)
