"""The cache stays inside its limit: what was used longest ago leaves it, and nothing that is not in a store."""

import random
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from moss.sdk import Client
from moss.testing import NodeProcess, start_node
from tests.support.rgw import Rgw
from tests.support.wire import Wire

KIB, MIB = 1 << 10, 1 << 20


@pytest.fixture
def node(tmp_path: Path, rgw: Rgw, monkeypatch: pytest.MonkeyPatch) -> Iterator[NodeProcess]:
    for name, value in rgw.environ.items():
        monkeypatch.setenv(name, value)
    with start_node(tmp_path / "data", cache_bytes_max=6 * MIB) as running:
        yield running


@pytest.fixture
def cloud(rgw: Rgw) -> str:
    """A bucket of the store with ten objects of 2 MiB, each in a segment of its own, and a hundred small ones."""
    name, client = f"evict-{uuid.uuid4().hex[:12]}", rgw.client()
    client.create_bucket(Bucket=name)
    for i in range(10):
        client.put_object(Bucket=name, Key=f"large{i}", Body=content(i))
    for i in range(100):
        client.put_object(Bucket=name, Key=f"small{i}", Body=b"%d" % i)
    return name


def content(number: int) -> bytes:
    return random.Random(number).randbytes(2 * MIB)


def get(wire: Wire, cloud: str, name: str) -> bytes:
    answer = wire.send("GET", f"/v1/objects/{cloud}/{name}?provider=aws")
    assert answer.status == 200, answer.body
    return answer.body


def cached(wire: Wire, cloud: str) -> list[int]:
    heads = [wire.send("HEAD", f"/v1/objects/{cloud}/large{i}?provider=aws") for i in range(10)]
    return [i for i, head in enumerate(heads) if head.headers["ais-present"] == "true"]


def evict(wire: Wire) -> None:
    """Run the job; the reference gives it no id, so it is watched among the running ones."""
    client = Client(wire.url)
    client.job(job_kind="lru").start()
    while client.cluster().list_running_jobs(job_kind="lru"):
        pass


def test_what_was_used_longest_ago_leaves_a_cache_that_is_too_large(node: NodeProcess, cloud: str):
    wire = Wire(node.url)
    for i in range(10):
        assert get(wire, cloud, f"large{i}") == content(i)
        evict(wire)  # the time of use is noted at each pass
    left = cached(wire, cloud)
    assert 9 in left
    assert 2 * len(left) <= 6
    assert left == list(range(10 - len(left), 10))
    for i in range(10):
        assert get(wire, cloud, f"large{i}") == content(i)


def test_objects_that_are_in_no_store_stay(node: NodeProcess, cloud: str):
    wire = Wire(node.url)
    wire.send("POST", "/v1/buckets/own", {"action": "create-bck"})
    for i in range(5):
        wire.put("own", f"o{i}", content(i))
    for i in range(6):
        get(wire, cloud, f"large{i}")
    evict(wire)
    for i in range(5):
        assert wire.send("GET", f"/v1/objects/own/o{i}").body == content(i)
    # A store that is put behind a bucket later does not have what was there before.
    change = {"backend_bck": {"name": cloud, "provider": "aws"}, "lru": {"enabled": True}}
    assert wire.send("PATCH", "/v1/buckets/own", {"action": "set-bprops", "value": change}).status == 200
    evict(wire)
    for i in range(5):
        assert wire.send("GET", f"/v1/objects/own/o{i}").body == content(i)
