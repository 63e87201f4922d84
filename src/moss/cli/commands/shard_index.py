"""`ais bucket shard-index build|summary`: tables of what is where in shards. Source: spec/cli.md 5.4."""

from typing import Any

from moss.cli.arguments import check_count, parse_bucket_object
from moss.cli.buckets.actions import act, begin, outcome
from moss.cli.buckets.running import check_waiting, run_job, titled
from moss.cli.context import Context
from moss.cli.failures import UsageError
from moss.cli.flags import JSON, NO_HEADERS, PROGRESS, QUIET, REFRESHING, TIMEOUT, UNITS, WAIT
from moss.cli.formats import format_size
from moss.cli.listing import complete_buckets
from moss.cli.options import Command, Option
from moss.cli.refresh import repeat
from moss.naming.bucket import Bucket

_KIND, _SUMMARY = "index-shard", "summary-shard"
_HEADER = (
    *("BUCKET", "TAR OBJECTS", "TAR SIZE", "SHARDS", "SHARD SIZE", "NOT INDEXED", "ARCHIVED OBJECTS", "STALE"),
    "INVALID",
)


def _place(context: Context) -> tuple[Bucket, str]:
    """The bucket, and the prefix behind it or of `--prefix`."""
    check_count(context.parsed.positionals, ["BUCKET"], most=1)
    bucket, prefix = parse_bucket_object(context.parsed.positionals[0])
    if prefix and context.parsed.given("prefix"):
        raise UsageError(f"prefix ({prefix}) cannot be used together with '--prefix'")
    return bucket, prefix or context.parsed.text("prefix") or ""


def _build(context: Context) -> None:
    parsed = context.parsed
    bucket, prefix = _place(context)
    check_waiting(context)
    value: dict[str, Any] = {"prefix": prefix, "num-workers": parsed.number("num-workers", 0)}
    value |= {"skip-verify": True} if parsed.flag("skip-verify") else {}
    value |= {"non-recurs": True} if parsed.flag("nr") else {}
    job_id = act(context.transport, "POST", bucket, _KIND, value)
    what = bucket.cname_of(prefix) + "*" if prefix else str(bucket)
    run_job(context, job_id, _KIND, titled("shard-index", job_id, f"index shards of {what}"))


def _summarize(context: Context) -> None:
    bucket, prefix = _place(context)
    if context.parsed.flag("dont-wait"):
        job_id = begin(context.transport, bucket, _SUMMARY, {"prefix": prefix})
        context.console.result(f"shard-summary[{job_id}]: started. To see it, run 'ais show job {job_id}'")
        return
    repeat(context, lambda: _show(context, bucket, prefix))


def _show(context: Context, bucket: Bucket, prefix: str) -> None:
    job_id = begin(context.transport, bucket, _SUMMARY, {"prefix": prefix})
    found = outcome(context.transport, bucket, _SUMMARY, {"prefix": prefix}, job_id)
    counts = {key: int(value) for key, value in (found or {}).items()}
    units = context.units
    row = (
        str(bucket),
        str(counts.get("tar-objs", 0)),
        format_size(counts.get("tar-size", 0), units),
        str(counts.get("shards", 0)),
        format_size(counts.get("shard-size", 0), units),
        str(counts.get("tar-objs", 0) - counts.get("shards", 0)),
        str(counts.get("archived-objs", 0)),
        str(counts.get("stale-indexes", 0)),
        str(counts.get("invalid-indexes", 0)),
    )
    context.show([_HEADER, row], {"bucket": str(bucket), **counts})


_PREFIX = Option("prefix", "only shards whose names start with this", value="PREFIX")

BUILD = Command(
    usage="BUCKET[/PREFIX]",
    summary="index the shards of a bucket, so that single files are found without reading",
    run=_build,
    complete=complete_buckets,
    options=(
        _PREFIX,
        Option("nr", "only shards of one level, without folders below it", aliases=("non-recursive",)),
        Option("num-workers", "workers of each target; 0 leaves it to the cluster, -1 works serially", value="N",
               number=True),
        Option("skip-verify", "trust indexes that are there"),
        WAIT,
        PROGRESS,
        TIMEOUT,
        QUIET,
    ),
    examples=("ais bucket shard-index build ais://shards --wait",),
)  # fmt: skip

SUMMARY = Command(
    usage="BUCKET[/PREFIX]",
    summary="show how many shards of a bucket are indexed",
    run=_summarize,
    complete=complete_buckets,
    options=(
        _PREFIX,
        Option("dont-wait", "start counting, print the id of the job, and do not wait"),
        *REFRESHING,
        UNITS,
        NO_HEADERS,
        JSON,
    ),
    examples=("ais bucket shard-index summary ais://shards",),
)
