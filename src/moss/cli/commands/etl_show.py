"""`ais etl show`, `etl show errors`, `etl view-logs`. Source: spec/cli.md 5.11."""

from moss.cli.arguments import check_count
from moss.cli.cluster.calls import ask, call
from moss.cli.cluster.config import flat, shown
from moss.cli.cluster.map import fetch_map, find_node
from moss.cli.context import Context
from moss.cli.etl.names import complete_etls, path_item
from moss.cli.flags import JSON, NO_HEADERS, REFRESHING
from moss.cli.jobs.lists import etl_name, etl_rows
from moss.cli.options import Command
from moss.cli.output import printable
from moss.cli.refresh import repeat
from moss.cli.tables import property_table
from moss.sdk.info_types import decode_etl_logs


def _show(context: Context) -> None:
    def picture() -> None:
        names = context.parsed.positionals
        if names:
            _show_details(context, names)
        else:
            _show_list(context)

    repeat(context, picture)


def _show_list(context: Context) -> None:
    found = ask(context.transport, "etl") or []
    if not found and not context.wants_json:
        context.console.result("No ETLs (start one with 'ais etl init').")
        return
    context.show(etl_rows(found), found)


def _show_details(context: Context, names: list[str]) -> None:
    details = [ask(context.transport, "etl", path_item(name), query={"uuid": ""}) for name in names]
    if context.wants_json:
        context.console.document(details if len(names) > 1 else details[0])
        return
    headers = not context.parsed.flag("no-headers")
    texts = []
    for detail in details:
        pairs = [(key, shown(key, value)) for key, value in flat(detail.get("init_msg") or detail).items()]
        texts.append(property_table(pairs, headers=headers))
        if errors := detail.get("obj_errors"):
            texts[-1] += f"{len(errors)} objects failed, see 'ais etl show errors {etl_name(detail['init_msg'])}'\n"
    context.console.result("\n".join(texts).rstrip("\n"))


def _show_errors(context: Context) -> None:
    check_count(context.parsed.positionals, ["ETL_NAME"], most=2)
    name, *job = context.parsed.positionals
    detail = ask(context.transport, "etl", path_item(name), query={"uuid": job[0] if job else ""})
    errors = detail.get("obj_errors") or []
    if not errors and not context.wants_json:
        context.console.result(f"No errors found for ETL[{name}].")
        return
    rows = [
        [
            printable(one.get("obj_name", "")),
            str(one.get("ecode", "")),
            printable(" ".join(str(one.get("msg", "")).split())),
        ]
        for one in errors
    ]
    context.show([["OBJECT", "ECODE", "ERROR"], *rows], errors)


def _logs(context: Context) -> None:
    check_count(context.parsed.positionals, ["ETL_NAME"], most=2)
    name, *target = context.parsed.positionals
    items = [find_node(fetch_map(context.transport), target[0]).daemon_id] if target else []
    found = decode_etl_logs(call(context.transport, "GET", "etl", path_item(name), "logs", *items))
    if context.wants_json:
        context.console.document(found)
        return
    for one in found:
        if len(found) > 1 or not target:
            context.console.result(f"t[{one.target_id}] logs:")
        context.console.result(one.logs.rstrip("\n"))


SHOW = Command(
    usage="[ETL_NAME...]",
    summary="show transformations, or how some of them were started",
    run=_show,
    complete=complete_etls,
    options=(*REFRESHING, JSON, NO_HEADERS),
    examples=("ais etl show", "ais etl show upper-case"),
)
SHOW_ERRORS = Command(
    usage="ETL_NAME [JOB_ID]",
    summary="show the objects that a transformation failed on",
    run=_show_errors,
    complete=complete_etls,
    options=(JSON, NO_HEADERS),
    examples=("ais etl show errors upper-case", "ais etl show errors upper-case tco-cysbohAGL"),
)
LOGS = Command(
    usage="ETL_NAME [TARGET_ID]",
    summary="show what a transformation wrote on the targets",
    run=_logs,
    complete=complete_etls,
    options=(JSON,),
    examples=("ais etl view-logs upper-case",),
)
