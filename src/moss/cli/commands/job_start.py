"""`ais job start`. Source: spec/cli.md 5.8.2."""

from typing import Any

from msgspec import to_builtins

from moss.cli.arguments import check_count, parse_bucket, parse_bucket_object
from moss.cli.candidates import buckets
from moss.cli.cluster.calls import act
from moss.cli.cluster.map import fetch_map, find_node
from moss.cli.context import Context
from moss.cli.failures import UsageError
from moss.cli.flags import QUIET, WAITING
from moss.cli.jobs.names import BUCKET_NEEDED, NEVER_STARTED, START_ELSEWHERE, kinds_of, startable_names
from moss.cli.options import Command, Option
from moss.cli.waiting import follow
from moss.wire.bucket import BucketModel
from moss.wire.job_kinds import display_name

_REBALANCE_CLEANUP = 1 << 4


def _start(context: Context) -> None:
    parsed = context.parsed
    check_count(parsed.positionals, ["KIND"], most=None)
    word, *rest = parsed.positionals
    kind = _startable(word)
    value: dict[str, Any] = {"ID": "", "Kind": kind, "DaemonID": "", "Bck": None, "Buckets": None}
    name = ""
    if kind == "resilver":
        check_count(rest, ["TARGET_ID"], most=1)
        value["DaemonID"] = find_node(fetch_map(context.transport), rest[0]).daemon_id
    elif kind in BUCKET_NEEDED:
        check_count(rest, ["BUCKET"], most=1)
        value["Bck"] = _model(rest[0])
    elif kind == "rebalance" and rest:
        check_count(rest, [], most=1)
        bucket, name = parse_bucket_object(rest[0])
        value["Bck"] = to_builtins(BucketModel.of(bucket))
    elif rest:
        models = [_model(text) for text in rest]
        value |= {"Bck": models[0]} if len(models) == 1 else {"Buckets": models}
    if parsed.flag("cleanup"):
        if kind != "rebalance":
            raise UsageError("'--cleanup' goes with rebalance only")
        value["flags"] = _REBALANCE_CLEANUP
    query = {"frc": "true"} if parsed.flag("force") else None
    job_id = act(context.transport, "start", name=name, value=value, query=query)
    _say_started(context, kind, job_id)


def _say_started(context: Context, kind: str, job_id: str) -> None:
    started = f"Started {kind}[{job_id}]"
    if kind == "rebalance" and not any(context.parsed.flag(name) for name in ("wait", "progress", "non-verbose")):
        context.console.result(f"{started}. To monitor the progress, run 'ais show rebalance'")
        return
    follow(context, job_id, kind=kind, started=started, finished=f"{kind}[{job_id}] finished")


def _model(text: str) -> dict[str, Any]:
    return to_builtins(BucketModel.of(parse_bucket(text.rstrip("/"))))


def _startable(word: str) -> str:
    """The one kind that a word names, when it can be started like this.

    Raises:
        UsageError: no kind, several, or one that has a command of its own.
    """
    known = kinds_of(word)
    if not known:
        raise UsageError(f'unknown or misplaced "{word}": expecting one of {", ".join(startable_names())}')
    kinds = [kind for kind in known if kind not in START_ELSEWHERE and kind not in NEVER_STARTED]
    if len(kinds) == 1:
        return kinds[0]
    if kinds:
        raise UsageError(f'"{word}" is ambiguous: {" or ".join(map(display_name, kinds))}')
    commands = sorted({START_ELSEWHERE[kind] for kind in known if kind in START_ELSEWHERE})
    if commands:
        raise UsageError(f'"{word}" is started by {" or ".join(repr(command) for command in commands)}')
    raise UsageError(f'"{word}" cannot be started: the cluster does it when it is needed')


_FORCE = Option("force", "even when a setting or another job stands against it", aliases=("f",))

START = Command(
    usage="KIND [BUCKET...]",
    summary="start a job",
    run=_start,
    complete=lambda context: buckets(context) if context.parsed.positionals else startable_names(),
    options=(*WAITING, QUIET, _FORCE, Option("cleanup", "with rebalance: remove misplaced copies")),
    notes="""
KIND: lru, cleanup, rebalance, resilver (needs a target), rechunk, prefetch and warm-up-metadata (need a bucket).
Other jobs are started by commands of their own, such as 'ais bucket cp' or 'ais download'.
""",
    examples=("ais start lru", "ais start cleanup ais://tmp --wait", "ais start rechunk ais://speech --progress"),
)
