"""The Prometheus page of the target face. Source: spec/getbatch.md 12.1, spec/rest-control.md 14.1."""

from typing import Any

from moss.node.metrics import CONTENT_TYPE
from moss.node.server.http import Request, Response
from moss.wire import headers


async def get(node: Any, request: Request) -> Response | None:
    """Serve `GET /metrics`."""
    del request
    page = node.metrics.render_prometheus(node.target_id, primary_id=node.gateway_id, face="t")
    return Response(200, {headers.CONTENT_TYPE: CONTENT_TYPE}, page)


ROUTES: list[Any] = []
PLAIN = {"metrics": get}
