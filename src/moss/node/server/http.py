"""Requests and responses as plain values, and the writer that streams an answer.

Handlers know nothing of the HTTP library: they take a `Request` and give back a `Response`, or stream through
`request.writer` and give back None. The library that parses requests is bound in `moss.node.server.app`;
the bytes of answers are made in `moss.node.server.writer`.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from html import escape
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote

import msgspec

from moss.errors import InvalidRequest
from moss.wire.query import Query

if TYPE_CHECKING:
    from moss.node.server.writer import Writer

CONTENT_TYPE_JSON = "application/json"
CONTENT_TYPE_TEXT = "text/plain; charset=utf-8"


class Face(Enum):
    """Which of a node's two ports a request came in at."""

    GATEWAY = "gateway"
    TARGET = "target"


class BodySource(Protocol):
    """Where the bytes of a request body come from."""

    async def read(self, limit: int) -> bytes: ...

    def chunks(self) -> AsyncIterator[bytes]: ...


class Request:
    """One request.

    Attributes:
        method: upper case.
        path: as sent, still percent-encoded, without the query.
        items: the path's items, percent-decoded, empty items dropped. Bytes that are not UTF-8 become lone
            surrogates (`surrogateescape`), so that no name is lost or changed.
        query: the parsed query; `query_string` is its text as sent.
        headers: case-insensitive.
        remote: `ip:port` of the peer.
        face: the port that it came in at.
        content_length: declared size of the body in bytes, None when chunked.
        writer: for answers that are streamed.
    """

    __slots__ = (
        "_body",
        "_query",
        "content_length",
        "face",
        "headers",
        "items",
        "method",
        "path",
        "query_string",
        "remote",
        "writer",
    )

    def __init__(
        self,
        *,
        method: str,
        raw_path: str,
        headers: Mapping[str, str],
        remote: str,
        face: Face,
        content_length: int | None,
        body: BodySource,
        writer: "Writer",
    ) -> None:
        self.method = method
        path, _, query_string = raw_path.partition("?")
        self.readdress(path, query_string)
        self.headers = headers
        self.remote = remote
        self.face = face
        self.content_length = content_length
        self.writer = writer
        self._body = body

    def readdress(self, path: str, query_string: str) -> None:
        """Give the request another address than it was sent to; both parts as they would be sent."""
        self.path, self.query_string = path, query_string
        self.items = [unquote(item, errors="surrogateescape") for item in path.split("/") if item]
        self._query: Query | None = None

    @property
    def query(self) -> Query:
        """The parsed query.

        Raises:
            InvalidRequest: 100 parameters or more.
        """
        if self._query is None:
            self._query = Query(self.query_string)
        return self._query

    def tail(self, skip: int) -> str:
        """Return the decoded path behind the first `skip` items, inner and trailing slashes kept.

        `/v1/objects/b/a//c/` with `skip=3` is `a//c/`: object names keep their slashes.
        """
        rest = self.path
        for _ in range(skip):
            rest = rest.lstrip("/")
            cut = rest.find("/")
            if cut < 0:
                return ""
            rest = rest[cut:]
        return unquote(rest[1:], errors="surrogateescape")

    async def read(self, limit: int) -> bytes:
        """Read the whole body.

        Raises:
            TooLarge: the body has more than `limit` bytes.
        """
        return await self._body.read(limit)

    def body_chunks(self) -> AsyncIterator[bytes]:
        """Iterate over the body in pieces as they arrive."""
        return self._body.chunks()


@dataclass(slots=True)
class Response:
    """A whole answer."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


Handler = Callable[[Any, Request], Awaitable[Response | None]]


def json_response(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Answer with JSON; `value` may be JSON bytes already."""
    body = value if isinstance(value, bytes) else msgspec.json.encode(value)
    return Response(status, {"Content-Type": CONTENT_TYPE_JSON, **(headers or {})}, body)


def text_response(text: str, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(status, {"Content-Type": CONTENT_TYPE_TEXT, **(headers or {})}, text.encode())


class MethodNotAllowed(InvalidRequest):
    """A method that a path does not have.

    Attributes:
        headers: what the answer carries beside the error: the methods that the path has.
    """

    code = "method-not-allowed"

    def __init__(self, method: str, allow: str) -> None:
        self.headers = {"Allow": allow}
        super().__init__(f"method {method[:32]} not allowed, expecting one of: [{allow}]")


def method_not_allowed(allow: str) -> Response:
    """405, in plain text as the contract wants it for all but buckets and objects.

    Source: spec/getbatch.md 1.1, spec/rest-control.md 1.3.
    """
    return text_response("Method Not Allowed\n", 405, {"Allow": allow, "X-Content-Type-Options": "nosniff"})


def redirect(url: str, status: int = 307) -> Response:
    """Answer with a redirect and the small HTML body that clients of the reference know."""
    reason = {301: "Moved Permanently", 307: "Temporary Redirect"}[status]
    body = f'<a href="{escape(url)}">{reason}</a>.\n\n'
    return Response(status, {"Content-Type": "text/html; charset=utf-8", "Location": url}, body.encode())
