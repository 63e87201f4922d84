"""`ais archive bucket`: a job that makes a shard of objects. Source: spec/cli.md 5.7."""

from functools import partial

from moss.cli.arguments import check_count, parse_bucket_object, parse_object
from moss.cli.buckets.actions import act
from moss.cli.buckets.choice import SELECTORS, Choice, choose, preview
from moss.cli.candidates import buckets
from moss.cli.context import Context
from moss.cli.failures import CommandError
from moss.cli.flags import DRY_RUN, QUIET, WAITING
from moss.cli.listing import NO_RECURSION, list_names
from moss.cli.objects.names import sdk_bucket
from moss.cli.objects.pack import format_for
from moss.cli.objects.selecting import ACCEPTED
from moss.cli.options import Command, Option
from moss.cli.output import printable
from moss.cli.waiting import monitor_hint, wait_for_job, wants_to_wait
from moss.naming.bucket import Bucket
from moss.sdk.job_messages import archive_value

KIND = "archive"
SHORT_WAIT_S = 2.0
"""So long a job is waited for that the user did not ask to wait for: most of them are done then."""


def _archive_bucket(context: Context) -> None:
    parsed = context.parsed
    check_count(parsed.positionals, ["SRC_BUCKET[/PREFIX|/TEMPLATE]", "DST_BUCKET/SHARD"], most=2)
    source, name = parse_bucket_object(parsed.positionals[0])
    destination, shard = parse_object(parsed.positionals[1])
    format_for(shard)
    choice = choose(parsed, name, context.console.warn) or Choice()
    lister = partial(list_names, context.transport, source, flags=NO_RECURSION if parsed.flag("nr") else 0)
    to = destination.cname_of(printable(shard))
    if parsed.flag("dry-run"):
        lines = (f"archive {source.cname_of(printable(item))} => {to}" for item in choice.existing(lister))
        preview(context.console, lines, lambda count: f"{count:,} objects to archive as {to}")
        return
    value = archive_value(
        choice.message(lister),
        shard,
        "",
        sdk_bucket(context, destination).as_model(),
        include_source_name=parsed.flag("include-src-bck"),
        allow_append=parsed.flag("append-or-put"),
        continue_on_error=parsed.flag("cont-on-err"),
    )
    value |= {"non-recurs": True} if parsed.flag("nr") else {}
    job_id = act(context.transport, "PUT", source, "archive", value)
    _finish(context, job_id, f"{_shown(source, choice)} => {to}")


def _shown(source: Bucket, choice: Choice) -> str:
    if choice.template is not None:
        return source.cname_of(printable(choice.template.text))
    if choice.names:
        return f"{source} {choice}"
    return source.cname_of(printable(choice.prefix)) + "*" if choice.prefix else str(source)


def _finish(context: Context, job_id: str, what: str) -> None:
    """Say `Archived` when it is, and how to follow the job when it takes longer."""
    from moss.sdk.errors import Timeout

    console, is_quiet = context.console, context.parsed.flag("non-verbose")
    label = f"{KIND}[{job_id}]"
    try:
        if wants_to_wait(context):
            wait_for_job(context, job_id, kind=KIND, label=label)
        elif not (result := context.client.job(job_id, KIND).wait(SHORT_WAIT_S, verbose=False)).success:
            raise CommandError(f"{label} failed: {result.error}", f"See 'ais show job {job_id} --verbose'.")
    except Timeout:
        console.result(job_id if is_quiet else f"{label}: archiving {what}. {monitor_hint(job_id)}")
        return
    except CommandError as error:
        if not (context.parsed.flag("cont-on-err") and _has_archived(context, job_id)):
            raise
        console.warn(f"some objects were left out: {error}")
    console.result(job_id if is_quiet else f"Archived {what}")


def _has_archived(context: Context, job_id: str) -> bool:
    """Whether a job that reports errors came to its end with objects in the shard."""
    details = context.client.job(job_id, KIND).get_details()
    is_over = details.all_finished() or details.all_idle()
    return (
        is_over
        and not details.any_aborted()
        and any(snap.stats and snap.stats.objects for snap in details.list_snapshots())
    )


ARCHIVE_BUCKET = Command(
    usage="SRC_BUCKET[/PREFIX|/TEMPLATE] DST_BUCKET/SHARD",
    summary="have the cluster make a shard of objects",
    run=_archive_bucket,
    complete=buckets,
    options=(
        *SELECTORS,
        Option("append-or-put", "add to the shard if it is there"),
        Option("include-src-bck", "put the name of the bucket before the names of the files"),
        Option("cont-on-err", "leave out objects that cannot be read"),
        Option("nr", "only the objects of one level, without folders below it", aliases=("non-recursive",)),
        ACCEPTED[0],
        DRY_RUN,
        *WAITING,
        QUIET,
    ),
    examples=(
        "ais archive bucket ais://speech ais://shards/en.tar --prefix en/",
        "ais archive bucket ais://speech ais://shards/first.tar --template 'utt-{000..099}.wav'",
    ),
)
