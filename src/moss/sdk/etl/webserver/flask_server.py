"""A transformation server on Flask: its `app` can be given to gunicorn or any other WSGI server."""

import socket
from collections.abc import Iterator
from typing import Any

from moss.sdk.etl.webserver.base_etl_server import ETLServer
from moss.sdk.etl.webserver.exchange import NODE_URL, Task

__all__ = ["FlaskServer"]


class FlaskServer(ETLServer):
    """Serves with Flask.

    Args:
        host: address to bind.
        port: 0 picks a free one; the attribute `port` tells which, once it is bound.

    Raises:
        ImportError: Flask is not installed.
    """

    def __init__(self, host: str = "0.0.0.0", port: int = 8000) -> None:
        super().__init__()
        from flask import Flask

        self.host, self.port = host, port
        self._server: Any = None
        self.app = Flask(type(self).__name__)
        self.app.add_url_rule("/health", "health", lambda: "Running", methods=["GET"])
        self.app.add_url_rule("/<path:path>", "transform", self._serve, methods=["GET", "PUT"])

    def _serve(self, path: str) -> Any:
        from flask import Response, request

        body = None if request.method == "GET" else request.stream
        arguments = request.args
        task = Task(
            path,
            body,
            arguments.get("etl_args", ""),
            arguments.get("etl_fqn", ""),
            request.headers.get(NODE_URL, ""),
        )
        reply = self.handle(task)
        body = reply.body
        if not isinstance(body, bytes):
            body = _cut_when_broken(body, request.environ.get("werkzeug.socket"))
        return Response(body, reply.status, reply.headers)

    def bind(self) -> None:
        """Open the port; `start` does it when it was not done."""
        if self._server is not None:
            return
        from werkzeug.serving import WSGIRequestHandler, make_server

        class Handler(WSGIRequestHandler):
            # Outputs of unknown size are chunked then, so that a broken one cannot be taken for a whole one.
            protocol_version = "HTTP/1.1"

        self._server = make_server(self.host, self.port, self.app, threaded=True, request_handler=Handler)
        self.port = self._server.server_port

    def start(self) -> None:
        self.bind()
        self.logger.info("serving at %s:%d", self.host, self.port)
        self._server.serve_forever()

    def stop(self) -> None:
        """Make `start` return."""
        if self._server is not None:
            self._server.shutdown()


def _cut_when_broken(pieces: Iterator[bytes], connection: socket.socket | None) -> Iterator[bytes]:
    """Pass pieces on. After an error the development server would end the answer as if it were whole."""
    try:
        yield from pieces
    except BaseException:
        if connection is not None:
            connection.shutdown(socket.SHUT_RDWR)
        raise
