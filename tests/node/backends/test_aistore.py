"""The adapter of other clusters, under the suite that all adapters share. The other cluster is a node."""

import asyncio
import http.server
import json
import os
import socket
import threading
import uuid
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from moss.errors import AccessDenied, BackendUnavailable, BucketExists, BucketNotFound
from moss.naming.bucket import Provider
from moss.node.backends.aistore import AistoreBackend, RemoteCluster
from moss.node.backends.base import Backend, RemoteObject, RemoteRead
from moss.node.backends.limits import Limits
from moss.node.jobs.egress import EgressPolicy
from moss.testing import NodeProcess
from moss.testing.backend_suite import ODD_NAMES, BackendSuite
from tests.support.proxy import Proxy
from tests.support.wire import Wire

LOOPBACK = EgressPolicy.parse(["127.0.0.1"])
SHORT = Limits(connect_s=1, read_s=0.5, retries=2, retry_s=1, pause_s=0.01, pause_s_max=0.02)


class _Plain:
    """Shows the metadata that was given, without the forms in which nodes keep it in stores."""

    def __init__(self, store: AistoreBackend) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def head(self, bucket: str, name: str) -> RemoteObject:
        return _plain(await self._store.head(bucket, name))

    async def get(self, bucket: str, name: str, start: int = 0, length: int = -1, *, etag: str = "") -> RemoteRead:
        read = await self._store.get(bucket, name, start, length, etag=etag)
        read.about = _plain(read.about)
        return read

    async def put(
        self, bucket: str, name: str, body: bytes | AsyncIterable[bytes], custom: Mapping[str, str], size: int = -1
    ) -> RemoteObject:
        return _plain(await self._store.put(bucket, name, body, custom, size))

    async def set_custom(self, bucket: str, name: str, about: RemoteObject, custom: Mapping[str, str]) -> RemoteObject:
        return _plain(await self._store.set_custom(bucket, name, about, custom))


def _plain(about: RemoteObject) -> RemoteObject:
    assert about.custom["ais-cksum-type"] == "xxhash2"
    return replace(about, custom=json.loads(about.custom.get("moss-custom", "{}")))


class TestAistore(BackendSuite):
    provider = Provider.AIS
    has_md5 = False
    tells_time = False
    # Clusters have rules for names.
    odd_names = tuple(name for name in ODD_NAMES if name.strip("/") == name)
    url: ClassVar[str]

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _service(cls, node: NodeProcess) -> None:
        cls.url = node.url

    async def open(self) -> Backend:
        return _Plain(AistoreBackend(RemoteCluster("far", "uuid", self.url, LOOPBACK), "space"))

    async def make_bucket(self, store: Backend) -> str:
        name = f"suite-{uuid.uuid4().hex[:12]}"
        await store.create_bucket(name)
        return name

    def test_listing_of_one_level(self) -> None:
        # Other than in the suite: no object is called like a folder.
        async def run() -> None:
            store = await self.open()
            bucket = await self.make_bucket(store)
            for name in ("a", "b/1", "b/2", "b/c/3", "b0", "d/1", "z"):
                await store.put(bucket, name, b"1", {})
            page = await store.list(bucket, one_level=True)
            assert ([found.name for found in page.objects], page.folders) == (["a", "b0", "z"], ["b/", "d/"])
            page = await store.list(bucket, "b/", one_level=True)
            assert ([found.name for found in page.objects], page.folders) == (["b/1", "b/2"], ["b/c/"])
            for limit in (1, 2, 3, 10):
                objects, folders, after = [], [], ""
                while True:
                    page = await store.list(bucket, "", after, limit, one_level=True)
                    objects += [found.name for found in page.objects]
                    folders += page.folders
                    after = page.next_after
                    if not after:
                        break
                assert (objects, folders) == (["a", "b0", "z"], ["b/", "d/"])
            await store.close()

        asyncio.run(run())

    def test_buckets_are_created_and_destroyed(self) -> None:
        async def run() -> None:
            store = await self.open()
            bucket = await self.make_bucket(store)
            with pytest.raises(BucketExists):
                await store.create_bucket(bucket)
            await store.put(bucket, "one", b"1", {})
            await store.destroy_bucket(bucket)
            with pytest.raises(BucketNotFound, match=rf'remote bucket "ais://@uuid#space/{bucket}" does not exist'):
                await store.head_bucket(bucket)
            assert bucket not in await store.list_buckets()
            await store.close()

        asyncio.run(run())

    def test_a_version_that_was_deleted_is_not_the_next_one(self) -> None:
        # Versions count from 1 again then.
        async def run() -> None:
            store = await self.open()
            bucket = await self.make_bucket(store)
            first = await store.put(bucket, "one", b"first", {})
            await store.delete(bucket, "one")
            other = await store.put(bucket, "one", b"other", {})
            assert (first.version, first.size) == (other.version, other.size)
            assert first.etag != other.etag
            await store.close()

        asyncio.run(run())


