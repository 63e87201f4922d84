"""`ais object rm`: one by one when they are named in the command line, else by a job. Source: spec/cli.md 5.6."""

from collections.abc import Sequence
from functools import partial

from moss.cli.arguments import check_count, parse_bucket_object
from moss.cli.buckets.actions import act
from moss.cli.buckets.choice import ALL, SELECTORS, Choice, choose, preview
from moss.cli.buckets.running import check_waiting, run_job, titled
from moss.cli.context import Context
from moss.cli.failures import CommandError, UsageError
from moss.cli.flags import DRY_RUN, PROGRESS, QUIET, TIMEOUT, WAIT, YES
from moss.cli.listing import NO_RECURSION, complete_buckets, list_names
from moss.cli.options import Command, Option
from moss.cli.output import printable
from moss.cli.transport import ServerError, bucket_query, path_of
from moss.errors import MossError
from moss.naming.bucket import Bucket, validate_object_name

_KIND, _DISPLAY = "delete-listrange", "delete-objects"


def _remove(context: Context) -> None:
    parsed = context.parsed
    check_count(parsed.positionals, ["BUCKET[/OBJECT]"], most=None)
    check_waiting(context)
    found = [parse_bucket_object(text) for text in parsed.positionals]
    if len(found) == 1:
        bucket, name = found[0]
        choice = choose(parsed, name, context.console.warn)
        if choice is None:
            raise UsageError("to select objects to be removed use one of: ('--list' or '--template' or '--all')")
        if choice.names != (name,):
            _remove_chosen(context, bucket, choice)
            return
    elif any(parsed.given(option.name) for option in (*SELECTORS, ALL)):
        raise UsageError("options that select objects require exactly one bucket")
    _remove_named(context, found)


def _remove_named(context: Context, found: Sequence[tuple[Bucket, str]]) -> None:
    """Remove each object; what is not there does not keep the others."""
    for bucket, name in found:
        _check_name(bucket, name)
    missing = []
    for bucket, name in found:
        if context.parsed.flag("dry-run"):
            context.console.result(f'[DRY RUN] delete "{printable(name)}" from {bucket}')
        elif not _remove_one(context, bucket, name):
            missing.append(f'"{bucket.cname_of(printable(name))}" does not exist')
    if missing:
        rest = f"{len(missing)} of {len(found)} objects could not be removed"
        raise CommandError(missing[0]) if len(found) == 1 else CommandError(rest, *missing)


def _check_name(bucket: Bucket, name: str) -> None:
    if not name:
        raise UsageError(f'missing object name in "{bucket}"')
    try:
        validate_object_name(name)
    except MossError as error:
        raise UsageError(error.message) from None


def _remove_one(context: Context, bucket: Bucket, name: str) -> bool:
    try:
        context.transport.request("DELETE", path_of("objects", bucket.name, name), query=bucket_query(bucket)).close()
    except ServerError as error:
        if error.code != 404 or f'bucket "{bucket}"' in error.message:
            raise
        return False
    if not context.parsed.flag("non-verbose"):
        context.console.result(f'deleted "{printable(name)}" from {bucket}')
    return True


def _remove_chosen(context: Context, bucket: Bucket, choice: Choice) -> None:
    flags = NO_RECURSION if context.parsed.flag("nr") else 0
    names = partial(list_names, context.transport, bucket, flags=flags)
    if context.parsed.flag("dry-run"):
        lines = (f'delete "{printable(name)}" from {bucket}' for name in choice.existing(names))
        preview(context.console, lines, lambda count: f"{count:,} objects to remove, nothing was removed")
        return
    # Whatever selects everything asks, be it spelled `--all`, `--prefix ''` or `--template '*'`.
    if choice.is_all and not context.parsed.flag("yes"):
        context.console.confirm(
            f"Proceed to remove all objects from {bucket}?",
            unanswered=f"all objects of {bucket} would be removed (use '--yes' to remove them)",
        )
    value = choice.message(names) | ({"non-recurs": True} if context.parsed.flag("nr") else {})
    job_id = act(context.transport, "DELETE", bucket, _KIND, value)
    what = f"{choice} rm from {bucket}" if choice.names else f"rm {str(choice) or 'all objects'} from {bucket}"
    run_job(context, job_id, _KIND, titled(_DISPLAY, job_id, what), total=choice.total)


REMOVE = Command(
    usage="BUCKET/OBJECT [BUCKET/OBJECT...] | BUCKET[/PREFIX/|/TEMPLATE]",
    summary="remove objects",
    run=_remove,
    complete=complete_buckets,
    options=(
        *SELECTORS,
        ALL,
        Option("nr", "only the objects of one level, without folders below it", aliases=("non-recursive",)),
        YES,
        DRY_RUN,
        WAIT,
        PROGRESS,
        TIMEOUT,
        QUIET,
        Option("verbose", "accepted for compatibility", aliases=("v",)),
        Option("skip-lookup", "accepted for compatibility: buckets are looked up by the cluster alone"),
        Option("encode-objname", "accepted for compatibility: names are always sent encoded"),
    ),
    notes="Objects that are named in the command line are removed at once; lists, templates and prefixes by a job.",
    examples=(
        "ais object rm ais://tmp/a ais://tmp/b",
        "ais rmo ais://tmp --template 'f{1..2}.txt' --wait",
        "ais rmo ais://tmp --prefix logs/ --dry-run",
        "ais rmo ais://tmp --all --yes",
    ),
)
