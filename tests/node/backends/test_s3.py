"""S3: where credentials, endpoints, regions and certificates come from; versions; what other clients wrote."""

import asyncio
import datetime
import hashlib
import ipaddress
import os
import ssl
import uuid
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from moto.server import ThreadedMotoServer

from moss.errors import BackendDenied, BackendUnavailable
from moss.naming.bucket import Provider
from moss.node.backends.limits import Limits
from moss.node.backends.opening import BackendSettings, OpenedBackends, open_backend, open_backends
from moss.node.backends.s3 import S3Backend
from tests.support.faulty import Faulty, in_front_of, refusal
from tests.support.rgw import ACCESS_KEY, SECRET_KEY, Rgw

QUICK = Limits(connect_s=0.5, read_s=5.0, retries=1, pause_s=0.01)


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
    """A shell without any credentials, and without a home to find some in."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "S3_", "OCI_", "AZURE_", "GOOGLE_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture(scope="module")
def bucket(rgw: Rgw) -> str:
    name = f"s3-{uuid.uuid4().hex[:12]}"
    rgw.client().create_bucket(Bucket=name)
    rgw.client().put_object(Bucket=name, Key="one", Body=b"content")
    rgw.client().put_object(Bucket=name, Key="odd//one", Body=b"odd content")
    return name


async def _both(store: S3Backend, bucket: str) -> tuple[bytes, bytes]:
    """Read one object each way that names are spelled."""
    return tuple([await (await store.get(bucket, name)).read() for name in ("one", "odd//one")])  # type: ignore


CONTENTS = (b"content", b"odd content")

# -- credentials and endpoints -------------------------------------------------------------------------


def test_a_shell_without_credentials_has_no_stores() -> None:
    assert open_backends() == {}
    assert open_backends(endpoint_url="http://127.0.0.1:1") == {}


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "S3_ENDPOINT"])
def test_variables(rgw: Rgw, bucket: str, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    for name, value in rgw.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.setenv(variable, rgw.url)
    store = open_backends()[Provider.AWS]
    assert _run(store, lambda store: _both(store, bucket)) == CONTENTS


def test_given_endpoint_is_stronger_than_the_variable(rgw: Rgw, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in rgw.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    store = open_backends(endpoint_url=rgw.url)[Provider.AWS]
    assert _run(store, lambda store: _both(store, bucket)) == CONTENTS


@pytest.fixture
def profiles(rgw: Rgw, tmp_path: Path) -> Path:
    folder = tmp_path / ".aws"
    folder.mkdir()
    (folder / "credentials").write_text(
        f"[default]\naws_access_key_id = nobody\naws_secret_access_key = nothing\n"
        f"[tests]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n"
    )
    (folder / "config").write_text(
        f"[default]\nregion = eu-west-1\nendpoint_url = {rgw.url}\n"
        f"[profile tests]\nregion = us-west-2\nservices = here\n[services here]\ns3 =\n  endpoint_url = {rgw.url}\n"
    )
    return folder


def test_profile_files(bucket: str, profiles: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_backends()[Provider.AWS]
    with pytest.raises(BackendDenied, match="403"):
        _run(store, lambda store: _both(store, bucket))
    monkeypatch.setenv("AWS_PROFILE", "tests")
    store = open_backends()[Provider.AWS]
    assert _run(store, lambda store: _both(store, bucket)) == CONTENTS


def test_profile_that_does_not_exist(bucket: str, profiles: Path) -> None:
    store = open_backend(Provider.AWS, BackendSettings(profile="absent"))
    for work in (lambda store: store.list_buckets(), lambda store: store.get(bucket, "one")):
        with pytest.raises(BackendDenied, match='AWS backend cannot be used with profile "absent": ProfileNotFound'):
            _run(store, work)


def test_files_without_credentials(bucket: str, tmp_path: Path) -> None:
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "config").write_text("[default]\nregion = eu-west-1\n")
    store = open_backends()[Provider.AWS]
    for work in (lambda store: store.list_buckets(), lambda store: store.put(bucket, "one", b"1", {})):
        with pytest.raises(BackendDenied, match="credentials"):
            _run(store, work)


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def test_web_identity(moto: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What a pod on Kubernetes has: a token in a file, a role to take with it."""
    (tmp_path / "token").write_text("token-of-the-pod")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/moss")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", moto)
    tokens: set[str] = set()

    def look(request: Any) -> Any:
        tokens.add(request.headers.get("X-Amz-Security-Token", ""))
        return None if request.method != "GET" else refusal(404, "NoSuchKey")

    with in_front_of(moto) as front:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", front.url)
        front.rule = look

        async def use(store: Any) -> None:
            for name in ("one", "odd//one"):
                await asyncio.gather(store.get("bucket", name), return_exceptions=True)

        _run(open_backends()[Provider.AWS], use)
        assert len(front.seen) == 2
    assert len(tokens) == 1 and len(tokens.pop()) > 20


