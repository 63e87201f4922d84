"""`ais config cluster`, `config node`, `config reset`, `show config`. Source: spec/cli.md 5.10."""

import re
from collections.abc import Mapping
from typing import Any

from moss.cli.candidates import any_of, config_keys, nodes, one_of, sections, then
from moss.cli.cluster import config
from moss.cli.cluster.calls import act, ask_cluster, ask_node, call
from moss.cli.cluster.map import fetch_map, find_node
from moss.cli.commands.config_cli import reset_cli
from moss.cli.context import Context
from moss.cli.failures import UsageError
from moss.cli.flags import JSON, NO_HEADERS
from moss.cli.help import distance
from moss.cli.options import Command, Option
from moss.cli.tables import property_table
from moss.cli.transport import ServerError
from moss.wire.cluster import NodeInfo

_UNKNOWN = re.compile(r'unknown property "([^"]*)"')
_TIP = "(Tip: use '[SECTION] --json' to see a section in JSON, e.g. 'ais config cluster log --json')"
_SCOPES = ("inherited", "local")

# -- the cluster ------------------------------------------------------------------------------------


def _cluster(context: Context) -> None:
    words = context.parsed.positionals
    if config.is_change(words):
        _set_cluster(context, config.parse_change(words))
    else:
        _show_cluster(context)


def _show_cluster(context: Context) -> None:
    words = context.parsed.positionals
    if len(words) > 1:
        raise UsageError(f'unexpected argument "{words[1]}"')
    tree = ask_cluster(context.transport, "cluster_config")
    name = words[0].lower() if words else ""
    _print(context, _selection(tree, name) if name else config.flat(tree))
    if not name and not context.wants_json and not context.parsed.flag("no-headers"):
        context.console.plain_message(_TIP)


def _selection(tree: config.Tree, name: str) -> dict[str, Any]:
    leaves = config.flat(tree)
    found = config.select(leaves, name)
    if not found:
        raise _unknown(name, leaves)
    return found


