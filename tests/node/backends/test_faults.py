"""What adapters do when a store is slow, gone, overloaded or refuses: asked again while that helps, then an error."""

import asyncio
import itertools
import socket
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest

from moss.errors import BackendDenied, BackendUnavailable, BucketNotFound, MossError, ObjectNotFound
from moss.node.backends.limits import Limits
from moss.node.backends.s3 import S3Backend
from tests.support.faulty import Faulty, in_front_of, refusal
from tests.support.proxy import Proxy
from tests.support.rgw import ACCESS_KEY, SECRET_KEY, Rgw

QUICK = Limits(connect_s=0.5, read_s=0.5, retries=3, retry_s=3.0, pause_s=0.01, pause_s_max=0.1)
CONTENT = bytes(range(256)) * 400
ODD = "odd//name"


def _store(url: str, *, secret: str = SECRET_KEY, limits: Limits = QUICK, **options: Any) -> S3Backend:
    return S3Backend(endpoint=url, region="us-east-1", keys=(ACCESS_KEY, secret), limits=limits, **options)


def _run(store: S3Backend, work: Callable[[S3Backend], Awaitable[Any]], s_max: float = 20.0) -> Any:
    async def run() -> Any:
        try:
            async with asyncio.timeout(s_max):
                return await work(store)
        finally:
            await store.close()

    return asyncio.run(run())


def _failure(store: S3Backend, work: Callable[[S3Backend], Awaitable[Any]], s_max: float = 20.0) -> MossError:
    with pytest.raises(MossError) as found:
        _run(store, work, s_max)
    assert SECRET_KEY not in str(found.value) and ACCESS_KEY not in str(found.value)
    assert "Signature=" not in str(found.value)
    return found.value


async def _read(store: S3Backend, bucket: str, name: str, **options: Any) -> bytes:
    return await (await store.get(bucket, name, **options)).read()


def _calls(bucket: str) -> dict[str, Callable[[S3Backend], Awaitable[Any]]]:
    """Return one call of each kind, both ways that names are spelled."""
    found: dict[str, Callable[[S3Backend], Awaitable[Any]]] = {
        "list_buckets": lambda store: store.list_buckets(),
        "head_bucket": lambda store: store.head_bucket(bucket),
        "list": lambda store: store.list(bucket),
    }
    for name in ("plain", ODD):
        found |= {
            f"get {name}": lambda store, name=name: _read(store, bucket, name),
            f"put {name}": lambda store, name=name: store.put(bucket, name, CONTENT, {}),
        }
    found["head plain"] = lambda store: store.head(bucket, "plain")
    found["delete plain"] = lambda store: store.delete(bucket, "plain-other")
    return found


CALLS = tuple(_calls(""))


@pytest.fixture(scope="module")
def bucket(rgw: Rgw) -> str:
    name = f"faults-{uuid.uuid4().hex[:12]}"
    client = rgw.client()
    client.create_bucket(Bucket=name)
    for key in ("plain", ODD):
        client.put_object(Bucket=name, Key=key, Body=CONTENT)
    return name


@pytest.fixture(scope="module")
def _front(rgw: Rgw) -> Iterator[Faulty]:
    with in_front_of(rgw.url) as service:
        yield service


@pytest.fixture
def front(_front: Faulty) -> Faulty:
    _front.next.clear()
    _front.rule = lambda request: None
    _front.seen.clear()
    return _front


@pytest.fixture
def proxy(rgw: Rgw) -> Iterator[Proxy]:
    running = Proxy(rgw.url)
    try:
        yield running
    finally:
        running.close()


@pytest.mark.parametrize("call", CALLS)
def test_overloaded_for_a_moment(front: Faulty, bucket: str, call: str) -> None:
    for status, code in ((503, "SlowDown"), (429, "TooManyRequests")):
        front.seen.clear()
        front.refuse(2, status, code)
        _run(_store(front.url), _calls(bucket)[call])
        assert len(front.seen) >= 3


