"""Entries of a batch that lie in a cloud's bucket and not on the node. Real S3 behind a proxy that counts bytes."""

import io
import json
import random
import tarfile
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from moss.testing import NodeProcess, start_node
from tests.support.proxy import Proxy, Trouble, running_proxy
from tests.support.rgw import Rgw
from tests.support.wire import Answer, Wire

KIB, MIB = 1 << 10, 1 << 20
FORMATS = (".tar", ".tgz", ".zip", ".tar.lz4")


@pytest.fixture(scope="module")
def proxy(rgw: Rgw) -> Iterator[Proxy]:
    with running_proxy(rgw.url) as running:
        yield running


@pytest.fixture(scope="module")
def near(tmp_path_factory: pytest.TempPathFactory, rgw: Rgw, proxy: Proxy) -> Iterator[NodeProcess]:
    """A node that reaches the store through the proxy."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**rgw.environ, "AWS_ENDPOINT_URL": proxy.url}.items():
            patch.setenv(name, value)
        with start_node(tmp_path_factory.mktemp("near") / "data") as running:
            yield running


@pytest.fixture
def wire(near: NodeProcess, proxy: Proxy) -> Iterator[Wire]:
    proxy.reset()
    yield Wire(near.url)
    proxy.trouble = Trouble()


class Cloud:
    """One bucket of the store, made and filled by another client."""

    def __init__(self, rgw: Rgw) -> None:
        self.client, self.name = rgw.client(), f"cold-{uuid.uuid4().hex[:12]}"
        self.client.create_bucket(Bucket=self.name)

    def put(self, **objects: bytes) -> None:
        for name, content in objects.items():
            self.client.put_object(Bucket=self.name, Key=name, Body=content)


@pytest.fixture
def cloud(rgw: Rgw) -> Cloud:
    return Cloud(rgw)


def get_batch(wire: Wire, cloud: Cloud, entries: list[Any], **options: Any) -> Answer:
    listed = [{"objname": entry} if isinstance(entry, str) else entry for entry in entries]
    body = {"in": listed, "strm": True, **options}
    return wire.send("GET", f"/v1/ml/moss/{cloud.name}?provider=aws", body)


def evict(wire: Wire, cloud: Cloud, name: str) -> Answer:
    body = {"action": "evict-listrange"}
    return wire.send("DELETE", f"/v1/objects/{cloud.name}/{name}?provider=aws", body)


def contents(answer: Answer) -> list[bytes]:
    assert answer.status == 200, answer.body
    assert not answer.is_broken
    return [content for _, content in answer.members()]


def shard(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


# -- whole objects --------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"strm": False}, {"coer": True}, {"strm": False, "coer": True}], ids=str)
def test_btr_30_cold_entries_are_fetched_in_order(wire: Wire, cloud: Cloud, options: dict[str, Any]):
    objects = {f"o{i:03d}": random.Random(i).randbytes(i * 17 % 5000) for i in range(150)}
    cloud.put(**objects)
    names = random.Random(7).sample(sorted(objects), len(objects)) * 2
    answer = get_batch(wire, cloud, names, **options)
    if options.get("strm") is False:
        metadata, archive = answer.parts()
        assert [row["size"] for row in metadata["out"]] == [len(objects[name]) for name in names]
        answer = Answer(200, {}, archive)
    assert contents(answer) == [objects[name] for name in names]


def test_each_object_is_fetched_once_and_is_here_afterwards(wire: Wire, cloud: Cloud, proxy: Proxy):
    content = random.Random(1).randbytes(200 * KIB)
    cloud.put(a=content)
    assert contents(get_batch(wire, cloud, ["a"] * 40)) == [content] * 40
    assert proxy.received < 1.2 * len(content)
    proxy.reset()
    assert contents(get_batch(wire, cloud, ["a"] * 40)) == [content] * 40
    assert proxy.received == 0
    assert wire.send("HEAD", f"/v1/objects/{cloud.name}/a?provider=aws").headers["ais-present"] == "true"


@pytest.mark.parametrize("mime", FORMATS)
def test_a_cold_batch_has_the_bytes_of_the_same_batch_over_a_local_copy(wire: Wire, cloud: Cloud, mime: str):
    objects = {f"o{i}": random.Random(i).randbytes(3000 + i) for i in range(70)}
    cloud.put(**objects)
    wire.send("POST", f"/v1/buckets/{cloud.name}", {"action": "create-bck"})
    for name, content in objects.items():
        wire.put(cloud.name, name, content)
    entries = [*objects, {"objname": "o3", "start": 5, "length": 100}, {"objname": "o9", "start": 2990, "length": -1}]
    cold = get_batch(wire, cloud, entries, mime=mime)
    body = {"in": [{"objname": e} if isinstance(e, str) else e for e in entries], "strm": True, "mime": mime}
    local = wire.send("GET", f"/v1/ml/moss/{cloud.name}?provider=ais", body)
    assert (cold.status, cold.body) == (200, local.body)


def test_one_batch_mixes_local_cached_and_cold_entries(wire: Wire, cloud: Cloud):
    cloud.put(cold=b"cold", cached=b"cached")
    contents(get_batch(wire, cloud, ["cached"]))
    wire.send("POST", f"/v1/buckets/{cloud.name}", {"action": "create-bck"})
    wire.put(cloud.name, "local", b"local")
    entries = [
        {"objname": "local", "bucket": cloud.name, "provider": "ais"},
        {"objname": "cold", "bucket": cloud.name, "provider": "s3"},
        {"objname": "cached", "bucket": cloud.name, "provider": "aws"},
        {"objname": "local", "bucket": cloud.name},
    ]
    answer = wire.send("GET", "/v1/ml/moss", {"in": entries, "strm": True})
    assert contents(answer) == [b"local", b"cold", b"cached", b"local"]


def test_only_what_the_store_does_not_have_is_missing(wire: Wire, cloud: Cloud):
    cloud.put(a=b"a", b=b"b")
    answer = get_batch(wire, cloud, ["a", "none", "b"], coer=True)
    assert [(name.removeprefix("__404__/"), content) for name, content in answer.members()] == [
        (f"{cloud.name}/a", b"a"), (f"{cloud.name}/none", b""), (f"{cloud.name}/b", b"b"),
    ]  # fmt: skip


@pytest.mark.parametrize("streaming", [True, False])
def test_strict_batches_fail_for_what_the_store_does_not_have(wire: Wire, cloud: Cloud, streaming: bool):
    cloud.put(a=b"a")
    answer = get_batch(wire, cloud, ["a", "none"], strm=streaming)
    assert answer.status == 404
    assert f"s3://{cloud.name}/none does not exist" in answer.error["message"]


def test_an_unknown_bucket_of_the_store_is_refused_at_once(wire: Wire, cloud: Cloud):
    entries = [{"objname": "x", "bucket": "no-such-bucket", "provider": "aws"}]
    answer = wire.send("GET", "/v1/ml/moss", {"in": entries, "strm": True, "coer": True})
    assert (answer.status, answer.error["tcode"]) == (404, "ErrRemoteBckNotFound")


# -- validation -----------------------------------------------------------------------------------------


def test_btr_31_a_bucket_that_validates_delivers_what_the_store_has_now(wire: Wire, cloud: Cloud):
    cloud.put(a=b"old a", b=b"old b", c=b"same")
    assert contents(get_batch(wire, cloud, ["a", "b", "c"])) == [b"old a", b"old b", b"same"]
    props = {"action": "set-bprops", "value": {"versioning": {"validate_warm_get": True}}}
    assert wire.send("PATCH", f"/v1/buckets/{cloud.name}?provider=aws", props).status == 200
    cloud.put(a=b"new a")
    cloud.client.delete_object(Bucket=cloud.name, Key="b")
    answer = get_batch(wire, cloud, ["a", "b", "c"], coer=True)
    assert [content for _, content in answer.members()] == [b"new a", b"", b"same"]


# -- parts of large objects, members of shards -----------------------------------------------------------


def test_ranges_of_a_large_cold_object_move_those_bytes_only(wire: Wire, cloud: Cloud, proxy: Proxy):
    content = random.Random(2).randbytes(12 * MIB)
    cloud.put(large=content)
    spans = [(9_000_000, 1000), (100, 2000), (2100, 2000), (0, 100), (12 * MIB - 10, -1), (5_000_000, 4)]
    entries = [{"objname": "large", "start": start, "length": length} for start, length in spans]
    expected = [content[start : len(content) if length < 0 else start + length] for start, length in spans]
    assert contents(get_batch(wire, cloud, entries)) == expected
    assert proxy.received < 64 * KIB
    beyond = get_batch(wire, cloud, [{"objname": "large", "start": 12 * MIB, "length": 5}])
    assert (beyond.status, beyond.error["tcode"]) == (416, "ErrRangeNotSatisfiable")


def test_btr_33_members_of_a_shard_that_is_not_here_move_their_bytes_only(
    near: NodeProcess, wire: Wire, cloud: Cloud, proxy: Proxy
):
    members = {f"d/m{i:04d}": random.Random(i).randbytes(10 * KIB + i) for i in range(600)}
    cloud.put(**{"s.tar": shard(members)})
    entries = [{"objname": "s.tar", "archpath": name} for name in random.Random(3).sample(sorted(members), 60)]
    expected = [members[entry["archpath"]] for entry in entries]
    assert contents(get_batch(wire, cloud, entries)) == expected  # the shard comes as a whole, and gets its table
    assert evict(wire, cloud, "s.tar").status == 200
    proxy.reset()
    assert contents(get_batch(wire, cloud, entries)) == expected
    assert proxy.received <= 1.2 * sum(map(len, expected))
    near.stop()
    near.start()
    proxy.reset()
    answer = get_batch(Wire(near.url), cloud, [*entries, {"objname": "s.tar", "archpath": "none"}], coer=True)
    assert contents(answer) == [*expected, b""]


def test_a_shard_that_was_replaced_in_the_store_is_never_mixed_with_its_old_table(wire: Wire, cloud: Cloud):
    old = {f"m{i}": random.Random(i).randbytes(4000) for i in range(40)}
    new = {f"m{i}": random.Random(i + 1000).randbytes(3000 + i) for i in range(50)}
    entries = [{"objname": "s.tar", "archpath": f"m{i}"} for i in (3, 39, 7)]
    cloud.put(**{"s.tar": shard(old)})
    assert contents(get_batch(wire, cloud, entries)) == [old["m3"], old["m39"], old["m7"]]
    evict(wire, cloud, "s.tar")
    cloud.put(**{"s.tar": shard(new)})
    assert contents(get_batch(wire, cloud, entries)) == [new["m3"], new["m39"], new["m7"]]


# -- a store in trouble ------------------------------------------------------------------------------------


def test_btr_34_a_store_that_is_down_is_the_reason_and_what_is_here_is_delivered(
    wire: Wire, cloud: Cloud, proxy: Proxy
):
    cloud.put(here=b"here", there=b"there")
    contents(get_batch(wire, cloud, ["here"]))
    proxy.trouble.is_refusing = True
    proxy.cut()
    assert contents(get_batch(wire, cloud, ["here"])) == [b"here"]
    answer = get_batch(wire, cloud, ["here", "there"], coer=True, strm=False)
    metadata, _ = answer.parts()
    assert "AWS backend failed on s3://" in metadata["out"][1]["err_msg"]
    assert "does not exist" not in metadata["out"][1]["err_msg"]
    strict = get_batch(wire, cloud, ["here", "there"])
    assert strict.status == 503
    assert json.loads(strict.body)["message"].startswith("AWS backend failed")


def test_an_answer_that_breaks_off_is_asked_for_again_or_an_error_never_a_short_entry(
    wire: Wire, cloud: Cloud, proxy: Proxy
):
    content = random.Random(5).randbytes(300 * KIB)
    cloud.put(a=content, b=content)
    proxy.trouble.cut_after = 150 * KIB
    assert contents(get_batch(wire, cloud, ["a"])) == [content]
    proxy.trouble.cut_after = 2 * KIB
    answer = get_batch(wire, cloud, ["b"])
    reason = f"AWS backend failed on s3://{cloud.name}/b: the answer broke off"
    assert (answer.status, answer.error["message"]) == (503, reason)
    proxy.trouble = Trouble()
    assert contents(get_batch(wire, cloud, ["b"])) == [content]


def test_a_full_cache_is_passed_by(small_disk: Path, rgw: Rgw, cloud: Cloud, monkeypatch: pytest.MonkeyPatch):
    """Entries come although the node's disk has no room to keep them."""
    for name, value in rgw.environ.items():
        monkeypatch.setenv(name, value)
    objects = {f"o{i}": random.Random(i).randbytes(MIB) for i in range(12)}
    large = random.Random(99).randbytes(9 * MIB)
    cloud.put(**objects, large=large)
    with start_node(small_disk / "data") as node:
        entries = [*objects, "large", {"objname": "large", "start": 8 * MIB, "length": 10}]
        expected = [*objects.values(), large, large[8 * MIB : 8 * MIB + 10]]
        assert contents(get_batch(Wire(node.url), cloud, entries)) == expected


