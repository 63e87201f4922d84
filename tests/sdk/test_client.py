import pickle
import subprocess
import sys

import pytest
import urllib3

from moss.sdk import Client, RetryConfig
from moss.sdk.errors import InvalidBckProvider, InvalidURLException
from moss.sdk.retry_config import HttpRetry
from tests.sdk.peer import Peer, error_reply


def test_3_making_things_sends_nothing(client: Client, peer: Peer):
    bucket = client.bucket("b")
    client.cluster(), bucket.object("o").get_reader(), bucket.object("o").get_writer(), client.batch(bucket=bucket)
    bucket.list_objects_iter(), client.get_object_from_url("ais://b/o")
    assert peer.connections == 0


def test_12_providers_of_buckets(client: Client):
    provider = client.bucket("b", "s3").provider
    assert provider == "aws" and provider.value == "aws" and f"{provider}" == "aws"
    with pytest.raises(InvalidBckProvider):
        client.bucket("b", "nope")


def test_13_objects_from_urls(client: Client):
    obj = client.get_object_from_url("gs://b/x/y")
    assert (obj.bucket_provider, obj.bucket_name, obj.name, obj.uname) == ("gcp", "b", "x/y", "gcp/@#/b/x/y")
    assert client.fetch_object_by_url("ais://b/o").get_semantic_url() == "ais://b/o"
    for url in ("ais://b", "ais://b/", "b/o", ""):
        with pytest.raises(InvalidURLException):
            client.get_object_from_url(url)
    with pytest.raises(InvalidBckProvider):
        client.get_object_from_url("http://b/o")


def test_9_retry_policies_of_older_releases(peer: Peer):
    retry = urllib3.Retry(total=1, status_forcelist=[418], backoff_factor=0)
    for client in (
        Client(peer.url, retry=retry),
        Client(peer.url, False, None, None, None, retry, "tok"),
        Client(peer.url, False, None, None, None, None, retry, "tok"),
    ):
        assert client.retry_config.http_retry is retry
        peer.scripted = [error_reply(418, "tea")]
        peer.objects["b/o"] = b"1"
        assert client.bucket("b").object("o").get_reader().read_all() == b"1"
    assert client.request_client.token == "tok"


def test_10_clients_can_be_pickled(peer: Peer):
    peer.objects["b/o"] = b"1"
    client = Client(peer.url, token="t", retry_config=RetryConfig(HttpRetry(total=2)))
    obj = client.bucket("b", namespace=None).object("o")
    assert obj.get_reader().read_all() == b"1"
    again = pickle.loads(pickle.dumps((client, obj.bucket, obj)))
    assert again[0].retry_config == client.retry_config and again[0].request_client.token == "t"
    assert again[2].get_reader().read_all() == b"1"
    code = (
        "import pickle, sys; client, bucket, obj = pickle.loads(sys.stdin.buffer.read());"
        "print(obj.get_reader().read_all(), bucket.name)"
    )
    data = pickle.dumps((client, obj.bucket, obj))
    done = subprocess.run([sys.executable, "-c", code], input=data, capture_output=True, timeout=60)
    assert done.stdout.strip() == b"b'1' b", done.stderr


def test_clients_close_and_go_on(client: Client, peer: Peer):
    peer.objects["b/o"] = b"1"
    for _ in range(2):
        assert client.bucket("b").object("o").get_reader().read_all() == b"1"
        client.close()
    assert peer.connections == 2
    assert repr(client) == f"Client('{peer.url}')"


def test_7_tokens(peer: Peer, monkeypatch):
    monkeypatch.setenv("AIS_AUTHN_TOKEN", "env")
    peer.objects["b/o"] = b"1"
    for client, token in ((Client(peer.url), "env"), (Client(peer.url, token="mine"), "mine")):
        client.bucket("b").object("o").get_reader().read_all()
        assert peer.received[-1].headers["authorization"] == f"Bearer {token}"


def test_a_token_can_be_renewed(peer: Peer):
    peer.objects["b/o"] = b"1"
    tokens = ["first", "second"]
    reader = Client(peer.url, token=lambda: tokens.pop(0)).bucket("b").object("o").get_reader()
    for token in ("first", "second"):
        reader.read_all()
        assert peer.received[-1].headers["authorization"] == f"Bearer {token}"
