"""Kind `download`: fetches objects from HTTP hosts and stores them. Source: spec/rest-control.md 12.

The job's thread runs an event loop of its own. Every connection is checked twice: the link against the list of allowed
hosts, and the address that its name leads to when the connection is made; redirects are followed by hand, so that each
of them is checked the same way.
"""

import asyncio
import logging
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urljoin, urlsplit, urlunsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from moss.errors import InvalidRequest, MossError, NotFound, ObjectNotFound, Unavailable
from moss.naming.bucket import Bucket, validate_object_name
from moss.node.jobs.downloads import Progress
from moss.node.jobs.egress import EgressPolicy, host_of
from moss.node.jobs.job import Job
from moss.node.metrics import Metrics
from moss.node.storage.objects import ObjectAttributes, ObjectRecord
from moss.units import quote

log = logging.getLogger("moss.jobs.download")

CONNECTIONS_DEFAULT = 8
CONNECTIONS_MAX = 64
_REDIRECTS_MAX = 3
_TRIES_MAX = 3
_RETRY_PAUSE_S = 0.5
_CONNECT_S_MAX = 10.0
_SILENCE_S_MAX = 60.0
_WHOLE_BYTES_MAX = 1 << 20  # stored in one piece
_CHUNK_BYTES = 1 << 20
_CUSTOM_CHARACTERS_MAX = 512
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_TRY_AGAIN = frozenset({408, 429, 500, 502, 503, 504})


class SourceFailed(Unavailable):
    """A source that does not give what was asked of it; another try may succeed."""

    code = "download-source-failed"


class SourceRefused(NotFound):
    """A source that answers with an error that another try does not change."""

    code = "download-source-refused"


@dataclass(frozen=True, slots=True)
class DownloadPlan:
    """What to fetch, and how.

    Attributes:
        bucket: where the objects go.
        links: gives object name and link, in order.
        policy: allowed hosts.
        allows_private: private addresses may be asked.
        headers: sent to the host of a link, never to another one that it redirects to.
        checksum_type: of the stored objects.
        timeout_s: for one object, all tries together.
        connections: objects fetched at the same time.
        bytes_per_hour: of the whole job; 0 is no limit.
    """

    bucket: Bucket
    links: Callable[[], Iterable[tuple[str, str]]]
    policy: EgressPolicy
    allows_private: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    checksum_type: str = "xxhash2"
    timeout_s: float = 3600.0
    connections: int = CONNECTIONS_DEFAULT
    bytes_per_hour: int = 0


def download(engine: Any, metrics: Metrics, plan: DownloadPlan) -> Callable[[Job, Progress], None]:
    """Return the work of a job that fetches what the plan says; errors of single objects do not end it."""

    def work(job: Job, progress: Progress) -> None:
        asyncio.run(_Download(engine, metrics, plan, job, progress).run())

    return work


class _GuardedResolver(AbstractResolver):
    """Looks names up and lets no address through that the policy refuses; connections go to what was looked up."""

    def __init__(self, plan: DownloadPlan) -> None:
        self._plan = plan
        self._names = aiohttp.ThreadedResolver()

    async def resolve(self, host: str, port: int = 0, family: int = socket.AF_UNSPEC) -> list[ResolveResult]:
        found = await self._names.resolve(host, port, socket.AF_UNSPEC)
        for result in found:
            self._plan.policy.check_address(result["host"], allows_private=self._plan.allows_private)
        return found

    async def close(self) -> None:
        await self._names.close()


class _Pace:
    """Holds transfers to a number of bytes per hour, evenly."""

    def __init__(self, bytes_per_hour: int) -> None:
        self._s_per_byte = 3600 / bytes_per_hour if bytes_per_hour else 0.0
        self._free_at_s = time.monotonic()

    async def wait(self, size: int) -> None:
        if self._s_per_byte:
            now_s = time.monotonic()
            self._free_at_s = max(self._free_at_s, now_s) + size * self._s_per_byte
            await asyncio.sleep(self._free_at_s - now_s)


