"""Requests of the command line: redirects followed with the same method and body, busy servers waited for.

HTTP itself is the SDK's (`moss.sdk.transport.blocking`); what the SDK adds above it is not wanted here, because a
command shows answers byte by byte as they arrive and has errors and retries of its own.
"""

import json
import re
import time
from collections.abc import Callable, Mapping
from typing import IO
from urllib.parse import quote, urljoin, urlsplit

from moss.cli.connection import LOGIN_HINT, unreachable
from moss.cli.failures import CommandError
from moss.cli.settings import Settings
from moss.sdk.errors import ConnectFailed, TransportError
from moss.sdk.transport import blocking, http1
from moss.wire import headers as names

USER_AGENT = "ais/cli"
CHUNK_BYTES = 256 * 1024
REDIRECTS_MAX = 5
TRIES = 5
"""How often a request is sent when the server says that it is busy or starting."""
WAIT_S_MAX = 10.0
ERROR_BODY_BYTES_MAX = 1 << 20
_NODE_PREFIX = re.compile(r"^(?:[tp]\[[\w-]*\]: )+")


class ServerError(CommandError):
    """The server refused; the text is its message without node and type names.

    Attributes:
        code: HTTP status.
    """

    def __init__(self, code: int, message: str) -> None:
        self.code = code
        self.message = message
        super().__init__(message, *((LOGIN_HINT,) if code == 401 else ()))


class Answer:
    """A successful answer whose body is still to be read.

    Attributes:
        status: HTTP status.
        headers: case-insensitive.
    """

    def __init__(self, response: blocking.Response) -> None:
        self._response = response
        self._buffer = memoryview(b"")
        self.status = response.status
        self.headers = response.headers

    @property
    def response(self) -> blocking.Response:
        """The answer as the SDK has it, for what receives the body by itself."""
        return self._response

    def read(self) -> bytes:
        """The next bytes of the body as they arrive, empty at its end.

        Raises:
            ConnectionCut: the connection ended before the body did.
        """
        if not self._buffer:
            self._buffer = memoryview(bytearray(CHUNK_BYTES))
        try:
            return bytes(self._buffer[: self._response.receive_into(self._buffer)])
        except TransportError as error:
            raise ConnectionCut(error.message) from None

    def read_all(self, limit: int = 1 << 31) -> bytes:
        """The whole body.

        Raises:
            ConnectionCut: the connection ended early.
            CommandError: more than `limit` bytes.
        """
        pieces, total = [], 0
        while piece := self.read():
            total += len(piece)
            if total > limit:
                raise CommandError(f"the answer is larger than {limit} bytes")
            pieces.append(piece)
        return b"".join(pieces)

    def finish(self) -> None:
        """Done with it: a short rest is read, so that the connection can be used again."""
        self._response.finish()

    def close(self) -> None:
        self._response.close()

    def __enter__(self) -> "Answer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class ConnectionCut(CommandError):
    """The connection ended in the middle of an answer."""


