"""Questions to the cluster and to its nodes."""

import asyncio

import pytest

from moss.errors import MalformedAnswer
from moss.sdk import Client
from moss.sdk import aio as moss_aio
from moss.sdk.enums import NodeFilter
from moss.sdk.errors import AISError
from tests.sdk.peer import Peer, Received, Reply, error_reply, json_reply

ETLS = [{"id": "e", "stage": "Running"}, {"id": "f", "stage": "Aborted"}, {"id": "g", "stage": "Initializing"}]


@pytest.fixture
def nodes(peer: Peer) -> Peer:
    """A cluster of one gateway and three targets, whose gateway answers for each of them."""
    peer.smap_urls = [f"http://127.0.0.1:{port}" for port in (9, 10, 11)]
    usual = peer.handle

    def handle(request: Received) -> Reply:
        node = request.headers.get("ais-node-id", "")
        if request.path != "/v1/reverse/daemon":
            return usual(request)
        if node not in ("p1", "t0", "t1", "t2"):
            return error_reply(404, f"node {node} does not exist")
        if request.query["what"] == "log":
            return Reply(body=f"log of {node}, {request.query['severity']}".encode())
        return json_reply({"node": node})

    peer.handle = handle
    return peer


def test_17_running_etls_are_those_of_the_default_stage(client: Client, peer: Peer):
    peer.handle = lambda request: json_reply(ETLS)
    cluster = client.cluster()
    assert cluster.list_running_etls() == cluster.list_etls() and [etl.id for etl in cluster.list_etls()] == ["e"]
    assert [etl.id for etl in cluster.list_etls(["Aborted", "Initializing"])] == ["f", "g"]
    assert cluster.list_etls([]) == []


def test_every_target_is_asked_for_its_performance(client: Client, nodes: Peer):
    assert client.cluster().get_performance() == {name: {"node": name} for name in ("t0", "t1", "t2")}


@pytest.mark.parametrize(
    ("role", "names"),
    [
        (NodeFilter.TARGET, ["t0", "t1", "t2"]),
        (NodeFilter.PROXY, ["p1"]),
        (NodeFilter.ALL, ["t0", "t1", "t2", "p1"]),
        ("all", ["t0", "t1", "t2", "p1"]),
    ],
)
def test_logs_of_the_nodes_of_a_role(client: Client, nodes: Peer, role: str, names: list[str]):
    assert client.cluster().get_cluster_logs("warning", role) == {name: f"log of {name}, warning" for name in names}


def test_what_the_cluster_cannot_be_asked(client: Client, nodes: Peer):
    cluster = client.cluster()
    with pytest.raises(AISError, match="nobody"):
        cluster.get_node_log("nobody")
    sent = len(nodes.received)
    for call in (lambda: cluster.get_node_log("t0", "shouting"), lambda: cluster.get_node_log_archive("t0", "")):
        with pytest.raises(ValueError):
            call()
    assert len(nodes.received) == sent


@pytest.mark.parametrize("body", [b"", b"[", b'{"a": 1}', b"[1]", b"\xff"])
def test_answers_that_are_none_are_errors(client: Client, peer: Peer, body: bytes):
    peer.handle = lambda request: Reply(body=body)
    cluster, job = client.cluster(), client.job("id1", "lru")
    for call in (cluster.list_jobs_status, cluster.list_running_jobs, cluster.list_etls, job.status, job.get_details):
        if (call, body) == (job.status, b'{"a": 1}'):
            continue  # a status whose every field has its default
        with pytest.raises(MalformedAnswer):
            call()


def test_the_asynchronous_twin(nodes: Peer, patient):
    async def main():
        async with moss_aio.Client(nodes.url, retry_config=patient) as client:
            cluster = client.cluster()
            nodes.scripted = [json_reply({"uuid": "id1", "end_time": 0}), json_reply({"uuid": "id1", "end_time": 5})]
            result = await client.job("id1", "lru").wait()
            nodes.scripted = [Reply(body=b"job1")]
            ids = await client.bucket("b").objects(obj_names=["x"]).copy(client.bucket("c"), prepend="p")
            nodes.objects = {"b/x": b"1", "b/y": b"22"}
            group = client.bucket("b").objects(obj_names=["x", "y"])
            sizes = [obj.props_cached.size async for obj in group.list_all_objects_iter()]
            urls = [url async for url in group.list_urls("y")]
            return bool(result), ids, sizes, len(urls), await cluster.get_performance()

    expected = {name: {"node": name} for name in ("t0", "t1", "t2")}
    assert asyncio.run(asyncio.wait_for(main(), 30)) == (True, ["job1"], [1, 2], 1, expected)