def _unknown(name: str, leaves: Mapping[str, Any]) -> UsageError:
    """An error that names the keys that were probably meant."""
    last = name.rpartition(".")[2]
    near = [key for key in leaves if last and key.rpartition(".")[2] == last]
    near = near or [key for key in leaves if distance(key, name) < max(3, len(name) // 5)]
    meant = f" (did you mean {' or '.join(near[:3])}?)" if near else ""
    return UsageError(f'invalid property name "{name}"{meant}')


def _print(context: Context, leaves: Mapping[str, Any]) -> None:
    if context.wants_json:
        context.console.document(config.unflat(leaves))
        return
    headers = not context.parsed.flag("no-headers")
    context.console.stdout.write(property_table(config.rows(leaves), headers=headers))


def _set_cluster(context: Context, change: config.Change) -> None:
    for key, value in change.pairs.items():
        if config.needs_restart(key):
            context.console.warn(f"cluster restart required for the change '{key}={value}' to take effect.")
    _apply(context, change)
    tree = ask_cluster(context.transport, "cluster_config")
    names = list(dict.fromkeys(key.partition(".")[0] for key in change.keys))
    leaves = {key: value for name in names for key, value in config.select(config.flat(tree), name).items()}
    _print(context, leaves)
    if not context.wants_json:
        context.console.result("\nCluster config updated")


def _apply(context: Context, change: config.Change, node: str = "") -> None:
    """Send a change to the cluster, or to one node."""
    query = {"transient": "true"} if context.parsed.flag("transient") else {}
    try:
        if change.tree:
            act(context.transport, "set-config", value=change.tree, query=query, node=node)
        elif node:
            call(context.transport, "PUT", "reverse", "daemon", "set-config", query=change.pairs | query, node=node)
        else:
            call(context.transport, "PUT", "cluster", "set-config", query=change.pairs | query)
    except ServerError as error:
        if match := _UNKNOWN.search(error.message):
            raise _unknown(match[1], config.flat(ask_cluster(context.transport, "cluster_config"))) from None
        raise


# -- one node ---------------------------------------------------------------------------------------


def _node(context: Context) -> None:
    words = context.parsed.positionals
    if not words:
        raise UsageError('missing "NODE_ID" argument')
    node = find_node(fetch_map(context.transport), words[0])
    scope, rest = (words[1], words[2:]) if len(words) > 1 and words[1] in _SCOPES else ("", words[1:])
    if not config.is_change(rest):
        _show_node(context, node, scope, rest[0].lower() if rest else "")
        return
    if scope == "local":
        raise UsageError("the local part of a node's configuration cannot be changed: edit it on the node, and restart")
    change = config.parse_change(rest)
    _apply(context, change, node.daemon_id)
    context.console.document(change.tree or change.pairs)
    message = f"node {node.daemon_type[:1]}[{node.daemon_id}] config updated"
    if context.wants_json:
        context.console.plain_message(message)
    else:
        context.console.result(f"\n{message}")


def _show_node(context: Context, node: NodeInfo, scope: str, name: str) -> None:
    tree = ask_node(context.transport, node.daemon_id, "config")
    local = {key: tree[key] for key in config.LOCAL_PART if key in tree}
    inherited = {key: value for key, value in tree.items() if key not in local}
    tree = local if scope == "local" else inherited if scope == "inherited" else inherited | local
    leaves = _selection(tree, name) if name else config.flat(tree)
    if context.wants_json or scope == "local":
        _print(context, leaves)
        return
    headers = not context.parsed.flag("no-headers")
    cluster = config.flat(ask_cluster(context.transport, "cluster_config"))
    of_local = config.flat(local)
    rows = config.differences(leaves, cluster | {key: of_local[key] for key in leaves if key in of_local})
    context.console.table([*([("PROPERTY", "VALUE", "DEFAULT")] if headers else []), *rows])


# -- reset ------------------------------------------------------------------------------------------


def _reset(context: Context) -> None:
    words = context.parsed.positionals
    if len(words) > 1:
        raise UsageError(f'unexpected argument "{words[1]}"')
    where = words[0] if words else "cluster"
    if where == "cli":
        reset_cli(context)
    elif where == "cluster":
        act(context.transport, "reset-config")
        context.console.result("Config globally reset: all nodes reverted to cluster-wide defaults")
    else:
        _reset_node(context, where)


def _reset_node(context: Context, where: str) -> None:
    node = find_node(fetch_map(context.transport), where)
    act(context.transport, "reset-config", node=node.daemon_id)
    context.console.result(f"{node.daemon_type[:1]}[{node.daemon_id}]: config reset to the cluster's")


_TRANSIENT = Option("transient", "until the next restart only: keep the change in memory")

CLUSTER = Command(
    usage="[SECTION | KEY | KEY=VALUE...]",
    summary="show or change the cluster's configuration",
    run=_cluster,
    complete=config_keys,
    options=(_TRANSIENT, JSON, NO_HEADERS),
    notes="""
A change is KEY=VALUE, KEY VALUE or KEY = VALUE; a whole section is SECTION='{"key": value}'.
'features' takes names with blanks or commas between them, or 'none'.
""",
    examples=(
        "ais config cluster get_batch",
        "ais config cluster get_batch.max_soft_errs=10",
        "ais config cluster get_batch.warmup_workers=-1 get_batch.max_wait=30s",
        "ais config cluster checksum --json",
        """ais config cluster checksum='{"type": "md5"}'""",
    ),
)

SHOW_CLUSTER = Command(
    usage="[SECTION | KEY]",
    summary="show the cluster's configuration",
    run=_show_cluster,
    complete=sections,
    options=(JSON, NO_HEADERS),
    examples=("ais show config cluster", "ais show cluster config log --json"),
)

NODE = Command(
    usage="NODE_ID [inherited|local] [SECTION | KEY=VALUE...]",
    summary="show or change the configuration of one node",
    run=_node,
    complete=then(nodes, any_of(one_of(*_SCOPES), config_keys), config_keys),
    options=(_TRANSIENT, JSON, NO_HEADERS),
    notes="""
What a node inherits from the cluster is shown with the cluster's value where it differs; what is the node's own
('local') can only be looked at.
""",
    examples=("ais config node t[QkxWVZGJR] inherited log", "ais config node QkxWVZGJR log.level=4"),
)

RESET = Command(
    usage="[cluster | cli | NODE_ID]",
    summary="take back changes of single nodes, or settings of this program",
    run=_reset,
    complete=any_of(one_of("cluster", "cli"), nodes),
    examples=("ais config reset", "ais config reset cli", "ais config reset t[QkxWVZGJR]"),
)
