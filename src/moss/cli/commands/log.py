"""`ais log show`, `log get`, `cluster download-logs`. Source: spec/cli.md 5.9, spec/rest-control.md 6.4."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

from moss.cli.arguments import check_count
from moss.cli.candidates import any_of, nodes, one_of, then
from moss.cli.cluster.calls import call
from moss.cli.cluster.map import fetch_map, find_node
from moss.cli.context import Context
from moss.cli.destination import FileSink
from moss.cli.failures import CommandError, UsageError
from moss.cli.flags import REFRESHING, YES
from moss.cli.options import Command, Option
from moss.cli.output import Console
from moss.cli.refresh import repeat
from moss.wire.cluster import NodeInfo

_SEVERITIES = ("info", "warning", "error")


def _severity(context: Context) -> str:
    text = (context.parsed.text("severity") or "info").lower()
    found = [word for word in _SEVERITIES if text and word.startswith(text)]
    if len(found) != 1:
        raise UsageError(f"invalid '--severity' \"{text}\" (expecting one of: {', '.join(_SEVERITIES)})")
    return found[0]


def _read(context: Context, node: NodeInfo, **query: str) -> bytes:
    query = {"what": "log", "severity": _severity(context), **query}
    return call(context.transport, "GET", "reverse", "daemon", query=query, node=node.daemon_id)


def _flush(context: Context, node: NodeInfo) -> None:
    """Have the node write its log out that often, until it starts again."""
    if context.seconds("log-flush") is not None:
        query = {"log.flush_time": str(context.parsed.text("log-flush")), "transient": "true"}
        call(context.transport, "PUT", "reverse", "daemon", "set-config", query=query, node=node.daemon_id)


def _show(context: Context) -> None:
    check_count(context.parsed.positionals, ["NODE_ID | cluster"], most=1)
    known, word = fetch_map(context.transport), context.parsed.positionals[0]
    chosen = [*known.pmap.values(), *known.tmap.values()] if word == "cluster" else [find_node(known, word)]
    for node in chosen:
        _flush(context, node)
    offsets = dict.fromkeys((node.daemon_id for node in chosen), 0)

    def picture() -> None:
        for node in chosen:
            offset = offsets[node.daemon_id]
            text = _read(context, node, **({"offset": str(offset)} if offset else {}))
            offsets[node.daemon_id] += len(text)
            if text and len(chosen) > 1:
                context.console.result(f"{node.daemon_type[:1]}[{node.daemon_id}]:")
            context.console.stdout.write(text.decode("utf-8", "replace"))

    if context.parsed.given("refresh") or context.parsed.given("count"):
        _follow(context, picture)
    else:
        picture()


def _follow(context: Context, picture: Callable[[], None]) -> None:
    """Print what is new again and again; the line between two pictures would not be part of the log."""
    quiet = Console(context.console.stdin, open(os.devnull, "w"), context.console.stderr)  # noqa: SIM115 - until the end
    frames = Context(context.invoked, context.parsed, quiet, context.environ)

    def show() -> None:
        picture()
        context.console.stdout.flush()

    repeat(frames, show)


def _get(context: Context) -> None:
    check_count(context.parsed.positionals, ["NODE_ID | cluster"], most=2)
    which, *place = context.parsed.positionals
    if which == "cluster":
        _download_all(context, place[0] if place else "")
        return
    node = find_node(fetch_map(context.transport), which)
    _flush(context, node)
    out = place[0] if place else ""
    if out == "-":
        _write_stdout(context, node)
        return
    name = f"{node.daemon_type[:1]}[{node.daemon_id}]"
    suffix = "tar.gz" if context.parsed.flag("all") else f"{_severity(context)}.log"
    path = Path(out or f"ais{node.daemon_type}-{node.daemon_id}.{suffix}")
    if path.is_dir() or out.endswith("/"):
        path = path / f"ais{node.daemon_type}-{node.daemon_id}.{suffix}"
    _may_write(context, path)
    context.console.plain_message(f"Downloading {name} log as {path} ...")
    _store(path, _read(context, node, **_all(context)))
    context.console.result("Done")


def _all(context: Context) -> dict[str, str]:
    return {"all": "true"} if context.parsed.flag("all") else {}


def _write_stdout(context: Context, node: NodeInfo) -> None:
    context.console.stdout.flush()
    sys.stdout.buffer.write(_read(context, node, **_all(context)))
    sys.stdout.buffer.flush()


def _download_cluster(context: Context) -> None:
    check_count(context.parsed.positionals, [], most=1)
    _download_all(context, context.parsed.positionals[0] if context.parsed.positionals else "")


def _download_all(context: Context, place: str) -> None:
    """The logs of all nodes, an archive of each, into one folder."""
    known = fetch_map(context.transport)
    folder = Path(place or "aislogs")
    if folder.exists() and not folder.is_dir():
        raise CommandError(f"{folder} is not a folder")
    chosen = [*known.pmap.values(), *known.tmap.values()]
    paths = {node.daemon_id: folder / f"ais{node.daemon_type}-{node.daemon_id}.tar.gz" for node in chosen}
    for path in paths.values():
        _may_write(context, path)
    context.console.plain_message(f"Downloading logs of {len(chosen)} node(s) into {folder}/ ...")
    failed = []
    for node in chosen:
        try:
            _store(paths[node.daemon_id], _read(context, node, all="true"))
        except CommandError as error:
            failed.append(f"  {node.daemon_type[:1]}[{node.daemon_id}]: {error}")
    if failed:
        raise CommandError(f"{len(failed)} of {len(chosen)} nodes sent no log:", *failed)
    context.console.result("Done")


def _may_write(context: Context, path: Path) -> None:
    if path.exists() and not context.parsed.flag("yes"):
        context.console.confirm(f"{path} exists, overwrite?", unanswered=f"{path} exists (use '--yes' to overwrite)")


def _store(path: Path, content: bytes) -> None:
    """Write a file, under its name only when it is whole."""
    with FileSink(path) as sink:
        sink.write(content)
        sink.commit()


_SEVERITY = Option("severity", "info (all), warning (and errors) or error", value="SEVERITY")
_FLUSH = Option("log-flush", "have the node write its log out so often, until it restarts", value="DURATION")
_EVERYTHING = Option("all", "all that the node keeps, as .tar.gz", aliases=("a",))

SHOW = Command(
    usage="NODE_ID | cluster",
    summary="show the log of a node, or of all nodes",
    run=_show,
    complete=any_of(one_of("cluster"), nodes),
    options=(_SEVERITY, *REFRESHING, _FLUSH),
    notes="With '--refresh' the log is followed: what is new is printed as it comes.",
    examples=("ais log show t[QkxWVZGJR]", "ais log show p[KKFpNjqo] --severity error --refresh 5"),
)
GET = Command(
    usage="NODE_ID | cluster [OUT_FILE | OUT_DIR | -]",
    summary="download the log of a node, or the logs of all nodes",
    run=_get,
    complete=then(any_of(one_of("cluster"), nodes), one_of()),
    options=(_SEVERITY, _EVERYTHING, _FLUSH, YES),
    examples=("ais log get t[QkxWVZGJR] /tmp", "ais log get cluster /tmp/logs --severity error"),
)
DOWNLOAD = Command(
    usage="[OUT_DIR]",
    summary="download the logs of all nodes",
    run=_download_cluster,
    options=(_SEVERITY, YES),
    examples=("ais cluster download-logs /tmp/logs",),
)
