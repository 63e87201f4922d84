"""The table of routes: every endpoint of a node, in one place.

A pattern is the path behind `/v1`, item by item: a word stands for itself, `*` for one item, `**` for all the rest
(one item at least). The first pattern that fits wins, so longer ones stand first.
"""

from collections.abc import Iterable

from moss.errors import InvalidRequest
from moss.node.server.http import Face, Handler, Request, Response, method_not_allowed

Pattern = tuple[str, ...]
Route = tuple[str, Pattern, Handler]


class RouteTable:
    """Finds the handler of a request.

    Args:
        routes: (method, pattern, handler) triples.
        plain: handlers of paths outside `/v1` (such as `/metrics`), by first item.
    """

    def __init__(self, routes: Iterable[Route], plain: dict[str, Handler] | None = None) -> None:
        self._by_resource: dict[str, list[Route]] = {}
        for route in routes:
            self._by_resource.setdefault(route[1][0], []).append(route)
        self._plain = plain or {}

    def find(self, request: Request) -> Handler | Response:
        """Return the handler, or the 405 answer when the path is known but not with this method.

        Raises:
            InvalidRequest: no route has this shape.
        """
        items = request.items
        if items and items[0] != "v1" and items[0] in self._plain:
            return self._plain[items[0]]
        if len(items) < 2 or items[0] != "v1":
            raise InvalidRequest(self._bad_uri(request))
        fitting = [route for route in self._by_resource.get(items[1], ()) if _fits(route[1], items[1:])]
        for method, _, handler in fitting:
            if method == request.method:
                return handler
        if not fitting:
            raise InvalidRequest(self._bad_uri(request))
        if request.method == "OPTIONS":
            return Response(200, {"Allow": _allowed(fitting)})
        return method_not_allowed(_allowed(fitting))

    def _bad_uri(self, request: Request) -> str:
        items = request.items
        known = self._by_resource.get(items[1], ()) if len(items) > 1 and items[0] == "v1" else ()
        least = min((len(pattern) for _, pattern, _ in known), default=0) + 1
        if known and len(items) < least:
            path = request.path.lstrip("/")
            return f"URL '{path}' is too short: expected {least} items, got {len(items)}"
        return f"invalid request URI: '{request.method} {request.path}' from {request.remote}"


def _fits(pattern: Pattern, items: list[str]) -> bool:
    if pattern[-1] == "**":
        if len(items) < len(pattern):
            return False
        pattern = pattern[:-1]
    elif len(items) != len(pattern):
        return False
    return all(want in ("*", item) for want, item in zip(pattern, items, strict=False))


def _allowed(routes: list[Route]) -> str:
    return ", ".join(sorted({method for method, _, _ in routes}))


def gateway_routes() -> RouteTable:
    """All routes of the gateway face."""
    from moss.node.server.gateway import (
        archive,
        batch,
        buckets,
        cluster,
        config,
        daemon,
        health,
        jobs,
        objects,
        shard_index,
    )

    modules = (batch, buckets, objects, cluster, daemon, health, config, jobs, shard_index, archive)
    return _table(Face.GATEWAY, modules)


def target_routes() -> RouteTable:
    """All routes of the target face."""
    from moss.node.server.target import batch, daemon, metrics, multipart, objects

    return _table(Face.TARGET, (batch, multipart, objects, daemon, metrics))


def _table(face: Face, modules: Iterable[object]) -> RouteTable:
    routes: list[Route] = []
    plain: dict[str, Handler] = {}
    for module in modules:
        routes += getattr(module, "ROUTES", [])
        plain |= getattr(module, "PLAIN", {})
    return RouteTable(routes, plain)
