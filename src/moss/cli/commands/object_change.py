"""`ais object mv` and `ais object set-custom`. Source: spec/cli.md 5.6, spec/rest-data.md 5.6 and 5.9."""

import json

from moss.cli.arguments import check_count, parse_bucket_object, parse_object
from moss.cli.candidates import buckets, one_of, then
from moss.cli.context import Context
from moss.cli.failures import CommandError, UsageError
from moss.cli.objects.local_files import check_name
from moss.cli.objects.selecting import ACCEPTED
from moss.cli.objects.uploads import object_action
from moss.cli.options import Command, Option
from moss.cli.output import printable
from moss.cli.transport import ServerError


def _move(context: Context) -> None:
    check_count(context.parsed.positionals, ["BUCKET/OBJECT", "NEW_NAME"], most=2)
    bucket, name = parse_object(context.parsed.positionals[0])
    new_name = context.parsed.positionals[1]
    if "://" in new_name:
        other, new_name = parse_bucket_object(new_name)
        if other != bucket:
            raise UsageError(
                f"objects are renamed within their bucket: {other} is not {bucket} (use 'ais object cp' and 'ais rmo')"
            )
    if new_name.endswith("/"):
        new_name += name.rpartition("/")[2]
    check_name(new_name)
    if new_name == name:
        raise UsageError(f'"{bucket.cname_of(name)}" has that name already')
    if bucket.is_remote:
        raise CommandError(f"objects of remote buckets cannot be renamed (have {bucket})")
    try:
        object_action(context.transport, "POST", bucket, name, "rename-obj", new_name=new_name)
    except ServerError as error:
        if error.code == 404 and f'bucket "{bucket}"' not in error.message:
            raise CommandError(f'object "{bucket.cname_of(name)}" does not exist') from None
        raise
    context.console.result(f'"{printable(name)}" moved to "{printable(new_name)}"')


def _set_custom(context: Context) -> None:
    check_count(context.parsed.positionals, ["BUCKET/OBJECT", "KEY=VALUE"], most=None)
    bucket, name = parse_object(context.parsed.positionals[0])
    pairs = _pairs(context.parsed.positionals[1:])
    query = {"set-new-custom": "true"} if context.parsed.flag("set-new-custom") else {}
    try:
        object_action(context.transport, "PATCH", bucket, name, "", pairs, query)
    except ServerError as error:
        if error.code == 404 and f'bucket "{bucket}"' not in error.message:
            raise CommandError(f'object "{bucket.cname_of(name)}" does not exist') from None
        raise
    shown = bucket.cname_of(printable(name))
    context.console.result(
        f"Custom props successfully updated (to show updates, run 'ais show object {shown} --props=all')."
    )


def _pairs(words: list[str]) -> dict[str, str]:
    """`K=V` words, or one JSON object."""
    if len(words) == 1 and words[0].lstrip().startswith("{"):
        try:
            found = json.loads(words[0])
        except ValueError as error:
            raise UsageError(f"custom properties are no JSON: {error}") from None
        if not all(isinstance(value, str | int | float) for value in found.values()):
            raise UsageError("custom properties are text: expecting a flat JSON object")
        return {key: str(value) for key, value in found.items()}
    pairs = {}
    for word in words:
        key, is_pair, value = word.partition("=")
        if not is_pair or not key:
            raise UsageError(f'invalid custom property "{word}" (expecting KEY=VALUE)')
        pairs[key] = value
    return pairs


MOVE = Command(
    usage="BUCKET/OBJECT NEW_NAME",
    summary="give an object another name in its bucket",
    run=_move,
    complete=then(buckets, one_of()),
    options=ACCEPTED,
    examples=("ais object mv ais://speech/a.wav b.wav", "ais object mv ais://speech/a.wav old/"),
)

SET_CUSTOM = Command(
    usage="BUCKET/OBJECT KEY=VALUE [KEY=VALUE...]|JSON",
    summary="set custom properties of an object",
    run=_set_custom,
    complete=then(buckets, one_of()),
    options=(Option("set-new-custom", "remove all other custom properties"),),
    examples=("ais object set-custom ais://speech/a.wav speaker=7 mood=calm",),
)
