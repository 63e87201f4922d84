"""`ais etl object`, `etl bucket`, `etl inspect`: applying transformations. Source: spec/cli.md 5.11."""

import sys
from functools import partial
from typing import Any

from msgspec import to_builtins

from moss.cli.arguments import check_count, parse_bucket, parse_bucket_object, parse_object
from moss.cli.buckets.actions import act
from moss.cli.buckets.choice import SELECTORS, Choice, choose, preview
from moss.cli.buckets.running import run_job, titled
from moss.cli.candidates import buckets, then
from moss.cli.context import Context
from moss.cli.destination import Destination
from moss.cli.download import copy
from moss.cli.etl.names import complete_etls
from moss.cli.failures import UsageError
from moss.cli.flags import ALL, DRY_RUN, QUIET, WAITING
from moss.cli.formats import format_size
from moss.cli.listing import list_names
from moss.cli.options import Command, Option
from moss.cli.output import printable
from moss.cli.progress import Progress
from moss.cli.transport import bucket_query, path_of
from moss.naming.bucket import Bucket
from moss.sdk.job_messages import transform_value
from moss.wire.bucket import BucketModel

_TIMEOUT = "5m"
_EVERYWHERE = "0"
"""Of a remote bucket also what is not in the cluster; the value of `presence`."""


def _pipeline(text: str) -> tuple[str, list[str]]:
    """The first of `NAME[>>NAME...]`, and those behind it."""
    names = [name.strip() for name in text.split(">>")]
    if not all(names):
        raise UsageError(f'invalid pipeline "{text}": expecting ETL_NAME[>>ETL_NAME...]')
    if len(set(names)) < len(names):
        raise UsageError(f'invalid pipeline "{text}": an ETL stands in it twice')
    return names[0], names[1:]


# -- one object -------------------------------------------------------------------------------------


def _object(context: Context) -> None:
    words = context.parsed.positionals
    if "cp" in words[:2]:
        words = [word for at, word in enumerate(words) if word != "cp" or at > 1]
        check_count(words, ["ETL_NAME", "SRC_OBJECT", "DST_OBJECT"], most=3)
        _copy_object(context, *words)
        return
    check_count(words, ["ETL_NAME", "OBJECT", "OUT_FILE"], most=3)
    _get_object(context, *words)


def _query(context: Context, pipeline: str) -> dict[str, str]:
    name, rest = _pipeline(pipeline)
    query = {"etl_name": name}
    if rest:
        query["etl_pipeline"] = ",".join(rest)
    if arguments := context.parsed.text("args"):
        query["etl_args"] = arguments
    return query


def _get_object(context: Context, pipeline: str, source: str, out: str) -> None:
    bucket, name = parse_object(source)
    query = bucket_query(bucket) | _query(context, pipeline)
    destination = Destination(out)
    destination.check_no_directory()
    label = bucket.cname_of(printable(name))
    with context.transport.request("GET", path_of("objects", bucket.name, name), query=query) as answer:
        context.console.stdout.flush()
        with (
            destination.open(sys.stdout.buffer) as sink,
            Progress(context.console.stderr, label, verb="Transforming") as progress,
        ):
            size = copy(answer, sink.write, progress)
            sink.commit()
    if not destination.is_stdout:
        context.console.result(f"ETL[{pipeline}]: {label} => {out} ({format_size(size)})")


def _copy_object(context: Context, pipeline: str, source: str, target: str) -> None:
    bucket, name = parse_object(source)
    to_bucket, to_name = parse_bucket_object(target)
    if not to_name or to_name.endswith("/"):
        to_name += name.rpartition("/")[2] if to_name else name
    query = bucket_query(bucket) | _query(context, pipeline) | {"object_to": to_bucket.uname_of(to_name)}
    context.transport.request("PUT", path_of("objects", bucket.name, name), query=query).close()
    source, target = bucket.cname_of(printable(name)), to_bucket.cname_of(printable(to_name))
    context.console.result(f"ETL[{pipeline}]: {source} => {target}")


# -- many objects -----------------------------------------------------------------------------------


def _bucket(context: Context) -> None:
    parsed = context.parsed
    check_count(parsed.positionals, ["ETL_NAME", "SRC_BUCKET", "DST_BUCKET"], most=3)
    pipeline, text, to_text = parsed.positionals
    source, name = parse_bucket_object(text)
    destination, folder = parse_bucket_object(to_text)
    if folder and parsed.given("prepend"):
        raise UsageError(f"destination prefix ({folder}) cannot be used together with '--prepend'")
    prepend = folder or parsed.text("prepend") or ""
    choice = _choice(context, name)
    extensions = _extensions(parsed.text("ext"))
    if parsed.flag("dry-run"):
        _preview(context, source, choice, destination, prepend, extensions)
        return
    etl, rest = _pipeline(pipeline)
    is_selection = bool(choice.names) or choice.template is not None
    value = transform_value(
        etl,
        parsed.text("object-timeout") or _TIMEOUT,
        rest,
        prefix="" if is_selection else choice.prefix,
        prepend=prepend,
        ext=extensions,
        force=parsed.flag("force"),
        num_workers=parsed.number("num-workers", 0),
        continue_on_error=parsed.flag("cont-on-err"),
    )
    if is_selection:
        value |= choice.message(partial(list_names, context.transport, source))
        value["tobck"] = to_builtins(BucketModel.of(destination))
    _begin(context, source, destination, value, is_selection=is_selection, every=parsed.flag("all"))


