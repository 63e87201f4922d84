"""`ais blob-download`: large remote objects, fetched into the cluster by ranges. Source: spec/rest-data.md 5.13."""

from moss.cli.arguments import check_count, list_items, parse_bucket_object
from moss.cli.buckets.running import run_job
from moss.cli.candidates import buckets
from moss.cli.context import Context
from moss.cli.failures import CommandError, UsageError
from moss.cli.flags import QUIET, WAITING
from moss.cli.objects.names import sdk_bucket
from moss.cli.options import Command, Option
from moss.cli.output import printable

KIND = "blob-download"


def _blob_download(context: Context) -> None:
    parsed = context.parsed
    check_count(parsed.positionals, ["BUCKET/OBJECT"], most=1)
    bucket, name = parse_bucket_object(parsed.positionals[0])
    if bool(name) == parsed.given("list"):
        raise UsageError("name either one object behind the bucket, or several with '--list'")
    if not bucket.is_remote:
        raise CommandError(f"expecting remote bucket (have {bucket})")
    names = [name] if name else list_items(parsed.text("list") or "", context.console.warn)
    found = sdk_bucket(context, bucket)
    for item in names:
        job_id = found.object(item).blob_download(
            chunk_size=context.size("chunk-size") or None,
            num_workers=parsed.number("num-workers", 0) or None,
            latest=parsed.flag("latest"),
        )
        where = bucket.cname_of(printable(item))
        if job_id:
            run_job(context, job_id, KIND, f"{KIND}[{job_id}]: {where}")
        else:
            context.console.result(f"{where} is in the cluster already, nothing to do")


BLOB_DOWNLOAD = Command(
    usage="BUCKET/OBJECT",
    summary="fetch large remote objects in many ranges at once",
    run=_blob_download,
    complete=buckets,
    options=(
        Option("list", "comma-separated names of several objects; needs a bucket", value="NAMES"),
        Option("chunk-size", "bytes of a range", value="SIZE"),
        Option("num-workers", "ranges at the same time", value="N", number=True),
        Option("latest", "also when the cluster has another version already"),
        *WAITING,
        QUIET,
    ),
    examples=("ais blob-download s3://models/large.ckpt --chunk-size 8MiB --wait",),
)
