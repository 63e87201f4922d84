"""dSort at the gateway face of a node that sorts nothing: lists are empty, lookups say so, the rest is refused.

Source: spec/rest-control.md 11.1.
"""

from typing import Any

from moss.errors import InvalidRequest, NotFound, Unsupported
from moss.node.jobs.downloads import compile_filter
from moss.node.server.answers import json_answer
from moss.node.server.http import Request, Response
from moss.units import quote


class SortNotFound(NotFound):
    """A dSort job that is not there."""

    code = "sort-not-found"

    def __init__(self, node_name: str, job_id: str) -> None:
        super().__init__(f"{node_name}: dsort job {quote(job_id)[1:-1]} does not exist")


async def refuse(node: Any, request: Request) -> Response | None:
    """Refuse to sort, to stop and to forget: the official client's tests take 501 as "not offered here"."""
    del node, request
    raise Unsupported("dsort not enabled on this node - operation not supported")


async def get(node: Any, request: Request) -> Response | None:
    """Answer the list of jobs, which is empty, or say that one is not there."""
    job_id, pattern = request.query.get("uuid"), request.query.get("regex")
    if job_id and pattern:
        raise InvalidRequest("regex and uuid cannot be used together")
    if job_id:
        raise SortNotFound(node.gateway_name, job_id)
    compile_filter(pattern)
    return json_answer(request, [])


ROUTES = [
    ("POST", ("sort",), refuse),
    ("GET", ("sort",), get),
    ("DELETE", ("sort",), refuse),
    ("DELETE", ("sort", "abort"), refuse),
]
