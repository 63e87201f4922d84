"""Nodes of several kinds in front of a real S3 service: buckets of their own with a store behind them, several worker
processes, a disk that is full, files that are promoted. Source: rest-data.md 5, 8."""

import concurrent.futures
import json
import random
from pathlib import Path

import pytest

from moss.testing import start_node
from tests.node.server.target.conftest import Cloud, custom
from tests.support.proxy import Trouble, running_proxy
from tests.support.rgw import Rgw
from tests.support.wire import Wire

MIB = 1 << 20


@pytest.fixture
def environment(rgw: Rgw, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in rgw.environ.items():
        monkeypatch.setenv(name, value)


# -- a bucket of this cluster with a store behind it ----------------------------------------------------------


@pytest.fixture
def front(cloud: Cloud) -> str:
    """The path of the objects of such a bucket."""
    name = cloud.wire.new_bucket()
    cloud.wire.put(name, "before", b"on this node alone")
    value = {"backend_bck": {"name": cloud.name, "provider": "aws"}}
    answer = cloud.wire.send("PATCH", f"/v1/buckets/{name}", {"action": "set-bprops", "value": value})
    assert answer.status == 200, answer.body
    return f"/v1/objects/{name}/"


@pytest.mark.parametrize("headers", [{}, {"Moss-Direct": "1"}], ids=["redirected", "direct"])
def test_the_short_way_of_plain_requests_does_not_pass_the_store_by(cloud: Cloud, front: str, headers: dict[str, str]):
    for content in (b"one", b"two"):
        assert cloud.wire.send("PUT", f"{front}o", content, headers).status == 200
        assert cloud.stored("o") == content
        assert cloud.wire.send("GET", f"{front}o", headers=headers).body == content
    cloud.break_down()
    assert cloud.wire.send("PUT", f"{front}o", b"three", headers).status == 503
    assert cloud.wire.send("GET", f"{front}o", headers=headers).body == b"two"


def test_metadata_of_an_evicted_object_survives_an_overwrite(cloud: Cloud, front: str):
    cloud.wire.send("PUT", f"{front}o", b"one", {"Ais-Custom-Md": "label=cat"})
    assert cloud.wire.send("DELETE", f"{front}o", {"action": "evict-listrange"}).status == 200
    head = cloud.wire.send("HEAD", f"{front}o")
    assert (head.status, head.headers["ais-present"]) == (200, "false")
    assert cloud.wire.send("PUT", f"{front}o", b"two").status == 200
    assert custom(cloud.wire.send("HEAD", f"{front}o"))["label"] == "cat"


def test_what_was_there_before_the_store_is_not_lost(cloud: Cloud, front: str):
    path = f"{front}before"
    refused = cloud.wire.send("DELETE", path, {"action": "evict-listrange"})
    assert (refused.status, cloud.wire.send("GET", path).body) == (409, b"on this node alone")
    assert cloud.wire.send("PATCH", path, {"action": "", "value": {"k": "v"}}).status == 200
    assert cloud.wire.send("GET", f"{path}?latest-ver=true").body == b"on this node alone"
    assert cloud.wire.send("HEAD", f"{path}?latest-ver=true").status == 200
    begun = cloud.wire.send("PUT", f"{path}?append_type=append&append_handle=", b"!")
    handle = begun.headers["ais-append-handle"].replace("|", "%7C").replace("=", "%3D")
    assert cloud.wire.send("PUT", f"{path}?append_type=flush&append_handle={handle}").status == 200
    assert cloud.stored("before") == b"on this node alone!"


# -- several worker processes ------------------------------------------------------------------------------------


def test_workers_take_turns(tmp_path: Path, rgw: Rgw, environment: None):
    with start_node(tmp_path / "data", workers=2) as node, running_proxy(rgw.url) as proxy:
        cloud = Cloud(Wire(node.url), proxy, rgw)
        cloud.send("PUT", "o", b"start")
        written = [b"%03d" % number * 2000 for number in range(30)]

        def change(number: int) -> bytes:
            if number % 3 == 0:
                cloud.evict("o")
            found = cloud.send("GET", "o")
            assert found.status == 200, found.body
            assert cloud.send("PUT", "o", written[number]).status == 200
            return found.body

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            seen = set(pool.map(change, range(30)))
        assert seen <= {*written, b"start"}
        assert {cloud.send("GET", "o").body for _ in range(8)} == {cloud.stored("o")}


# -- a full disk ------------------------------------------------------------------------------------------------------


def test_a_cache_without_room_is_passed_by(small_disk: Path, rgw: Rgw, environment: None):
    content = {size: random.Random(size).randbytes(size) for size in (100, 5 * MIB, 18 * MIB)}
    with start_node(small_disk / "data") as node, running_proxy(rgw.url) as proxy:
        cloud = Cloud(Wire(node.url), proxy, rgw)
        for size, body in content.items():
            assert cloud.send("PUT", f"w{size}", body).status == 200
            assert cloud.stored(f"w{size}") == body
            cloud.store(f"r{size}", body)
            for name in (f"r{size}", f"w{size}"):
                assert cloud.send("GET", name).body == body
                part = cloud.send("GET", name, headers={"Range": "bytes=10-59"})
                assert (part.status, part.body) == (206, body[10:60])
        large = content[18 * MIB]
        headers = {"Ais-Checksum-Type": "md5", "Ais-Checksum-Value": "0" * 32}
        assert cloud.send("PUT", "w100", large, headers).status == 500
        assert cloud.stored("w100") == cloud.send("GET", "w100").body == content[100]
        assert cloud.send("PUT", "w100", large).status == 200
        assert cloud.stored("w100") == cloud.send("GET", "w100").body == large
        assert cloud.send("PUT", f"r{18 * MIB}", object_to=f"aws/@#/{cloud.name}/copied").status == 200
        assert cloud.stored("copied") == large
        assert cloud.send("GET", f"r{18 * MIB}", archpath="m").status in (400, 507)


# -- promotion ----------------------------------------------------------------------------------------------------


def test_promoted_files_are_in_the_store(tmp_path: Path, rgw: Rgw, environment: None):
    root = tmp_path / "root"
    root.mkdir()
    for number in range(5):
        (root / f"f{number}").write_bytes(b"%d" % number * 1000)
    data = tmp_path / "data"
    with start_node(data, promote_roots=[str(root)]) as node, running_proxy(rgw.url) as proxy:
        cloud = Cloud(Wire(node.url), proxy, rgw)
        cloud.store("p/f3", b"is there already")
        cloud.send("HEAD", "x")
        value = {"src": str(root), "obj": "p/"}
        message = {"action": "promote", "name": str(root), "value": value}
        answer = cloud.wire.send("POST", f"/v1/objects/{cloud.name}?provider=aws", message)
        assert answer.status == 200, answer.body
        found = cloud.wire.send("GET", "/v1/cluster?what=qryxstats", {"id": answer.body.decode()})
        ((snapshot,),) = json.loads(found.body).values()
        assert not snapshot.get("err")
        assert [cloud.stored(f"p/f{number}") for number in (0, 4)] == [b"0" * 1000, b"4" * 1000]
        assert cloud.stored("p/f3") == b"is there already"


def test_a_node_whose_job_waits_for_its_store_ends_when_it_is_told_to(tmp_path: Path, rgw: Rgw, environment: None):
    root = tmp_path / "root"
    root.mkdir()
    (root / "file").write_bytes(b"content")
    with running_proxy(rgw.url) as proxy:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AWS_ENDPOINT_URL", proxy.url)
            node = start_node(tmp_path / "data", promote_roots=[str(root)])
        with node:
            cloud = Cloud(Wire(node.url), proxy, rgw)
            cloud.send("HEAD", "x")
            proxy.trouble.is_stalling = True
            message = {"action": "promote", "name": str(root), "value": {"src": str(root)}}
            answer = cloud.wire.send("POST", f"/v1/objects/{cloud.name}?provider=aws", message)
            assert answer.status == 200
            assert node.stop() == 0
        proxy.trouble = Trouble()