def _choice(context: Context, name: str) -> Choice:
    """What is transformed; `--all` adds what is only in the cloud and selects nothing."""
    options = {key: value for key, value in context.parsed.values.items() if key != "all"}
    return choose(context.parsed._replace(values=options), name, context.console.warn) or Choice()


def _begin(
    context: Context, source: Bucket, destination: Bucket, value: dict[str, Any], *, is_selection: bool, every: bool
) -> None:
    query = {"presence": _EVERYWHERE} if every and source.is_remote else {}
    if is_selection:
        ids = act(context.transport, "POST", source, "etl-listrange", value, **query)
        run_job(context, ids, "etl-listrange", titled("etl-objects", ids, f"{source} => {destination}"))
        return
    ids = act(context.transport, "POST", source, "etl-bck", value, bck_to=destination.uname, **query)
    run_job(context, ids, "etl-bck", f"etl-bucket[{ids}] {source} => {destination}")


def _extensions(text: str | None) -> dict[str, str]:
    """New extensions by old ones, of `{jpg:txt,png:txt}`.

    Raises:
        UsageError: it is no such mapping.
    """
    if not text:
        return {}
    pairs = [part.partition(":") for part in text.strip().strip("{}").split(",")]
    found = {old.strip().strip("\"'").lstrip("."): new.strip().strip("\"'").lstrip(".") for old, _, new in pairs}
    if not all(colon and old.strip() and new.strip() for old, colon, new in pairs):
        raise UsageError(f"invalid '--ext' \"{text}\" (expecting {{OLD:NEW}}, as in {{jpg:txt}})")
    return found


def _preview(
    context: Context, source: Bucket, choice: Choice, destination: Bucket, prepend: str, extensions: dict[str, str]
) -> None:
    def renamed(name: str) -> str:
        stem, dot, extension = name.rpartition(".")
        return f"{stem}.{extensions[extension]}" if dot and extension in extensions else name

    names = choice.existing(partial(list_names, context.transport, source))
    lines = (
        f"TRANSFORM {source.cname_of(printable(name))} => {destination.cname_of(printable(prepend + renamed(name)))}"
        for name in names
    )
    preview(context.console, lines, lambda count: f"{count:,} objects to transform, nothing was transformed")


def _inspect(context: Context) -> None:
    """Transform a bucket into nowhere; what fails is kept for `etl show errors`."""
    check_count(context.parsed.positionals, ["ETL_NAME", "BUCKET"], most=2)
    pipeline, text = context.parsed.positionals
    bucket, etl = parse_bucket(text.rstrip("/")), _pipeline(pipeline)
    value = transform_value(etl[0], _TIMEOUT, etl[1], dry_run=True, continue_on_error=True)
    ids = act(context.transport, "POST", bucket, "etl-bck", value, bck_to=bucket.uname)
    run_job(context, ids, "etl-bck", f"etl-bucket[{ids}] inspecting {bucket} (nothing is stored)")
    if not context.parsed.flag("non-verbose"):
        context.console.plain_message(f"To see the objects that fail, run 'ais etl show errors {etl[0]} {ids}'")


_complete = then(complete_etls, buckets)

OBJECT = Command(
    usage="ETL_NAME[>>ETL_NAME...] [cp] OBJECT OUT_FILE|-|/dev/null|DST_OBJECT",
    summary="get a transformed object, or with 'cp' store it in the cluster",
    run=_object,
    complete=_complete,
    options=(
        Option("args", "arguments for the transformation of this object", value="TEXT"),
        Option("encode-objname", "accepted for compatibility: names are always encoded"),
    ),
    examples=(
        "ais etl object upper-case ais://texts/a.txt -",
        "ais etl object 'decode>>resize' ais://images/a.jpg a.png --args 224x224",
        "ais etl object upper-case cp ais://texts/a.txt ais://loud/a.txt",
    ),
)
BUCKET = Command(
    usage="ETL_NAME[>>ETL_NAME...] SRC_BUCKET[/PREFIX] DST_BUCKET",
    summary="transform a bucket, or some of its objects, into another bucket",
    run=_bucket,
    complete=_complete,
    options=(
        *SELECTORS,
        ALL._replace(help="of a remote bucket also the objects that are not in the cluster"),
        Option("prepend", "put this before each name", value="TEXT"),
        Option("ext", "new extensions by old ones: {jpg:txt}", value="{OLD:NEW}"),
        Option("num-workers", "workers of each target; 0 leaves it to the cluster", value="N", number=True),
        Option("object-timeout", "how long one object may take: 5m", value="DURATION"),
        Option("cont-on-err", "go on when an object fails"),
        Option("force", "also while jobs run that do not go well together", aliases=("f",)),
        DRY_RUN,
        *WAITING,
        QUIET,
    ),
    examples=(
        "ais etl bucket upper-case ais://texts ais://loud --wait",
        "ais etl bucket to-text ais://images ais://texts --ext '{jpg:txt}' --prefix scans/ --dry-run",
    ),
)
INSPECT = Command(
    usage="ETL_NAME[>>ETL_NAME...] BUCKET",
    summary="try a transformation on a bucket, keep nothing but the errors",
    run=_inspect,
    complete=_complete,
    options=(*WAITING, QUIET),
    examples=("ais etl inspect upper-case ais://texts --wait",),
)