class Transport:
    """Sends requests to one gateway and to the nodes that it points at.

    Args:
        settings: endpoint, token, TLS, timeouts.
        notice: is told when a busy server is being waited for.
        sleep: waits that many seconds.
    """

    def __init__(
        self, settings: Settings, *, notice: Callable[[str], None], sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._settings = settings
        self._notice = notice
        self._sleep = sleep
        self.url = settings.url
        certificate = (settings.cert_file, settings.key_file) if settings.key_file else settings.cert_file
        self._http = blocking.Transport(
            http1.Settings(
                connect_timeout_s=settings.connect_timeout_s,
                read_timeout_s=settings.http_timeout_s,
                verify=not settings.skip_verify,
                ca_cert=settings.ca_file or None,
                client_cert=certificate or None,
            )
        )

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | IO[bytes] | None = None,
        length: int | None = None,
    ) -> Answer:
        """Send a request, follow redirects, wait for a busy server, and return a 2xx answer.

        Args:
            path: already percent-encoded, see `path_of`.
            query: plain text, encoded here.
            body: bytes, or a seekable file of `length` bytes that is read from its start for every try.

        Raises:
            CommandError: the cluster cannot be reached.
            ServerError: any other status.
        """
        url = self._settings.url + path + encode_query(query)
        lost_work_items = 0
        for attempt in range(1, TRIES + 1):
            answer = self._follow(method, url, headers or {}, body, length)
            if 200 <= answer.status < 300:
                return answer
            error = self._error_of(answer)
            if error.code == 404 and "prep-rx not done" in error.message and not lost_work_items:
                lost_work_items += 1  # The reference forgets idle jobs (spec/cli.md C18); once more helps.
                continue
            if error.code not in (429, 503) or attempt == TRIES:
                raise error
            self._wait(attempt, error.code, answer.headers.get(names.RETRY_AFTER))
        raise AssertionError("unreachable")

    def _wait(self, attempt: int, code: int, retry_after: str | None) -> None:
        seconds = float(retry_after) if retry_after and retry_after.isdigit() else 0.25 * 2**attempt
        if attempt == 1:
            self._notice("waiting for cluster to start ..." if code == 503 else "cluster is busy, waiting ...")
        self._sleep(min(seconds, WAIT_S_MAX))

    def _follow(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | IO[bytes] | None, length: int | None
    ) -> Answer:
        for _ in range(REDIRECTS_MAX + 1):
            answer = self._send(method, url, headers, body, length)
            if answer.status not in (301, 307, 308):
                return answer
            location = answer.headers.get(names.LOCATION)
            answer.finish()
            if not location:
                raise CommandError(f"redirect without a location from {url}")
            url = urljoin(url, location)
        raise CommandError(f"more than {REDIRECTS_MAX} redirects, the last to {url}")

    def _send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | IO[bytes] | None, length: int | None
    ) -> Answer:
        all_headers = {names.USER_AGENT: USER_AGENT, **headers}
        try:
            parts = urlsplit(url)
            # Tokens go to the host that the user named, and to its other ports, but nowhere else.
            if self._settings.token and parts.hostname == urlsplit(self.url).hostname:
                all_headers[names.AUTHORIZATION] = f"Bearer {self._settings.token}"
            if body is not None and not isinstance(body, bytes):
                body.seek(0)
            return Answer(self._http.send(method, url, all_headers, body, length))
        except ConnectFailed as error:
            raise unreachable(f"{parts.scheme}://{parts.netloc}", error) from None
        except TransportError as error:
            where = "" if parts.netloc in error.message else f"{parts.netloc}: "
            raise CommandError(where + error.message) from None
        except ValueError as error:
            raise CommandError(f'unusable address "{url}": {error}') from None

    @staticmethod
    def _error_of(answer: Answer) -> ServerError:
        with answer:
            text = answer.headers.get(names.HDR_ERROR) or ""
            try:
                text = text or answer.read_all(ERROR_BODY_BYTES_MAX).decode("utf-8", "replace")
            except CommandError:
                pass
        message = ""
        try:
            document = json.loads(text)
            message = str(document.get("message") or "") if isinstance(document, dict) else ""
        except ValueError:
            message = text.strip()
        return ServerError(answer.status, without_node(message) or f"HTTP status {answer.status}")


def without_node(message: str) -> str:
    """A message of the server without the name of the node that speaks (`t[abc]: `)."""
    return _NODE_PREFIX.sub("", message)


def path_of(*items: str) -> str:
    """`/v1/` and the items, percent-encoded; slashes inside an item stay."""
    return "/v1/" + "/".join(quote(item.encode("utf-8", "surrogateescape"), safe="/") for item in items)


def encode_query(query: Mapping[str, str] | None) -> str:
    if not query:
        return ""
    return "?" + "&".join(
        f"{quote(key, safe='')}={quote(value.encode('utf-8', 'surrogateescape'), safe='')}"
        for key, value in query.items()
    )


def bucket_query(bucket) -> dict[str, str]:
    """`provider`, and `namespace` when the bucket has one."""
    query = {"provider": bucket.provider.value}
    if not bucket.namespace.is_global:
        query["namespace"] = bucket.namespace.uname
    return query