def test_oci(rgw: Rgw, bucket: str) -> None:
    environ = {"OCI_ACCESS_KEY_ID": ACCESS_KEY, "OCI_SECRET_ACCESS_KEY": SECRET_KEY, "OCI_REGION": "eu-frankfurt-1"}
    assert open_backend(Provider.OCI, environ=environ) is None  # nothing says where
    assert open_backend(Provider.OCI, environ={**environ, "OCI_NAMESPACE": "tenancy"}) is not None
    store = open_backend(Provider.OCI, environ={**environ, "OCI_ENDPOINT_URL": rgw.url})
    assert store is not None and store.provider is Provider.OCI
    assert _run(store, lambda store: _both(store, bucket)) == CONTENTS


# -- settings of single buckets ------------------------------------------------------------------------


def test_stores_that_buckets_name(rgw: Rgw, bucket: str, monkeypatch: pytest.MonkeyPatch, profiles: Path) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    allowed: list[str] = []

    async def run() -> None:
        opened = OpenedBackends(asyncio.get_running_loop(), open_backends(limits=QUICK), allowed.append)
        usual = opened.get(Provider.AWS)
        assert usual is opened.get(Provider.AWS, BackendSettings())
        named = opened.get(Provider.AWS, BackendSettings(rgw.url, "tests"))
        assert named is opened.get(Provider.AWS, BackendSettings(rgw.url, "tests")) is not usual
        assert allowed == [rgw.url]
        assert named is not None and usual is not None
        assert await _both(named, bucket) == CONTENTS  # type: ignore[arg-type]
        with pytest.raises(BackendUnavailable, match="connection refused"):
            await usual.get(bucket, "one")
        # Bounded: those that were used longest ago are opened anew.
        for number in range(100):
            opened.get(Provider.AWS, BackendSettings(f"http://127.0.0.1:{number + 1}"))
        again = opened.get(Provider.AWS, BackendSettings(rgw.url, "tests"))
        assert again is not named and again is not None
        assert await _both(named, bucket) == await _both(again, bucket) == CONTENTS  # type: ignore[arg-type]
        assert opened.get(Provider.GCP, BackendSettings(rgw.url)) is None
        await named.close()
        await opened.close()

    asyncio.run(run())


def test_endpoint_that_is_not_allowed(profiles: Path) -> None:
    def refuse(endpoint: str) -> None:
        raise BackendDenied(endpoint)

    async def run() -> None:
        opened = OpenedBackends(asyncio.get_running_loop(), {}, refuse)
        with pytest.raises(BackendDenied, match="inside"):
            opened.get(Provider.AWS, BackendSettings("http://inside.example"))

    asyncio.run(run())


