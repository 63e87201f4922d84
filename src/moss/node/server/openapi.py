"""The OpenAPI description of a node, made from its tables of routes: `docs/openapi.yaml` is written by it.

Paths, methods and summaries come from the routes and their handlers; what a route reads of the query, which actions its
message may name and which headers it looks at stand in the tables below. A test holds them against the handlers.
"""

from typing import Any

import moss
from moss.node.server.routes import Pattern, Route, gateway_routes, target_routes

__all__ = ["build_description"]

# The parameters of the query, by resource; "*" holds those that every bucket or object call takes.
_QUERY: dict[str, tuple[str, ...]] = {
    "buckets": (
        *("provider", "namespace", "presence", "bsumm_remote", "uuid", "sys", "keep_bck_md", "dont_head_remote_bck"),
        "dont_add_remote_bck_md",
        *("ignore_non_exist_err", "binfo_with_remote", "bck_to"),
    ),
    "objects": (
        *("provider", "namespace", "archpath", "archmime", "archregx", "archmode", "append_type", "append_handle"),
        *("etl_name", "object_to", "presence", "props", "set-new-custom", "uploadId", "partNumber", "skip_vc"),
        *("latest-ver", "synchronize", "silent", "original_url", "pid", "utm"),
    ),
    "ml": ("provider", "namespace", "coloc", "pid", "utm"),
    "cluster": ("what", "transient", "frc", "can", "get_batch.max_wait"),
    "daemon": ("what", "severity", "offset", "all", "transient", "log.level"),
    "reverse": ("what", "severity", "offset", "all", "transient", "log.level"),
    "health": ("prr", "apr", "cii", "cii-apr", "readiness"),
    "etl": ("uuid",),
    "sort": ("uuid", "regex", "only_active"),
}
# The words of `action` in a message, by resource and method.
_ACTIONS: dict[tuple[str, str], tuple[str, ...]] = {
    ("buckets", "GET"): ("list", "summary-bck", "summary-shard", "show-inventory"),
    ("buckets", "POST"): (
        *("create-bck", "move-bck", "copy-bck", "copy-listrange", "etl-bck", "etl-listrange", "prefetch-listrange"),
        *("index-shard", "make-n-copies", "ec-encode", "rechunk", "create-inventory", "archive"),
    ),
    ("buckets", "PUT"): ("archive",),
    ("buckets", "PATCH"): ("set-bprops", "reset-bprops"),
    ("buckets", "DELETE"): (
        *("destroy-bck", "evict-remote-bck", "delete-listrange", "evict-listrange", "destroy-inventory"),
    ),
    ("objects", "POST"): (
        *("rename-obj", "promote", "blob-download", "check-lock", "mpt-upload", "mpt-complete", "mpt-abort"),
    ),
    ("objects", "PATCH"): ("",),
    ("objects", "DELETE"): ("mpt-abort", "evict-listrange", ""),
    ("cluster", "PUT"): (
        *("set-config", "reset-config", "start", "stop", "reset-stats", "rotate-logs", "bump-metasync"),
        *("clear-lcache", "reload-creds", "start-maintenance", "stop-maintenance", "decommission-node"),
        *("shutdown-node", "rm-unsafe", "shutdown", "decommission"),
    ),
    ("daemon", "PUT"): ("set-config", "reset-config", "reset-stats", "rotate-logs"),
    ("reverse", "PUT"): ("set-config", "reset-config", "reset-stats", "rotate-logs", "attach-mp"),
    ("reverse", "POST"): ("enable-mp", "disable-mp", "rescan-mp", "fshc-mp"),
    ("reverse", "DELETE"): ("detach-mp",),
}
# Request headers that handlers look at, by resource.
_HEADERS: dict[str, tuple[str, ...]] = {
    "objects": (
        *("Range", "Ais-Checksum-Type", "Ais-Checksum-Value", "Ais-Custom-Md", "Ais-Atime", "Ais-Version"),
        *("Ais-Archive-Mime", "Ais-Blob-Download", "Ais-Blob-Threshold"),
    ),
    "ml": ("Moss-Direct", "Moss-Batch-Status", "Moss-Batch-Checksum"),
    "reverse": ("Ais-Node-Id",),
    "daemon": ("Accept",),
    "cluster": ("Ais-Remote-Ais-Alias", "Ais-Remote-Ais-Url"),
}
# Requests whose body is the object's bytes.
_BINARY = frozenset({("objects", "PUT")})
# GETs with a message: the contract has them (spec/rest-control.md 2.1), OpenAPI tolerates them.
_GETS_WITH_BODY = frozenset({"buckets", "ml", "cluster", "download"})
_NAMES = {
    "buckets": ("bucket",),
    "objects": ("bucket", "object"),
    "ml": ("bucket",),
    "cluster": ("item",),
    "daemon": ("item",),
    "reverse": ("item",),
    "download": ("item",),
    "etl": ("name",),
    "": ("resource",),
}
# Short forms of object URLs: they take every method that objects take.
_SHORT_FORMS = frozenset({"ais", "gs", "az", "s3"})
_OBJECT_METHODS = ("GET", "HEAD", "PUT", "POST", "PATCH", "DELETE")

