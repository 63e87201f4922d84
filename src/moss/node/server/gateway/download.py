"""Download jobs at the gateway face. Source: spec/rest-control.md 12."""

import asyncio
import contextlib
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec

from moss.errors import BucketExists, BucketNotFound, InvalidBody, InvalidRequest, Unsupported
from moss.naming.bucket import Bucket
from moss.naming.template import parse_template
from moss.node.jobs.egress import PRIVATE_EGRESS_BIT, host_of
from moss.node.jobs.kinds.download import CONNECTIONS_DEFAULT, CONNECTIONS_MAX, DownloadPlan, download
from moss.node.server.answers import MESSAGE_BYTES_MAX, decode_json, empty_answer, json_answer, lower_keys
from moss.node.server.bucket_rules import check_access, decode_rules
from moss.node.server.gateway import remotes
from moss.node.server.gateway.jobs import bucket_from_json
from moss.node.server.gateway.lookup import NotRemote, check_bucket
from moss.node.server.gateway.making import make
from moss.node.server.gateway.props import default_props
from moss.node.server.http import CONTENT_TYPE_JSON, Request, Response
from moss.units import parse_duration, quote
from moss.wire import headers

_TIMEOUT_S_MAX = 7 * 86_400.0
_DESCRIPTION_CHARACTERS_MAX = 4096
_HEADERS_BYTES_MAX = 16 << 10
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
# Sent by the node itself; a client's would break the request or misroute it.
_OWN_HEADERS = frozenset(
    {"accept-encoding", "connection", "content-length", "expect", "host", "if-none-match", "range", "te", "trailer"}
    | {"transfer-encoding", "upgrade"}
)

Links = tuple[int, Callable[[], Iterable[tuple[str, str]]]]


async def start(node: Any, request: Request) -> Response | None:
    """Start a download job and answer its id as JSON."""
    fields = await _read(request)
    total, links = _links_of(fields)
    bucket = _bucket_of(fields)
    limits = _limits_of(fields)
    timeout_s = _duration_of(fields, "timeout") or node.config.duration_s("downloader.timeout")
    _duration_of(fields, "progress_interval")
    given = {
        "headers": _headers_of(fields),
        "timeout_s": timeout_s,
        "connections": min(limits.get("connections") or CONNECTIONS_DEFAULT, CONNECTIONS_MAX),
        "bytes_per_hour": limits.get("bytes_per_hour") or 0,
    }
    description = _text(fields, "description")[:_DESCRIPTION_CHARACTERS_MAX]
    if _text(fields, "etl_name"):
        raise Unsupported("cannot transform objects - not implemented yet")
    if bucket.is_remote:
        await remotes.know(node, bucket)
        check_bucket(node, bucket)
    record = await _ensure(node, bucket)
    check_access(record, "PUT", "APPEND", "DELETE-OBJECT", "MOVE-OBJECT")
    plan = DownloadPlan(
        bucket=bucket,
        links=links,
        policy=node.egress,
        allows_private=bool(int(node.config.value("features")) >> PRIVATE_EGRESS_BIT & 1),
        checksum_type=decode_rules(record.props).checksum.type,
        **given,
    )
    fetch = download(node.writes, node.metrics, plan)
    job_id = node.downloads.start(bucket, fetch, description=description or _describe(fields, bucket), total=total)
    return Response(200, {headers.CONTENT_TYPE: CONTENT_TYPE_JSON}, msgspec.json.encode({"id": job_id}) + b"\n")


async def get(node: Any, request: Request) -> Response | None:
    """Answer one job by its id, or the list of jobs whose description matches `regex`."""
    fields = await _read(request, is_query=True)
    job_id, pattern = _text(fields, "id"), _text(fields, "regex")
    only_active = fields.get("only_active_tasks") or False
    if not isinstance(only_active, bool):
        raise InvalidBody("only_active_tasks must be a boolean")
    if job_id and pattern:
        raise InvalidRequest(f"regex {quote(pattern)} and UUID {quote(job_id)} cannot be used together")
    if job_id:
        return json_answer(request, await asyncio.to_thread(node.downloads.status, job_id, only_active=only_active))
    return json_answer(request, await asyncio.to_thread(node.downloads.find_all, pattern, only_active=only_active))


async def delete(node: Any, request: Request) -> Response | None:
    """Stop a job (`/abort`), or forget one that has ended (`/remove`)."""
    actions = {"abort": node.downloads.abort, "remove": node.downloads.remove}
    action = actions.get("/".join(request.items[2:]))
    if action is None:
        raise InvalidRequest(f"invalid request URI: '{request.method} {request.path}' from {request.remote}")
    job_id = _text(await _read(request), "id")
    if not job_id:
        raise InvalidRequest("UUID not specified")
    await asyncio.to_thread(action, job_id)
    return empty_answer()


# -- the message --------------------------------------------------------------------------------------


async def _read(request: Request, *, is_query: bool = False) -> dict[str, Any]:
    body = await request.read(MESSAGE_BYTES_MAX)
    if is_query and not body:
        return {}
    fields = lower_keys(decode_json(body))
    if not isinstance(fields, dict):
        raise InvalidBody("invalid download request: expecting a JSON object")
    return fields


def _text(fields: dict[str, Any], key: str) -> str:
    found = fields.get(key)
    if found is not None and not isinstance(found, str):
        raise InvalidBody(f"{key} must be a string")
    return found or ""


def _bucket_of(fields: dict[str, Any]) -> Bucket:
    bucket = bucket_from_json(fields["bucket"]) if fields.get("bucket") is not None else None
    if bucket is None:
        raise InvalidBody("missing 'bucket.name'")
    return bucket


