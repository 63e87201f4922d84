"""Node calls at the gateway face: its own, and those that it passes on to the node that a header names.

Source: spec/rest-control.md 6.1, 8.3.
"""

import asyncio
from typing import Any

from moss.errors import InvalidBody, InvalidRequest, MossError, NotFound, Unsupported
from moss.node.metrics import CONTENT_TYPE
from moss.node.server import node_info, node_queries
from moss.node.server.answers import empty_answer, read_action
from moss.node.server.gateway import config
from moss.node.server.http import Face, Request, Response
from moss.units import quote
from moss.wire import headers

_MOUNTPATH_ACTIONS = {
    "PUT": ("attach-mp",),
    "POST": ("enable-mp", "disable-mp", "rescan-mp", "fshc-mp"),
    "DELETE": ("detach-mp",),
}
# Calls that need what this node has not. Source: spec/rest-control.md 1.2, 8.2, 8.3.
_NOT_HERE = {
    "load-x509": "cannot load a certificate: HTTPS is not in use",
    "enable-bend": "cannot enable a backend: none is configured",
    "disable-bend": "cannot disable a backend: none is configured",
}


class NodeNotFound(NotFound):
    """A node id that the cluster map does not hold."""

    code = "node-not-found"

    def __init__(self, node_id: str, what: str = "lookup") -> None:
        self.node_id = node_id
        super().__init__(f"{what} failure: node {node_id} not present in Smap")


async def get(node: Any, request: Request) -> Response | None:
    """Serve `GET /v1/daemon?what=…` of the gateway."""
    return await node_queries.answer(node, request, Face.GATEWAY)


async def change(node: Any, request: Request) -> Response | None:
    """Serve PUT and POST on the gateway itself."""
    return await _change(node, request, node.gateway_id, request.items[2:])


async def reverse(node: Any, request: Request) -> Response | None:
    """Serve `/v1/reverse/daemon`: any node call, for the node that the header names."""
    node_id = request.headers.get(headers.NODE_ID, "")
    if not node_id:
        raise InvalidRequest("missing node ID")
    faces = {node.gateway_id: Face.GATEWAY, node.target_id: Face.TARGET}
    face = faces.get(node_id)
    if face is None:
        raise NodeNotFound(node_id)
    if request.method == "GET":
        return await node_queries.answer(node, request, face)
    return await _change(node, request, node_id, request.items[3:])


async def _change(node: Any, request: Request, node_id: str, items: list[str]) -> Response:
    if items and items[0] == "set-config":
        return await config.set_by_query(node, request, node_id=node_id)
    if items and items[0] == "mountpaths":
        raise await _refuse_mountpath_change(request)
    if items and items[0] in _NOT_HERE:
        raise InvalidRequest(_NOT_HERE[items[0]])
    if items:
        raise InvalidRequest(f"invalid request URI: '{request.method} {request.path}' from {request.remote}")
    message = await read_action(request)
    if message.action == "set-config":
        return await config.set_by_message(node, request, message, node_id=node_id)
    if message.action == "reset-config":
        return await config.reset(node, node_id=node_id)
    if message.action == "reset-stats":
        return await reset_statistics(node, message.value)
    if message.action == "rotate-logs":
        return empty_answer()
    raise InvalidBody(f"invalid action {quote(message.action)}")


async def _refuse_mountpath_change(request: Request) -> MossError:
    """Return why the mountpaths of a target stay as they are: it has one, the folder of its data.

    Source: spec/rest-control.md 8.3.
    """
    message = await read_action(request)
    if message.action not in _MOUNTPATH_ACTIONS.get(request.method, ()):
        return InvalidBody(f"invalid action {quote(message.action)}")
    path = message.value
    if not isinstance(path, str) or not path:
        return InvalidBody(f"{message.action}: expecting a non-empty mountpath")
    if path.rstrip("/") != node_info.MOUNTPATH:
        return NotFound(f"{message.action}: mountpath {quote(path)} does not exist")
    return Unsupported(f"cannot {message.action} {node_info.MOUNTPATH} - operation not supported")


async def reset_statistics(node: Any, errors_only: Any) -> Response:
    """Set counters to zero, in all worker processes; the value says whether only those of errors."""
    if not isinstance(errors_only, bool):
        raise InvalidBody("reset-stats: expecting a boolean value (errors only)")
    node.metrics.reset(errors_only=errors_only)
    if node.jobs.links.has_siblings:
        await asyncio.to_thread(node.jobs.links.ask_all, "metrics.reset", errors_only)
    return empty_answer()


async def metrics(node: Any, request: Request) -> Response | None:
    """Serve `GET /metrics` of the gateway, the requests that other worker processes took included."""
    del request
    links = node.jobs.links
    others = await asyncio.to_thread(links.ask_all, "metrics.series", None) if links.has_siblings else []
    page = node.metrics.render_prometheus(node.gateway_id, primary_id=node.gateway_id, face="p", others=others)
    return Response(200, {headers.CONTENT_TYPE: CONTENT_TYPE}, page)


_WRITES = ("PUT", "POST")

PLAIN = {"metrics": metrics}

ROUTES = [
    ("GET", ("daemon",), get),
    ("GET", ("daemon", "**"), get),
    *((method, ("daemon",), change) for method in _WRITES),
    *((method, ("daemon", "**"), change) for method in _WRITES),
    *((method, ("reverse", "daemon"), reverse) for method in ("GET", "PUT", "POST", "DELETE")),
    *((method, ("reverse", "daemon", "**"), reverse) for method in ("GET", "PUT", "POST", "DELETE")),
]
