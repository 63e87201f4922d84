"""`moss serve --store`: the store owns the objects, the node's disk is a cache that may be lost. Real S3."""

import json
import random
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from moss.errors import InvalidRequest
from moss.node.remote.store import parse_store
from moss.testing import NodeProcess, start_node
from tests.support.rgw import Rgw
from tests.support.wire import Wire

MIB = 1 << 20


@pytest.fixture
def environ(rgw: Rgw, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in rgw.environ.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def store(rgw: Rgw) -> str:
    """An empty bucket of the store."""
    name = f"store-{uuid.uuid4().hex[:12]}"
    rgw.client().create_bucket(Bucket=name)
    return name


@pytest.fixture
def node(tmp_path: Path, environ: None, store: str) -> Iterator[NodeProcess]:
    with start_node(tmp_path / "data", store=f"s3://{store}/moss") as running:
        yield running


def create(wire: Wire, bucket: str) -> None:
    assert wire.send("POST", f"/v1/buckets/{bucket}", {"action": "create-bck"}).status == 200


def keys(rgw: Rgw, bucket: str, prefix: str = "") -> list[str]:
    found = rgw.client().list_objects_v2(Bucket=bucket, Prefix=prefix)
    return [row["Key"] for row in found.get("Contents", [])]


def names(wire: Wire, bucket: str) -> list[str]:
    answer = wire.send("GET", f"/v1/buckets/{bucket}", {"action": "list", "value": {"props": "name"}},
                       {"Accept": "application/json"})  # fmt: skip
    assert answer.status == 200, answer.body
    return [row["name"] for row in json.loads(answer.body)["entries"] or []]


def test_objects_lie_in_the_store_under_their_own_names(node: NodeProcess, rgw: Rgw, store: str):
    wire = Wire(node.url)
    create(wire, "speech")
    large = random.Random(1).randbytes(9 * MIB)
    wire.put("speech", "a/b.wav", b"sound")
    wire.put("speech", "large", large)
    client = rgw.client()
    assert client.get_object(Bucket=store, Key="moss/speech/a/b.wav")["Body"].read() == b"sound"
    assert client.get_object(Bucket=store, Key="moss/speech/large")["Body"].read() == large
    assert wire.send("GET", "/v1/objects/speech/large").body == large
    assert names(wire, "speech") == ["a/b.wav", "large"]
    assert wire.send("DELETE", "/v1/objects/speech/large").status == 200
    assert keys(rgw, store, "moss/speech/") == ["moss/speech/a/b.wav"]


def test_a_node_that_has_lost_its_disk_finds_buckets_objects_and_metadata(
    node: NodeProcess, tmp_path: Path, store: str
):
    wire = Wire(node.url)
    create(wire, "speech")
    change = {"action": "set-bprops", "value": {"checksum": {"type": "md5"}}}
    assert wire.send("PATCH", "/v1/buckets/speech", change).status == 200
    objects = {f"o{i}": random.Random(i).randbytes(1000 + i) for i in range(30)}
    for name, content in objects.items():
        wire.put("speech", name, content)
    assert wire.send("PATCH", "/v1/objects/speech/o7", {"action": "", "value": {"label": "seven"}}).status == 200
    node.kill()
    with start_node(tmp_path / "other-disk", store=f"s3://{store}/moss") as fresh:
        again = Wire(fresh.url)
        props = json.loads(again.send("HEAD", "/v1/buckets/speech").headers["ais-bucket-props"])
        assert props["checksum"]["type"] == "md5"
        assert names(again, "speech") == sorted(objects)
        body = {"in": [{"objname": name} for name in objects], "strm": True}
        assert again.send("GET", "/v1/ml/moss/speech", body).members() == [
            (f"speech/{name}", content) for name, content in objects.items()
        ]
        assert "label=seven" in again.send("HEAD", "/v1/objects/speech/o7").headers["ais-custom-md"]


def test_a_destroyed_bucket_leaves_nothing_behind(node: NodeProcess, rgw: Rgw, store: str):
    wire = Wire(node.url)
    create(wire, "gone")
    create(wire, "stays")
    for bucket in ("gone", "stays"):
        wire.put(bucket, "a", b"1")
    assert wire.send("DELETE", "/v1/buckets/gone", {"action": "destroy-bck"}).status == 200
    assert [key for key in keys(rgw, store) if "gone" in key] == []
    assert keys(rgw, store, "moss/stays/") == ["moss/stays/a"]
    create(wire, "gone")
    assert names(wire, "gone") == []


@pytest.mark.slow
def test_whatever_was_acknowledged_before_a_kill_is_in_the_store_and_right(node: NodeProcess, rgw: Rgw, store: str):
    wire = Wire(node.url)
    create(wire, "b")
    acknowledged: dict[str, bytes] = {}
    enough = threading.Event()

    def write(number: int) -> None:
        for i in range(10_000):
            name, content = f"w{number}/{i}", random.Random(number * 10_000 + i).randbytes(500 + i)
            try:
                answer = Wire(node.url).send("PUT", f"/v1/objects/b/{name}", content)
            except OSError:
                return
            if answer.status != 200:
                return
            acknowledged[name] = content
            if len(acknowledged) >= 60:
                enough.set()

    writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for writer in writers:
        writer.start()
    assert enough.wait(60)
    node.kill()
    for writer in writers:
        writer.join()
    client = rgw.client()
    for name, content in acknowledged.items():
        assert client.get_object(Bucket=store, Key=f"moss/b/{name}")["Body"].read() == content
    node.start()
    again = Wire(node.url)
    for name, content in acknowledged.items():
        assert again.send("GET", f"/v1/objects/b/{name}").body == content


def test_a_node_without_the_stores_credentials_says_so(
    node: NodeProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    wire = Wire(node.url)
    create(wire, "b")
    wire.put("b", "a", b"1")
    data = node.data
    node.stop()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    with start_node(data) as bare:
        answer = Wire(bare.url).send("PUT", "/v1/objects/b/new", b"x")
        assert (answer.status, "without its credentials" in answer.error["message"]) == (503, True)


@pytest.mark.parametrize("text", ["", "s3:/b", "ais://b", "s3://", "ftp://b", "bucket/prefix"])
def test_stores_that_are_none_are_refused(text: str):
    with pytest.raises(InvalidRequest, match="invalid store"):
        parse_store(text)


def test_a_bucket_names_a_store_of_its_own(tmp_path: Path, rgw: Rgw, store: str, monkeypatch: pytest.MonkeyPatch):
    """`extra.aws.endpoint` and `profile`: another store than that of the environment, from allowed hosts only."""
    (tmp_path / "credentials").write_text(
        f"[other]\naws_access_key_id = {rgw.environ['AWS_ACCESS_KEY_ID']}\n"
        f"aws_secret_access_key = {rgw.environ['AWS_SECRET_ACCESS_KEY']}\n"
    )
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    rgw.client().put_object(Bucket=store, Key="a", Body=b"from the other store")
    props = {"extra": {"aws": {"endpoint": rgw.url, "profile": "other"}}}
    for hosts, status in ((["127.0.0.1"], 200), ([], 403)):
        with start_node(tmp_path / f"data{status}", download_hosts=hosts) as node:
            wire = Wire(node.url)
            path = f"/v1/buckets/{store}?provider=aws&dont_head_remote_bck=true"
            assert wire.send("POST", path, {"action": "create-bck", "value": props}).status == 200
            answer = wire.send("GET", f"/v1/objects/{store}/a?provider=aws")
            assert answer.status == status, answer.body
            assert (answer.body == b"from the other store") == (status == 200)
