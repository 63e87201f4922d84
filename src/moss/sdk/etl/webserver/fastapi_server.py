"""A transformation server on FastAPI: its `app` can be given to uvicorn or any other ASGI server."""

import asyncio
import io
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from moss.sdk.etl.webserver.base_etl_server import ETLServer
from moss.sdk.etl.webserver.exchange import DIRECT_PUT_LENGTH, NODE_URL, Reply, Task

__all__ = ["FastAPIServer"]


class _Body(io.RawIOBase):
    """The body of a request, received by the event loop and read by a worker thread."""

    def __init__(self, pieces: AsyncIterator[bytes], loop: asyncio.AbstractEventLoop) -> None:
        self._pieces, self._loop, self._pending = pieces, loop, memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._pending:
            piece = asyncio.run_coroutine_threadsafe(self._next(), self._loop).result()
            if piece is None:
                return 0
            self._pending = memoryview(piece)
        count = min(len(buffer), len(self._pending))
        memoryview(buffer).cast("B")[:count] = self._pending[:count]
        self._pending = self._pending[count:]
        return count

    async def _next(self) -> bytes | None:
        return await anext(self._pieces, None)


class FastAPIServer(ETLServer):
    """Serves with FastAPI, over HTTP and, at `/ws`, over a WebSocket. Objects are transformed in worker threads.

    Args:
        host: address to bind.
        port: port to bind.

    Raises:
        ImportError: FastAPI is not installed.
    """

    def __init__(self, host: str = "0.0.0.0", port: int = 8000) -> None:
        super().__init__()
        from fastapi import FastAPI
        from starlette.routing import Route, WebSocketRoute

        self.host, self.port = host, port
        # No generated pages: their paths would hide buckets of these names.
        self.app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
        self.app.router.routes += [
            Route("/health", self._health, methods=["GET"]),
            WebSocketRoute("/ws", self._serve_socket),
            Route("/{path:path}", self._serve, methods=["GET", "PUT"]),
        ]

    async def _health(self, _request: Any) -> Any:
        from starlette.responses import PlainTextResponse

        return PlainTextResponse("Running")

    async def _serve(self, request: Any) -> Any:
        from starlette.responses import Response, StreamingResponse

        class OneWayResponse(StreamingResponse):
            async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
                # Without its watch for a disconnect, which would take pieces of the request that are still unread.
                await self.stream_response(send)

        body = None
        if request.method == "PUT":
            body = io.BufferedReader(_Body(request.stream(), asyncio.get_running_loop()))
        arguments = request.query_params
        task = Task(
            request.path_params["path"],
            body,
            arguments.get("etl_args", ""),
            arguments.get("etl_fqn", ""),
            request.headers.get(NODE_URL, ""),
        )
        reply = await asyncio.to_thread(self.handle, task)
        if isinstance(reply.body, bytes):
            return Response(reply.body, reply.status, reply.headers)
        return OneWayResponse(reply.body, reply.status, reply.headers)

    async def _serve_socket(self, socket: Any) -> None:
        from starlette.websockets import WebSocketDisconnect

        await socket.accept()
        try:
            while True:
                control = msgspec.json.decode(await socket.receive_bytes(), type=dict[str, str])
                fqn = control.get("fqn", "")
                body = None if fqn else io.BytesIO(await socket.receive_bytes())
                task = Task(
                    control.get("path", ""), body, control.get("etl_args", ""), fqn, control.get("pipeline", "")
                )
                await self._answer(socket, await asyncio.to_thread(self.handle, task))
        except WebSocketDisconnect:
            return
        except msgspec.MsgspecError as error:
            self.logger.error("a control message is not understood: %s", error)
            await socket.close(code=1003)

    async def _answer(self, socket: Any, reply: Reply) -> None:
        """Bytes are the output; text is the size of what was sent on already, or why it failed."""
        body = reply.body if isinstance(reply.body, bytes) else b"".join(reply.body)
        if reply.status == 204:
            await socket.send_text(reply.headers.get(DIRECT_PUT_LENGTH, "0"))
        elif reply.status >= 400:
            await socket.send_text(body.decode("utf-8", "replace"))
        else:
            await socket.send_bytes(body)

    def start(self) -> None:
        """Serve until the process ends; needs uvicorn."""
        import uvicorn

        uvicorn.run(self.app, host=self.host, port=self.port, ws_max_size=1 << 34, ws_ping_interval=None)
