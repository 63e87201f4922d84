"""`ais show object`. Source: spec/cli.md 5.6."""

from moss.cli.arguments import check_count, parse_object
from moss.cli.candidates import buckets
from moss.cli.context import Context
from moss.cli.failures import CommandError
from moss.cli.flags import TABLE
from moss.cli.objects.properties import PROPS, find_object, show_properties, wanted_props
from moss.cli.options import Command, Option

IN_CLUSTER = "2"
"""Only what the cluster has: a value of `presence`."""


def _show_object(context: Context) -> None:
    parsed = context.parsed
    check_count(parsed.positionals, ["BUCKET/OBJECT"], most=1)
    bucket, name = parse_object(parsed.positionals[0])
    props = wanted_props(context, bucket)
    query = {"presence": IN_CLUSTER} if bucket.is_remote and not parsed.flag("not-cached") else {}
    found = find_object(context, bucket, name, PROPS if context.wants_json else props, **query)
    if found is None:
        where = bucket.cname_of(name)
        if query:
            raise CommandError(
                f'object "{where}" is not in the cluster', "Use '--not-cached' to ask the remote bucket."
            )
        raise CommandError(f'object "{where}" does not exist')
    if not parsed.flag("silent"):
        show_properties(context, bucket, name, found, props)


SHOW_OBJECT = Command(
    usage="BUCKET/OBJECT",
    summary="show the properties of an object",
    run=_show_object,
    complete=buckets,
    options=(
        Option("props", f"properties: {', '.join(PROPS)}, all", value="NAMES"),
        Option("all", "all properties"),
        Option("not-cached", "of a remote bucket: also what is not in the cluster"),
        Option("silent", "print nothing; the exit status tells whether the object exists"),
        *TABLE,
    ),
    examples=("ais show object ais://speech/en/utt-00.wav", "ais show object ais://speech/en/utt-00.wav --props all"),
)
