"""Node calls and health at the target face: reading only. Source: spec/rest-control.md 1.3, 5, 6.2."""

from typing import Any

from moss.errors import AccessDenied
from moss.node.server import node_queries
from moss.node.server.gateway import health
from moss.node.server.http import Face, Request, Response


async def get(node: Any, request: Request) -> Response | None:
    """Serve `GET /v1/daemon?what=…` of the target."""
    return await node_queries.answer(node, request, Face.TARGET)


async def refuse(node: Any, request: Request) -> Response | None:
    """Refuse changes: they go through the gateway."""
    path = "/" + "/".join(request.items)
    raise AccessDenied(f"{node.target_name}: {request.method} {path} is read-only on PUBLIC")


_WRITES = ("PUT", "POST", "PATCH", "DELETE", "HEAD")

ROUTES = [
    ("GET", ("daemon",), get),
    ("GET", ("daemon", "**"), get),
    *((method, ("daemon",), refuse) for method in _WRITES),
    *((method, ("daemon", "**"), refuse) for method in _WRITES),
    *health.ROUTES,
]