# -- certificates --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def safe_front(rgw: Rgw, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Faulty, Path]]:
    """The service behind HTTPS, with a certificate that nobody trusts unless told."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tests")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    path = folder / "certificate.pem"
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path, folder / "key.pem")
    with in_front_of(rgw.url, context) as front:
        yield front, path


def test_certificates_of_our_own(
    rgw: Rgw, bucket: str, safe_front: tuple[Faulty, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    front, path = safe_front
    store = _store(front.url)
    for name in ("one", "odd//one"):
        with pytest.raises(BackendUnavailable, match="its certificate is not trusted"):
            _run(store, lambda store, name=name: store.get(bucket, name))
    monkeypatch.setenv("AWS_CA_BUNDLE", str(path))

    async def use(store: S3Backend) -> Any:
        await store.put(bucket, "large", bytes(20 << 20), {})  # its parts are not hashed over HTTPS
        return (await store.head(bucket, "large")).size, await _both(store, bucket)

    assert _run(_store(front.url), use) == (20 << 20, CONTENTS)


def test_certificates_that_cannot_be_read(rgw: Rgw, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", "/nowhere/at.all")
    with pytest.raises(BackendDenied, match="AWS_CA_BUNDLE cannot be read"):
        _run(_store(rgw.url), lambda store: store.get(bucket, "one"))


def _store(url: str) -> S3Backend:
    return S3Backend(endpoint=url, keys=(ACCESS_KEY, SECRET_KEY), limits=QUICK)


# -- objects -------------------------------------------------------------------------------------------


def test_versions(rgw: Rgw) -> None:
    name = f"s3-{uuid.uuid4().hex[:12]}"
    client = rgw.client()
    client.create_bucket(Bucket=name)

    async def use(store: S3Backend) -> None:
        assert (await store.head_bucket(name)).is_versioned is False
        assert (await store.put(name, "one", b"0", {})).version == ""
        client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        assert (await store.head_bucket(name)).is_versioned is True
        for key in ("one", "odd//one"):
            put = [await store.put(name, key, b"content", {}) for _ in range(2)]
            assert len({about.version for about in put} - {""}) == 2
            head = await store.head(name, key)
            assert head.version == put[1].version == (await store.get(name, key)).about.version
            changed = await store.set_custom(name, key, head, {"k": "v"})
            assert changed is not None and changed.version == (await store.head(name, key)).version != head.version

        async def pieces() -> Any:
            for _ in range(20):
                yield bytes(1 << 20)

        large = await store.put(name, "large", pieces(), {})
        assert large.version == (await store.head(name, "large")).version != ""

    _run(_store(rgw.url), use)


def test_what_other_clients_wrote(rgw: Rgw, bucket: str) -> None:
    client = rgw.client()
    client.put_object(
        Bucket=bucket, Key="theirs", Body=b"<p>", ContentType="text/html", CacheControl="no-cache",
        ContentEncoding="gzip", Metadata={"Who": "Somebody", "word": "=?UTF-8?B?w6nimIM=?="},
    )  # fmt: skip

    async def use(store: S3Backend) -> None:
        for about in (await store.head(bucket, "theirs"), (await store.get(bucket, "theirs")).about):
            assert about.content_type == "text/html"
            assert dict(about.custom) == {"who": "Somebody", "word": "é☃"}
            assert about.md5 == hashlib.md5(b"<p>").hexdigest()
        assert await (await store.get(bucket, "theirs")).read() == b"<p>"
        # Metadata that is no ASCII, as some clients send it.
        raw = store._rest.request("PUT", bucket, "raw", headers={"x-amz-meta-who": "é☃"}, body=b"content")
        await store._rest.client.ask(raw)
        assert dict((await store.head(bucket, "raw")).custom) == {"who": "é☃"}
        read = await store.get(bucket, "raw", 1, 3)
        assert (dict(read.about.custom), await read.read()) == ({"who": "é☃"}, b"ont")

    _run(_store(rgw.url), use)


def test_entity_tag_of_parts_is_no_md5(rgw: Rgw, bucket: str) -> None:
    async def use(store: S3Backend) -> None:
        async def pieces() -> Any:
            for _ in range(10):
                yield bytes(1 << 20)

        put = await store.put(bucket, "parts", pieces(), {}, 10 << 20)
        assert "-" in put.etag and put.md5 == ""
        assert rgw.client().head_object(Bucket=bucket, Key="parts")["ETag"] == f'"{put.etag}"'

    _run(_store(rgw.url), use)


def test_listing_of_more_than_a_page(rgw: Rgw) -> None:
    name = f"s3-{uuid.uuid4().hex[:12]}"
    rgw.client().create_bucket(Bucket=name)
    names = [f"{number:05}" for number in range(1005)]

    async def use(store: S3Backend) -> None:
        for at in range(0, len(names), 67):
            await asyncio.gather(*(store.put(name, key, b"", {}) for key in names[at : at + 67]))
        first = await store.list(name, limit=5000)
        assert ([row.name for row in first.objects], first.next_after) == (names[:1000], "00999")
        second = await store.list(name, start_after=first.next_after, limit=5000)
        assert ([row.name for row in second.objects], second.next_after) == (names[1000:], "")

    _run(_store(rgw.url), use)


def test_keys_are_not_shown(rgw: Rgw) -> None:
    store = _store(rgw.url)
    for text in (repr(store), repr(vars(store)), str(store)):
        assert SECRET_KEY not in text