class _Download:
    """One running job."""

    def __init__(self, engine: Any, metrics: Metrics, plan: DownloadPlan, job: Job, progress: Progress) -> None:
        self._engine, self._metrics, self._plan = engine, metrics, plan
        self._job, self._progress = job, progress
        self._pace = _Pace(plan.bytes_per_hour)

    async def run(self) -> None:
        loop, this = asyncio.get_running_loop(), asyncio.current_task()
        assert this is not None
        forget = self._job.on_abort(lambda: loop.call_soon_threadsafe(this.cancel))
        connector = aiohttp.TCPConnector(
            resolver=_GuardedResolver(self._plan), limit=CONNECTIONS_MAX, use_dns_cache=False
        )
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S_MAX, sock_read=_SILENCE_S_MAX)
        try:
            async with aiohttp.ClientSession(
                connector=connector, timeout=timeout, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
            ) as session:
                links = iter(self._plan.links())
                async with asyncio.TaskGroup() as group:
                    for _ in range(self._plan.connections):
                        group.create_task(self._fetch_some(session, links))
            self._job.check()
        except asyncio.CancelledError:
            self._job.check()
            raise
        finally:
            forget()

    async def _fetch_some(self, session: aiohttp.ClientSession, links: Iterator[tuple[str, str]]) -> None:
        for name, link in links:
            if self._job.aborted.is_set():
                return
            number = self._progress.begin(name)
            try:
                async with asyncio.timeout(self._plan.timeout_s):
                    is_skipped = await self._fetch(session, number, name, link)
            except (MossError, TimeoutError) as error:
                text = error.message if isinstance(error, MossError) else f"{shown(link)}: timeout"
                self._metrics.add("err.dl.n")
                self._job.add_error(f"{name}: {text}")
                self._progress.end(number, error=text)
            else:
                self._progress.end(number, is_skipped=is_skipped)
        self._progress.dispatched()

    async def _fetch(self, session: aiohttp.ClientSession, number: int, name: str, link: str) -> bool:
        """Fetch and store one object; True when it was there already."""
        validate_object_name(name)
        for attempt in range(_TRIES_MAX):
            try:
                return await self._try(session, number, name, link)
            except SourceFailed:
                if attempt == _TRIES_MAX - 1:
                    raise
                await asyncio.sleep(_RETRY_PAUSE_S * 2**attempt)
        raise AssertionError("unreachable")

    async def _try(self, session: aiohttp.ClientSession, number: int, name: str, link: str) -> bool:
        begin_ns = time.monotonic_ns()
        known = self._stored(name, link)
        try:
            answer = await self._open(session, link, _conditions(known))
            async with answer:
                if known is not None and _is_same(known, answer):
                    return True
                if answer.status != 200:
                    kind = SourceFailed if answer.status in _TRY_AGAIN else SourceRefused
                    raise kind(f"{shown(link)}: {answer.status} {quote(answer.reason or '')[1:-1]}")
                self._progress.expect(number, answer.content_length)
                record = await self._store(number, name, answer, _custom(link, answer))
        except (aiohttp.ClientError, OSError, asyncio.IncompleteReadError, ValueError) as error:
            raise SourceFailed(f"{shown(link)}: {_reason(error)}") from None
        spent_ns = time.monotonic_ns() - begin_ns
        self._job.count(1, record.size)
        self._metrics.add_many({"dl.size": record.size, "dl.ns.total": spent_ns, "put.n": 1, "put.size": record.size})
        return False

    def _stored(self, name: str, link: str) -> ObjectRecord | None:
        """Return the object that an earlier download of the same link has stored."""
        try:
            record = self._engine.head(self._plan.bucket, name)
        except ObjectNotFound:
            return None
        # A later PUT keeps the metadata of the object that it replaces, but not its time.
        is_from_here = record.custom.get("fetched_ns") == str(record.created_ns)
        return record if is_from_here and record.custom.get("orig_url") == _kept(shown(link)) else None

    async def _open(
        self, session: aiohttp.ClientSession, link: str, conditions: dict[str, str]
    ) -> aiohttp.ClientResponse:
        """Send the request and follow redirects, each checked like the link itself."""
        url, headers = _normal(link), dict(self._plan.headers)
        for _ in range(_REDIRECTS_MAX + 1):
            self._plan.policy.check_url(str(url), allows_private=self._plan.allows_private)
            sent = {"Accept-Encoding": "identity", **headers, **conditions}
            answer = await session.get(url, headers=sent, allow_redirects=False)
            if answer.status not in _REDIRECTS or "Location" not in answer.headers:
                return answer
            answer.release()
            target = _normal(urljoin(str(url), answer.headers["Location"]))
            if target.origin() != url.origin():
                headers = {}  # what a client confides to one host is not for another
            url = target
        raise SourceRefused(f"{shown(link)}: more than {_REDIRECTS_MAX} redirects")

    async def _store(
        self, number: int, name: str, answer: aiohttp.ClientResponse, custom: dict[str, str]
    ) -> ObjectRecord:
        now_ns = time.time_ns()
        attributes = ObjectAttributes(
            custom=custom | {"fetched_ns": str(now_ns)},
            keep_custom=False,
            checksum_type=self._plan.checksum_type,
            created_ns=now_ns,
        )
        bucket, length = self._plan.bucket, answer.content_length
        if length is not None and length <= _WHOLE_BYTES_MAX:
            body = b"".join([piece async for piece in self._pieces(number, answer)])
            return await asyncio.wrap_future(self._engine.put(bucket, name, body, attributes=attributes))
        upload = self._engine.begin_upload(bucket, name, attributes=attributes)
        try:
            async for piece in self._pieces(number, answer):
                await asyncio.to_thread(upload.write, piece)
            return await asyncio.wrap_future(await asyncio.to_thread(upload.commit))
        except BaseException:
            upload.abort()
            raise

    async def _pieces(self, number: int, answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        received = 0
        async for piece in answer.content.iter_chunked(_CHUNK_BYTES):
            received += len(piece)
            self._progress.receive(number, received)
            await self._pace.wait(len(piece))
            yield piece


def _normal(link: str) -> URL:
    """Return a link as it is asked for: hosts have several spellings, and what is checked must be what is asked.

    Raises:
        SourceRefused: no absolute HTTP URL.
    """
    try:
        url = URL(link)
        host_of(str(url))
    except (ValueError, InvalidRequest):
        raise SourceRefused(f"{shown(link)}: expecting an absolute http or https URL") from None
    return url


def shown(link: str) -> str:
    """Return a link as errors show it: without its query, which often is a secret."""
    try:
        parts = urlsplit(link)
    except ValueError:
        return quote(link[:200])[1:-1]
    return quote(urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))[:200])[1:-1]


