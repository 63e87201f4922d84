"""`ais bucket create` and `ais bucket rm`. Source: spec/cli.md 5.4."""

import msgspec

from moss.cli.arguments import check_count, parse_bucket
from moss.cli.context import Context
from moss.cli.failures import Canceled, CommandError, UsageError
from moss.cli.listing import complete_buckets, list_buckets, list_objects
from moss.cli.options import Command, Option
from moss.cli.transport import ServerError, bucket_query, path_of
from moss.naming.bucket import Bucket
from moss.wire.headers import CONTENT_TYPE, JSON


def _act(context: Context, method: str, bucket: Bucket, action: str, **query: str) -> None:
    body = msgspec.json.encode({"action": action, "name": "", "value": None})
    context.transport.request(
        method, path_of("buckets", bucket.name), query=bucket_query(bucket) | query, headers={CONTENT_TYPE: JSON},
        body=body,
    ).close()  # fmt: skip


def _create(context: Context) -> None:
    check_count(context.parsed.positionals, ["BUCKET"], most=None)
    query = {"dont_head_remote_bck": "true"} if context.parsed.flag("skip-lookup") else {}
    for bucket in [parse_bucket(text) for text in context.parsed.positionals]:
        try:
            _act(context, "POST", bucket, "create-bck", **query)
        except ServerError as error:
            if error.code != 409:
                raise CommandError(f'failed to create "{bucket}": {error.message}') from None
            exists = f'Bucket "{bucket}" already exists'
            if not context.parsed.flag("ignore-error"):
                raise CommandError(exists) from None
            context.console.result(exists)
        else:
            context.console.result(f'"{bucket}" created')


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
        buckets = [parse_bucket(text) for text in parsed.positionals]
        sure = parsed.flag("yes")
    for bucket in buckets:
        try:
            _remove_one(context, bucket, sure=sure)
        except ServerError as error:
            if error.code != 404 or not parsed.flag("ignore-error"):
                raise
            context.console.result(error.message)


def _remove_one(context: Context, bucket: Bucket, *, sure: bool) -> None:
    if not sure and next(iter(list_objects(context.transport, bucket, props="name", limit=1)), None) is not None:
        question = f"Proceed to destroy {bucket}?"
        context.console.confirm(question, unanswered=f"{bucket} is not empty (use '--yes' to destroy it)")
    _act(context, "DELETE", bucket, "destroy-bck")
    context.console.result(f'"{bucket}" destroyed')


def _confirm_all(context: Context, buckets: list[Bucket]) -> None:
    """A phrase in full, which `--yes` does not replace."""
    console = context.console
    if not buckets:
        console.result("No buckets in the cluster.")
        return
    for bucket in buckets:
        console.result(f"   {bucket}")
    while True:
        print(f"Type 'DELETE' to destroy {len(buckets)} bucket(s): ", end="", file=console.stdout, flush=True)
        line = console.stdin.readline()
        if line.strip() == "DELETE":
            return
        if not line or not line.strip():
            raise Canceled


_IGNORE = Option("ignore-error", "go on when it exists already, or is gone already")

CREATE = Command(
    usage="BUCKET [BUCKET...]",
    summary="create buckets",
    run=_create,
    options=(
        _IGNORE,
        Option("skip-lookup", "do not look a cloud bucket up before it is added"),
    ),
    examples=("ais bucket create ais://speech", "ais create ais://a ais://b --ignore-error"),
)

REMOVE = Command(
    usage="BUCKET [BUCKET...]",
    summary="destroy buckets with all their objects",
    run=_remove,
    complete=complete_buckets,
    options=(
        Option("yes", "destroy without asking", aliases=("y",)),
        _IGNORE,
        Option("all", "destroy all ais:// buckets; asks for a phrase"),
    ),
    examples=("ais rmb ais://tmp --yes",),
)
