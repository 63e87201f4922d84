"""`ais object promote`: files that the targets see on their own disks become objects.

Source: spec/cli.md 5.6, spec/rest-data.md 5.12.
"""

import os

from moss.cli.arguments import check_count, parse_bucket_object
from moss.cli.candidates import buckets, one_of, then
from moss.cli.context import Context
from moss.cli.failures import UsageError
from moss.cli.flags import VERBOSE, WAITING
from moss.cli.objects.names import sdk_object
from moss.cli.objects.selecting import ACCEPTED
from moss.cli.options import Command, Option
from moss.cli.output import printable
from moss.cli.waiting import wait_for_job, wants_to_wait


def _promote(context: Context) -> None:
    parsed = context.parsed
    check_count(parsed.positionals, ["FILE|DIRECTORY", "BUCKET[/OBJECT]"], most=2)
    path = parsed.positionals[0]
    bucket, name = parse_bucket_object(parsed.positionals[1])
    if not os.path.isabs(path):
        raise UsageError(f'promote source "{path}" must be an absolute path (of the targets, not of this machine)')
    target = parsed.text("target-id") or ""
    job_id = sdk_object(context, bucket, name).promote(
        path,
        target_id=target.removeprefix("t[").removesuffix("]"),
        recursive=parsed.flag("recursive"),
        overwrite_dest=parsed.flag("overwrite-dst"),
        delete_source=parsed.flag("delete-src"),
        src_not_file_share=parsed.flag("not-file-share"),
    )
    if job_id and wants_to_wait(context):
        wait_for_job(context, job_id, kind="promote", label=f"promote-files[{job_id}]")
    how = "recursively promoted" if parsed.flag("recursive") else "promoted"
    job = f', xaction ID "{job_id}"' if job_id else ""
    context.console.result(f'{how} "{path}" => {bucket.cname_of(printable(name)) if name else bucket}{job}\n')


PROMOTE = Command(
    usage="FILE|DIRECTORY BUCKET[/OBJECT_or_PREFIX]",
    summary="make objects of files that the targets have on their own disks",
    run=_promote,
    complete=then(one_of(), buckets),
    options=(
        Option("recursive", "with a folder: also the files of its folders", aliases=("r",)),
        Option("overwrite-dst", "replace objects that exist", aliases=("o",)),
        Option("not-file-share", "every target has files of its own there"),
        Option("delete-src", "remove the files afterwards"),
        Option("target-id", "only this target promotes", value="NODE"),
        ACCEPTED[0],
        *WAITING,
        VERBOSE,
    ),
    notes="The path is one of the targets, below a folder that they allow (/var/lib/ais/promote by default).",
    examples=("ais object promote /var/lib/ais/promote/wavs ais://speech/en/ --recursive",),
)
