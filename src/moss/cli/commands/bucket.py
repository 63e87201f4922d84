"""`ais bucket create` and `ais bucket rm`. Source: spec/cli.md 5.4."""

from collections.abc import Sequence
from typing import Any

from moss.cli.arguments import check_count, parse_bucket
from moss.cli.buckets.actions import act, find_props
from moss.cli.context import Context
from moss.cli.failures import CommandError, UsageError
from moss.cli.flags import YES
from moss.cli.listing import complete_buckets, list_buckets, list_objects
from moss.cli.options import Command, Option
from moss.cli.transport import ServerError
from moss.naming.bucket import Bucket


def _create(context: Context) -> None:
    check_count(context.parsed.positionals, ["BUCKET"], most=None)
    buckets = [parse_bucket(text) for text in context.parsed.positionals]
    query = {"dont_head_remote_bck": "true"} if context.parsed.flag("skip-lookup") else {}
    props = _props(context.parsed.text("props"))
    for bucket in buckets:
        try:
            act(context.transport, "POST", bucket, "create-bck", props, **query)
        except ServerError as error:
            if error.code != 409:
                raise CommandError(f'failed to create "{bucket}": {error.message}') from None
            exists = f'Bucket "{bucket}" already exists'
            if not context.parsed.flag("ignore-error"):
                raise CommandError(exists) from None
            context.console.result(exists)
        else:
            context.console.result(f'"{bucket}" created')


def _props(text: str | None) -> dict[str, Any] | None:
    """The value of `--props`: `KEY=VALUE` words with blanks between them, or a JSON document."""
    if text is None:
        return None
    import msgspec

    from moss.cli.buckets.props import flatten, parse_changes, unflatten
    from moss.wire.bucket import BucketProps

    words = [text] if text.lstrip().startswith("{") else text.split()
    return unflatten(parse_changes(words, flatten(msgspec.to_builtins(BucketProps()))))


def _remove(context: Context) -> None:
    parsed = context.parsed
    if parsed.flag("all"):
        if parsed.positionals:
            raise UsageError("'--all' excludes names of buckets")
        buckets = list_buckets(context.transport, "ais")
        _confirm_all(context, buckets)
        sure = True
    else:
        check_count(parsed.positionals, ["BUCKET"], most=None)
        buckets = list(dict.fromkeys(parse_bucket(text) for text in parsed.positionals))
        _check_all_there(context, buckets)
        sure = parsed.flag("yes")
    for bucket in buckets:
        try:
            _remove_one(context, bucket, sure=sure)
        except ServerError as error:
            if error.code != 404 or not parsed.flag("ignore-error"):
                raise
            context.console.result(error.message)


def _check_all_there(context: Context, buckets: Sequence[Bucket]) -> None:
    """Of several buckets none is destroyed when one is not there: a mistyped name is no reason to do half."""
    if len(buckets) < 2 or context.parsed.flag("ignore-error"):
        return
    for bucket in buckets:
        if find_props(context.transport, bucket, dont_add_remote_bck_md="true") is None:
            raise CommandError(f"bucket \"{bucket}\" does not exist (use '--ignore-error' to destroy the others)")


def _remove_one(context: Context, bucket: Bucket, *, sure: bool) -> None:
    if not sure and next(iter(list_objects(context.transport, bucket, props="name", limit=1)), None) is not None:
        question = f"Proceed to destroy {bucket}?"
        context.console.confirm(question, unanswered=f"{bucket} is not empty (use '--yes' to destroy it)")
    act(context.transport, "DELETE", bucket, "destroy-bck")
    context.console.result(f'"{bucket}" destroyed')


def _confirm_all(context: Context, buckets: Sequence[Bucket]) -> None:
    """A phrase in full, which `--yes` does not replace."""
    console = context.console
    if not buckets:
        console.result("No buckets in the cluster.")
        return
    for bucket in buckets:
        console.result(f"   {bucket}")
    console.phrase(f"Type 'DELETE' to destroy {len(buckets)} bucket(s):", "DELETE")


_IGNORE = Option("ignore-error", "go on when it exists already, or is gone already")

CREATE = Command(
    usage="BUCKET [BUCKET...]",
    summary="create buckets",
    run=_create,
    options=(
        _IGNORE,
        Option("props", "properties, as 'KEY=VALUE KEY=VALUE' or JSON; see 'ais bucket props show'", value="PROPS"),
        Option("skip-lookup", "do not look a cloud bucket up before it is added"),
    ),
    examples=(
        "ais bucket create ais://speech",
        "ais bucket create ais://a ais://b --ignore-error",
        "ais create ais://c --props 'checksum.type=md5 versioning.enabled=false'",
    ),
)

REMOVE = Command(
    usage="BUCKET [BUCKET...]",
    summary="destroy buckets with all their objects",
    run=_remove,
    complete=complete_buckets,
    options=(
        YES,
        _IGNORE,
        Option("all", "destroy all ais:// buckets; asks for a phrase"),
    ),
    notes="A bucket that holds objects is destroyed only after a question, or with '--yes'.",
    examples=("ais rmb ais://tmp --yes", "ais rmb ais://a ais://b --ignore-error"),
)
