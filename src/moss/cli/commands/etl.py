"""`ais etl`: starting, stopping and forgetting transformations. Source: spec/cli.md 5.11."""

from moss.cli.arguments import check_count
from moss.cli.cluster.calls import ask, call
from moss.cli.context import Context
from moss.cli.etl.definitions import (
    COMMUNICATIONS,
    BadDefinition,
    Overrides,
    described,
    documents,
    names_in,
    read_definition,
)
from moss.cli.etl.names import complete_etls, path_item
from moss.cli.failures import CommandError, UsageError
from moss.cli.jobs.lists import etl_name
from moss.cli.options import Command, Option
from moss.cli.text_source import read_text
from moss.cli.transport import ServerError

_RUNNING = "Running"


# -- init -------------------------------------------------------------------------------------------


def _init(context: Context) -> int:
    parsed = context.parsed
    check_count(parsed.positionals, [], most=1)
    given = parsed.text("spec")
    if bool(given) == bool(parsed.positionals):
        raise UsageError("expecting one specification: '--spec' with a file or URL, or the argument SPEC")
    overrides = Overrides(
        *(parsed.text(name) or "" for name in ("name", "comm-type", "init-timeout", "object-timeout"))
    )
    for option in ("init-timeout", "object-timeout"):
        context.seconds(option)
    found = documents(read_text(given or parsed.positionals[0]))
    if not found:
        raise CommandError("the specification is empty")
    if len(found) > 1 and overrides.flags:
        flags = ", ".join(overrides.flags)
        raise UsageError(
            f"cannot use override flags [{flags}] with a multi-ETL file; "
            "remove these flags or split into separate files"
        )
    failed = sum(not _init_one(context, text, overrides, is_only=len(found) == 1) for text in found)
    return 1 if failed else 0


def _init_one(context: Context, text: str, overrides: Overrides, *, is_only: bool) -> bool:
    """Start one transformation; of several, a bad one is told of and skipped."""
    try:
        message = read_definition(text, overrides)
        job_id = call(context.transport, "PUT", "etl", message=message).decode("utf-8", "replace").strip()
    except (BadDefinition, ServerError) as error:
        if is_only:
            raise
        context.console.warn(f"Skipping document: {error}")
        return False
    context.console.result(f'ETL[{message["name"]}]: job "{job_id}"')
    for line in described(message):
        context.console.result(line)
    return True


# -- start, stop, rm --------------------------------------------------------------------------------


def _names(context: Context, stages: tuple[str, ...] = ()) -> list[str]:
    """Whom a command is for: names, those of a specification, or with `--all` all of them.

    Args:
        stages: with `--all` only those in one of these stages; empty for any.

    Raises:
        UsageError: none is named, or in more than one way.
    """
    parsed = context.parsed
    ways = [bool(parsed.positionals), parsed.given("spec"), parsed.flag("all")]
    if sum(ways) > 1:
        raise UsageError("expecting names, '--spec' or '--all', only one of them")
    if parsed.given("spec"):
        return names_in(read_text(parsed.text("spec") or ""))
    if parsed.flag("all"):
        found = ask(context.transport, "etl") or []
        return [etl_name(one) for one in found if not stages or one.get("stage") in stages]
    check_count(parsed.positionals, ["ETL_NAME"], most=None)
    return parsed.positionals


def _start(context: Context) -> None:
    for name in _names(context):
        try:
            call(context.transport, "POST", "etl", path_item(name), "start")
        except ServerError as error:
            if error.code == 404:
                raise CommandError(f"ETL[{name}] not found", "Start a new one with 'ais etl init'.") from None
            raise
        context.console.result(f"ETL[{name}] started successfully")


def _stop(context: Context) -> None:
    names = _names(context, (_RUNNING,))
    if not names:
        context.console.result("No running ETLs, nothing to do")
    for name in names:
        if _call(context, "POST", name, "stop"):
            context.console.result(f"ETL[{name}] stopped")


def _remove(context: Context) -> None:
    names = _names(context)
    if not names:
        context.console.result("No ETLs, nothing to do")
    for name in names:
        if _call(context, "DELETE", name):
            context.console.result(f"ETL[{name}] successfully deleted")


def _call(context: Context, method: str, name: str, *items: str) -> bool:
    """Tell whether there was a transformation of that name; when there is none, say so."""
    try:
        call(context.transport, method, "etl", path_item(name), *items)
    except ServerError as error:
        if error.code != 404:
            raise
        context.console.warn(f"ETL[{name}] not found, nothing to do")
        return False
    return True


_SPEC = Option("spec", "file, URL or text of the definitions; - reads standard input", value="PATH", aliases=("f",))
_ALL = Option("all", "all of them")

INIT = Command(
    usage="[SPEC]",
    summary="start transformations that a specification defines",
    run=_init,
    options=(
        _SPEC,
        Option("name", "name of the ETL, instead of the specification's", value="NAME"),
        Option("comm-type", f"how targets talk to it: {', '.join(COMMUNICATIONS)}", value="TYPE"),
        Option("init-timeout", "how long it may take to start: 5m", value="DURATION"),
        Option("object-timeout", "how long one object may take: 45s", value="DURATION"),
    ),
    notes="A file may hold several definitions, with lines '---' between them.",
    examples=("ais etl init --spec upper-case.yaml", "ais etl init -f pod.yaml --name upper-case --comm-type hpull"),
)
START = Command(
    usage="ETL_NAME [ETL_NAME...]",
    summary="start transformations again that were stopped",
    run=_start,
    complete=complete_etls,
    options=(_SPEC,),
    examples=("ais etl start upper-case",),
)
STOP = Command(
    usage="ETL_NAME [ETL_NAME...]",
    summary="stop transformations; their definitions are kept",
    run=_stop,
    complete=complete_etls,
    options=(_SPEC, _ALL),
    examples=("ais etl stop upper-case", "ais etl stop --all"),
)
REMOVE = Command(
    usage="ETL_NAME [ETL_NAME...]",
    summary="stop transformations and forget them",
    run=_remove,
    complete=complete_etls,
    options=(_SPEC, _ALL),
    examples=("ais etl rm upper-case", "ais etl rm --spec upper-case.yaml"),
)
