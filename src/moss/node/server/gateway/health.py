"""Liveness and readiness. Source: spec/rest-control.md 5."""

import asyncio
from typing import Any

from moss.errors import InvalidQuery, Unavailable
from moss.node.server import node_info
from moss.node.server.answers import json_answer
from moss.node.server.http import Face, Request, Response
from moss.wire import headers

_EXCLUSIVE = (("prr", "cii"), ("prr", "cii-apr"), ("cii", "cii-apr"), ("apr", "cii-apr"))


async def get(node: Any, request: Request) -> Response | None:
    """Serve `GET /v1/health` at either face."""
    asked = {name for name in ("prr", "apr", "cii", "cii-apr", "readiness") if request.query.boolean(name)}
    for first, second in _EXCLUSIVE:
        if first in asked and second in asked:
            raise InvalidQuery(f"invalid query: {first} and {second} are mutually exclusive")
    if not node.is_ready:
        raise Unavailable(f"{node.gateway_name}: not ready yet (the node is starting up)")
    if asked & {"cii", "cii-apr"}:
        return json_answer(request, await asyncio.to_thread(node_info.state_info, node))
    if request.face is Face.TARGET:
        return Response(200)
    uptime = str(node.metrics.uptime_ns())
    return Response(200, {headers.NODE_UPTIME: uptime, headers.CLUSTER_UPTIME: uptime})


ROUTES = [("GET", ("health",), get), ("HEAD", ("health",), get)]
