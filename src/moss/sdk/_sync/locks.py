# Made by scripts/unasync.py from _async/locks.py; change that file instead.
"""Waiting for an object that the cluster is fetching from its cloud. Source: spec/python-sdk.md 4.4."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from moss.errors import MossError
from moss.sdk.enums import FLTPresence
from moss.sdk.errors import AISError
from moss.sdk.operations import Request, action
from moss.sdk.retry_config import ColdGetConf
from moss.sdk.transport.blocking import sleep

if TYPE_CHECKING:
    from moss.sdk._sync.session import RequestClient

__all__ = ["await_unlock", "cold_waits_s", "is_cold_get"]

_LOCKED = 423
_WAIT_S_MIN, _WAIT_S_MAX = 2.0, 10.0
_LOOKS_MIN = 8


def is_cold_get(request: Request) -> bool:
    """Whether a request reads an object of a cloud bucket: it may be silent while the cluster fetches the object."""
    provider = dict(request.query).get("provider", "ais")
    return request.method == "GET" and request.path.startswith("/objects/") and provider != "ais"


def cold_waits_s(size_bytes: int, config: ColdGetConf) -> Iterator[float]:
    """Seconds between the looks at a lock: doubling, from a share of the time that the fetch should take.

    They add up to `config.max_cold_wait`.
    """
    fetch_s = size_bytes / config.est_bandwidth_bps
    wait_s = min(max(fetch_s / 4, _WAIT_S_MIN), _WAIT_S_MAX, config.max_cold_wait / _LOOKS_MIN)
    top_s = max(wait_s, min(config.max_cold_wait / 2, 4 * fetch_s))
    left_s = float(config.max_cold_wait)
    while left_s > 0:
        yield min(wait_s, left_s)
        left_s -= wait_s
        wait_s = min(wait_s * 2, top_s)


def await_unlock(session: "RequestClient", request: Request) -> bool:
    """After a silent GET of a cloud object: wait as long as the cluster holds the object locked.

    Returns:
        Whether it was locked. Any failure ends the wait; the retry policy goes on from there.
    """
    config = session.retry_config.cold_get_conf
    query = [pair for pair in request.query if pair[0] in ("provider", "namespace")]
    if not _is_locked(session, request.path, query):
        return False
    presence = FLTPresence.FLT_EXISTS if config.enable_remote_head else FLTPresence.FLT_PRESENT
    try:
        head = [*query, ("presence", str(int(presence))), ("props", "size")]
        answer = session.call(Request("HEAD", request.path, head))
        size = int(answer.headers.get("content-length", "0"))
    except (MossError, ValueError):
        return True
    for wait_s in cold_waits_s(size, config):
        sleep(wait_s)
        if not _is_locked(session, request.path, query):
            break
    return True


def _is_locked(session: "RequestClient", path: str, query: list[tuple[str, str]]) -> bool:
    try:
        session.call(Request("POST", path, query, body=action("check-lock")))
    except AISError as error:
        return error.status_code == _LOCKED
    except MossError:
        return False
    return False