def _duration_of(fields: dict[str, Any], key: str) -> float:
    text = _text(fields, key)
    try:
        seconds = parse_duration(text) if text else 0.0
    except ValueError as error:
        raise InvalidBody(f"invalid {key} {quote(text)}: {error}") from None
    if not 0 <= seconds <= _TIMEOUT_S_MAX:
        raise InvalidBody(f"invalid {key} {quote(text)}: expecting at most 168h")
    return seconds


def _limits_of(fields: dict[str, Any]) -> dict[str, int]:
    limits = lower_keys(fields.get("limits") or {})
    if not isinstance(limits, dict):
        raise InvalidBody("limits: expecting a JSON object")
    for key in ("connections", "bytes_per_hour"):
        value = limits.get(key) or 0
        if type(value) is not int or value < 0:
            raise InvalidBody(f"'limits.{key}' must be a non-negative integer")
    return limits


def _headers_of(fields: dict[str, Any]) -> dict[str, str]:
    given = fields.get("headers") or {}
    if not isinstance(given, dict):
        raise InvalidBody("headers: expecting a JSON object")
    found = {}
    for name, value in given.items():
        values = value if isinstance(value, list) else [value]
        if not _TOKEN.match(name) or not all(isinstance(text, str) for text in values):
            raise InvalidBody(f"invalid header {quote(name)}")
        text = ", ".join(values)
        if not (text.isascii() and (text.isprintable() or not text)):
            raise InvalidBody(f"invalid value of header {quote(name)}")
        if name.lower() in _OWN_HEADERS:
            raise InvalidBody(f"header {quote(name)} cannot be set")
        found[name] = text
    if sum(len(name) + len(text) for name, text in found.items()) > _HEADERS_BYTES_MAX:
        raise InvalidBody("headers: too large")
    return found


# -- what to fetch ------------------------------------------------------------------------------------


def _links_of(fields: dict[str, Any]) -> Links:
    """Return how many objects a message means, and a function that gives their names and links."""
    kind = _text(fields, "type")
    if not kind:
        raise InvalidBody("'type' field is empty")
    if kind == "single":
        return _single(fields)
    if kind == "range":
        return _range(fields)
    if kind == "multi":
        return _multi(fields)
    if kind == "backend":
        raise NotRemote("download", _bucket_of(fields))
    raise InvalidBody(f"invalid 'type' {quote(kind)} (expecting one of: single, range, multi, backend)")


def _single(fields: dict[str, Any]) -> Links:
    if fields.get("from_remote"):
        raise NotRemote("download", _bucket_of(fields))
    link = _text(fields, "link")
    if not link:
        raise InvalidBody("missing 'link' in the request body")
    link = _absolute(link)
    name = _text(fields, "object_name") or _base_name(link)
    if not name:
        raise InvalidBody(f"missing 'object_name': link {quote(link)} has no base name")
    return 1, lambda: [(name, link)]


def _range(fields: dict[str, Any]) -> Links:
    text = _text(fields, "template")
    if not text:
        raise InvalidBody("missing 'template' in the request body")
    template = parse_template(_absolute(text))
    template.expand()  # refuses what has no range, and more names than anybody wants
    folder = _text(fields, "subdir").strip("/")

    def links() -> Iterator[tuple[str, str]]:
        for link in template.expand():
            yield "/".join(filter(None, (folder, _base_name(link)))), link

    return template.count or 0, links


def _multi(fields: dict[str, Any]) -> Links:
    objects = fields.get("objects")
    if not objects:
        raise InvalidBody("missing 'objects' in the request body")
    if isinstance(objects, dict):
        pairs = list(objects.items())
    elif isinstance(objects, list):
        pairs = [(_base_name(link) if isinstance(link, str) else "", link) for link in objects]
    else:
        raise InvalidBody("objects: expecting a list of links, or an object of names and links")
    for name, link in pairs:
        if not isinstance(link, str) or not link:
            raise InvalidBody(f"objects: {quote(name)} has no link")
        if not name:
            raise InvalidBody(f"objects: link {quote(link)} has no base name")
    pairs = [(name, _absolute(link)) for name, link in pairs]
    return len(pairs), lambda: pairs


def _absolute(link: str) -> str:
    """Return a link with its scheme; `http` is what one without means."""
    full = link if "://" in link else f"http://{link}"
    host_of(full)
    return full


def _base_name(link: str) -> str:
    try:
        path = urlsplit(link).path
    except ValueError:
        return ""
    return unquote(path.rpartition("/")[2], errors="surrogateescape")


def _describe(fields: dict[str, Any], bucket: Bucket) -> str:
    """Describe a job whose client did not: what comes from where."""
    what = _text(fields, "link") or _text(fields, "template")
    return f"{what.partition('?')[0]} -> {bucket.cname}"[:_DESCRIPTION_CHARACTERS_MAX]


async def _ensure(node: Any, bucket: Bucket) -> Any:
    """Return the record of the bucket, which is made when it is not there."""
    try:
        return node.engine.get_bucket(bucket)
    except BucketNotFound:
        if bucket.is_system:
            raise InvalidRequest(f"reserved bucket name {quote(bucket.name)}") from None
    with contextlib.suppress(BucketExists):
        await make(node, bucket, default_props(node.config.cluster_config()))
    return node.engine.get_bucket(bucket)


ROUTES = [
    ("POST", ("download",), start),
    ("GET", ("download",), get),
    ("DELETE", ("download",), delete),
    ("DELETE", ("download", "**"), delete),
]
