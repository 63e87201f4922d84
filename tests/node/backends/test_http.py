"""The adapter of web servers: nginx, and servers that do less than they should."""

import asyncio
import http.server
import os
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from moss.errors import (
    AccessDenied,
    BackendDenied,
    BackendUnavailable,
    InvalidRequest,
    MossError,
    ObjectChanged,
    ObjectNotFound,
    RangeOutOfBounds,
    Unsupported,
)
from moss.node.backends.http import HttpBackend, split_object_url
from moss.node.backends.limits import Limits
from moss.node.jobs.egress import EgressPolicy
from tests.support.nginx import Nginx
from tests.support.proxy import Proxy

CONTENT = bytes(range(256)) * 40
SHORT = Limits(connect_s=1, read_s=0.3, retries=2, retry_s=1, pause_s=0.01, pause_s_max=0.02)
LOOPBACK = EgressPolicy.parse(["127.0.0.1"])


def on_web(work: Callable[[HttpBackend], Awaitable[Any]], egress: EgressPolicy = LOOPBACK) -> Any:
    async def run() -> Any:
        store = HttpBackend(egress, SHORT)
        try:
            async with asyncio.timeout(20):
                return await work(store)
        finally:
            await store.close()

    return asyncio.run(run())


def read(
    base: str, name: str, start: int = 0, length: int = -1, egress: EgressPolicy = LOOPBACK, **options: Any
) -> Any:
    async def work(store: HttpBackend) -> Any:
        found = await store.get(base, name, start, length, **options)
        return found.about, await found.read()

    return on_web(work, egress)


def head(base: str, name: str) -> Any:
    return on_web(lambda store: store.head(base, name))


# -- a real server -------------------------------------------------------------------------------------


def test_whole_objects_and_their_attributes(nginx: Nginx) -> None:
    nginx.put("dir/a b+c%.bin", CONTENT)
    about, content = read(nginx.url, "dir/a b+c%.bin")
    assert content == CONTENT
    assert about == head(nginx.url, "dir/a b+c%.bin")
    modified_s = int((nginx.root / "dir/a b+c%.bin").stat().st_mtime)
    assert (about.size, about.modified_ns, about.content_type) == (
        len(CONTENT), modified_s * 10**9, "application/octet-stream",
    )  # fmt: skip
    assert about.etag and '"' not in about.etag
    assert about.md5 == ""
    nginx.put("empty", b"")
    assert read(nginx.url, "empty")[1] == b"" == read(nginx.url, "empty", 0, 10)[1]


@pytest.mark.parametrize("place", ["", "/no-ranges", "/no-tag"])
def test_ranges(nginx: Nginx, place: str) -> None:
    nginx.put("one", CONTENT)
    size = len(CONTENT)
    for start, length in ((0, 10), (5, 1), (100, 900), (size - 1, 1), (1000, -1), (0, size), (9000, 10**6), (7, 0)):
        about, content = read(nginx.url + place, "one", start, length)
        stop = size if length < 0 else min(size, start + length)
        assert (about.size, content) == (size, CONTENT[start:stop]), (start, length)
    for start, length in ((size, 1), (size + 5, -1), (size + 5, 0)):
        with pytest.raises(RangeOutOfBounds) as caught:
            read(nginx.url + place, "one", start, length)
        assert caught.value.size == size


def test_reads_of_one_version_only(nginx: Nginx) -> None:
    nginx.put("versions", b"first")
    etag = head(nginx.url, "versions").etag
    assert read(nginx.url, "versions", 1, 2, etag=etag)[1] == b"ir"
    nginx.put("versions", b"second")
    for start, length in ((1, 2), (0, -1), (0, 0)):
        with pytest.raises(ObjectChanged):
            read(nginx.url, "versions", start, length, etag=etag)


def test_large_objects_come_piece_by_piece(nginx: Nginx) -> None:
    content = os.urandom(5_000_000)
    nginx.put("large", content)

    async def work(store: HttpBackend) -> list[bytes]:
        return [chunk async for chunk in (await store.get(nginx.url, "large", 1_000_000)).chunks()]

    chunks = on_web(work)
    assert len(chunks) > 1
    assert b"".join(chunks) == content[1_000_000:]


def test_redirects_are_followed_to_allowed_hosts_only(nginx: Nginx) -> None:
    nginx.put("one", CONTENT)
    assert read(f"{nginx.url}/moved", "one")[1] == CONTENT
    with pytest.raises(AccessDenied, match=r"127\.0\.0\.2"):
        read(f"{nginx.url}/inside", "one")
    with pytest.raises(BackendUnavailable, match="too many redirects"):
        read(f"{nginx.url}/around", "one")


def test_names_that_lead_to_private_addresses_are_refused(nginx: Nginx) -> None:
    nginx.put("one", CONTENT)
    by_name = nginx.url.replace("127.0.0.1", "localhost")
    with pytest.raises(AccessDenied, match="localhost"):
        read(by_name, "one")
    with pytest.raises(AccessDenied, match=r"127\.0\.0\.1|::1"):
        read(by_name, "one", egress=EgressPolicy.parse(["localhost"]))
    assert read(by_name, "one", egress=EgressPolicy.parse(["localhost", "127.0.0.1", "::1"]))[1] == CONTENT


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "http://user:secret@127.0.0.1/", "gopher://127.0.0.1/", "http://"]
)
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        on_web(lambda store: store.head_bucket(url))
    assert "secret" not in str(caught.value)


