"""Requests on buckets: an action and its value; what starts a job answers its id."""

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from moss.cli.failures import CommandError
from moss.cli.output import printable
from moss.cli.transport import ServerError, Transport, bucket_query, path_of
from moss.errors import MalformedAnswer
from moss.naming.bucket import Bucket
from moss.sdk.polling import next_wait_s
from moss.wire import headers as names

__all__ = ["act", "begin", "fetch_props", "find_props", "message", "outcome"]

_NO_QUERY: Mapping[str, str] = {}
_JSON = {names.CONTENT_TYPE: names.JSON}


def message(action: str, value: Any = None) -> bytes:
    """The body that names an action.

    Raises:
        CommandError: a name in it is no UTF-8, which JSON cannot hold.
    """
    try:
        return msgspec.json.encode({"action": action, "name": "", "value": value})
    except UnicodeEncodeError as error:
        raise CommandError(
            f'"{printable(error.object)}" is no UTF-8: only the name of a single object can be such a name'
        ) from None


def act(transport: Transport, method: str, bucket: Bucket, action: str, value: Any = None, **query: str) -> str:
    """Send an action on a bucket and return the text of the answer: the id of a job, or nothing.

    Raises:
        ServerError: the cluster refuses it.
        CommandError: the cluster cannot be reached.
    """
    body = message(action, value)
    path, query = path_of("buckets", bucket.name), bucket_query(bucket) | query
    with transport.request(method, path, query=query, headers=_JSON, body=body) as answer:
        return answer.read_all().decode("utf-8", "replace").strip().strip('"')


def begin(
    transport: Transport,
    bucket: Bucket | None,
    action: str,
    value: dict[str, Any],
    query: Mapping[str, str] = _NO_QUERY,
) -> str:
    """Ask for something that the cluster works out in a job; returns the id of the job, see `outcome`.

    Args:
        bucket: None asks about all buckets that `query` selects.
    """
    _, text = _ask(transport, bucket, action, value | {"uuid": ""}, query)
    return text.decode("utf-8", "replace").strip().strip('"')


def outcome(
    transport: Transport,
    bucket: Bucket | None,
    action: str,
    value: dict[str, Any],
    job_id: str,
    query: Mapping[str, str] = _NO_QUERY,
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> Any:
    """Wait for what `begin` asked for; the other arguments are those of `begin`.

    Raises:
        ServerError: 400 or 404 for an unknown job.
        MalformedAnswer: the answer is no JSON.
    """
    started_s = time.monotonic()
    while True:
        status, text = _ask(transport, bucket, action, value | {"uuid": job_id}, query)
        if status == 200:
            return _decode(text)
        sleep(next_wait_s(time.monotonic() - started_s, math.inf))


def _ask(
    transport: Transport, bucket: Bucket | None, action: str, value: dict[str, Any], query: Mapping[str, str]
) -> tuple[int, bytes]:
    path = path_of("buckets", bucket.name) if bucket else path_of("buckets")
    query = (bucket_query(bucket) if bucket else {}) | dict(query)
    body = message(action, value)
    with transport.request("GET", path, query=query, headers=_JSON, body=body) as answer:
        return answer.status, answer.read_all()


def _decode(text: bytes) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedAnswer(f"not a summary: {error}") from None


def fetch_props(transport: Transport, bucket: Bucket, **query: str) -> dict[str, Any]:
    """The document of a bucket's properties (spec/rest-data.md 3.5).

    Raises:
        ServerError: 404 when there is no such bucket.
        MalformedAnswer: the cluster answers something else.
    """
    path = path_of("buckets", bucket.name)
    with transport.request("HEAD", path, query=bucket_query(bucket) | query) as answer:
        found = _decode((answer.headers.get(names.BUCKET_PROPS) or "").encode())
    if not isinstance(found, dict):
        raise MalformedAnswer("not a document of bucket properties: expecting an object")
    return found


def find_props(transport: Transport, bucket: Bucket, **query: str) -> dict[str, Any] | None:
    """As `fetch_props`; None when there is no such bucket."""
    try:
        return fetch_props(transport, bucket, **query)
    except ServerError as error:
        if error.code != 404:
            raise
        return None
