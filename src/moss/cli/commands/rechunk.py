"""`ais bucket rechunk`: store the objects of a bucket in parts of another size. Source: spec/cli.md 5.4."""

from moss.cli.arguments import check_count, parse_bucket_object
from moss.cli.buckets.actions import act, fetch_props
from moss.cli.buckets.running import check_waiting, run_job, titled
from moss.cli.context import Context
from moss.cli.failures import UsageError
from moss.cli.flags import PROGRESS, QUIET, TIMEOUT, WAIT, YES
from moss.cli.formats import format_size
from moss.cli.listing import complete_buckets
from moss.cli.options import Command, Option
from moss.naming.bucket import Bucket
from moss.units import parse_size

_KIND = "rechunk"


def _rechunk(context: Context) -> None:
    parsed = context.parsed
    check_count(parsed.positionals, ["BUCKET"], most=1)
    check_waiting(context)
    bucket, prefix = parse_bucket_object(parsed.positionals[0])
    if prefix and parsed.given("prefix"):
        raise UsageError(f"prefix ({prefix}) cannot be used together with '--prefix'")
    prefix = prefix or parsed.text("prefix") or ""
    sizes = {name: context.size(name) for name in ("chunk-size", "objsize-limit") if parsed.given(name)}
    if len(sizes) < 2:
        sizes = _defaults(context, bucket) | sizes
        _confirm(context, bucket, prefix, sizes)
    value = {**sizes, "prefix": prefix} | ({"sync-remote": True} if parsed.flag("sync-remote") else {})
    job_id = act(context.transport, "POST", bucket, _KIND, value)
    what = bucket.cname_of(prefix) + "*" if prefix else str(bucket)
    run_job(context, job_id, _KIND, titled(_KIND, job_id, f"rechunk {what}"))


def _defaults(context: Context, bucket: Bucket) -> dict[str, int]:
    """What the bucket's own properties say about parts."""
    chunks = fetch_props(context.transport, bucket).get("chunks") or {}
    return {
        "chunk-size": parse_size(str(chunks.get("chunk_size") or "0")),
        "objsize-limit": parse_size(str(chunks.get("objsize_limit") or "0")),
    }


def _confirm(context: Context, bucket: Bucket, prefix: str, sizes: dict[str, int]) -> None:
    """Show the sizes that nobody typed before hours of work are done with them."""
    if context.parsed.flag("yes"):
        return
    lines = [f"Rechunk {bucket.cname_of(prefix) if prefix else bucket}:"]
    for name, size in sizes.items():
        origin = "" if context.parsed.given(name) else " (property of the bucket)"
        lines.append(f"   {name}: {format_size(size)}{origin}")
    context.console.result("\n".join(lines))
    context.console.confirm("Proceed?", unanswered="nothing was rechunked (use '--yes', or give both sizes)")


RECHUNK = Command(
    usage="BUCKET[/PREFIX]",
    summary="store objects in parts of another size",
    run=_rechunk,
    complete=complete_buckets,
    options=(
        Option("chunk-size", "size of a part", value="SIZE"),
        Option("objsize-limit", "smaller objects are stored in one piece", value="SIZE"),
        Option("prefix", "only objects whose names start with this", value="PREFIX"),
        Option("sync-remote", "store the parts in the cloud behind the bucket, too"),
        YES,
        WAIT,
        PROGRESS,
        TIMEOUT,
        QUIET,
    ),
    notes="Sizes that are not given are taken from the properties of the bucket, after a question.",
    examples=("ais bucket rechunk ais://video --chunk-size 16MiB --objsize-limit 64MiB --wait",),
)