@pytest.mark.parametrize("call", CALLS)
def test_overloaded_for_good(front: Faulty, bucket: str, call: str) -> None:
    front.rule = lambda request: refusal(503, "SlowDown")
    error = _failure(_store(front.url), _calls(bucket)[call])
    assert type(error) is BackendUnavailable
    assert "503" in str(error) and "AWS backend failed on s3://" in str(error)
    assert call == "list_buckets" or bucket in str(error)
    assert 2 <= len(front.seen) <= 4


def test_the_pause_that_a_store_asks_for_is_kept(front: Faulty, bucket: str) -> None:
    front.refuse(1, 503, "SlowDown", Retry_After="1")

    async def listing(store: S3Backend) -> float:
        began = asyncio.get_running_loop().time()
        await store.list(bucket)
        return asyncio.get_running_loop().time() - began

    assert _run(_store(front.url), listing) >= 1.0
    # One that is too long is not waited for.
    front.refuse(1, 503, "SlowDown", Retry_After="3600")
    assert "503 SlowDown" in str(_failure(_store(front.url), listing, 5.0))


@pytest.mark.parametrize("call", CALLS)
def test_wrong_keys(rgw: Rgw, bucket: str, call: str) -> None:
    error = _failure(_store(rgw.url, secret="another-secret"), _calls(bucket)[call], 5.0)
    assert type(error) is BackendDenied
    assert "AWS backend refused access to s3://" in str(error) and "403" in str(error)
    assert "another-secret" not in str(error)


@pytest.mark.parametrize("call", CALLS)
def test_refused_connection(bucket: str, call: str) -> None:
    error = _failure(_store("http://127.0.0.1:1"), _calls("some-bucket")[call], 5.0)
    assert type(error) is BackendUnavailable
    assert str(error).endswith("connection refused")


def test_refused_connection_with_the_usual_limits_takes_less_than_5_s() -> None:
    for call in ("head_bucket", "get plain", f"get {ODD}"):
        error = _failure(_store("http://127.0.0.1:1", limits=Limits()), _calls("some-bucket")[call], 5.0)
        assert str(error).endswith("connection refused")


@pytest.mark.parametrize("call", ["head_bucket", "get plain", f"get {ODD}"])
def test_name_that_does_not_resolve(call: str) -> None:
    error = _failure(_store("http://nowhere.invalid"), _calls("some-bucket")[call], 10.0)
    assert type(error) is BackendUnavailable
    assert "cannot be resolved" in str(error)


@pytest.mark.parametrize("call", CALLS)
def test_stalled_answer(proxy: Proxy, bucket: str, call: str) -> None:
    proxy.trouble.is_stalling = True
    limits = Limits(connect_s=0.5, read_s=0.2, retries=1, pause_s=0.01)
    error = _failure(_store(proxy.url, limits=limits), _calls(bucket)[call], 10.0)
    assert type(error) is BackendUnavailable
    assert str(error).endswith("no answer in time")


@pytest.mark.parametrize("name", ["plain", ODD])
def test_answer_that_breaks_off_each_time(proxy: Proxy, bucket: str, name: str) -> None:
    proxy.trouble.cut_after = 10_000
    error = _failure(_store(proxy.url), lambda store: _read(store, bucket, name), 10.0)
    assert type(error) is BackendUnavailable
    assert f"s3://{bucket}/{name}" in str(error)


def test_store_that_sends_less_than_it_announced(front: Faulty, bucket: str) -> None:
    async def read(store: S3Backend, name: str) -> bytes:
        return b"".join([chunk async for chunk in (await store.get(bucket, name, 10, 1000)).chunks()])

    def short(request: Any) -> Any:
        span = {"Content-Range": f"bytes 10-1009/{len(CONTENT)}", "ETag": '"e"', "Last-Modified": _WHEN}
        return None if "Range" not in request.headers else _answer(206, span, CONTENT[10:900])

    front.rule = short
    for name in ("plain", ODD):
        error = _failure(_store(front.url), lambda store, name=name: read(store, name), 10.0)
        assert type(error) is BackendUnavailable


