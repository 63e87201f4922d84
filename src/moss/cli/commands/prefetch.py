"""`ais object prefetch`: fetch objects of a remote bucket into the cluster. Source: spec/cli.md 5.6."""

from collections.abc import Iterable
from functools import partial

from moss.cli.arguments import check_count, parse_bucket_object
from moss.cli.buckets.actions import act
from moss.cli.buckets.choice import SELECTORS, Choice, choose, preview
from moss.cli.buckets.remote import is_backed
from moss.cli.buckets.running import check_waiting, run_job, titled
from moss.cli.context import Context
from moss.cli.failures import CommandError
from moss.cli.flags import DRY_RUN, PROGRESS, QUIET, TIMEOUT, WAIT, YES
from moss.cli.listing import FLAG_CACHED, NO_RECURSION, complete_buckets, list_objects
from moss.cli.options import Command, Option
from moss.cli.output import printable
from moss.naming.bucket import Bucket
from moss.sdk.job_messages import prefetch_value

_KIND, _DISPLAY = "prefetch-listrange", "prefetch-objects"
_BLOB_SIZES = ("blob-threshold", "blob-chunk-size")


def _prefetch(context: Context) -> None:
    parsed = context.parsed
    check_count(parsed.positionals, ["BUCKET[/OBJECT]"], most=1)
    check_waiting(context)
    bucket, name = parse_bucket_object(parsed.positionals[0])
    choice = choose(parsed, name, context.console.warn) or Choice()
    sizes = {option: context.size(option) for option in _BLOB_SIZES if parsed.given(option)}
    if not is_backed(context, bucket):
        raise CommandError(f"expecting remote bucket (have {bucket})", "All objects of an ais:// bucket are here.")
    names = partial(_names, context, bucket)
    if parsed.flag("dry-run"):
        lines = (f'prefetch "{printable(name)}" from {bucket}' for name in choice.existing(names))
        preview(context.console, lines, lambda count: f"{count:,} objects to prefetch, nothing was fetched")
        return
    value = prefetch_value(
        choice.message(names),
        blob_threshold=sizes.pop("blob-threshold", None),
        num_workers=parsed.number("num-workers", 0) or None,
        latest=parsed.flag("latest"),
        continue_on_error=False,
    )
    value |= sizes
    if parsed.given("blob-num-workers"):
        value["blob-num-workers"] = parsed.number("blob-num-workers", 0)
    if parsed.flag("nr"):
        value["non-recurs"] = True
    job_id = act(context.transport, "POST", bucket, _KIND, value)
    what = f"{choice} from {bucket}" if not choice.is_all else f"entire bucket {bucket}"
    run_job(context, job_id, _KIND, titled(_DISPLAY, job_id, f"prefetch {what}"), total=choice.total)


def _names(context: Context, bucket: Bucket, prefix: str) -> Iterable[str]:
    """What is not here yet; with `--latest` all, because what is here may be out of date."""
    flags = NO_RECURSION if context.parsed.flag("nr") else 0
    rows = list_objects(context.transport, bucket, prefix=prefix, props="name,cached", flags=flags)
    wants_all = context.parsed.flag("latest")
    return (row.name for row in rows if not row.name.endswith("/") and (wants_all or not row.flags & FLAG_CACHED))


PREFETCH = Command(
    usage="BUCKET[/OBJECT|/PREFIX/|/TEMPLATE]",
    summary="fetch objects of a remote bucket into the cluster",
    run=_prefetch,
    complete=complete_buckets,
    options=(
        *SELECTORS,
        Option("latest", "fetch again what has a newer version in the cloud"),
        Option("num-workers", "workers of each target; 0 leaves it to the cluster, -1 works serially", value="N",
               number=True),
        Option("blob-threshold", "fetch objects of this size and above in parallel parts", value="SIZE"),
        Option("blob-chunk-size", "size of such a part", value="SIZE"),
        Option("blob-num-workers", "parts of one object that are fetched at the same time", value="N", number=True),
        Option("nr", "only the objects of one level, without folders below it", aliases=("non-recursive",)),
        DRY_RUN,
        WAIT,
        PROGRESS,
        TIMEOUT,
        QUIET,
        YES,
        Option("skip-lookup", "accepted for compatibility: buckets are looked up by the cluster alone"),
    ),
    examples=(
        "ais prefetch s3://abc --wait",
        "ais prefetch s3://abc --prefix images/ --num-workers 16 --progress",
        "ais prefetch s3://abc --list a.tar,b.tar --latest",
    ),
)  # fmt: skip