_PARAMETERS = "#/components/parameters/"
_RESPONSES = {
    "Done": {"description": "done, or the answer"},
    "Redirect": {"description": "the same request, at the target that `Location` names"},
    "Error": {
        "description": "an error; of HEAD the document is in the header `Hdr-Error`, a 405 may be plain text",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
    },
}


def build_description() -> dict[str, Any]:
    """Return the description as JSON values: OpenAPI 3.1, every route of both faces."""
    paths: dict[str, dict[str, Any]] = {}
    for face, rows in (("gateway", gateway_routes().rows()), ("target", target_routes().rows())):
        for route in rows:
            for method in _OBJECT_METHODS if route[1][-1] in _SHORT_FORMS else (route[0],):
                operations = paths.setdefault(_path(route[1]), {})
                known = operations.get(method.lower())
                if known is None:
                    operations[method.lower()] = _operation(face, method, route)
                elif face not in known["x-moss-faces"]:
                    known["x-moss-faces"].append(face)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Moss",
            "version": moss.__version__,
            "summary": "An object store with batch retrieval for machine learning, wire-compatible with AIStore",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "http://127.0.0.1:51080", "description": "the gateway face of a node"}],
        "paths": dict(sorted(paths.items())),
        "components": {"schemas": _schemas(), "parameters": _parameters(paths), "responses": _RESPONSES},
    }


def _path(pattern: Pattern) -> str:
    """Write a pattern as a path: its wildcards get the names of what they stand for, all the rest is one parameter."""
    if pattern[0] == "":
        return f"/{pattern[1]}" + ("/{rest}" if pattern[1] in _SHORT_FORMS else "")
    names = iter(_NAMES.get(pattern[0], ()))
    items = [f"{{{next(names, 'rest')}}}" if item in ("*", "**") else item for item in pattern]
    return "/".join(("/v1", *items))


def _operation(face: str, method: str, route: Route) -> dict[str, Any]:
    _, pattern, handler = route
    resource, path = pattern[0], _path(pattern)
    operation: dict[str, Any] = {
        "operationId": f"{method.lower()}{path.replace('/', '_').replace('{', '').replace('}', '')}",
        "summary": (handler.__doc__ or "").partition("\n")[0],
        "tags": [resource or pattern[1]],
        "x-moss-faces": [face],
    }
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    parameters = [("path", name) for name in names]
    parameters += [("query", name) for name in _QUERY.get(resource, ())]
    parameters += [("header", name) for name in _HEADERS.get(resource, ())]
    if parameters:
        operation["parameters"] = [{"$ref": f"{_PARAMETERS}{place}.{name}"} for place, name in parameters]
    body = _body(resource, method)
    if body:
        operation["requestBody"] = body
    operation["responses"] = {"2XX": _response("Done"), "4XX": _response("Error"), "501": _response("Error")}
    if resource in ("objects", "ml"):
        operation["responses"]["3XX"] = _response("Redirect")
    return operation


def _response(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/responses/{name}"}


def _parameters(paths: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return what the references in the operations stand for."""
    used = {
        reference["$ref"].removeprefix(_PARAMETERS)
        for operations in paths.values()
        for operation in operations.values()
        for reference in operation.get("parameters", ())
    }
    found: dict[str, Any] = {}
    for key in sorted(used):
        place, _, name = key.partition(".")
        found[key] = {"name": name, "in": place, "schema": {"type": "string"}}
        if place == "path":
            found[key]["required"] = True
    return found


def _body(resource: str, method: str) -> dict[str, Any] | None:
    if (resource, method) in _BINARY:
        return {"content": {"application/octet-stream": {}}}
    actions = _ACTIONS.get((resource, method))
    if actions is None and (method in ("PUT", "POST") or (method == "GET" and resource in _GETS_WITH_BODY)):
        return {"content": {"application/json": {"schema": {"type": "object"}}}}
    if actions is None:
        return None
    schema = {
        "allOf": [
            {"$ref": "#/components/schemas/Action"},
            {"type": "object", "properties": {"action": {"enum": list(actions)}}},
        ]
    }
    return {"content": {"application/json": {"schema": schema}}}


def _schemas() -> dict[str, Any]:
    text, number = {"type": "string"}, {"type": "integer"}
    return {
        "Action": {
            "type": "object",
            "description": "the message of most calls; keys in any letter case, unknown ones are ignored",
            "properties": {"action": text, "name": text, "value": {}},
        },
        "Error": {
            "type": "object",
            "required": ["message", "method", "url_path", "remote_addr", "caller", "node", "status"],
            "properties": {
                "tcode": text,
                "message": text,
                "method": text,
                "url_path": text,
                "remote_addr": text,
                "caller": text,
                "node": text,
                "status": number,
            },
        },
    }