def _conditions(known: ObjectRecord | None) -> dict[str, str]:
    return {"If-None-Match": known.custom["ETag"]} if known is not None and "ETag" in known.custom else {}


def _is_same(known: ObjectRecord, answer: aiohttp.ClientResponse) -> bool:
    """Tell whether a source still has what is stored: it says so, or its marks and the size agree."""
    if answer.status == 304:
        return True
    now = _custom("", answer)
    marks = [mark for mark in ("ETag", "LastModified") if mark in known.custom]
    is_marked = bool(marks) and all(known.custom[mark] == now.get(mark) for mark in marks)
    return answer.status == 200 and is_marked and answer.content_length == known.size


def _custom(link: str, answer: aiohttp.ClientResponse) -> dict[str, str]:
    """Return what is kept about the source: enough to tell later whether it has changed.

    Clients split the header of custom metadata at commas: values have none.
    """
    found = {"source": "web", "orig_url": _kept(shown(link))}
    etag = answer.headers.get("ETag", "")
    if etag and _kept(etag) == etag and etag.isascii() and etag.isprintable():
        found["ETag"] = etag
    try:
        changed = parsedate_to_datetime(answer.headers.get("Last-Modified", ""))
    except (TypeError, ValueError):
        return found
    return found | {"LastModified": f"{changed:%Y-%m-%dT%H:%M:%SZ}"}


def _kept(text: str) -> str:
    return text[:_CUSTOM_CHARACTERS_MAX].replace(",", "%2C")


def _reason(error: BaseException) -> str:
    text = str(error.strerror if isinstance(error, OSError) and error.strerror else error)
    return quote(text[:200])[1:-1] or type(error).__name__
