"""Sends requests to a cluster: retries, redirects, the token, and the cluster map."""

import random
from collections import deque
from typing import Any
from urllib.parse import urljoin

from moss.errors import MossError
from moss.sdk._async.locks import await_unlock, is_cold_get
from moss.sdk.answers import Answer
from moss.sdk.batch.buffers import BufferPool
from moss.sdk.bodies import Body
from moss.sdk.config import ClientConfig
from moss.sdk.errors import ConnectFailed, ReadTimedOut, RetriesExhausted, TransportError, compatible
from moss.sdk.operations import Request, error_of
from moss.sdk.retry import RetryState
from moss.sdk.retry_config import RetryConfig
from moss.sdk.transport.aio import Response, Transport, monotonic, sleep
from moss.sdk.transport.http1 import Origin, split_url
from moss.sdk.types import Smap, decode_smap
from moss.wire import headers as names

__all__ = ["RequestClient"]

_REDIRECTS_MAX = 5
_REDIRECT_STATUSES = frozenset({301, 307, 308})
_SMAP_AGE_S_MIN = 10.0
_BATCH_BUFFER_BYTES = 512 * 1024
_POOLS_MAX = 8


class RequestClient:
    """The way to one cluster. Threads may share it; it can be pickled and survives a fork.

    Attributes:
        config: addresses, token, transport settings.
        retry_config: the retry policy.
    """

    def __init__(self, config: ClientConfig, retry_config: RetryConfig) -> None:
        self.config, self.retry_config = config, retry_config
        self.transport = Transport(config.settings)
        self._base_index = 0
        self._smap: Smap | None = None
        self._smap_time_s = -_SMAP_AGE_S_MIN
        self._trusted: set[Origin] = {split_url(base)[0] for base in config.bases}
        self._pools: deque[BufferPool] = deque(maxlen=_POOLS_MAX)

    def __getstate__(self) -> tuple[ClientConfig, RetryConfig]:
        return self.config, self.retry_config

    def __setstate__(self, state: tuple[ClientConfig, RetryConfig]) -> None:
        self.__init__(*state)  # type: ignore[misc]

    @property
    def base_url(self) -> str:
        """URL of the gateway that is asked first, ending with `/v1`."""
        return self.config.bases[self._base_index % len(self.config.bases)]

    @property
    def token(self) -> str | None:
        """The token of this moment."""
        token = self.config.token
        return token() if callable(token) else token

    async def call(self, request: Request) -> Answer:
        """Send a request and receive the whole answer. Raises as `open`."""
        response = await self.open(request)
        content = await response.read()
        return Answer(response.status, response.headers, content, response.url)

    async def open(self, request: Request) -> Response:
        """Send a request and receive the head of its answer, following redirects and the retry policy.

        Raises:
            AISError: the cluster refused it; the subclass tells why. After exhausted retries `RetriesExhausted`.
            TransportError: no answer.
        """
        state = RetryState(self.retry_config, request.method, is_idempotent=request.may_repeat, random=random.random)
        started_s = monotonic()
        body = Body(request.body)
        while True:
            try:
                response = await self._send(request, body)
                if response.status < 400:
                    return response
                content = await response.read()
            except TransportError as error:
                if isinstance(error, ConnectFailed):
                    self._base_index += 1
                wait_s = state.after_failure(error, monotonic() - started_s)
                if wait_s is None:
                    raise
                if isinstance(error, ReadTimedOut) and is_cold_get(request) and await await_unlock(self, request):
                    wait_s = 0.0
            else:
                elapsed_s = monotonic() - started_s
                wait_s = state.after_status(response.status, response.headers.get(names.RETRY_AFTER), elapsed_s)
                if wait_s is None:
                    raise self._error(request, response, content, state)
            if wait_s:
                await sleep(wait_s)
            body.rewind()

    def _error(self, request: Request, response: Response, content: bytes, state: RetryState) -> Exception:
        hdr_error = response.headers.get(names.HDR_ERROR, "")
        error = error_of(response.status, request.method, response.url, content, hdr_error)
        if len(state.attempts) > 1 and response.status in (self.retry_config.http_retry.status_forcelist or ()):
            message, url = error.message, error.req_url
            error = compatible(RetriesExhausted)(response.status, message, url, error.req, tcode=error.tcode)
            error.attempts = tuple(state.attempts)
        return error

    async def _send(self, request: Request, body: Body) -> Response:
        url = request.url(request.base or self.base_url)
        headers = {
            names.USER_AGENT: self.config.settings.user_agent,
            "Accept": "*/*",
            names.CONTENT_TYPE: names.JSON,
            **request.headers,
        }
        for _ in range(_REDIRECTS_MAX):
            if (token := self.token) and await self._is_of_cluster(split_url(url)[0]):
                headers[names.AUTHORIZATION] = f"Bearer {token}"
            else:
                headers.pop(names.AUTHORIZATION, None)
            response = await self.transport.send(request.method, url, headers, body.source, request.length)
            location = response.headers.get(names.LOCATION)
            if response.status not in _REDIRECT_STATUSES or not location:
                return response
            await response.finish()
            url = urljoin(url, location)
            body.rewind()
        raise compatible(ConnectFailed)(f"more than {_REDIRECTS_MAX} redirects, the last one to {url}")

    async def _is_of_cluster(self, origin: Origin) -> bool:
        """Whether a host may see the token: it is a gateway we were given, or a node of the cluster map."""
        if origin in self._trusted:
            return True
        if monotonic() - self._smap_time_s > _SMAP_AGE_S_MIN:
            self._smap_time_s = monotonic()
            try:
                await self.get_smap(refresh=True)
            except (MossError, ValueError):
                return False
        return origin in self._trusted

    async def get_smap(self, *, refresh: bool = False) -> Smap:
        """The cluster map, fetched once and kept.

        Raises:
            AISError, TransportError: it cannot be fetched.
        """
        if self._smap is None or refresh:
            url = f"{self.base_url}/daemon?what=smap"
            headers = {names.USER_AGENT: self.config.settings.user_agent}
            if token := self.token:
                headers[names.AUTHORIZATION] = f"Bearer {token}"
            response = await self.transport.send("GET", url, headers)
            content = await response.read()
            if response.status != 200:
                raise error_of(response.status, "GET", url, content)
            self._smap, self._smap_time_s = decode_smap(content), monotonic()
            self._trusted |= {split_url(node_url)[0] for node_url in self._smap.urls()}
        return self._smap

    def take_buffers(self) -> BufferPool:
        """Receive buffers for one batch; give them back with `keep_buffers`."""
        try:
            return self._pools.pop()
        except IndexError:
            return BufferPool(_BATCH_BUFFER_BYTES)

    def keep_buffers(self, pool: BufferPool) -> None:
        if pool.size_bytes == _BATCH_BUFFER_BYTES:
            pool.trim()
            self._pools.append(pool)

    async def close(self) -> None:
        """Close the idle connections."""
        await self.transport.close()

    def request(self, method: str, path: str, params: Any = None, headers: Any = None, **options: Any) -> Any:
        """Send a request by hand: `path` is below `/v1`; `json` or `data` is the body. Returns an `Answer`."""
        import msgspec

        body = options.get("data")
        if body is None and options.get("json") is not None:
            body = msgspec.json.encode(options["json"])
        query = list((params or {}).items()) if hasattr(params or {}, "items") else list(params)
        return self.call(Request(method.upper(), f"/{path.lstrip('/')}", query, headers or {}, body))
