"""The properties of one object as people see them. Source: spec/cli.md 5.6, spec/rest-data.md 5.4."""

from typing import Any

from moss.cli.context import Context
from moss.cli.failures import UsageError
from moss.cli.formats import UNSET, format_day, format_size, parse_timestamp
from moss.cli.output import printable
from moss.cli.transport import ServerError, bucket_query, path_of
from moss.naming.bucket import Bucket
from moss.sdk.obj.object_attributes import ObjectAttributes

__all__ = ["PROPS", "find_object", "show_properties"]

_DEFAULT = ("atime", "checksum", "name", "size")
_DEFAULT_REMOTE = (*_DEFAULT, "cached", "custom", "version")
PROPS = (
    "atime", "cached", "checksum", "chunked", "copies", "custom", "ec", "etag", "last-modified", "location", "name",
    "size", "version",
)  # fmt: skip
_NOT_ASKED = ("name", "size", "cached")


def wanted_props(context: Context, bucket: Bucket) -> tuple[str, ...]:
    """The names that `--props` and `--all` ask for.

    Raises:
        UsageError: an unknown one.
    """
    text = context.parsed.text("props")
    if context.parsed.flag("all") or text == "all":
        return PROPS
    if not text:
        return _DEFAULT_REMOTE if bucket.is_remote else _DEFAULT
    names = [name for word in text.split(",") if (name := word.strip())]
    for name in names:
        if name not in PROPS:
            raise UsageError(f'unknown object property "{name}" (expecting one of: {", ".join(PROPS)}, all)')
    return tuple(sorted({"name", *names}))


def find_object(
    context: Context, bucket: Bucket, name: str, props: tuple[str, ...], **query: str
) -> ObjectAttributes | None:
    """Ask for properties of an object; None when it does not exist.

    Args:
        query: further parameters, as in `presence="3"`.

    Raises:
        ServerError: the bucket does not exist, or the cluster says something else.
    """
    asked = ",".join(prop for prop in props if prop not in _NOT_ASKED) or "name,size"
    all_query = bucket_query(bucket) | {"props": asked} | query
    try:
        with context.transport.request("HEAD", path_of("objects", bucket.name, name), query=all_query) as answer:
            return ObjectAttributes(answer.headers)
    except ServerError as error:
        if error.code != 404 or f'bucket "{bucket}"' in error.message:
            raise
        return None


def show_properties(
    context: Context, bucket: Bucket, name: str, found: ObjectAttributes, props: tuple[str, ...]
) -> None:
    """Print the properties as a table, or with `--json` as a document with exact values."""
    texts = _texts(context, bucket, name, found)
    rows = [("PROPERTY", "VALUE"), *((prop, texts[prop] or UNSET) for prop in props)]
    context.show(rows, lambda: _document(bucket, name, found))


def _texts(context: Context, bucket: Bucket, name: str, found: ObjectAttributes) -> dict[str, str]:
    chunks, ec = found.chunks, found.ec
    kind, value = found.checksum_type, found.checksum_value
    custom = " ".join(f"{key}={text}" for key, text in sorted(found.custom_metadata.items()))
    return {
        "atime": format_day(parse_timestamp(found.access_time)),
        "cached": "yes" if found.present else "no",
        "checksum": f"{kind}[{value}]" if kind else UNSET,
        "chunked": f"{chunks.chunk_count} ({format_size(chunks.max_chunk_size, context.units)} max)"
        if chunks
        else "no",
        "copies": f"{found.mirror_copies} [{', '.join(found.mirror_paths)}]" if found.mirror_copies else UNSET,
        "custom": printable(custom),
        "ec": f"{ec.data_slices}:{ec.parity_slices}{' [replicated]' if ec.is_ec_copy else ''}" if ec else UNSET,
        "etag": found.etag,
        "last-modified": found.last_modified,
        "location": found.location,
        "name": bucket.cname_of(printable(name)),
        "size": format_size(found.size, context.units),
        "version": found.obj_version,
    }


def _document(bucket: Bucket, name: str, found: ObjectAttributes) -> dict[str, Any]:
    chunks, ec = found.chunks, found.ec
    return {
        "bucket": bucket.cname,
        "name": name,
        "size": found.size,
        "checksum": {"type": found.checksum_type, "value": found.checksum_value},
        "atime": parse_timestamp(found.access_time),
        "cached": found.present,
        "version": found.obj_version,
        "custom": found.custom_metadata,
        "location": found.location,
        "copies": found.mirror_copies,
        "chunks": {"count": chunks.chunk_count, "size_max": chunks.max_chunk_size} if chunks else None,
        "ec": {"data": ec.data_slices, "parity": ec.parity_slices, "replicated": ec.is_ec_copy} if ec else None,
        "etag": found.etag,
        "last_modified": found.last_modified,
    }
