"""`GET /v1/daemon?what=…` for both faces. Source: spec/rest-control.md 6.2, 6.4."""

import asyncio
from typing import Any

from moss.errors import InvalidRequest, NotFound
from moss.node.server import node_info
from moss.node.server.answers import json_answer
from moss.node.server.http import Face, Request, Response, text_response
from moss.node.server.log_ring import RING
from moss.units import quote
from moss.wire import headers

# Names that were retired in 2025; older clients still send them.
_RETIRED = {"stats": "node_stats", "status": "node_status"}


async def answer(node: Any, request: Request, face: Face) -> Response:
    """Answer a node query for one face.

    Raises:
        InvalidRequest: no or an unknown `what`.
    """
    what = request.query.get("what")
    what = _RETIRED.get(what, what)
    if what == "software_version":
        return text_response(node_info.SOFTWARE_VERSION)
    if what == "log":
        return await asyncio.to_thread(_log, node, request)
    if what == "tls_certificate":
        raise NotFound("TLS is not in use: certificate does not exist")
    builders = {
        "smap": lambda: node_info.cluster_map(node),
        "smapvote": lambda: node_info.cluster_map(node),
        "bmd": lambda: node_info.bucket_table(node),
        "snode": lambda: node_info.node_entry(node, face),
        "config": lambda: node_info.node_config(node, face),
        "node_stats": lambda: node_info.node_stats(node, face),
        "node_status": lambda: node_info.node_status(node, face),
        "metrics": lambda: node_info.metric_names(face),
        "sysinfo": lambda: node_info.target_system_info(node) if face is Face.TARGET else node_info.system_info(),
    }
    if face is Face.TARGET:
        builders |= {
            "mountpaths": node_info.mountpaths,
            "disk": lambda: node_info.capacity(node, face),
            "remote": lambda: {"a": [row.document for row in node.clusters.all()], "ver": node.clusters.version},
        }
    builder = builders.get(what)
    if builder is None:
        path = "/v1/daemon"
        shown = quote(what)[1:-1]
        raise InvalidRequest(f"invalid '{path}' request: unrecognized 'what={shown}' query")
    # Disk figures, the bucket table and the configuration come from files.
    return json_answer(request, await asyncio.to_thread(builder))


def _log(node: Any, request: Request) -> Response:
    """Answer the log of all worker processes; waits for them."""
    severity = request.query.get("severity")
    others = node.jobs.links.ask_all("log.lines", None)
    if request.query.boolean("all"):
        return Response(200, {headers.CONTENT_TYPE: "application/gzip"}, RING.archive(severity, others))
    text = RING.text(severity, others).encode("utf-8", "replace")
    offset = request.query.get("offset") or "0"
    if not (offset.isascii() and offset.isdigit()) or int(offset) > len(text):
        raise InvalidRequest(f"invalid log offset {quote(offset)}")
    return Response(200, {headers.CONTENT_TYPE: headers.TEXT}, text[int(offset) :])
