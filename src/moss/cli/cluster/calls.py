"""Control calls: questions to the cluster and to its nodes, actions. Source: spec/rest-control.md 6, 7.3, 8."""

import json
from collections.abc import Mapping
from typing import Any

from moss.cli.failures import CommandError
from moss.cli.transport import Transport, path_of
from moss.wire.headers import CONTENT_TYPE, JSON, NODE_ID

_JSON_HEADERS = {CONTENT_TYPE: JSON}


def call(
    transport: Transport,
    method: str,
    *items: str,
    query: Mapping[str, str] | None = None,
    message: Any = None,
    node: str = "",
    headers: Mapping[str, str] | None = None,
) -> bytes:
    """Send a control call and return the body of its answer.

    Args:
        items: of the path behind `/v1`.
        message: sent as JSON unless it is None.
        node: id of the node that the call is passed on to; the path then begins with `reverse`, `daemon`.

    Raises:
        ServerError: the cluster refuses.
    """
    all_headers = dict(headers or {}) | (_JSON_HEADERS if message is not None else {})
    if node:
        all_headers[NODE_ID] = node
    body = None if message is None else json.dumps(message).encode()
    with transport.request(method, path_of(*items), query=query, headers=all_headers, body=body) as answer:
        return answer.read_all()


def ask(transport: Transport, *items: str, query: Mapping[str, str] | None = None, message: Any = None) -> Any:
    """Ask a question and return the decoded answer.

    Raises:
        CommandError: the answer is no JSON.
    """
    return decoded(call(transport, "GET", *items, query=query, message=message))


def ask_cluster(transport: Transport, what: str) -> Any:
    """`GET /v1/cluster?what=…`, decoded."""
    return ask(transport, "cluster", query={"what": what})


def ask_node(transport: Transport, node: str, what: str, **query: str) -> Any:
    """`GET /v1/daemon?what=…` of one node, through the gateway; decoded."""
    return decoded(call(transport, "GET", "reverse", "daemon", query={"what": what, **query}, node=node))


def act(
    transport: Transport,
    action: str,
    *,
    name: str = "",
    value: Any = None,
    query: Mapping[str, str] | None = None,
    node: str = "",
) -> str:
    """`PUT` an action to the cluster, or to one of its nodes; returns the text of the answer, an id or nothing."""
    message = {"action": action, "name": name, "value": value}
    items = ("reverse", "daemon") if node else ("cluster",)
    return call(transport, "PUT", *items, query=query, message=message, node=node).decode("utf-8", "replace").strip()


def decoded(content: bytes) -> Any:
    """Decode an answer that must be JSON.

    Raises:
        CommandError: it is not.
    """
    try:
        return json.loads(content)
    except ValueError:
        raise CommandError(f"the cluster answers something else than JSON: {content[:80]!r}") from None
