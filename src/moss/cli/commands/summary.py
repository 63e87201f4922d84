"""`ais bucket summary` (`ais storage summary`): how many objects, how large, how much of the disks.

Source: spec/cli.md 5.4, spec/rest-data.md 3.8.
"""

from moss.cli.arguments import check_count
from moss.cli.buckets.counting import count_objects
from moss.cli.buckets.summaries import HEADER, decode_summaries, summary_row
from moss.cli.context import Context
from moss.cli.failures import CommandError, UsageError
from moss.cli.flags import JSON, NO_HEADERS, REFRESHING, UNITS
from moss.cli.listing import complete_buckets
from moss.cli.options import Command, Option
from moss.cli.refresh import repeat
from moss.errors import MossError
from moss.naming.uri import UriQuery, parse_query_uri


def _summary(context: Context) -> None:
    check_count(context.parsed.positionals, [], most=2)
    words = context.parsed.positionals
    try:
        query = parse_query_uri(words[0] if words else "")
    except MossError as error:
        raise UsageError(error.message) from None
    if query.object_name and context.parsed.given("prefix"):
        raise UsageError(f"prefix ({query.object_name}) cannot be used together with '--prefix'")
    job_id = words[1] if len(words) > 1 else ""
    repeat(context, lambda: _show(context, query, job_id))


def _show(context: Context, query: UriQuery, job_id: str) -> None:
    found = count_objects(context, query, job_id=job_id)
    if found is None:
        return
    summaries = decode_summaries(found)
    if not summaries and query.bucket:
        raise CommandError(f"the cluster has no summary of {query.bucket}")
    if not summaries and not context.wants_json:
        context.console.result("No buckets in the cluster.")
        return
    context.show([HEADER, *(summary_row(summary, context.units) for summary in summaries)], found)


SUMMARY = Command(
    usage="[BUCKET[/PREFIX] | PROVIDER] [JOB_ID]",
    summary="count the objects and bytes of buckets",
    run=_summary,
    complete=complete_buckets,
    options=(
        Option("prefix", "only objects whose names start with this", value="PREFIX"),
        Option("cached", "only objects that are in the cluster", aliases=("c",)),
        Option("dont-wait", "start counting, print the id of the job, and do not wait"),
        *REFRESHING,
        UNITS,
        NO_HEADERS,
        JSON,
    ),
    examples=("ais bucket summary", "ais bucket summary ais://speech/en/", "ais storage summary s3: --cached"),
)
