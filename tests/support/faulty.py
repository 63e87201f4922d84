"""A service between a client and a real one that answers some requests itself: with failures, or of another kind."""

import asyncio
import ssl
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp
from aiohttp import web
from yarl import URL

Rule = Callable[[web.BaseRequest], web.Response | None]
_HOP_BY_HOP = frozenset({"transfer-encoding", "connection", "keep-alive"})


def refusal(status: int, code: str, headers: dict[str, str] | None = None, text: str = "") -> web.Response:
    """Build the answer of an S3 service that refuses."""
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code>{text}</Error>".encode()
    return web.Response(status=status, body=body, headers=headers, content_type="application/xml")


class Faulty:
    """The service.

    Attributes:
        url: where clients go.
        next: makes the answers to the next requests, one each; then they reach the real service again.
        rule: asked about each other request; None means that it is passed on.
        seen: method and path of all requests.
    """

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self.url = ""
        self.next: deque[Callable[[], web.Response]] = deque()
        self.rule: Rule = lambda request: None
        self.seen: list[tuple[str, str]] = []
        self._session: aiohttp.ClientSession | None = None

    def refuse(self, times: int, status: int, code: str, **headers: str) -> None:
        """Refuse the next requests."""
        told = {key.replace("_", "-"): value for key, value in headers.items()}
        self.next.extend([lambda: refusal(status, code, told)] * times)

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.seen.append((request.method, request.raw_path))
        body = await request.content.read()
        if self.next:
            return self.next.popleft()()
        refused = self.rule(request)
        if refused is not None:
            return refused
        if self._session is None:
            skipped = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
            self._session = aiohttp.ClientSession(auto_decompress=False, skip_auto_headers=skipped)
        headers = [pair for pair in request.headers.items() if pair[0].lower() not in _HOP_BY_HOP]
        url = URL(self._upstream + request.raw_path, encoded=True)
        async with self._session.request(request.method, url, headers=headers, data=body) as answer:
            told = [pair for pair in answer.headers.items() if pair[0].lower() not in _HOP_BY_HOP]
            content = await answer.read()
            if request.method != "HEAD":
                return web.Response(status=answer.status, headers=told, body=content)
            response = web.StreamResponse(status=answer.status, headers=told)
            await response.prepare(request)
            return response

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


@contextmanager
def in_front_of(upstream: str, context: ssl.SSLContext | None = None) -> Iterator[Faulty]:
    """Run the service in front of another one for the length of the block.

    Args:
        context: with the certificate to show; None to speak plain HTTP.
    """
    service, loop, ready = Faulty(upstream), asyncio.new_event_loop(), threading.Event()

    async def start() -> web.ServerRunner:
        runner = web.ServerRunner(web.Server(service.answer), shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        addresses: Any = runner.addresses
        service.url = f"{'https' if context else 'http'}://127.0.0.1:{addresses[0][1]}"
        return runner

    async def stop(runner: web.ServerRunner) -> None:
        await service.close()
        await runner.cleanup()

    def run() -> None:
        runner = loop.run_until_complete(start())
        ready.set()
        loop.run_forever()
        loop.run_until_complete(stop(runner))
        loop.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    ready.wait(10)
    try:
        yield service
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