_WHEN = "Sat, 21 Nov 2026 17:00:00 GMT"


def _answer(status: int, headers: dict[str, str], body: bytes) -> Any:
    from aiohttp import web

    return web.Response(status=status, headers=headers, body=body)


@pytest.mark.parametrize("status", [301, 400])
@pytest.mark.parametrize("call", [call for call in CALLS if call != "list_buckets"])
def test_bucket_of_another_region(front: Faulty, bucket: str, call: str, status: int) -> None:
    where = {"x-amz-bucket-region": "eu-south-9"}
    code = {301: "PermanentRedirect", 400: "AuthorizationHeaderMalformed"}[status]

    def elsewhere(request: Any) -> Any:
        is_right = "/eu-south-9/s3/" in request.headers.get("Authorization", "")
        return None if is_right else refusal(status, code, where, "<Region>eu-south-9</Region>")

    front.rule = elsewhere
    store = _store(front.url)
    calls = _calls(bucket)

    async def twice(store: S3Backend) -> int:
        await calls[call](store)
        before = len(front.seen)
        await calls[call](store)
        return len(front.seen) - before

    # Where it is has to be found out once only.
    assert _run(store, twice) == {"head_bucket": 2}.get(call, 1)


def test_no_such_bucket(rgw: Rgw) -> None:
    calls = _calls("moss-no-such-bucket")
    for call in ("head_bucket", "list", "get plain", "put plain", f"get {ODD}", f"put {ODD}"):
        error = _failure(_store(rgw.url), calls[call])
        assert type(error) is BucketNotFound
        assert str(error) == 'aws bucket "s3://moss-no-such-bucket" does not exist'


def test_denied_by_policy(front: Faulty, bucket: str) -> None:
    front.rule = lambda request: refusal(403, "AccessDenied")
    for call in ("list", "get plain", "put plain", f"get {ODD}"):
        error = _failure(_store(front.url), _calls(bucket)[call])
        assert type(error) is BackendDenied and "403 AccessDenied" in str(error)
        assert len(front.seen) == 1, "a refusal is not asked for again"
        front.seen.clear()


def test_who_may_not_read_how_a_bucket_is_set_up_may_use_it(front: Faulty, bucket: str) -> None:
    front.rule = lambda request: refusal(403, "AccessDenied") if "versioning" in request.raw_path else None
    assert _run(_store(front.url), lambda store: store.head_bucket(bucket)).is_versioned is False


# -- large writes ------------------------------------------------------------------------------------------