def test_failures_name_the_place_and_the_cause(nginx: Nginx) -> None:
    port = nginx.url.rpartition(":")[2]
    for place, kind, words in (
        ("", ObjectNotFound, f"ht://127.0.0.1:{port}/none"),
        ("/denied", BackendDenied, f"HTTP backend refused access to ht://127.0.0.1:{port}/denied/none: 403"),
        ("/busy", BackendUnavailable, f"HTTP backend failed on ht://127.0.0.1:{port}/busy/none: 503"),
    ):
        for ask in (read, head):
            with pytest.raises(kind) as caught:
                ask(nginx.url + place, "none")
            assert words in str(caught.value)
    # Overload may pass: it was asked again.
    assert len(nginx.requests("/busy/none")) == 2 * (SHORT.retries + 1)


def test_web_servers_are_read_only() -> None:
    for work in (
        lambda store: store.put("a.example", "one", b"1", {}),
        lambda store: store.delete("a.example", "one"),
        lambda store: store.list("a.example"),
    ):
        with pytest.raises(Unsupported, match="web servers"):
            on_web(work)
    assert on_web(lambda store: store.list_buckets()) == []


def test_connections_that_fail(nginx: Nginx) -> None:
    nginx.put("large", bytes(5_000_000))
    proxy = Proxy(nginx.url)
    proxy.trouble.cut_after = 1_000_000
    with pytest.raises(BackendUnavailable, match="the answer broke off"):
        read(proxy.url, "large")
    proxy.trouble.cut_after, proxy.trouble.is_stalling = None, True
    with pytest.raises(BackendUnavailable, match="no answer in time"):
        read(proxy.url, "large")
    proxy.trouble.is_stalling = False
    proxy.close()
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with pytest.raises(BackendUnavailable, match="connection refused"):
        read(f"http://127.0.0.1:{port}", "large")
    with pytest.raises(BackendUnavailable, match="cannot be resolved"):
        read("http://no-such-host.invalid", "large", egress=EgressPolicy.parse(["*"]))


# -- servers that do less -------------------------------------------------------------------------------


class _Odd(http.server.BaseHTTPRequestHandler):
    """No HEAD, no ranges, no size; and whatever tags the path asks for."""

    protocol_version = "HTTP/1.1"
    busy = 0

    def do_HEAD(self) -> None:
        self.send_response(405)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        if self.path == "/busy-twice" and _Odd.busy < 2:
            _Odd.busy += 1
            self.send_response(503)
            self.send_header("Retry-After", "0")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        tag = {"/weak": 'W/"weak"', "/like-md5": f'"{"0" * 32}"'}.get(self.path)
        if tag:
            self.send_header("ETag", tag)
        if self.path in ("/unsized", "/endless"):
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self._send_unsized()
            return
        if self.path == "/short":
            self.send_header("Content-Length", str(len(CONTENT) + 1))
            self.end_headers()
            self.wfile.write(CONTENT)
            self.close_connection = True
            return
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT)

    def _send_unsized(self) -> None:
        for at in range(0, len(CONTENT), 1000):
            piece = CONTENT[at : at + 1000]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        if self.path == "/endless":
            piece = bytes(1 << 20)
            try:
                for _ in range(100):
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            except OSError:
                return
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_: Any) -> None:
        return


@pytest.fixture(scope="module")
def odd() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Odd) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_servers_without_head_ranges_and_tags(odd: str) -> None:
    about = head(odd, "plain")
    assert (about.size, about.etag) == (len(CONTENT), "")
    # Nobody can tell whether it changes, so it has a time at which it was seen.
    assert about.modified_ns > 0
    assert read(odd, "plain")[1] == CONTENT
    assert read(odd, "plain", 100, 50)[1] == CONTENT[100:150]
    assert read(odd, "plain", 10_000)[1] == CONTENT[10_000:]


def test_answers_that_do_not_tell_their_size(odd: str) -> None:
    assert head(odd, "unsized").size == len(CONTENT)
    about, content = read(odd, "unsized", 5, 500)
    assert (about.size, content) == (len(CONTENT), CONTENT[5:505])
    with pytest.raises(BackendUnavailable, match="does not tell its size"):
        read(odd, "endless")


def test_tags_that_promise_nothing(odd: str) -> None:
    assert head(odd, "weak").etag == ""
    about, _ = read(odd, "like-md5")
    assert (about.etag, about.md5) == ("0" * 32, "")


def test_answers_that_are_too_short(odd: str) -> None:
    with pytest.raises(BackendUnavailable, match=r"broke off|cut off"):
        read(odd, "short")


def test_a_server_that_is_busy_is_asked_again(odd: str) -> None:
    _Odd.busy = 0
    assert read(odd, "busy-twice")[1] == CONTENT


# -- URLs ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "name", "base"),
    [
        ("https://h/a/b", "b", "https://h/a/"),
        ("https://h/a/b", "a/b", "https://h/"),
        ("http://h:81/a%20b/c%25d", "c%d", "http://h:81/a%20b/"),
        ("http://h/%C3%A9", "é", "http://h/"),
    ],
)
def test_the_bucket_of_a_url(url: str, name: str, base: str) -> None:
    assert split_object_url(url, name) == base


@pytest.mark.parametrize(("url", "name"), [("https://h/a/b", "c"), ("https://h/ab", "b"), ("https://h/a?b=c", "a")])
def test_urls_of_other_objects(url: str, name: str) -> None:
    with pytest.raises(MossError, match="original_url"):
        split_object_url(url, name)
