"""Changing the configuration of the cluster or of one node. Source: spec/rest-control.md 7.3, 7.4."""

import asyncio
from typing import Any

from moss.node.server.answers import ActionMessage, empty_answer
from moss.node.server.http import Request, Response

_TRANSIENT = "transient"


async def set_by_query(node: Any, request: Request, *, node_id: str = "") -> Response:
    """Apply `?key=value&…`."""
    transient = request.query.boolean(_TRANSIENT)
    pairs = _pairs(request)
    await asyncio.to_thread(node.config.set_many, pairs, transient, node=node_id)
    return empty_answer()


async def set_by_message(node: Any, request: Request, message: ActionMessage, *, node_id: str = "") -> Response:
    """Apply the nested value of a `set-config` message; a query that names keys counts more than the body."""
    if _pairs(request):
        return await set_by_query(node, request, node_id=node_id)
    transient = request.query.boolean(_TRANSIENT)
    await asyncio.to_thread(node.config.set_tree, message.value, transient, node=node_id)
    return empty_answer()


async def reset(node: Any, *, node_id: str = "") -> Response:
    """Drop transient and per-node changes."""
    await asyncio.to_thread(node.config.reset, node=node_id)
    return empty_answer()


def _pairs(request: Request) -> list[tuple[str, str]]:
    return [(name, value) for name, value in request.query.items() if name != _TRANSIENT]
