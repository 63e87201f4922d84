"""The server as an assistant sees it: through the protocol, and through a process of its own."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from mcp import Client as Assistant
from mcp import StdioServerParameters

from moss.integrations.mcp import make_server
from moss.sdk import Client
from moss.testing import NodeProcess, start_node

NAMES = {
    "ais_bucket_summary",
    "ais_cluster_health",
    "ais_cluster_info",
    "ais_cluster_performance",
    "ais_etl_details",
    "ais_etl_logs",
    "ais_is_ready",
    "ais_job_status",
    "ais_list_buckets",
    "ais_list_etls",
    "ais_list_jobs",
    "ais_list_objects",
    "ais_object_info",
    "ais_running_jobs",
}


@pytest.fixture(scope="module")
def own_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    """A node with one bucket, whose jobs are those of these tests only."""
    with start_node(tmp_path_factory.mktemp("mcp") / "data") as running:
        with Client(running.url) as client:
            bucket = client.bucket("speech").create()
            for name in ("a.wav", "b.wav", "c.txt"):
                bucket.object(name).put_content(name.encode())
        yield running


@pytest.fixture
def client(own_node: NodeProcess) -> Iterator[Client]:
    with Client(own_node.url) as client:
        yield client


def ask(server: Any, *calls: tuple[str, dict[str, Any]]) -> list[Any]:
    """Answers to calls of tools; the text of those that fail."""

    async def talk() -> list[Any]:
        async with Assistant(server) as assistant:
            results = [await assistant.call_tool(name, arguments) for name, arguments in calls]
        return [result.content[0].text if result.is_error else _unwrap(result.structured_content) for result in results]

    return asyncio.run(talk())


def _unwrap(content: Any) -> Any:
    return content["result"] if set(content) == {"result"} else content


def test_126_fourteen_questions_that_change_nothing(client: Client, monkeypatch: pytest.MonkeyPatch):
    job = client.bucket("speech").objects(obj_names=["c.txt"]).copy(client.bucket("copies").create())
    client.job(job).wait()
    methods = set()
    send = client.request_client.open

    def watched(request: Any) -> Any:
        methods.add(request.method)
        return send(request)

    monkeypatch.setattr(client.request_client, "open", watched)
    server = make_server(client)

    async def list_tools() -> list[Any]:
        async with Assistant(server) as assistant:
            return (await assistant.list_tools()).tools

    tools = asyncio.run(list_tools())
    assert {tool.name for tool in tools} == NAMES and len(NAMES) == 14
    assert all(tool.annotations.read_only_hint and tool.description for tool in tools)
    arguments = {
        "ais_bucket_summary": {"bucket_name": "speech"},
        "ais_list_objects": {"bucket_name": "speech"},
        "ais_object_info": {"bucket_name": "speech", "object_name": "a.wav"},
        "ais_job_status": {"job_id": str(job)},
        "ais_etl_details": {"etl_name": "no-such-etl"},
        "ais_etl_logs": {"etl_name": "no-such-etl"},
    }
    ask(server, *[(name, arguments.get(name, {})) for name in sorted(NAMES)])
    assert methods <= {"GET", "HEAD"}


def test_answers(client: Client, own_node: NodeProcess):
    ready, health, info, performance, buckets, summary = ask(
        make_server(client),
        ("ais_is_ready", {}),
        ("ais_cluster_health", {}),
        ("ais_cluster_info", {}),
        ("ais_cluster_performance", {}),
        ("ais_list_buckets", {"provider": ""}),
        ("ais_bucket_summary", {"bucket_name": "speech"}),
    )
    assert ready is True
    assert health == {"ready": True, "gateways": 1, "targets": 1, "in_maintenance": []}
    assert list(info["gateways"].values()) == [own_node.url] and list(info["targets"]) == list(performance)
    assert {"name": "speech", "provider": "ais"} in buckets
    assert "speech" in json.dumps(summary)
    objects, some, found, jobs = ask(
        make_server(client),
        ("ais_list_objects", {"bucket_name": "speech", "prefix": "a"}),
        ("ais_list_objects", {"bucket_name": "speech", "limit": 2}),
        ("ais_object_info", {"bucket_name": "speech", "object_name": "a.wav"}),
        ("ais_list_jobs", {}),
    )
    assert [entry["name"] for entry in objects] == ["a.wav"] and [entry["name"] for entry in some] == ["a.wav", "b.wav"]
    assert found["size"] == 5 and found["version"] == "1" and found["checksum"]["value"] == objects[0]["checksum"]
    assert isinstance(jobs, list)


def test_failures_are_told(client: Client):
    missing, limit, provider = ask(
        make_server(client),
        ("ais_object_info", {"bucket_name": "speech", "object_name": "x"}),
        ("ais_list_objects", {"bucket_name": "speech", "limit": 0}),
        ("ais_list_buckets", {"provider": "nonsense"}),
    )
    assert "ais://speech/x does not exist" in missing
    assert "limit must be positive" in limit and "nonsense" in provider


def test_a_cluster_that_does_not_answer():
    ready, health = ask(make_server(Client("http://127.0.0.1:9")), ("ais_is_ready", {}), ("ais_cluster_health", {}))
    assert ready is False and health == {"ready": False}


def test_a_process_serves_the_cluster_of_the_environment(own_node: NodeProcess):
    environment = {**os.environ, "AIS_ENDPOINT": own_node.url}
    server = StdioServerParameters(command=sys.executable, args=["-m", "moss.mcp.server"], env=environment)
    assert ask(server, ("ais_is_ready", {})) == [True]


def test_the_name_of_the_reference_leads_here():
    code = "import moss.compat.aistore, aistore.mcp.server as s, moss.mcp.server; print(s is moss.mcp.server)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "True\n", done.stderr
