"""Cluster calls: questions by `what=`, and actions. Source: spec/rest-control.md 6.3, 7.3, 8, 9."""

import asyncio
import re
from typing import Any
from urllib.parse import urlsplit

from moss.errors import AccessDenied, InvalidBody, InvalidRequest, Unsupported
from moss.node.server import node_info, node_queries
from moss.node.server.answers import empty_answer, json_answer, lower_keys, read_action
from moss.node.server.gateway import clusters, config, daemon, jobs
from moss.node.server.gateway.daemon import NodeNotFound
from moss.node.server.http import Face, Request, Response, text_response
from moss.units import quote

_JOB_QUERIES = frozenset({"status", "status_all", "qryxstats", "running_all"})
_NODE_QUERIES = frozenset({"smap", "bmd", "snode", "smapvote"})
_MEMBERSHIP = frozenset({"start-maintenance", "stop-maintenance", "decommission-node", "shutdown-node", "rm-unsafe"})
_NODE_ID = re.compile(r"[A-Za-z][A-Za-z0-9_-]{6,30}[A-Za-z0-9]\Z")
_CLOUDS = frozenset({"aws", "gcp", "azure", "oci", "s3", "gs", "az", "oc"})


async def get(node: Any, request: Request) -> Response | None:
    """Serve `GET /v1/cluster?what=…`."""
    what = request.query.get("what")
    if what in _JOB_QUERIES:
        return await jobs.query(node, request, what)
    if what == "remote":
        return await clusters.show(node, request)
    if what in _NODE_QUERIES:
        return await node_queries.answer(node, request, Face.GATEWAY)
    if what == "target_ips":
        host = urlsplit(node.target_url).hostname or ""
        return text_response(",".join([host] * 3))
    target = node.target_id
    builders = {
        "cluster_config": node.config.cluster_config,
        "node_stats": lambda: {
            "proxy": node_info.node_stats(node, Face.GATEWAY),
            "target": {target: node_info.node_stats(node, Face.TARGET)},
        },
        "sysinfo": lambda: {"proxy": {}, "target": {target: node_info.target_system_info(node)}},
        "mountpaths": lambda: {"targets": {target: node_info.mountpaths()}},
        "backends": list,
    }
    builder = builders.get(what)
    if builder is None:
        raise InvalidRequest(f"unexpected query [what={quote(what)[1:-1]}]")
    return json_answer(request, await asyncio.to_thread(builder))


async def put(node: Any, request: Request) -> Response | None:
    """Serve `PUT /v1/cluster[/<item>]`."""
    items = request.items[2:]
    if items:
        return await _put_item(node, request, items)
    message = await read_action(request)
    action, value = message.action, message.value
    if action == "set-config":
        return await config.set_by_message(node, request, message)
    if action == "reset-config":
        return await config.reset(node)
    if action == "start":
        return jobs.start(node, value)
    if action == "stop":
        return await jobs.stop(node, value)
    if action == "reset-stats":
        return await daemon.reset_statistics(node, value)
    if action in ("rotate-logs", "bump-metasync"):
        return empty_answer()
    if action == "clear-lcache":
        return _clear_caches(node, message.name)
    if action == "reload-creds":
        raise InvalidRequest(f"{quote(message.name)} backend is missing in the cluster configuration")
    if action in _MEMBERSHIP:
        return _change_membership(node, action, value)
    if action in ("shutdown", "decommission"):
        raise Unsupported(f"cannot {action} the cluster - operation not supported")
    raise InvalidBody(f"invalid action {quote(action)}")


async def _put_item(node: Any, request: Request, items: list[str]) -> Response:
    item, rest = items[0], items[1:]
    if item == "set-config" and not rest:
        return await config.set_by_query(node, request)
    if item == "proxy":
        if not rest:
            raise InvalidRequest("set-primary: missing node ID")
        if rest[0] == node.gateway_id:
            return empty_answer()
        raise NodeNotFound(rest[0], "set-primary")
    if item in ("attach", "detach"):
        return await clusters.change(node, request, item)
    if item in ("enable-bend", "disable-bend"):
        word = rest[0] if rest else ""
        known = f"{word} backend is missing in the cluster configuration"
        raise InvalidRequest(known if word in _CLOUDS else f"invalid cloud provider {quote(word)}")
    if item == "load-x509":
        raise InvalidRequest("cannot load a certificate: HTTPS is not in use")
    raise InvalidRequest(f"invalid request URI: '{request.method} {request.path}' from {request.remote}")


def _clear_caches(node: Any, node_id: str) -> Response:
    if node_id and node_id != node.target_id:
        raise NodeNotFound(node_id, "clear-lcache")
    return empty_answer()


def _change_membership(node: Any, action: str, value: Any) -> Response:
    """Check a membership change; a node that is alone cannot leave."""
    fields = lower_keys(value) if isinstance(value, dict) else {}
    one, many = fields.get("sid") or fields.get("daemon_id") or "", fields.get("sids") or []
    if not isinstance(one, str) or not isinstance(many, list) or not all(isinstance(name, str) for name in many):
        raise InvalidBody(f"{action}: invalid node ids")
    ids = [one] if one else many
    if not ids or (one and many) or len(set(ids)) != len(ids):
        raise InvalidBody(f"{action}: expecting one or more different node ids")
    for node_id in ids:
        if not _NODE_ID.match(node_id):
            raise InvalidBody(f"{action}: invalid node id {quote(node_id)}")
        if node_id not in (node.gateway_id, node.target_id):
            raise NodeNotFound(node_id, action)
    if node.gateway_id in ids:
        raise InvalidRequest(f"{action}: {node.gateway_name} is the current primary")
    if action == "stop-maintenance":
        return empty_answer()
    raise InvalidRequest(f"{action}: {node.target_name} is the only target of the cluster")


async def post(node: Any, request: Request) -> Response | None:
    """Refuse nodes that want to join: this node is alone."""
    del node
    if request.items[2:] == ["join-by-admin"]:
        raise InvalidRequest("cannot join: the cluster has one node")
    raise InvalidRequest(f"invalid request URI: '{request.method} {request.path}' from {request.remote}")


async def delete(node: Any, request: Request) -> Response | None:
    """Refuse the call that nodes make among themselves."""
    del node, request
    raise AccessDenied("not expecting DELETE /v1/cluster via pub-net")


_HANDLERS = (("GET", get), ("PUT", put), ("POST", post), ("DELETE", delete))

ROUTES = [
    *((method, ("cluster",), handler) for method, handler in _HANDLERS),
    *((method, ("cluster", "**"), handler) for method, handler in _HANDLERS),
]
