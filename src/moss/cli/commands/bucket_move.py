"""`ais bucket mv`. Source: spec/cli.md 5.4, spec/rest-data.md 3.9."""

from moss.cli.arguments import check_count, parse_bucket
from moss.cli.buckets.actions import act
from moss.cli.buckets.running import check_waiting, run_job
from moss.cli.context import Context
from moss.cli.failures import UsageError
from moss.cli.flags import PROGRESS, QUIET, TIMEOUT, WAIT
from moss.cli.listing import complete_buckets
from moss.cli.options import Command, Option


def _move(context: Context) -> None:
    check_count(context.parsed.positionals, ["SRC_BUCKET", "DST_BUCKET"], most=2)
    check_waiting(context)
    source, destination = (parse_bucket(text) for text in context.parsed.positionals)
    if source == destination:
        raise UsageError(f'cannot mv bucket "{source}" onto itself')
    job_id = act(context.transport, "POST", source, "move-bck", bck_to=destination.uname)
    run_job(context, job_id, "move-bck", f"rename-bucket[{job_id}] {source} => {destination}")


MOVE = Command(
    usage="SRC_BUCKET DST_BUCKET",
    summary="give a bucket another name",
    run=_move,
    complete=complete_buckets,
    options=(WAIT, PROGRESS, TIMEOUT, QUIET, Option("skip-lookup", "accepted for compatibility")),
    examples=("ais bucket mv ais://speech ais://speech-v1 --wait",),
)