@pytest.mark.slow
def test_what_is_evicted_while_a_batch_is_assembled_is_not_missing(wire: Wire, cloud: Cloud):
    objects = {f"o{i:03d}": random.Random(i).randbytes(2000 + i) for i in range(200)}
    cloud.put(**objects)
    done = threading.Event()

    def evict_all() -> None:
        while not done.is_set():
            for name in objects:
                evict(Wire(wire.url), cloud, name)

    evictors = [threading.Thread(target=evict_all) for _ in range(3)]
    for evictor in evictors:
        evictor.start()
    try:
        for _ in range(5):
            assert contents(get_batch(wire, cloud, list(objects))) == list(objects.values())
    finally:
        done.set()
        for evictor in evictors:
            evictor.join()


def test_a_large_range_whose_object_is_replaced_meanwhile_breaks_off_and_is_never_a_mixture(
    wire: Wire, cloud: Cloud, proxy: Proxy
):
    old, new = (bytes([number]) * (40 * MIB) for number in (1, 2))
    cloud.put(large=old)
    entry = {"objname": "large", "start": 0, "length": 39 * MIB}
    assert contents(get_batch(wire, cloud, [entry])) == [old[: 39 * MIB]]
    proxy.trouble.delay_s = 0.3
    answer: list[Answer] = []
    reader = threading.Thread(target=lambda: answer.append(get_batch(wire, cloud, [entry])))
    reader.start()
    while proxy.received < 45 * MIB:  # the second answer has begun
        assert reader.is_alive()
    cloud.put(large=new)
    reader.join()
    [cut] = answer
    assert cut.is_broken or cut.status != 200 or contents(cut) in ([old[: 39 * MIB]], [new[: 39 * MIB]])
    assert b"\1\2" not in cut.body
