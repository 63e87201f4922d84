"""Azure: accounts, keys, signatures and identities; listings, which go on from marks there."""

import asyncio
import base64
import datetime
import hashlib
import hmac
import json
import threading
import uuid
from collections.abc import Awaitable, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from moss.errors import BackendDenied, BackendUnavailable, InvalidName, ObjectNotFound
from moss.naming.bucket import Provider
from moss.node.backends.azure import AzureBackend
from moss.node.backends.azure_account import API_VERSION, Identity, Token, read_account
from moss.node.backends.limits import Limits
from moss.node.backends.opening import open_backend, open_backends
from tests.support.azurite import ACCOUNT, KEY, Azurite, make_container
from tests.support.faulty import in_front_of, refusal

QUICK = Limits(connect_s=0.5, read_s=5.0, retries=2, pause_s=0.01)


def _run(store: Any, work: Callable[[Any], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        try:
            async with asyncio.timeout(30):
                return await work(store)
        finally:
            await store.close()

    return asyncio.run(run())


@pytest.fixture
def bucket(azurite: Azurite) -> str:
    name = f"azure-{uuid.uuid4().hex[:12]}"
    asyncio.run(make_container(azurite, name))
    return name


async def _put_and_read(store: AzureBackend, bucket: str) -> list[bytes]:
    """Write and read each way that names are spelled, and list."""
    found = []
    for name in ("one", "odd//one"):
        await store.put(bucket, name, b"content", {})
        found.append(await (await store.get(bucket, name)).read())
    assert [row.name for row in (await store.list(bucket)).objects] == ["odd//one", "one"]
    return found


# -- accounts --------------------------------------------------------------------------------------------


def test_no_credentials() -> None:
    assert open_backend(Provider.AZURE, environ={}) is None


@pytest.mark.parametrize(
    ("account", "key"),
    [
        ("AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT_KEY"),
        ("AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_KEY"),
        ("AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_ACCESS_KEY"),
    ],
)
def test_account_and_key(azurite: Azurite, bucket: str, account: str, key: str) -> None:
    environ = {account: ACCOUNT, key: KEY, "AZURE_STORAGE_SERVICE_ENDPOINT": azurite.url}
    store = open_backend(Provider.AZURE, environ=environ)
    assert _run(store, lambda store: _put_and_read(store, bucket)) == [b"content"] * 2


def test_shared_access_signature(azurite: Azurite, bucket: str) -> None:
    for environ in (
        {"AZURE_STORAGE_ACCOUNT": ACCOUNT, "AZURE_STORAGE_SERVICE_ENDPOINT": azurite.url,
         "AZURE_STORAGE_SAS_TOKEN": f"?{_signature()}"},
        {"AZURE_STORAGE_CONNECTION_STRING": f"BlobEndpoint={azurite.url};SharedAccessSignature={_signature()}",
         "AZURE_STORAGE_ACCOUNT": ACCOUNT},
    ):  # fmt: skip
        store = open_backend(Provider.AZURE, environ=environ)
        assert _run(store, lambda store: _put_and_read(store, bucket)) == [b"content"] * 2


def _signature() -> str:
    """Sign for all of the account's blobs for an hour. Source: "Create an account SAS" in Azure's documentation."""
    end = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)
    words = {"sp": "rwdlac", "ss": "b", "srt": "sco", "st": "", "se": f"{end:%Y-%m-%dT%H:%M:%SZ}"}
    lines = [ACCOUNT, *words.values(), "", "http,https", "2020-08-04", ""]
    lines[1:6] = [words["sp"], words["ss"], words["srt"], words["st"], words["se"]]
    digest = hmac.digest(base64.b64decode(KEY), "\n".join(lines).encode(), hashlib.sha256)
    told = {key: value for key, value in words.items() if value} | {"spr": "http,https", "sv": "2020-08-04"}
    return urlencode({**told, "sig": base64.b64encode(digest).decode()})


def test_usual_addresses() -> None:
    account = read_account({"AZURE_STORAGE_ACCOUNT": "mine", "AZURE_STORAGE_KEY": KEY})
    assert account is not None and account.endpoint == "https://mine.blob.core.windows.net"
    words = f"AccountName=mine;AccountKey={KEY};EndpointSuffix=core.chinacloudapi.cn;DefaultEndpointsProtocol=https"
    account = read_account({"AZURE_STORAGE_CONNECTION_STRING": words})
    assert account is not None and (account.name, account.key) == ("mine", KEY)
    assert account.endpoint == "https://mine.blob.core.chinacloudapi.cn"
    account = read_account({"AIS_AZURE_URL": "https://mine.blob.core.windows.net/", "AZURE_STORAGE_KEY": KEY})
    assert account is not None and account.name == "mine"
    account = read_account({"AZURE_STORAGE_CONNECTION_STRING": "UseDevelopmentStorage=true;"})
    assert account is not None and account.endpoint == "http://127.0.0.1:10000/devstoreaccount1"


def test_keys_are_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(BackendDenied, match="not in base64") as found:
        read_account({"AZURE_STORAGE_ACCOUNT": "mine", "AZURE_STORAGE_KEY": "no-base64!"})
    assert "no-base64" not in str(found.value)
    # A node starts all the same, without it.
    with caplog.at_level("WARNING"):
        opened = open_backends({"AZURE_STORAGE_ACCOUNT": "mine", "AZURE_STORAGE_KEY": "no-base64!"})
    assert Provider.AZURE not in opened
    assert "Azure backend cannot be used" in caplog.text and "no-base64" not in caplog.text
    account = read_account(
        {"AZURE_STORAGE_ACCOUNT": "mine", "AZURE_STORAGE_KEY": KEY, "AZURE_STORAGE_SAS_TOKEN": "x=y"}
    )
    assert KEY not in repr(account) and "x=y" not in repr(account)
    assert "secret" not in repr(Token("secret", 0.0)) and "secret" not in repr(Identity(lambda: Token("secret", 0.0)))


def test_wrong_key(azurite: Azurite, bucket: str) -> None:
    other = base64.b64encode(b"another key").decode()
    environ = {
        "AZURE_STORAGE_ACCOUNT": ACCOUNT, "AZURE_STORAGE_KEY": other, "AZURE_STORAGE_SERVICE_ENDPOINT": azurite.url
    }  # fmt: skip
    store = open_backend(Provider.AZURE, environ=environ, limits=QUICK)
    for work in (
        lambda store: store.list_buckets(),
        lambda store: store.list(bucket),
        lambda store: store.get(bucket, "one"),
        lambda store: store.put(bucket, "one", b"1", {}),
    ):
        with pytest.raises(BackendDenied, match=r"Azure backend refused access to az://.*403") as found:
            _run(store, work)
        assert other not in str(found.value)


# -- identities ------------------------------------------------------------------------------------------


class _Identities(BaseHTTPRequestHandler):
    """Gives out tokens as Entra ID and as a machine's own service do; `asked` has what was asked."""

    asked: list[tuple[str, dict[str, str], dict[str, str]]]

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        self._answer(parts.path, dict(parse_qsl(parts.query)), "expires_on", 4102444800)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(self.path, dict(parse_qsl(body.decode())), "expires_in", 3600)

    def _answer(self, path: str, words: dict[str, str], key: str, value: int) -> None:
        type(self).asked.append((path, words, dict(self.headers.items())))
        is_known = words.get("client_secret") != "wrong"
        body = json.dumps({"access_token": "the-token", key: value} if is_known else {"error": "invalid"}).encode()
        self.send_response(200 if is_known else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture
def identities() -> Iterator[str]:
    _Identities.asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Identities)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def _tokens(environ: dict[str, str], azurite: Azurite) -> set[str]:
    """Return what requests prove with; they go no farther than to the service in front."""
    told: set[str] = set()

    def look(request: Any) -> Any:
        told.add(request.headers.get("Authorization", ""))
        assert request.headers["x-ms-version"]
        return refusal(404, "ContainerNotFound")

    async def use(store: AzureBackend) -> None:
        calls = [store.list("container"), *(store.get("container", name) for name in ("one", "odd//one"))]
        await asyncio.gather(*calls, return_exceptions=True)

    with in_front_of(azurite.url) as front:
        front.rule = look
        environ = {"AZURE_STORAGE_ACCOUNT": ACCOUNT, "AZURE_STORAGE_SERVICE_ENDPOINT": front.url, **environ}
        _run(open_backend(Provider.AZURE, environ=environ), use)
        assert len(front.seen) == 3
    return told


def test_client_with_a_secret(azurite: Azurite, identities: str) -> None:
    environ = {
        "AZURE_TENANT_ID": "tenant", "AZURE_CLIENT_ID": "client", "AZURE_CLIENT_SECRET": "secret",
        "AZURE_AUTHORITY_HOST": identities,
    }  # fmt: skip
    assert _tokens(environ, azurite) == {"Bearer the-token"}
    ((path, words, _),) = _Identities.asked
    assert path == "/tenant/oauth2/v2.0/token"
    assert (words["client_id"], words["client_secret"]) == ("client", "secret")
    assert words["scope"] == "https://storage.azure.com/.default"


def test_federated_token(azurite: Azurite, identities: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("token-of-the-pod\n")
    environ = {
        "AZURE_TENANT_ID": "tenant", "AZURE_CLIENT_ID": "client", "AZURE_AUTHORITY_HOST": identities,
        "AZURE_FEDERATED_TOKEN_FILE": str(tmp_path / "token"),
    }  # fmt: skip
    assert _tokens(environ, azurite) == {"Bearer the-token"}
    assert _Identities.asked[0][1]["client_assertion"] == "token-of-the-pod"


def test_identity_of_the_machine(azurite: Azurite, identities: str) -> None:
    environ = {"IDENTITY_ENDPOINT": f"{identities}/msi", "IDENTITY_HEADER": "header", "AZURE_CLIENT_ID": "client"}
    assert _tokens(environ, azurite) == {"Bearer the-token"}
    ((path, words, headers),) = _Identities.asked
    assert (path, words["resource"], words["client_id"]) == ("/msi", "https://storage.azure.com", "client")
    assert {key.lower(): value for key, value in headers.items()}["x-identity-header"] == "header"


@pytest.mark.parametrize("trouble", ["wrong secret", "nobody there", "no file"])
def test_no_token(azurite: Azurite, identities: str, trouble: str) -> None:
    environ = {
        "AZURE_STORAGE_ACCOUNT": ACCOUNT, "AZURE_TENANT_ID": "tenant", "AZURE_CLIENT_ID": "client",
        "AZURE_CLIENT_SECRET": "wrong", "AZURE_AUTHORITY_HOST": identities,
        "AZURE_STORAGE_SERVICE_ENDPOINT": azurite.url,
    }  # fmt: skip
    if trouble == "nobody there":
        environ["AZURE_AUTHORITY_HOST"] = "http://127.0.0.1:1"
    if trouble == "no file":
        del environ["AZURE_CLIENT_SECRET"]
        environ["AZURE_FEDERATED_TOKEN_FILE"] = "/nowhere/at.all"
    store = open_backend(Provider.AZURE, environ=environ, limits=QUICK)
    for work in (lambda store: store.list("container"), lambda store: store.get("container", "one")):
        with pytest.raises(BackendDenied, match=r"Azure backend .*(credentials|cannot be used)") as found:
            _run(store, work)
        assert "wrong" not in str(found.value)


def test_token_is_renewed_before_it_ends() -> None:
    given = iter([Token("first", 0.0), Token("second", 4102444800.0)])
    identity = Identity(lambda: next(given))
    assert [identity.token().text for _ in range(3)] == ["first", "second", "second"]


# -- listings and failures -------------------------------------------------------------------------------


def test_listing_from_names_that_no_mark_is_known_for(azurite: Azurite, bucket: str) -> None:
    environ = azurite.environ
    names = [f"{letter}/{number}" for letter in "abc" for number in range(7)]

    async def fill(store: AzureBackend) -> None:
        await asyncio.gather(*(store.put(bucket, name, b"", {}) for name in names))

    async def use(store: AzureBackend) -> None:
        # Not read to where it goes on, and by somebody who knows nothing of who read before.
        page = await store.list(bucket, start_after="a/5", limit=4)
        assert [row.name for row in page.objects] == ["a/6", "b/0", "b/1", "b/2"]
        page = await store.list(bucket, start_after=page.next_after, limit=100)
        assert ([row.name for row in page.objects], page.next_after) == (names[10:], "")
        page = await store.list(bucket, start_after="a/", limit=2, one_level=True)
        assert (page.objects, page.folders, page.next_after) == ([], ["b/", "c/"], "")
        page = await store.list(bucket, start_after="zz")
        assert (page.objects, page.next_after) == ([], "")

    _run(open_backend(Provider.AZURE, environ=environ), fill)
    _run(open_backend(Provider.AZURE, environ=environ), use)


def test_overloaded_and_gone(azurite: Azurite, bucket: str) -> None:
    with in_front_of(azurite.url.removesuffix(f"/{ACCOUNT}")) as front:
        environ = Azurite(f"{front.url}/{ACCOUNT}").environ
        for work in (lambda store: store.list(bucket), lambda store: store.put(bucket, "one", b"1", {})):
            front.refuse(2, 503, "ServerBusy")
            _run(open_backend(Provider.AZURE, environ=environ, limits=QUICK), work)
            with pytest.raises(BackendUnavailable, match=f"Azure backend failed on az://{bucket}.*503"):
                front.refuse(3, 503, "ServerBusy", Retry_After="0")
                _run(open_backend(Provider.AZURE, environ=environ, limits=QUICK), work)
    store = open_backend(Provider.AZURE, environ=environ, limits=QUICK)
    with pytest.raises(BackendUnavailable, match="connection refused"):
        _run(store, lambda store: store.list(bucket))


def test_requests_name_the_version_of_the_service(azurite: Azurite, bucket: str) -> None:
    versions = set()

    def look(request: Any) -> None:
        versions.add(request.headers["x-ms-version"])

    with in_front_of(azurite.url.removesuffix(f"/{ACCOUNT}")) as front:
        front.rule = look
        store = open_backend(Provider.AZURE, environ=Azurite(f"{front.url}/{ACCOUNT}").environ)
        _run(store, lambda store: store.list(bucket))
    assert versions == {API_VERSION}


def test_name_that_the_service_does_not_take(azurite: Azurite, bucket: str) -> None:
    with in_front_of(azurite.url.removesuffix(f"/{ACCOUNT}")) as front:
        store = open_backend(Provider.AZURE, environ=Azurite(f"{front.url}/{ACCOUNT}").environ, limits=QUICK)
        front.rule = lambda request: refusal(400, "InvalidUri")
        with pytest.raises(InvalidName, match="Azure has no such names"):
            _run(store, lambda store: store.put(bucket, "one", b"1", {}))
        for name in ("one", "odd//one"):
            with pytest.raises(ObjectNotFound):
                _run(store, lambda store, name=name: store.get(bucket, name))
