"""`ais bucket props set|show|reset`, `ais show bucket` and `ais bucket lru`. Source: spec/cli.md 5.4."""

from collections.abc import Mapping
from typing import Any

from moss.cli.arguments import check_count, parse_bucket
from moss.cli.buckets.actions import act, fetch_props
from moss.cli.buckets.props import Value, compact, flatten, parse_changes, shown, unflatten
from moss.cli.context import Context
from moss.cli.failures import CommandError, UsageError
from moss.cli.flags import JSON, NO_HEADERS
from moss.cli.listing import complete_buckets
from moss.cli.options import Command, Option
from moss.naming.bucket import Bucket

_DO_NOT_ADD = {"dont_add_remote_bck_md": "true"}


def _set(context: Context) -> None:
    words = context.parsed.positionals
    check_count(words, ["BUCKET", "KEY=VALUE"], most=None)
    bucket = parse_bucket(words[0])
    before = flatten(fetch_props(context.transport, bucket))
    changes = parse_changes(words[1:], before)
    if not changes:
        raise UsageError("expecting KEY=VALUE or a JSON document with at least one property")
    _change(context, bucket, before, changes)


def _change(context: Context, bucket: Bucket, before: Mapping[str, Value], changes: Mapping[str, Value]) -> None:
    """Set what differs, and say what was and what is."""
    console = context.console
    different = {key: value for key, value in changes.items() if before.get(key) != value}
    for key in changes.keys() - different.keys():
        console.result(f'Bucket "{bucket}": property "{key}={shown(key, changes[key])}", nothing to do')
    if not different:
        return
    query = {"frc": "true"} if context.parsed.flag("force") else {}
    job_id = act(context.transport, "PATCH", bucket, "set-bprops", unflatten(different), **query)
    for key, value in different.items():
        console.result(f'"{key}" set to: "{shown(key, value)}" (was: "{shown(key, before.get(key, ""))}")')
    console.result("\nBucket props successfully updated.")
    if job_id:  # more copies, or slices: the cluster makes them now
        console.result(f"To monitor the progress, run 'ais show job {job_id}'")


def _reset(context: Context) -> None:
    check_count(context.parsed.positionals, ["BUCKET"], most=1)
    act(context.transport, "PATCH", parse_bucket(context.parsed.positionals[0]), "reset-bprops")
    context.console.result("Bucket props successfully reset to cluster defaults")


def _show(context: Context) -> None:
    words = context.parsed.positionals
    check_count(words, ["BUCKET"], most=2)
    bucket, prefix = parse_bucket(words[0]), words[1] if len(words) > 1 else ""
    query = {} if context.parsed.flag("add") else _DO_NOT_ADD
    document = fetch_props(context.transport, bucket, **query)
    values = flatten(document) | {"present": True}
    if context.parsed.flag("compact"):
        lines = compact(values)
    else:
        lines = {key: "yes" if key == "present" else shown(key, value) for key, value in sorted(values.items())}
        lines.pop("Renamed", None)
    found = {key: text for key, text in lines.items() if key.startswith(prefix)}
    if not found:
        sections = ", ".join(sorted({key.partition(".")[0] for key in lines}))
        raise CommandError(f'no property of {bucket} starts with "{prefix}"', f"There are: {sections}.")
    exact = _of_prefix(document, values, prefix)
    context.show([("PROPERTY", "VALUE"), *found.items()], exact)


def _of_prefix(document: Mapping[str, Any], values: Mapping[str, Value], prefix: str) -> Mapping[str, Any]:
    """The document as the cluster sent it, or the part of it whose keys start with the prefix."""
    if not prefix:
        return document
    return unflatten({key: value for key, value in values.items() if key.startswith(prefix) and key != "present"})


def _lru(context: Context) -> None:
    parsed = context.parsed
    check_count(parsed.positionals, ["BUCKET"], most=1)
    bucket = parse_bucket(parsed.positionals[0])
    if parsed.flag("enable") and parsed.flag("disable"):
        raise UsageError("flags '--enable' and '--disable' are mutually exclusive")
    before = flatten(fetch_props(context.transport, bucket, **_DO_NOT_ADD))
    if parsed.flag("enable") or parsed.flag("disable"):
        _change(context, bucket, before, {"lru.enabled": parsed.flag("enable")})
        return
    found = {key: value for key, value in before.items() if key.startswith("lru.")}
    context.show([("PROPERTY", "VALUE"), *((key, shown(key, value)) for key, value in found.items())], unflatten(found))


def _complete(context: Context) -> list[str]:
    """Buckets first, then the properties of the bucket, with the sign that a value follows."""
    words = context.parsed.positionals
    if not words:
        return complete_buckets(context)
    return [f"{key}=" for key in flatten(fetch_props(context.transport, parse_bucket(words[0]), **_DO_NOT_ADD))]


def _complete_sections(context: Context) -> list[str]:
    words = context.parsed.positionals
    return sorted({key.partition(".")[0].rstrip("=") for key in _complete(context)}) if words else _complete(context)


SET = Command(
    usage="BUCKET KEY=VALUE [KEY=VALUE...] | BUCKET JSON",
    summary="set properties of a bucket",
    run=_set,
    complete=_complete,
    options=(Option("force", "set them even when the cluster advises against it", aliases=("f",)),),
    notes="Keys are those of 'ais bucket props show'. 'access' takes ro, rw, su or names of operations; 'backend_bck'\n"
    "takes a cloud bucket, or none.",
    examples=(
        "ais bucket props set ais://speech checksum.type=md5 checksum.validate_warm_get=true",
        'ais bucket props set ais://speech \'{"lru": {"enabled": true}}\'',
        "ais bucket props set ais://speech access=ro",
        "ais bucket props set ais://speech backend_bck=s3://abc",
    ),
)

SHOW = Command(
    usage="BUCKET [PROP_PREFIX]",
    summary="show the properties of a bucket",
    run=_show,
    complete=_complete_sections,
    options=(
        Option("compact", "one line for each subject", aliases=("c",)),
        Option("add", "add a remote bucket to the cluster when it is not there yet"),
        NO_HEADERS,
        JSON,
    ),
    examples=("ais show bucket ais://speech", "ais show bucket ais://speech checksum", "ais show bucket ais://b -c"),
)

RESET = Command(
    usage="BUCKET",
    summary="set all properties of a bucket to the defaults of the cluster",
    run=_reset,
    complete=complete_buckets,
    examples=("ais bucket props reset ais://speech",),
)

LRU = Command(
    usage="BUCKET",
    summary="show or switch the eviction of objects that were not used for long",
    run=_lru,
    complete=complete_buckets,
    options=(
        Option("enable", "switch it on"),
        Option("disable", "switch it off"),
        NO_HEADERS,
        JSON,
    ),
    examples=("ais bucket lru s3://abc --enable",),
)
