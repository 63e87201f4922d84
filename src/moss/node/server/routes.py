"""The table of routes: every endpoint of a node, in one place.

A pattern is the path behind `/v1`, item by item: a word stands for itself, `*` for one item, `**` for all the rest
(one item at least). The first pattern that fits wins, so longer ones stand first.
"""

from collections.abc import Iterable

from moss.errors import AccessDenied, InvalidRequest
from moss.node.server.http import Face, Handler, MethodNotAllowed, Request, Response, method_not_allowed
from moss.wire import headers

Pattern = tuple[str, ...]
Route = tuple[str, Pattern, Handler]

# A 405 of these is the JSON document of all other errors; the rest answers in plain text, as recorded
# (spec/rest-data.md 1.1, spec/rest-control.md 1.3).
_JSON_RESOURCES = frozenset({"buckets", "objects"})
# What is known but allows its methods in an order of its own (recorded).
_ALLOW_ORDERS = {"tokens": ("POST", "DELETE")}


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
        self._plain = dict(plain or {})

    def add_plain(self, handlers: dict[str, Handler]) -> None:
        """Add handlers of paths outside `/v1`, by first item."""
        self._plain |= handlers

    def rows(self) -> list[Route]:
        """Return all routes, those outside `/v1` as GETs of their first item: what the API's description is made of."""
        rows = [route for routes in self._by_resource.values() for route in routes]
        return rows + [("GET", ("", first), handler) for first, handler in self._plain.items()]

    def find(self, request: Request) -> Handler | Response:
        """Return the handler, or the answer when the path is known but not with this method.

        Raises:
            InvalidRequest: no route has this shape.
            MethodNotAllowed: the path is known, the method is not among its own.
            AccessDenied: the request claims to come from a node.
        """
        items = request.items
        if request.headers.get(headers.CALLER_ID):
            _check_caller(request)
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
        allowed = _allowed(items[1], fitting)
        if request.method == "OPTIONS":
            return Response(200, {headers.ALLOW: allowed})
        if items[1] in _JSON_RESOURCES:
            raise MethodNotAllowed(request.method, allowed)
        return method_not_allowed(allowed)

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


def _allowed(resource: str, routes: list[Route]) -> str:
    methods = sorted({method for method, _, _ in routes})
    return ", ".join(_ALLOW_ORDERS.get(resource, methods))


def _check_caller(request: Request) -> None:
    """Refuse what says that it is a node: nodes do not talk to each other here. Source: spec/rest-control.md 2.4."""
    if request.method == "POST" and request.items[1:] == ["cluster", "autoreg"]:
        return
    raise AccessDenied(f"{request.method} {request.path}: intra-cluster header {headers.CALLER_ID} on a public network")


def gateway_routes() -> RouteTable:
    """All routes of the gateway face."""
    from moss.node.server.gateway import (
        batch,
        buckets,
        cluster,
        config,
        daemon,
        download,
        easy,
        etl,
        health,
        jobs,
        objects,
        shard_index,
        sort,
        tokens,
    )

    modules = (
        *(batch, buckets, objects, cluster, daemon, health, config, jobs, shard_index, tokens),
        *(download, etl, sort),
    )
    table = _table(Face.GATEWAY, modules)
    table.add_plain({scheme: easy.handler(scheme, table) for scheme in easy.SCHEMES})
    return table


def target_routes() -> RouteTable:
    """All routes of the target face."""
    from moss.node.server.gateway import easy
    from moss.node.server.target import batch, daemon, metrics, multipart, objects

    table = _table(Face.TARGET, (batch, multipart, objects, daemon, metrics))
    table.add_plain(dict.fromkeys(easy.SCHEMES, easy.refuse))
    return table


def _table(face: Face, modules: Iterable[object]) -> RouteTable:
    routes: list[Route] = []
    plain: dict[str, Handler] = {}
    for module in modules:
        routes += getattr(module, "ROUTES", [])
        plain |= getattr(module, "PLAIN", {})
    return RouteTable(routes, plain)
