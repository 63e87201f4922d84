"""The cluster map: fetching it, finding nodes in it, naming them. Source: spec/cli.md 5.1, 5.9."""

import re
from typing import TYPE_CHECKING

from moss.cli.arguments import check_count
from moss.cli.failures import CommandError, UsageError
from moss.cli.transport import Transport, path_of
from moss.wire.cluster import ClusterMap, NodeFlag, NodeInfo, decode_cluster_map

if TYPE_CHECKING:
    from moss.cli.context import Context

_NAMED = re.compile(r"[tp]\[([\w-]+)\](?:\[P\])?", re.ASCII)


def fetch_map(transport: Transport) -> ClusterMap:
    """Ask for the cluster map."""
    with transport.request("GET", path_of("daemon"), query={"what": "smap"}) as answer:
        return decode_cluster_map(answer.read_all())


def is_node_name(word: str) -> bool:
    """Whether a word is written as nodes are shown: `t[ID]`, `p[ID]`."""
    return _NAMED.fullmatch(word) is not None


def find_node(nodes: ClusterMap, word: str) -> NodeInfo:
    """Find a node by `ID`, `t[ID]` or `p[ID]`.

    Raises:
        CommandError: there is none.
    """
    named = _NAMED.fullmatch(word)
    node_id = named[1] if named else word
    of_kind = {"t": (nodes.tmap,), "p": (nodes.pmap,)}[word[0]] if named else (nodes.tmap, nodes.pmap)
    for part in of_kind:
        if node_id in part:
            return part[node_id]
    raise CommandError(f'node "{word}" does not exist', "See 'ais show cluster' for the nodes there are.")


def node_name(node: NodeInfo, *, primary_id: str = "") -> str:
    """How a node is shown: `t[ID]`, `p[ID]`, the primary gateway with `[P]`, marks for those that do not count."""
    name = f"{node.daemon_type[:1]}[{node.daemon_id}]"
    if node.daemon_id == primary_id:
        name += "[P]"
    if node.flags & NodeFlag.NON_ELECTABLE:
        name += "[n/e]"
    return name if node.is_active else name + "[x]"


def chosen_target(context: "Context") -> str:
    """The id of the target that is the only positional; "" when there is none.

    Raises:
        UsageError: a gateway, or more than one positional.
        CommandError: there is no such node.
    """
    check_count(context.parsed.positionals, [], most=1)
    if not context.parsed.positionals:
        return ""
    word = context.parsed.positionals[0]
    known = fetch_map(context.transport)
    node = find_node(known, word)
    if node.daemon_id not in known.tmap:
        raise UsageError(f"{word} is not a target")
    return node.daemon_id
