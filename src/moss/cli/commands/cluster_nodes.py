"""`ais cluster add-remove-nodes` and `set-primary`. Source: spec/cli.md 5.9, spec/rest-control.md 8.2, 15.4."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from moss.cli.arguments import check_count
from moss.cli.candidates import nodes
from moss.cli.cluster.calls import act, call, decoded
from moss.cli.cluster.map import fetch_map, find_node, node_name
from moss.cli.context import Context
from moss.cli.failures import UsageError
from moss.cli.flags import YES
from moss.cli.options import Command, Option
from moss.wire.cluster import NetInfo, NodeFlag, NodeInfo
from moss.wire.headers import NODE_FLAGS

_PORT = 51080


def _join(context: Context) -> None:
    check_count(context.parsed.positionals, ["IP:PORT"], most=1)
    role = context.parsed.text("role") or ""
    if role not in ("proxy", "target"):
        raise UsageError("expecting '--role proxy' or '--role target'")
    if context.parsed.flag("non-electable") and role != "proxy":
        raise UsageError("'--non-electable' goes with proxies only")
    net = _address(context.parsed.positionals[0])
    message = {
        "public_net": {"node_hostname": net.node_ip_addr, "daemon_port": net.daemon_port, "direct_url": net.direct_url},
        "daemon_type": role,
    }
    headers = {NODE_FLAGS: str(NodeFlag.NON_ELECTABLE)} if context.parsed.flag("non-electable") else {}
    content = call(context.transport, "POST", "cluster", "join-by-admin", message=message, headers=headers)
    answer = decoded(content)
    context.console.result(f"Node {answer.get('daemon_id', '')} successfully joined the cluster")
    _say_rebalance(context, str(answer.get("rebalance_id") or ""))


def _address(text: str) -> NetInfo:
    url = text if "://" in text else f"http://{text}"
    try:
        parts = urlsplit(url)
        port = parts.port or _PORT
    except ValueError as error:
        raise UsageError(f'invalid address "{text}": {error}') from None
    if not parts.hostname:
        raise UsageError(f'invalid address "{text}": expecting IP:PORT')
    return NetInfo(parts.hostname, str(port), f"{parts.scheme}://{parts.hostname}:{port}")


def _say_rebalance(context: Context, job_id: str) -> None:
    if job_id:
        context.console.result(f"Started rebalance \"{job_id}\" (to monitor, run 'ais show rebalance').")


def _leave(action: str, done: str, question: str = "") -> Callable[[Context], None]:
    """What runs a command that takes nodes out of the cluster, or back in.

    Args:
        action: on the wire.
        done: what is said of each node then.
        question: asked before, with the nodes at its end; without one nothing is asked.
    """

    def run(context: Context) -> None:
        parsed = context.parsed
        check_count(parsed.positionals, ["NODE_ID"], most=None)
        known = fetch_map(context.transport)
        chosen = [find_node(known, word) for word in parsed.positionals]
        names = ", ".join(node_name(node, primary_id=known.primary.daemon_id) for node in chosen)
        if question and not parsed.flag("yes"):
            context.console.confirm(f"{question} {names}?", unanswered=f"{names}: nothing done (use '--yes')")
        value: dict[str, Any] = {
            "sids": [node.daemon_id for node in chosen],
            "skip_rebalance": parsed.flag("no-rebalance"),
            "no_shutdown": parsed.flag("no-shutdown"),
            "rm_user_data": parsed.flag("rm-user-data"),
        }
        job_id = act(context.transport, action, value=value)
        _say_rebalance(context, job_id)
        for node in chosen:
            context.console.result(f"{node.daemon_type[:1]}[{node.daemon_id}] {done}")

    return run


def _set_primary(context: Context) -> None:
    parsed = context.parsed
    check_count(parsed.positionals, ["NODE_ID"], most=2)
    word, *url = parsed.positionals
    if url and not parsed.flag("force"):
        raise UsageError(f"\"{url[0]}\" (the URL of another primary) needs '--force'")
    known = fetch_map(context.transport)
    # A gateway of another cluster, which takes over by force, stands in no map of ours.
    node_id = word if url else _proxy(known.pmap, find_node(known, word)).daemon_id
    query = ({"frc": "true"} if parsed.flag("force") else {}) | ({"can": url[0]} if url else {})
    call(context.transport, "PUT", "cluster", "proxy", node_id, query=query)
    is_same = node_id == known.primary.daemon_id
    context.console.result(f"p[{node_id}] is {'already the' if is_same else 'now the new'} primary")


def _proxy(proxies: dict[str, NodeInfo], node: NodeInfo) -> NodeInfo:
    if node.daemon_id not in proxies:
        raise UsageError(f"{node_name(node)} is not a proxy")
    return node


_NO_REBALANCE = Option("no-rebalance", "do not move objects to where they belong then")
_FORCE = Option("force", "even against the cluster's advice", aliases=("f",))


def _membership(summary: str, run: Callable[[Context], None], example: str, *options: Option) -> Command:
    return Command(
        usage="NODE_ID [NODE_ID...]",
        summary=summary,
        run=run,
        complete=nodes,
        options=(*options, YES),
        examples=(example,),
    )


JOIN = Command(
    usage="IP:PORT",
    summary="take a node into the cluster",
    run=_join,
    options=(
        Option("role", "what it is: proxy or target", value="ROLE"),
        Option("non-electable", "a proxy that never becomes the primary"),
    ),
    examples=("ais cluster add-remove-nodes join 10.0.0.7:51081 --role target",),
)
START_MAINTENANCE = _membership(
    "put nodes into maintenance: their objects move to the others",
    _leave("start-maintenance", "is in maintenance", "Put into maintenance:"),
    "ais cluster add-remove-nodes start-maintenance t[QkxWVZGJR]",
    _NO_REBALANCE,
)
STOP_MAINTENANCE = _membership(
    "take nodes back from maintenance",
    _leave("stop-maintenance", "is back from maintenance"),
    "ais cluster add-remove-nodes stop-maintenance t[QkxWVZGJR]",
    _NO_REBALANCE,
)
DECOMMISSION_NODE = _membership(
    "remove nodes from the cluster for good",
    _leave("decommission-node", "has been decommissioned", "Decommission"),
    "ais cluster add-remove-nodes decommission t[QkxWVZGJR] --rm-user-data",
    _NO_REBALANCE,
    Option("no-shutdown", "leave the node running"),
    Option("rm-user-data", "destroy the node's copies of user data"),
)
SHUTDOWN_NODE = _membership(
    "shut nodes down; they may come back",
    _leave("shutdown-node", "is shutting down", "Shut down"),
    "ais cluster add-remove-nodes shutdown p[KKFpNjqo]",
    _NO_REBALANCE,
)

SET_PRIMARY = Command(
    usage="NODE_ID [URL]",
    summary="make another gateway the primary",
    run=_set_primary,
    complete=nodes,
    options=(_FORCE,),
    examples=("ais cluster set-primary p[KKFpNjqo]",),
)
