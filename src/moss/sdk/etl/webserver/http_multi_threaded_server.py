"""A transformation server that needs nothing but the standard library: a thread for each connection."""

import io
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from moss.sdk.etl.webserver.base_etl_server import ETLServer
from moss.sdk.etl.webserver.exchange import NODE_URL, Reply, Task

__all__ = ["HTTPMultiThreadedServer"]

_LINE_BYTES_MAX = 1024


class _Body(io.RawIOBase):
    """The body of a request: as many bytes as it declares, or its chunks."""

    def __init__(self, file: Any, length: int | None) -> None:
        self._file, self._remaining, self._is_chunked = file, length or 0, length is None
        self.is_complete = length == 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        if self.is_complete or not view:
            return 0
        if self._is_chunked and not self._remaining:
            self._remaining = int(self._file.readline(_LINE_BYTES_MAX).partition(b";")[0], 16)
            if not self._remaining:
                while self._file.readline(_LINE_BYTES_MAX).strip():  # Trailers, up to the empty line.
                    pass
                self.is_complete = True
                return 0
        count = self._file.readinto(view[: self._remaining])
        if not count:
            raise EOFError(f"the request ended {self._remaining} bytes before its end")
        self._remaining -= count
        if self._is_chunked and not self._remaining:
            self._file.readline(_LINE_BYTES_MAX)
        self.is_complete = not self._is_chunked and not self._remaining
        return count


class HTTPMultiThreadedServer(ETLServer):
    """Serves with the standard library.

    Args:
        host: address to bind.
        port: 0 picks a free one; the attribute `port` tells which.
    """

    def __init__(self, host: str = "0.0.0.0", port: int = 8000) -> None:
        super().__init__()
        self.host, self.port = host, port
        self._server: ThreadingHTTPServer | None = None

    class RequestHandler(BaseHTTPRequestHandler):
        """Translates between HTTP and `ETLServer.handle`."""

        protocol_version = "HTTP/1.1"
        etl_server: ETLServer

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if parts.path == "/health":
                self._answer(Reply(200, b"Running"))
                return
            self._answer(self.etl_server.handle(self._task(None)))

        def do_PUT(self) -> None:
            length = self.headers.get("Content-Length", "0")
            is_chunked = "chunked" in self.headers.get("Transfer-Encoding", "").lower()
            body = _Body(self.rfile, None if is_chunked else int(length) if length.isdigit() else 0)
            reply = self.etl_server.handle(self._task(io.BufferedReader(body)))
            self.close_connection = self.close_connection or not body.is_complete
            self._answer(reply)

        def _task(self, body: Any) -> Task:
            parts = urlsplit(self.path)
            query = parse_qs(parts.query, keep_blank_values=True)
            return Task(
                unquote(parts.path).lstrip("/"),
                body,
                query.get("etl_args", [""])[-1],
                query.get("etl_fqn", [""])[-1],
                self.headers.get(NODE_URL, ""),
            )

        def _answer(self, reply: Reply) -> None:
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            if isinstance(reply.body, bytes):
                if reply.status != 204:
                    self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                self.wfile.write(reply.body)
                return
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            try:
                for piece in reply.body:
                    if piece:
                        self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            except Exception:  # The status is out: only a broken connection says now that the output is not whole.
                self.etl_server.logger.exception("Error while %s was sent", self.path)
                self.close_connection = True
                return
            self.wfile.write(b"0\r\n\r\n")

        def log_message(self, format: str, *args: Any) -> None:
            self.etl_server.logger.debug(format, *args)

    def bind(self) -> None:
        """Open the port; `start` does it when it was not done."""
        if self._server is None:
            handler = type("Handler", (self.RequestHandler,), {"etl_server": self})
            self._server = ThreadingHTTPServer((self.host, self.port), handler)
            self.port = self._server.server_port

    def start(self) -> None:
        self.bind()
        assert self._server is not None
        self.logger.info("serving at %s:%d", self.host, self.port)
        with self._server:
            self._server.serve_forever()

    def stop(self) -> None:
        """Make `start` return."""
        if self._server is not None:
            self._server.shutdown()
