"""Google Cloud Storage: where credentials come from, objects that are packed, failures."""

import asyncio
import gzip
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from moss.errors import BackendDenied, BackendUnavailable
from moss.naming.bucket import Provider
from moss.node.backends.gcs import GcsBackend
from moss.node.backends.limits import Limits
from moss.node.backends.opening import open_backend
from tests.support.faulty import in_front_of, refusal
from tests.support.gcs import LOCATION, Gcs

QUICK = Limits(connect_s=0.5, read_s=2.0, retries=2, pause_s=0.01)


def _run(store: Any, work: Callable[[Any], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        try:
            async with asyncio.timeout(30):
                return await work(store)
        finally:
            await store.close()

    return asyncio.run(run())


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)


@pytest.fixture
def bucket(gcs: Gcs) -> str:
    gcs.make_bucket("gcs-tests")
    return "gcs-tests"


async def _put_and_read(store: GcsBackend, bucket: str) -> bytes:
    await store.put(bucket, "one", b"content", {})
    return await (await store.get(bucket, "one")).read()


def test_no_credentials() -> None:
    assert open_backend(Provider.GCP, environ={}) is None


@pytest.mark.parametrize("variable", ["GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_SERVICE_ACCOUNT"])
def test_file_of_a_service_account(gcs: Gcs, bucket: str, variable: str) -> None:
    store = open_backend(Provider.GCP, environ={variable: str(gcs.key_file), "GOOGLE_STORAGE_ENDPOINT": gcs.url})
    assert _run(store, lambda store: _put_and_read(store, bucket)) == b"content"


def test_key_of_a_service_account(gcs: Gcs, bucket: str) -> None:
    key = gcs.key_file.read_text()
    store = open_backend(Provider.GCP, environ={"GOOGLE_SERVICE_ACCOUNT_KEY": key, "GOOGLE_STORAGE_ENDPOINT": gcs.url})
    assert _run(store, lambda store: _put_and_read(store, bucket)) == b"content"


def test_file_that_gcloud_keeps(gcs: Gcs, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here of a service account, because the service of the tests knows no other."""
    folder = tmp_path / ".config" / "gcloud"
    folder.mkdir(parents=True)
    (folder / "application_default_credentials.json").write_text(gcs.key_file.read_text())
    store = open_backend(Provider.GCP, environ={"GOOGLE_STORAGE_ENDPOINT": gcs.url})
    assert store is not None
    assert _run(store, lambda store: _put_and_read(store, bucket)) == b"content"


def test_token_is_asked_for_once(gcs: Gcs, bucket: str) -> None:
    async def use(store: GcsBackend) -> None:
        for _ in range(3):
            await _put_and_read(store, bucket)
            await store.list(bucket)

    before = gcs.tokens_given
    _run(GcsBackend(gcs.environ), use)
    assert gcs.tokens_given == before + 1


@pytest.mark.parametrize("content", ["", "no json", '{"type": "service_account"}'])
def test_file_that_cannot_be_used(gcs: Gcs, bucket: str, tmp_path: Path, content: str) -> None:
    (tmp_path / "key.json").write_text(content)
    environ = {**gcs.environ, "GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "key.json")}
    for work in (lambda store: store.list(bucket), lambda store: store.get(bucket, "one")):
        with pytest.raises(BackendDenied, match=r"GCP backend .*credentials"):
            _run(GcsBackend(environ, limits=QUICK), work)


def test_service_that_gives_no_token(gcs: Gcs, bucket: str, tmp_path: Path) -> None:
    about = json.loads(gcs.key_file.read_text())
    (tmp_path / "key.json").write_text(json.dumps({**about, "token_uri": "http://127.0.0.1:1/token"}))
    environ = {**gcs.environ, "GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "key.json")}
    with pytest.raises(BackendDenied, match="no credentials") as found:
        _run(GcsBackend(environ, limits=QUICK), lambda store: store.list(bucket))
    assert about["private_key"] not in str(found.value)


def test_who_is_not_known_is_denied(gcs: Gcs, bucket: str) -> None:
    store = GcsBackend({"GOOGLE_STORAGE_ENDPOINT": gcs.url}, is_anonymous=True, limits=QUICK)
    for work in (lambda store: store.list(bucket), lambda store: store.get(bucket, "one")):
        with pytest.raises(BackendDenied, match="401"):
            _run(store, work)


def test_bucket(gcs: Gcs, bucket: str) -> None:
    about = _run(GcsBackend(gcs.environ), lambda store: store.head_bucket(bucket))
    assert (about.is_versioned, about.region) == (True, LOCATION.lower())


def test_generation_is_the_version(gcs: Gcs, bucket: str) -> None:
    async def use(store: GcsBackend) -> None:
        for name in ("one", "odd//one"):
            put = await store.put(bucket, name, b"1", {})
            assert (
                put.version == (await store.head(bucket, name)).version == (await store.get(bucket, name)).about.version
            )
            assert put.version.isdigit()

    _run(GcsBackend(gcs.environ), use)


def test_packed_objects_come_as_they_are_stored(gcs: Gcs, bucket: str) -> None:
    packed = gzip.compress(b"content" * 1000)
    for name in ("one", "odd//one"):
        gcs.put_packed(bucket, name, packed)

    async def use(store: GcsBackend) -> None:
        for name in ("one", "odd//one"):
            assert await (await store.get(bucket, name)).read() == packed
            assert (await store.head(bucket, name)).size == len(packed)

    _run(GcsBackend(gcs.environ), use)


def test_large_write_that_fails_leaves_nothing(gcs: Gcs, bucket: str) -> None:
    async def pieces() -> Any:
        for _ in range(20):
            yield bytes(1 << 20)

    with in_front_of(gcs.url) as front:
        front.rule = lambda request: refusal(403, "AccessDenied") if "partNumber=3" in request.raw_path else None
        store = GcsBackend({**gcs.environ, "GOOGLE_STORAGE_ENDPOINT": front.url}, limits=QUICK)
        with pytest.raises(BackendDenied):
            _run(store, lambda store: store.put(bucket, "one", pieces(), {}))
    assert gcs.uploads == {}


def test_overloaded(gcs: Gcs, bucket: str) -> None:
    with in_front_of(gcs.url) as front:
        environ = {**gcs.environ, "GOOGLE_STORAGE_ENDPOINT": front.url}
        for work in (lambda store: store.list(bucket), lambda store: store.put(bucket, "one", b"1", {})):
            front.refuse(2, 429, "SlowDown")
            _run(GcsBackend(environ, limits=QUICK), work)
            front.refuse(3, 503, "SlowDown")
            with pytest.raises(BackendUnavailable, match=r"GCP backend failed on gs://gcs-tests.*503"):
                _run(GcsBackend(environ, limits=QUICK), work)
