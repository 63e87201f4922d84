"""Distributed sorts. What the calls send is compared with the official SDK in `test_official_requests.py`."""

import asyncio
import time

import pytest

from moss.errors import MalformedAnswer
from moss.sdk import Client, aio
from moss.sdk.dsort import DsortAlgorithm, DsortFramework, DsortShardsGroup, ExternalKeyMap
from moss.sdk.errors import Timeout
from moss.sdk.multiobj import ObjectNames, ObjectRange
from moss.sdk.types import BucketModel
from tests.sdk.peer import Peer, Reply, json_reply
from tests.sdk.test_official_requests import sort_info

BUCKET = BucketModel("in")


def test_what_goes_where():
    names, numbers, by_key = ObjectNames(["a"]), ObjectRange("a-", 0, 9), ExternalKeyMap({"x-%d": ObjectNames(["r"])})
    for role, good, bad in (("input", (names, numbers), by_key), ("output", (numbers, by_key), names)):
        for format in good:
            assert DsortShardsGroup(BUCKET, role, format, ".tar").as_dict()[f"{role}_extension"] == ".tar"
        with pytest.raises(ValueError, match=f"format of {role} role"):
            DsortShardsGroup(BUCKET, role, bad, ".tar")
    with pytest.raises(ValueError, match="role must be"):
        DsortShardsGroup(BUCKET, "other", names, ".tar")
    group = DsortShardsGroup(BUCKET, "input", names, ".tar")
    with pytest.raises(ValueError):
        DsortFramework(group, group)


@pytest.mark.parametrize(
    "options",
    [
        {"kind": "x"},
        {"kind": "content"},
        {"kind": "content", "extension": ".x"},
        {"kind": "content", "extension": ".x", "content_key_type": "date"},
    ],
)
def test_algorithms_that_are_none(options):
    with pytest.raises(ValueError):
        DsortAlgorithm(**options)


def test_a_specification_survives_a_file(tmp_path):
    (tmp_path / "spec.yaml").write_text(
        """
        input_bck: {name: in, provider: aws, namespace: {uuid: u, name: n}}
        input_format: {template: "a-{0..9}"}
        input_extension: .tar
        output_format: "o-{00..99..1}"
        output_shard_size: 10MB
        algorithm: {kind: shuffle, seed: "5"}
        description: text
        """
    )
    spec = DsortFramework.from_file(tmp_path / "spec.yaml").to_spec()
    bucket = {"name": "in", "provider": "aws", "namespace": {"uuid": "u", "name": "n"}}
    assert spec["input_bck"] == spec["output_bck"] == bucket
    assert spec["output_format"] == "o-{00..99..1}" and spec["output_extension"] == ".tar"
    assert spec["algorithm"] == {"kind": "shuffle", "decreasing": False, "seed": "5"}
    assert spec["output_shard_size"] == "10MB" and spec["description"] == "text"
    for bad in ("[1]", "input_bck: x", "input_bck: {name: in}", "{", "input_bck: {name: in}\ninput_format: {}"):
        (tmp_path / "bad.yml").write_text(bad)
        with pytest.raises(ValueError):
            DsortFramework.from_file(tmp_path / "bad.yml")
    with pytest.raises(ValueError):
        DsortFramework.from_file(tmp_path / "missing.json")


def test_waiting_ends_with_the_sort(client: Client, peer: Peer):
    peer.scripted = [json_reply({}), *[json_reply(sort_info(finished=False))] * 3, json_reply(sort_info())]
    start = time.monotonic()
    result = client.dsort("srt-1").wait(timeout=30)
    assert result and result.job_id == "srt-1" and result.end_time is not None and time.monotonic() - start < 2
    peer.scripted = [json_reply(sort_info(aborted=True, finished=False))]
    assert not client.dsort("srt-1").wait() and client.dsort("srt-1").dsort_id == "srt-1"
    peer.scripted = [json_reply(sort_info(finished=False))] * 100
    with pytest.raises(Timeout, match="srt-1"):
        client.dsort("srt-1").wait(timeout=0.05)


def test_answers_that_are_none(client: Client, peer: Peer):
    peer.scripted = [Reply(body=b"[]")]
    with pytest.raises(MalformedAnswer):
        client.dsort("x").get_job_info()
    peer.scripted = [Reply(body=b"null")]
    assert client.dsort("x").get_job_info() == {}


def test_the_asynchronous_twin(peer: Peer, patient):
    peer.scripted = [Reply(), Reply(body=b"srt-1"), json_reply(sort_info())]
    shards = DsortShardsGroup(BUCKET, "input", ObjectRange("a-", 0, 9), ".tar")
    by_key = ExternalKeyMap({"x-%d.tar": ObjectNames(["r1", "r2"])})
    framework = DsortFramework(shards, DsortShardsGroup(BUCKET, "output", by_key, ".tar"))

    async def main():
        async with aio.Client(peer.url, retry_config=patient) as client:
            dsort = client.dsort()
            assert await dsort.start(framework) == dsort.dsort_id == "srt-1"
            return await dsort.wait(5)

    assert asyncio.run(asyncio.wait_for(main(), 30))
    assert peer.received[0].path == "/v1/objects/in/ekm-file.json"
    assert peer.received[0].json == {"x-%d.tar": ["r1", "r2"]}
    assert peer.received[1].json["ekm_file"] == f"{peer.url}/v1/objects/in/ekm-file.json?provider=ais"
