"""Making an archive of objects: the request of the job. Source: spec/rest-data.md 7.4."""

from dataclasses import replace
from typing import Any

from moss.archive.formats import format_of_name, parse_mime
from moss.errors import InvalidBody, InvalidRequest
from moss.naming.bucket import Bucket, is_valid_object_name, validate_bucket_name
from moss.node.jobs.kinds.archive import ArchivePlan, make_archive
from moss.node.jobs.selection import parse_selection
from moss.node.server.answers import id_answer, lower_keys
from moss.node.server.bucket_rules import check_access, decode_rules
from moss.node.server.gateway import remotes
from moss.node.server.gateway.jobs import bucket_from_json
from moss.node.server.gateway.lookup import InvalidObjectName, check_bucket
from moss.node.server.gateway.remotes import stores_of
from moss.node.server.http import Response
from moss.node.server.target.member_put import UnknownExtension
from moss.node.storage.objects import ObjectAttributes
from moss.units import quote

_EXTENSIONS = (".tar.lz4", ".tar.gz", ".tar", ".tgz", ".zip")
_FLAGS = {
    "isbn": "has_bucket_names",
    "bnonly": "has_base_names",
    "aate": "appends",
    "coer": "skips_missing",
}


async def start(node: Any, source: Bucket, value: Any) -> Response:
    """Start the job and answer its id."""
    check_bucket(node, source)
    plan = parse_plan(source, value)
    plan = replace(plan, destination=node.clusters.resolve(plan.destination))
    await remotes.know(node, plan.destination)
    destination = check_bucket(node, plan.destination)
    check_access(destination, "PUT")
    rules = decode_rules(destination.props)
    attributes = ObjectAttributes(checksum_type=rules.checksum.type, versioning=rules.versioning.enabled)
    plan = replace(plan, attributes=attributes)
    job = node.jobs.start(
        "archive",
        make_archive(plan, stores_of(node)),
        bucket=source,
        source=source,
        destination=plan.destination,
    )
    return id_answer(job.id)


def parse_plan(source: Bucket, value: Any) -> ArchivePlan:
    """Read the message of an archive request.

    Raises:
        InvalidBody: a key of the wrong type.
        InvalidName: no destination bucket, or an impossible archive name.
        UnknownExtension: the archive's name does not end as an archive does.
        UnknownMime, InvalidRequest: `mime` is unknown, or is not what the name says.
    """
    fields = lower_keys(value)
    if not isinstance(fields, dict):
        raise InvalidBody("archive: expecting a JSON object as value")
    destination = bucket_from_json(fields["tobck"]) if fields.get("tobck") is not None else None
    if destination is None:
        validate_bucket_name("")
    assert destination is not None
    name = fields.get("archname") or ""
    if not isinstance(name, str):
        raise InvalidBody("archive: archname must be a string")
    archive_format = _format_of(name, fields.get("mime") or "")
    if not is_valid_object_name(name):
        raise InvalidObjectName(f"invalid object name {quote(name)}")
    flags = {field: fields.get(key) or False for key, field in _FLAGS.items()}
    if not all(isinstance(flag, bool) for flag in flags.values()):
        raise InvalidBody(f"archive: {', '.join(_FLAGS)} must be booleans")
    return ArchivePlan(
        source=source,
        destination=destination,
        name=name,
        format=archive_format,
        selection=parse_selection(fields),
        is_recursive=not fields.get("non-recurs"),
        **flags,
    )


def _format_of(name: str, mime: Any) -> Any:
    if not isinstance(mime, str):
        raise InvalidBody("archive: mime must be a string")
    found = format_of_name(name)
    if found is None:
        dot = name.rfind(".")
        extension = name[dot:] if dot >= 0 else ""
        raise UnknownExtension(f"unknown filename extension ({quote(name)}, {quote(extension)})")
    extension = next(extension for extension in _EXTENSIONS if name.endswith(extension))
    if mime and mime != extension:
        parse_mime(mime)
        raise InvalidRequest(f'mime mismatch {quote(mime)} vs "{extension}"')
    return found
