"""`ais bucket evict`: remove the cluster's copies of what a cloud keeps. Source: spec/cli.md 5.4."""

from collections.abc import Sequence
from functools import partial

from moss.cli.arguments import check_count, parse_bucket_object
from moss.cli.buckets.actions import act, message
from moss.cli.buckets.choice import SELECTORS, Choice, choose, preview
from moss.cli.buckets.remote import is_backed
from moss.cli.buckets.running import check_waiting, run_job, titled
from moss.cli.context import Context
from moss.cli.failures import CommandError, UsageError
from moss.cli.flags import DRY_RUN, PROGRESS, QUIET, TIMEOUT, WAIT, YES
from moss.cli.listing import complete_buckets, list_buckets, list_names
from moss.cli.options import Command, Option
from moss.cli.output import printable
from moss.cli.transport import bucket_query, path_of
from moss.errors import MossError
from moss.naming.bucket import Bucket
from moss.naming.uri import parse_query_uri
from moss.wire.headers import CONTENT_TYPE, JSON
from moss.wire.object import ListFlag

_KIND, _DISPLAY = "evict-listrange", "evict-objects"


def _evict(context: Context) -> None:
    parsed = context.parsed
    if parsed.flag("all"):
        _evict_all(context)
        return
    check_count(parsed.positionals, ["BUCKET[/OBJECT]"], most=None)
    check_waiting(context)
    found = [parse_bucket_object(text) for text in parsed.positionals]
    if len(found) > 1 and any(parsed.given(option.name) for option in SELECTORS):
        raise UsageError("options that select objects require exactly one bucket")
    choices = [(bucket, choose(parsed, name, context.console.warn)) for bucket, name in found]
    for bucket in dict.fromkeys(bucket for bucket, _ in choices):
        _check_backed(context, bucket)
    for bucket, choice in choices:
        if choice is None or choice.is_all:
            _evict_bucket(context, bucket)
        elif len(choice.names) == 1 and not parsed.given("list"):
            _evict_object(context, bucket, choice.names[0])
        else:
            _evict_chosen(context, bucket, choice)


def _check_backed(context: Context, bucket: Bucket) -> None:
    if not is_backed(context, bucket):
        raise CommandError(
            "evicting objects from AIS buckets (ie., buckets with no remote backends) is not allowed.",
            f"{bucket} keeps the only copies; to delete objects use 'ais object rm'.",
        )


def _evict_all(context: Context) -> None:
    """All remote buckets, of one provider when it is named; a phrase in full, which `--yes` does not replace."""
    console = context.console
    buckets = [bucket for bucket in _of_providers(context, context.parsed.positionals) if bucket.is_remote]
    if not buckets:
        console.result("No remote buckets in the cluster, nothing to do.")
        return
    for bucket in buckets:
        console.result(f"   {bucket}")
    if not context.parsed.flag("dry-run"):
        console.phrase(f"Type 'EVICT' to evict {len(buckets)} bucket(s):", "EVICT")
    for bucket in buckets:
        _evict_bucket(context, bucket)


def _of_providers(context: Context, words: Sequence[str]) -> list[Bucket]:
    if not words:
        return list_buckets(context.transport)
    found: list[Bucket] = []
    for word in words:
        try:
            query = parse_query_uri(word)
        except MossError as error:
            raise UsageError(error.message) from None
        if query.bucket is not None or query.provider is None:
            raise UsageError(f"'--all' takes names of providers, got \"{word}\"")
        found += list_buckets(context.transport, query.provider.value)
    return found


def _evict_bucket(context: Context, bucket: Bucket) -> None:
    if context.parsed.flag("dry-run"):
        context.console.result(f"[DRY RUN] evict entire bucket {bucket}")
        return
    keeps = context.parsed.flag("keep-md")
    act(context.transport, "DELETE", bucket, "evict-remote-bck", **({"keep_bck_md": "true"} if keeps else {}))
    if not context.parsed.flag("non-verbose"):
        context.console.result(f"Evicted bucket {bucket}" + (" (metadata preserved)" if keeps else ""))


def _evict_object(context: Context, bucket: Bucket, name: str) -> None:
    if context.parsed.flag("dry-run"):
        context.console.result(f'[DRY RUN] evict "{printable(name)}" from {bucket}')
        return
    path, query = path_of("objects", bucket.name, name), bucket_query(bucket)
    context.transport.request(
        "DELETE", path, query=query, headers={CONTENT_TYPE: JSON}, body=message(_KIND)
    ).close()  # fmt: skip
    if not context.parsed.flag("non-verbose"):
        context.console.result(f'evicted "{printable(name)}" from {bucket}')


def _evict_chosen(context: Context, bucket: Bucket, choice: Choice) -> None:
    flags = ListFlag.CACHED | (ListFlag.NO_RECURSION if context.parsed.flag("nr") else 0)
    names = partial(list_names, context.transport, bucket, flags=flags)
    if context.parsed.flag("dry-run"):
        lines = (f'evict "{printable(name)}" from {bucket}' for name in choice.existing(names))
        preview(context.console, lines, lambda count: f"{count:,} objects to evict, nothing was evicted")
        return
    value = choice.message(names) | ({"non-recurs": True} if context.parsed.flag("nr") else {})
    job_id = act(context.transport, "DELETE", bucket, _KIND, value)
    run_job(context, job_id, _KIND, titled(_DISPLAY, job_id, f"{choice} evict from {bucket}"), total=choice.total)


EVICT = Command(
    usage="BUCKET[/OBJECT|/PREFIX/|/TEMPLATE] [BUCKET...]",
    summary="remove the cluster's copies of remote buckets or objects; the cloud keeps them",
    run=_evict,
    complete=complete_buckets,
    options=(
        *SELECTORS,
        Option("all", "all remote buckets, or those of the named providers; asks for a phrase"),
        Option("keep-md", "keep the properties of an evicted bucket", aliases=("k",)),
        Option("nr", "only the objects of one level, without folders below it", aliases=("non-recursive",)),
        DRY_RUN,
        WAIT,
        PROGRESS,
        TIMEOUT,
        QUIET,
        Option("verbose", "accepted for compatibility", aliases=("v",)),
        YES,
        Option("skip-lookup", "accepted for compatibility: buckets are looked up by the cluster alone"),
    ),
    examples=(
        "ais evict s3://abc --keep-md",
        "ais evict s3://abc/shard-0001.tar",
        "ais evict s3://abc --template 'shard-{0000..0099}.tar' --wait",
        "ais evict gs --all",
    ),
)
