"""`ais bucket cp`. Source: spec/cli.md 5.4, spec/rest-data.md 3.10 and 6.1."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple

import msgspec

from moss.cli.arguments import check_count, parse_bucket_object
from moss.cli.buckets.actions import act, begin, find_props, outcome
from moss.cli.buckets.choice import SELECTORS, Choice, choose, preview
from moss.cli.buckets.running import check_waiting, run_job, titled
from moss.cli.buckets.summaries import decode_summaries
from moss.cli.context import Context
from moss.cli.failures import CommandError, UsageError
from moss.cli.flags import DRY_RUN, PROGRESS, QUIET, TIMEOUT, WAIT
from moss.cli.listing import NO_RECURSION, complete_buckets, list_names
from moss.cli.objects.properties import find_object
from moss.cli.options import Command, Option
from moss.cli.output import printable
from moss.cli.transport import ServerError, bucket_query, path_of
from moss.cli.waiting import wants_to_wait
from moss.naming.bucket import Bucket
from moss.sdk.job_messages import copy_value
from moss.wire.bucket import BucketModel

_EVERYWHERE = "0"
"""Of a remote bucket also what is not in the cluster; the value of `presence`."""


class _Copy(NamedTuple):
    """What to copy, and where."""

    source: Bucket
    choice: Choice
    destination: Bucket
    prepend: str


def _copy(context: Context) -> None:
    parsed = context.parsed
    check_count(parsed.positionals, ["SRC_BUCKET", "DST_BUCKET"], most=2)
    check_waiting(context)
    source, name = parse_bucket_object(parsed.positionals[0])
    destination, new_name = parse_bucket_object(parsed.positionals[1])
    choice = choose(parsed, name, context.console.warn) if not parsed.flag("all") else _all(context, name)
    if choice and name and choice.names:
        if _copy_object(context, source, name, destination, new_name):
            return
        choice = Choice(prefix=name)  # no object of that name: the beginning of some
        if next(iter(_lister(context, source)(name)), None) is None:
            raise CommandError(f'object "{source.cname_of(name)}" does not exist')
    copy = _Copy(source, choice or Choice(), destination, _prepend(context, new_name))
    _check(context, copy)
    if parsed.flag("dry-run"):
        _preview(context, copy)
        return
    if find_props(context.transport, destination) is None:
        context.console.warn(
            f"destination {destination} does not exist and will be created with the properties of {source}"
        )
    _start(context, copy)


def _all(context: Context, name: str) -> Choice:
    """With `--all` a remote bucket is copied with what is not in the cluster; it selects nothing else."""
    options = {key: value for key, value in context.parsed.values.items() if key != "all"}
    return choose(context.parsed._replace(values=options), name, context.console.warn) or Choice()


def _prepend(context: Context, new_name: str) -> str:
    """What is put before each name: `--prepend`, or a folder behind the destination bucket."""
    prepend = context.parsed.text("prepend")
    if not new_name:
        return prepend or ""
    if prepend is not None:
        raise UsageError(f"destination prefix ({new_name}) cannot be used together with '--prepend'")
    if not new_name.endswith("/"):
        raise UsageError(
            f"several objects cannot all be named \"{new_name}\" (to put it before their names use '--prepend')"
        )
    return new_name


def _check(context: Context, copy: _Copy) -> None:
    is_onto_itself = copy.source == copy.destination and not copy.prepend
    if is_onto_itself and not copy.source.is_remote and not context.parsed.flag("dry-run"):
        raise UsageError(f'cannot copy bucket "{copy.source}" onto itself')
    if context.parsed.flag("sync") and copy.prepend:
        raise UsageError("flag '--sync' makes the destination equal to the source: it excludes '--prepend'")
    if context.parsed.flag("nr") and copy.choice.names:
        raise UsageError("flags '--nr' and '--list' are mutually exclusive")


def _copy_object(context: Context, source: Bucket, name: str, destination: Bucket, new_name: str) -> bool:
    """Copy one object; tell whether there is one of that name."""
    to_name = new_name + name.rpartition("/")[2] if new_name.endswith("/") else new_name or name
    arrow = f"COPY {source.cname_of(printable(name))} => {destination.cname_of(printable(to_name))}"
    path, query = path_of("objects", source.name, name), bucket_query(source)
    if context.parsed.flag("dry-run"):
        try:
            context.transport.request("HEAD", path, query=query).close()
        except ServerError as error:
            if error.code != 404:
                raise
            return False
        context.console.result(f"[DRY RUN] {arrow}")
        return True
    query |= {"object_to": destination.uname_of(to_name)}
    query |= {"latest-ver": "true"} if context.parsed.flag("latest") else {}
    query |= {"synchronize": "true"} if context.parsed.flag("sync") else {}
    try:
        context.transport.request("PUT", path, query=query).close()
    except ServerError as error:
        if error.code != 404 or f'bucket "{source}"' in error.message or f'bucket "{destination}"' in error.message:
            raise
        return False
    if not context.parsed.flag("non-verbose"):
        context.console.result(arrow)
    return True


def _start(context: Context, copy: _Copy) -> None:
    parsed = context.parsed
    is_selection = bool(copy.choice.names) or copy.choice.template is not None
    value = copy_value(
        prefix="" if is_selection else copy.choice.prefix,
        prepend=copy.prepend,
        force=parsed.flag("force"),
        latest=parsed.flag("latest"),
        sync=parsed.flag("sync"),
        num_workers=parsed.number("num-workers", 0),
        continue_on_error=parsed.flag("cont-on-err"),
    )
    value |= {"non-recurs": True} if parsed.flag("nr") else {}
    query = {"presence": _EVERYWHERE} if parsed.flag("all") and copy.source.is_remote else {}
    to = f"{copy.source} => {copy.destination}"
    if is_selection:
        value |= copy.choice.message(_lister(context, copy.source))
        value["tobck"] = msgspec.to_builtins(BucketModel.of(copy.destination))
        ids = act(context.transport, "POST", copy.source, "copy-listrange", value, **query)
        run_job(
            context,
            ids,
            "copy-listrange",
            titled("copy-objects", ids, f"copy {copy.choice} {to}"),
            total=copy.choice.total,
        )
        _report_missing(context, copy)
        return
    objects, size = _totals(context, copy)
    ids = act(context.transport, "POST", copy.source, "copy-bck", value, bck_to=copy.destination.uname, **query)
    what = f"{copy.choice} from " if copy.choice.prefix else ""
    # What a store lists is copied as a multi-object job, which its id says.
    kind = "copy-listrange" if ids.startswith("tco-") else "copy-bck"
    run_job(context, ids, kind, f"Copying {what}{to}", done="Done.\n", total=objects, bytes_total=size)


def _totals(context: Context, copy: _Copy) -> tuple[int, int]:
    """Objects and bytes to copy, when somebody watches the progress; zeros when it is not known."""
    is_watched = context.parsed.flag("progress") and context.console.stderr.isatty()
    if not is_watched or context.parsed.flag("nr"):
        return 0, 0
    question = (context.transport, copy.source, "summary-bck", {"prefix": copy.choice.prefix, "cached": True})
    summaries = decode_summaries(outcome(*question, begin(*question)))
    return sum(s.count.present for s in summaries), sum(s.totals.present for s in summaries)


def _report_missing(context: Context, copy: _Copy) -> None:
    """Name what `--cont-on-err` went on without: the job counts it as no error."""
    if not (wants_to_wait(context) and context.parsed.flag("cont-on-err") and copy.choice.names):
        return
    missing = [name for name in copy.choice.names if find_object(context, copy.source, name, ("name",)) is None]
    if missing:
        context.console.warn(f"{len(missing)} of {len(copy.choice.names)} objects were not copied:")
    for name in missing:
        context.console.plain_message(f'   object "{copy.source.cname_of(printable(name))}" does not exist')


def _lister(context: Context, bucket: Bucket) -> Callable[[str], Iterable[str]]:
    flags = NO_RECURSION if context.parsed.flag("nr") else 0
    return partial(list_names, context.transport, bucket, flags=flags)


def _preview(context: Context, copy: _Copy) -> None:
    names = copy.choice.existing(_lister(context, copy.source))
    lines = (
        f"COPY {copy.source.cname_of(printable(name))} => {copy.destination.cname_of(printable(copy.prepend + name))}"
        for name in names
    )
    preview(context.console, lines, lambda count: f"{count:,} objects to copy, nothing was copied")


COPY = Command(
    usage="SRC_BUCKET[/OBJECT|/PREFIX/] DST_BUCKET[/OBJECT|/PREFIX/]",
    summary="copy a bucket, some of its objects, or one object",
    run=_copy,
    complete=complete_buckets,
    options=(
        *SELECTORS,
        Option("all", "of a remote bucket also the objects that are not in the cluster"),
        Option("prepend", "put this before each name; end it with '/' for a folder", value="TEXT"),
        Option("num-workers", "workers of each target; 0 leaves it to the cluster, -1 works serially", value="N",
               number=True),
        Option("latest", "of a remote bucket: copy the latest versions"),
        Option("sync", "as '--latest', and delete at the destination what is gone at the source"),
        Option("cont-on-err", "go on when an object fails"),
        Option("force", "also while jobs run that do not go well together", aliases=("f",)),
        Option("nr", "only the objects of one level, without folders below it", aliases=("non-recursive",)),
        DRY_RUN,
        WAIT,
        PROGRESS,
        Option("refresh", "accepted for compatibility: progress is shown as it is made", value="DURATION"),
        TIMEOUT,
        QUIET,
        Option("skip-lookup", "accepted for compatibility: buckets are looked up by the cluster alone"),
    ),
    notes="A destination that does not exist is made, with the properties of the source.",
    examples=(
        "ais cp ais://speech ais://backup --wait",
        "ais cp ais://speech/en/utt-00.wav ais://picked",
        "ais cp ais://speech ais://backup/2024/ --prefix en/ --progress",
        "ais cp ais://speech ais://picked --template 'utt-{000..099}.wav' --dry-run",
    ),
)  # fmt: skip
