"""boto3 and a cluster that redirects: a gateway that sends clients on to a target, and an S3 service behind it."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import boto3
import botocore
import botocore.exceptions
import pytest
from botocore.config import Config

import moss.boto
from moss.integrations.boto.redirects import follow_redirect


class Server(ThreadingHTTPServer):
    """Answers by a function of the request; keeps method, path, and the token of each."""

    def __init__(self, answer) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer, self.seen = answer, []
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self) -> None:
        self.shutdown()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.server.seen.append((self.command, self.path, self.headers.get("authorization"), body))
        status, headers, content = self.server.answer(self.command, self.path)
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_PUT = do_HEAD = do_any

    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.fixture
def servers() -> Iterator[list[Server]]:
    """Servers to close."""
    made: list[Server] = []
    yield made
    for server in made:
        server.close()


@pytest.fixture
def cluster(servers: list[Server]) -> SimpleNamespace:
    """A gateway that redirects to a target, which its cluster map names, and one that is no part of it."""
    target = Server(lambda method, path: (200, {"ETag": '"1"'}, b"" if method == "PUT" else b"content"))
    stranger = Server(lambda method, path: (200, {}, b"stranger"))

    def gateway_answer(method: str, path: str) -> tuple[int, dict[str, str], bytes]:
        if path.startswith("/v1/"):
            net = {"node_hostname": "h", "daemon_port": "1", "direct_url": target.url}
            node = {"daemon_id": "t", "daemon_type": "target", "public_net": net}
            smap = {"tmap": {"t": node}, "pmap": {}, "proxy_si": {**node, "public_net": {}}}
            return 200, {}, json.dumps(smap).encode()
        if "loop" in path:
            return 307, {"Location": path}, b""
        return 307, {"Location": f"{(stranger if 'elsewhere' in path else target).url}{path}&pid=p"}, b""

    gateway = Server(lambda method, path: gateway_answer(method, path if "?" in path else f"{path}?x"))
    servers += [target, stranger, gateway]
    return SimpleNamespace(gateway=gateway, target=target, stranger=stranger)


def test_125_redirects_are_followed_with_body_and_token(cluster: SimpleNamespace):
    s3 = moss.boto.client(cluster.gateway.url, token=lambda: "secret")
    assert s3.put_object(Bucket="b", Key="o", Body=b"payload")["ETag"] == '"1"'
    assert s3.get_object(Bucket="b", Key="o")["Body"].read() == b"content"
    (put, _, put_token, body), (get, path, get_token, _) = cluster.target.seen
    assert (put, put_token, body) == ("PUT", "Bearer secret", b"payload")
    assert (get, get_token) == ("GET", "Bearer secret") and path.startswith("/s3/b/o?")


def test_68_the_token_goes_to_nodes_of_the_cluster_only(cluster: SimpleNamespace):
    s3 = moss.boto.client(cluster.gateway.url, token="secret")
    assert s3.get_object(Bucket="b", Key="elsewhere")["Body"].read() == b"stranger"
    assert [token for *_, token, _ in cluster.stranger.seen] == [None]
    assert cluster.gateway.seen[0][2] == "Bearer secret"


def test_125_endless_redirects_fail(cluster: SimpleNamespace):
    s3 = moss.boto.client(cluster.gateway.url)
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        s3.get_object(Bucket="b", Key="loop")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 307
    assert len(cluster.gateway.seen) == 4, "the request and three redirects"
    assert cluster.gateway.seen[0][2] is None, "nothing is signed"


def test_other_answers_stand():
    request = {"url": "http://h/s3/b/o", "context": {}}
    for status, headers in ((200, {"location": "/x"}), (307, {}), (404, {})):
        metadata = {"ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": headers}}
        assert follow_redirect(request, (None, metadata), None) is None
    assert follow_redirect(request, None, None) is None
    assert request == {"url": "http://h/s3/b/o", "context": {}}


def test_keys_and_settings_of_ones_own(monkeypatch: pytest.MonkeyPatch):
    keys = {"aws_access_key_id": "k", "aws_secret_access_key": "s"}
    s3 = moss.boto.client("http://h:8080", config=Config(max_pool_connections=3), **keys)
    assert s3.meta.endpoint_url == "http://h:8080/s3" and s3.meta.config.max_pool_connections == 3
    assert s3.meta.config.signature_version != botocore.UNSIGNED
    monkeypatch.setenv("AIS_ENDPOINT", "http://h:1")
    assert moss.boto.client().meta.endpoint_url == "http://h:1/s3"
    with pytest.raises(ValueError, match="endpoint"):
        moss.boto.client("nonsense")


def run(code: str, *arguments: str) -> str:
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


PLAIN_CLIENT = """
import sys
{first}
import boto3, botocore, botocore.exceptions
from botocore.config import Config
config = Config(signature_version=botocore.UNSIGNED, s3={{"addressing_style": "path"}}, retries={{"max_attempts": 1}})
s3 = boto3.client("s3", endpoint_url=sys.argv[1] + "/s3", region_name="us-east-1", config=config)
try:
    print(s3.get_object(Bucket="b", Key=sys.argv[2])["Body"].read().decode())
except botocore.exceptions.ClientError as error:
    print(error.response["ResponseMetadata"]["HTTPStatusCode"])
"""


@pytest.mark.parametrize(
    ("first", "key", "expected"),
    [
        ("import moss.botocore_patch.botocore", "o", "content"),
        ("import moss.compat.aistore; import aistore.botocore_patch.botocore", "o", "content"),
        ("import moss.botocore_patch.botocore as p; p.patch()", "loop", "307"),
    ],
)
def test_125_the_patch_is_for_all_clients_of_a_process(cluster: SimpleNamespace, first: str, key: str, expected: str):
    assert run(PLAIN_CLIENT.format(first=first), cluster.gateway.url, key) == expected


def test_125_an_unknown_botocore_is_refused():
    code = """
import types, moss.botocore_patch.botocore as patched
class S3RegionRedirectorv9:
    def redirect_from_error(self, response): ...
try:
    patched.patch(types.SimpleNamespace(S3RegionRedirectorv9=S3RegionRedirectorv9))
except RuntimeError as error:
    print(error)
"""
    assert run(code).startswith("S3RegionRedirectorv9.redirect_from_error takes")


def test_boto3_itself_is_left_alone():
    client = boto3.client("s3", region_name="us-east-1", aws_access_key_id="k", aws_secret_access_key="s")
    assert client.meta.endpoint_url.startswith("https://")