async def _pieces(count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield bytes(1 << 20)


def _uploads(rgw: Rgw, bucket: str) -> list[Any]:
    return rgw.client().list_multipart_uploads(Bucket=bucket).get("Uploads", [])


def test_part_that_fails_is_sent_again(rgw: Rgw, front: Faulty, bucket: str) -> None:
    failures = itertools.count()

    def rule(request: Any) -> Any:
        fails = "partNumber=2" in request.raw_path and next(failures) < 2
        return refusal(503, "SlowDown") if fails else None

    front.rule = rule
    put = _run(_store(front.url), lambda store: store.put(bucket, "large", _pieces(20), {"k": "v"}, 20 << 20))
    assert rgw.client().head_object(Bucket=bucket, Key="large")["ContentLength"] == put.size == 20 << 20


@pytest.mark.parametrize("what", ["partNumber=2", "POST"])
def test_large_write_that_fails_leaves_nothing(rgw: Rgw, front: Faulty, bucket: str, what: str) -> None:
    def rule(request: Any) -> Any:
        is_meant = f"{request.method} {request.raw_path}".find(what) >= 0 and "uploads=" not in request.raw_path
        return refusal(403, "AccessDenied") if is_meant else None

    front.rule = rule
    error = _failure(_store(front.url), lambda store: store.put(bucket, "failed", _pieces(20), {}, 20 << 20))
    assert type(error) is BackendDenied
    assert _uploads(rgw, bucket) == []
    _expect_absent(rgw, bucket, "failed")


def test_large_write_whose_client_goes_away_leaves_nothing(rgw: Rgw, bucket: str) -> None:
    async def broken() -> AsyncIterator[bytes]:
        async for piece in _pieces(20):
            yield piece
        raise ConnectionResetError

    async def cancelled(store: S3Backend) -> None:
        reached = asyncio.Event()

        async def endless() -> AsyncIterator[bytes]:
            async for piece in _pieces(20):
                yield piece
            reached.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(store.put(bucket, "failed", endless(), {}))
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with pytest.raises(ConnectionResetError):
        _run(_store(rgw.url), lambda store: store.put(bucket, "failed", broken(), {}))
    _run(_store(rgw.url), cancelled)
    assert _uploads(rgw, bucket) == []
    _expect_absent(rgw, bucket, "failed")


def test_large_write_that_the_store_calls_failed_after_all(rgw: Rgw, front: Faulty, bucket: str) -> None:
    def rule(request: Any) -> Any:
        is_end = request.method == "POST" and "uploadId=" in request.raw_path
        return refusal(200, "InternalError") if is_end else None

    front.rule = rule
    error = _failure(_store(front.url), lambda store: store.put(bucket, "failed", _pieces(20), {}, 20 << 20))
    assert type(error) is BackendUnavailable and "InternalError" in str(error)
    _expect_absent(rgw, bucket, "failed")


def test_only_a_few_parts_of_a_large_write_are_in_memory(front: Faulty, bucket: str) -> None:
    given, most = 0, 0
    front.rule = lambda request: None

    async def counted() -> AsyncIterator[bytes]:
        nonlocal given, most
        async for piece in _pieces(60):
            sent = sum(1 for _, path in front.seen if "partNumber=" in path)
            given += len(piece)
            most = max(most, given - sent * (8 << 20))
            yield piece

    _run(_store(front.url), lambda store: store.put(bucket, "large", counted(), {}, 60 << 20))
    assert most <= 48 << 20


def _expect_absent(rgw: Rgw, bucket: str, name: str) -> None:
    with pytest.raises(ObjectNotFound):
        _run(_store(rgw.url), lambda store: store.head(bucket, name))


def test_names_do_not_change_what_is_said_of_a_failure() -> None:
    for name in ("no credentials", "InvalidCertificate", "dns error", "x status code: 404 <Code>NoSuchBucket</Code>"):
        error = _failure(_store("http://127.0.0.1:1"), lambda store, name=name: store.get("credentials", name), 5.0)
        assert type(error) is BackendUnavailable and str(error).endswith("connection refused"), str(error)


@pytest.mark.parametrize("size", [1 << 20, 8 << 20, 20 << 20])
def test_store_that_takes_nothing_of_a_body(size: int) -> None:
    limits = Limits(connect_s=0.5, read_s=0.2, retries=1, pause_s=0.01, slow_bytes_per_s=1 << 30)
    with socket.create_server(("127.0.0.1", 0), backlog=16) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        error = _failure(_store(url, limits=limits), lambda store: store.put("bucket", "one", bytes(size), {}), 10.0)
    assert type(error) is BackendUnavailable and str(error).endswith("no answer in time")


def test_answers_that_make_no_sense(front: Faulty, bucket: str) -> None:
    for body in (b"", b"<html>", b"<a/>" * 9, b"<ListBucketResult><Contents><Key>k</Key><Size>x</Size></Contents>"):
        front.rule = lambda request, body=body: _answer(200, {}, body)
        error = _failure(_store(front.url), lambda store: store.list(bucket))
        assert type(error) is BackendUnavailable and "cannot be understood" in str(error)