def test_gateways_that_redirect_all_requests(node: NodeProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    # As the reference does; it does not know the header that asks a gateway to answer itself.
    monkeypatch.setattr("moss.node.backends.aistore.DIRECT", {})
    bucket = Wire(node.url).new_bucket()

    async def pieces(content: bytes) -> AsyncIterator[bytes]:
        for at in range(0, len(content), 700_001):
            yield content[at : at + 700_001]

    async def work(store: AistoreBackend) -> None:
        for size in (10, 1 << 20, 5_000_000):
            content = os.urandom(size)
            for body, announced in ((content, size), (pieces(content), size), (pieces(content), -1)):
                await store.put(bucket, "one", body, {"k": str(announced)}, announced)
                assert await _read(store, bucket, "one") == content
                assert await (await store.get(bucket, "one", 3, 5)).read() == content[3:8]
        await store.delete(bucket, "one")
        assert (await store.list(bucket)).objects == []

    on_cluster(node.url, work)


# -- clusters that fail ----------------------------------------------------------------------------------


def on_cluster(url: str, work: Callable[[AistoreBackend], Awaitable[Any]], egress: EgressPolicy = LOOPBACK) -> Any:
    async def run() -> Any:
        store = AistoreBackend(RemoteCluster("far", "uuid", url, egress, SHORT))
        try:
            async with asyncio.timeout(20):
                return await work(store)
        finally:
            await store.close()

    return asyncio.run(run())


async def _read(store: AistoreBackend, bucket: str, name: str) -> bytes:
    return await (await store.get(bucket, name)).read()


@pytest.mark.parametrize("ask", ["get", "head", "put", "delete", "list", "buckets"])
def test_a_cluster_that_is_down(ask: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
    calls: dict[str, Callable[[AistoreBackend], Awaitable[Any]]] = {
        "get": lambda store: store.get("b", "one"),
        "head": lambda store: store.head("b", "one"),
        "put": lambda store: store.put("b", "one", b"1", {}),
        "delete": lambda store: store.delete("b", "one"),
        "list": lambda store: store.list("b"),
        "buckets": lambda store: store.list_buckets(),
    }
    with pytest.raises(BackendUnavailable, match=r"AIS backend failed on ais://@uuid.*: connection refused"):
        on_cluster(url, calls[ask])


def test_answers_that_break_off_or_do_not_come(node: NodeProcess) -> None:
    wire = Wire(node.url)
    bucket = wire.new_bucket()
    wire.put(bucket, "large", os.urandom(5_000_000))
    proxy = Proxy(node.url)
    proxy.trouble.cut_after = 1_000_000
    with pytest.raises(BackendUnavailable, match=r"AIS backend failed on ais://@uuid/.*/large: .*broke"):
        on_cluster(proxy.url, lambda store: _read(store, bucket, "large"))
    proxy.trouble.cut_after, proxy.trouble.is_stalling = None, True
    with pytest.raises(BackendUnavailable, match="no answer in time"):
        on_cluster(proxy.url, lambda store: _read(store, bucket, "large"))
    proxy.trouble.is_stalling = False
    proxy.close()


def test_hosts_that_may_not_be_asked(node: NodeProcess) -> None:
    by_name = node.url.replace("127.0.0.1", "localhost")
    for url, egress in ((node.url, EgressPolicy()), (by_name, LOOPBACK), (by_name, EgressPolicy.parse(["localhost"]))):
        with pytest.raises(AccessDenied, match="may fetch from"):
            on_cluster(url, lambda store: store.list_buckets(), egress)


def test_a_redirect_to_another_host_is_not_followed(node: NodeProcess) -> None:
    # A gateway that sends its clients to a host inside.
    class Redirecting(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(307)
            self.send_header("Location", "http://127.0.0.2:1/v1/objects/b/one")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            return

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Redirecting) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(AccessDenied, match=r"127\.0\.0\.2"):
            on_cluster(f"http://127.0.0.1:{server.server_address[1]}", lambda store: store.get("b", "one"))
        server.shutdown()


def test_no_token_of_this_environment_goes_to_another_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIS_AUTHN_TOKEN", "secret-token")
    assert RemoteCluster("far", "uuid", "http://127.0.0.1:1", LOOPBACK).session.token is None


def test_what_a_cluster_knows_from_its_own_store_is_neither_shown_nor_lost(node: NodeProcess) -> None:
    wire = Wire(node.url)
    bucket = wire.new_bucket()
    wire.put(bucket, "one", b"1")
    told = {"source": "aws", "ETag": "abc", "LastModified": "2024-05-01T10:00:00Z"}
    path = f"/v1/objects/{bucket}/one"
    assert wire.send("PATCH", path, {"value": told | {"mine": "yes"}}).status == 200

    async def work(store: AistoreBackend) -> tuple[RemoteObject, RemoteObject]:
        about = await store.head(bucket, "one")
        return about, await store.set_custom(bucket, "one", about, {"mine": "no", "moss-custom": '{"mine":null}'})

    about, changed = on_cluster(node.url, work)
    assert json.loads(about.custom["moss-custom"]) == {"mine": "yes"}
    assert about.modified_ns == 1_714_557_600 * 10**9
    assert json.loads(changed.custom["moss-custom"]) == {"mine": "no"}
    shown = wire.send("HEAD", path).headers["ais-custom-md"]
    assert set(shown.split(", ")) == {"source=aws", "ETag=abc", "LastModified=2024-05-01T10:00:00Z", "mine=no"}
