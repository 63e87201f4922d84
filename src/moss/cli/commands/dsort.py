"""`ais start dsort`: sorting the shards of a bucket into new ones. Source: spec/cli.md 5.12."""

import json
from typing import Any

import yaml
from msgspec import to_builtins

from moss.cli.arguments import check_count, parse_bucket
from moss.cli.candidates import buckets
from moss.cli.cluster.calls import call
from moss.cli.cluster.config import flat, shown
from moss.cli.context import Context
from moss.cli.failures import CommandError, UsageError
from moss.cli.flags import PROGRESS, TIMEOUT, VERBOSE, WAIT
from moss.cli.jobs.sorts import wait_for_sort
from moss.cli.options import Command, Option
from moss.cli.tables import property_table
from moss.cli.text_source import read_text
from moss.cli.waiting import wants_to_wait
from moss.wire.bucket import BucketModel

_GENERAL = "dsort_general"


def _start(context: Context) -> None:
    parsed = context.parsed
    if not parsed.given("spec"):
        raise UsageError("flag '--spec' must be specified")
    check_count(parsed.positionals, [], most=2)
    spec = read_spec(read_text(parsed.text("spec") or ""))
    for key, text in zip(("input_bck", "output_bck"), parsed.positionals, strict=False):
        spec[key] = to_builtins(BucketModel.of(parse_bucket(text.rstrip("/"))))
    # A cluster of the reference cannot choose between the two, and refuses what leaves it the choice.
    spec.setdefault("dsorter_type", _GENERAL)
    if parsed.flag("verbose"):
        pairs = [(key, shown(key, value)) for key, value in flat(spec).items()]
        context.console.result(property_table(pairs))
    job_id = call(context.transport, "POST", "sort", message=spec).decode("utf-8", "replace").strip()
    context.console.result(job_id)
    if wants_to_wait(context):
        wait_for_sort(context, job_id)
        context.console.result(f"dsort[{job_id}] finished")


def read_spec(text: str) -> dict[str, Any]:
    """Read what is to be sorted: JSON, or YAML.

    Raises:
        CommandError: malformed, or no mapping.
    """
    try:
        found = json.loads(text)
    except ValueError as problem:
        try:
            found = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise _malformed(problem if text.lstrip()[:1] == "{" else error) from None
    if not isinstance(found, dict):
        raise CommandError("failed to parse '--spec': expecting a mapping with 'input_bck', 'input_format', …")
    return found


def _malformed(error: Exception) -> CommandError:
    return CommandError(f"failed to parse '--spec': {' '.join(str(error).split())}")


START = Command(
    usage="[SRC_BUCKET] [DST_BUCKET]",
    summary="sort the records of a bucket's shards into new shards",
    run=_start,
    complete=buckets,
    options=(
        Option("spec", "what to sort and how: a JSON or YAML file, a URL, - or the text", value="PATH", aliases=("f",)),
        WAIT,
        PROGRESS,
        TIMEOUT,
        VERBOSE._replace(help="show the specification that is sent"),
    ),
    notes="Buckets on the command line take the place of 'input_bck' and 'output_bck' of the specification.",
    examples=(
        "ais start dsort ais://shards ais://sorted --spec sort.json",
        """ais start dsort -f '{"input_bck": {"name": "shards"}, "input_format": {"template": "s-{0..9}"}, """
        """"input_extension": ".tar", "output_format": "new-{00..99}", "output_shard_size": "10MB"}' --wait""",
    ),
)
