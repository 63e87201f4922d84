"""Promotion: the request, and the rules about what may be read. Source: spec/rest-data.md 5.12.

A gateway answers it without a redirect; it is carried out by the process that took it.
"""

import asyncio
from typing import Any

from moss.errors import InvalidBody, InvalidRequest
from moss.naming.bucket import Bucket
from moss.node.jobs.kinds.promote import InvalidPromoteSource, PromotePlan, check_source, promote_files
from moss.node.server.answers import ActionMessage, id_answer, lower_keys
from moss.node.server.bucket_rules import decode_rules
from moss.node.server.gateway.lookup import InvalidObjectName, UnknownNode
from moss.node.server.http import Response
from moss.node.storage.objects import ObjectAttributes
from moss.units import quote

# So long the answer waits for the job's end: most promotions are over then, and older clients expect them to be.
_WAIT_S = 2.0
_DEFAULTS: dict[str, str | bool] = {
    "tid": "", "src": "", "obj": "", "rcr": False, "ovw": False, "dls": False, "notshr": False,
}  # fmt: skip


class ConflictingSource(InvalidRequest):
    """Two different sources in one request."""


async def start(node: Any, bucket: Bucket, bucket_record: Any, message: ActionMessage) -> Response:
    """Start a promotion and answer its job's id.

    Raises:
        InvalidBody: a value of the wrong type.
        InvalidPromoteSource: a source outside the roots, or behind a link.
        InvalidObjectName: an object name with `.` or `..` in it.
        UnknownNode: it is to run on a node that is not there.
        NotFound: there is no such file.
    """
    fields = _fields(message)
    rules = decode_rules(bucket_record.props)
    source = _source(message.name, fields["src"])
    root, path = _below_root(source, node.options.promote_roots)
    _check_name(fields["obj"])
    if fields["tid"] and fields["tid"] != node.target_id:
        raise UnknownNode(node.gateway_name, "promote", fields["tid"])
    plan = PromotePlan(
        bucket=bucket,
        root=root,
        path=path,
        name=fields["obj"].lstrip("/"),
        # Who must not overwrite must not do so either when the object appears meanwhile.
        attributes=ObjectAttributes(
            checksum_type=rules.checksum.type,
            versioning=rules.versioning.enabled,
            replaces=None if fields["ovw"] else 0,
        ),
        is_recursive=fields["rcr"],
        overwrites=fields["ovw"],
        deletes=fields["dls"],
    )
    await asyncio.to_thread(check_source, plan)
    job = node.jobs.start("promote", promote_files(plan, node.writes), bucket=bucket)
    await asyncio.to_thread(job.wait, _WAIT_S)
    return id_answer(job.id)


def _fields(message: ActionMessage) -> dict[str, Any]:
    value = lower_keys(message.value) if message.value is not None else {}
    if not isinstance(value, dict):
        raise InvalidBody("promote: expecting a JSON object as value")
    fields: dict[str, Any] = {}
    for key, default in _DEFAULTS.items():
        given = value.get(key)
        if given is not None and not isinstance(given, type(default)):
            raise InvalidBody(f"promote: {key} must be a {'string' if default == '' else 'boolean'}")
        fields[key] = default if given is None else given
    return fields


def _source(name: str, source: str) -> str:
    if name and source and name != source:
        raise ConflictingSource(f"conflicting promote source: {quote(name)} vs {quote(source)}")
    source = source or name
    if not source:
        raise EmptySource
    if "\0" in source:
        raise InvalidPromoteSource(source, "must not contain NUL")
    if not source.startswith("/"):
        raise InvalidPromoteSource(source, "must be an absolute path")
    if any(part in (".", "..") for part in source.split("/")):
        raise InvalidPromoteSource(source, "must not contain '.' or '..' path elements")
    return source


class EmptySource(InvalidPromoteSource):
    """No source at all."""

    def __init__(self) -> None:
        InvalidRequest.__init__(self, "invalid promote source: pathname is empty")


def _below_root(source: str, roots: tuple[str, ...]) -> tuple[str, str]:
    """Split a source into one of the roots and the path below it."""
    cleaned = "/" + "/".join(filter(None, source.split("/")))
    for root in roots:
        clean_root = "/" + "/".join(filter(None, root.split("/")))
        if cleaned == clean_root or cleaned.startswith(f"{clean_root.rstrip('/')}/"):
            return root, cleaned[len(clean_root) :].lstrip("/")
    if not roots:
        raise InvalidPromoteSource(source, "promotion is turned off here")
    raise InvalidPromoteSource(source, f"must be under {' or '.join(roots)}")


def _check_name(name: str) -> None:
    if name.startswith("~/") or any(part in (".", "..") for part in name.split("/")):
        raise InvalidObjectName(f"object name or prefix: invalid prefix {quote(name)}")
