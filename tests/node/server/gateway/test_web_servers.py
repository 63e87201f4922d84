"""Buckets of web servers (`ht://`): objects by URL, read and cached like those of any store. The server is nginx."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from moss.sdk import Client
from moss.testing import NodeProcess, start_node
from tests.support.nginx import Nginx
from tests.support.remote import wait
from tests.support.wire import Answer, Wire, make_tar


@pytest.fixture(scope="module")
def web_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    with start_node(tmp_path_factory.mktemp("web") / "data", download_hosts=["127.0.0.1", "a.invalid"]) as running:
        yield running


@pytest.fixture
def wire(web_node: NodeProcess) -> Wire:
    return Wire(web_node.url)


@pytest.fixture
def folder() -> str:
    """A folder at the web server."""
    return uuid.uuid4().hex[:12]


@pytest.fixture
def bucket(wire: Wire, nginx: Nginx, folder: str) -> str:
    """A bucket that stands for the folder."""
    name = f"web{folder}"
    assert create(wire, name, f"{nginx.url}/{folder}").status == 200
    return name


def create(wire: Wire, bucket: str, url: str) -> Answer:
    value = {"extra": {"http": {"original_url": url}}}
    return wire.send("POST", f"/v1/buckets/{bucket}?provider=ht", {"action": "create-bck", "name": "", "value": value})


def path(bucket: str, name: str = "", query: str = "") -> str:
    kind = f"objects/{bucket}/{quote(name)}" if name else f"buckets/{bucket}"
    return f"/v1/{kind}?provider=ht{query}"


def act(wire: Wire, method: str, bucket: str, action: str, value: Any = None) -> Answer:
    return wire.send(method, path(bucket), {"action": action, "name": "", "value": value})


def test_objects_are_fetched_once_and_cached(wire: Wire, nginx: Nginx, folder: str, bucket: str) -> None:
    content = os.urandom(100_000)
    nginx.put(f"{folder}/dir/a b.bin", content)
    head = wire.send("HEAD", path(bucket, "dir/a b.bin"))
    assert (head.status, head.headers["ais-present"], head.headers["content-length"]) == (200, "false", "100000")
    for _ in range(2):
        assert wire.send("GET", path(bucket, "dir/a b.bin")).body == content
    assert wire.send("GET", path(bucket, "dir/a b.bin"), None, {"Range": "bytes=7-9"}).body == content[7:10]
    lines = nginx.requests(f"/{folder}/dir/a%20b.bin")
    assert sum('"GET ' in line for line in lines) == 1
    head = wire.send("HEAD", path(bucket, "dir/a b.bin"))
    custom = dict(pair.split("=", 1) for pair in head.headers["ais-custom-md"].split(", ") if "=" in pair)
    assert head.headers["ais-present"] == "true"
    assert custom["source"] == "web" and custom["ETag"] and custom["LastModified"].endswith("Z")
    missing = wire.send("GET", path(bucket, "none"))
    assert (missing.status, missing.error["tcode"]) == (404, "ErrNotFound")
    assert f"ht://{bucket}/none does not exist" in missing.error["message"]


def test_what_changed_is_fetched_again_when_that_is_asked_for(
    wire: Wire, nginx: Nginx, folder: str, bucket: str
) -> None:
    nginx.put(f"{folder}/one", b"first")
    assert wire.send("GET", path(bucket, "one")).body == b"first"
    nginx.put(f"{folder}/one", b"and now another")
    assert wire.send("GET", path(bucket, "one")).body == b"first"
    assert wire.send("GET", path(bucket, "one", "&latest-ver=true")).body == b"and now another"


def test_batches(wire: Wire, nginx: Nginx, folder: str, bucket: str) -> None:
    here = wire.new_bucket()
    contents = {f"n{number}": os.urandom(number * 10) for number in range(40)}
    contents["shard.tar"] = make_tar({f"m{number}": os.urandom(100) for number in range(5)})
    for name, content in contents.items():
        nginx.put(f"{folder}/{name}", content)
        wire.put(here, name, content)
    wanted = [{"objname": f"n{number}"} for number in range(40)]
    wanted += [{"objname": "shard.tar", "archpath": "m2"}, {"objname": "n39", "start": 5, "length": 50}]
    web = wire.batch(None, [{**entry, "bucket": bucket, "provider": "ht"} for entry in wanted], onob=True)
    ours = wire.batch(here, wanted, onob=True)
    assert web.status == 200 and web.body == ours.body
    for name in contents:
        assert sum('"GET ' in line for line in nginx.requests(f"/{folder}/{name}")) <= 2
    mixed = wire.batch(here, [{"objname": "n1"}, {"objname": "none", "bucket": bucket, "provider": "ht"}], coer=True)
    assert [name for name, _ in mixed.members()] == [f"{here}/n1", f"__404__/{bucket}/none"]


def test_an_object_by_its_url(wire: Wire, nginx: Nginx, folder: str) -> None:
    nginx.put(f"{folder}/x/a%b", b"content")
    name, url = f"url{folder}", f"{nginx.url}/{folder}/x/a%25b"
    answer = wire.send("GET", path(name, "a%b", f"&original_url={quote(url, safe='')}"))
    assert answer.body == b"content"
    # The bucket is known from now on.
    assert wire.send("GET", path(name, "a%b")).body == b"content"
    props = json.loads(wire.send("HEAD", path(name)).headers["ais-bucket-props"])
    assert props["extra"]["http"] == {"original_url": f"{nginx.url}/{folder}/x/"}
    other = quote(f"{nginx.url}/elsewhere/a%25b", safe="")
    for query in (f"&original_url={other}", "&original_url=nonsense"):
        assert wire.send("GET", path(name, "a%b", query)).status == 400


def test_a_bucket_that_is_called_like_a_host(wire: Wire) -> None:
    # It is known without being created; that nobody has this name is another matter.
    answer = wire.send("GET", path("a.invalid", "one"))
    assert (answer.status, answer.error["tcode"]) == (503, "ErrFailedTo")
    assert "HTTP backend failed on ht://a.invalid/one: its address cannot be resolved" in answer.error["message"]
    assert wire.send("HEAD", path("a.invalid")).status == 200


def test_hosts_that_may_not_be_asked(wire: Wire) -> None:
    for answer in (
        wire.send("GET", path("b.invalid", "one")),
        create(wire, "inside", "http://169.254.169.254/latest"),
        wire.send("GET", path("inside2", "one", "&original_url=http%3A%2F%2F10.0.0.1%2Fone")),
    ):
        assert (answer.status, "may fetch from" in answer.error["message"]) == (403, True), answer.body
    for url in ("ftp://127.0.0.1/", "http://me:secret@127.0.0.1/"):
        refused = create(wire, "wrong", url)
        assert refused.status == 400 and b"secret" not in refused.body
        changed = {"action": "set-bprops", "value": {"extra": {"http": {"original_url": url}}}}
        refused = wire.send("PATCH", path("a.invalid"), changed)
        assert refused.status == 400 and b"secret" not in refused.body
    for name in ("inside", "inside2", "wrong", "b.invalid"):
        assert wire.send("HEAD", path(name, query="&presence=2")).status == 404


def test_nodes_that_may_ask_nobody_do_not_know_the_provider(node: NodeProcess) -> None:
    wire = Wire(node.url)
    uname = {"uname": "ht/@#/web/"}
    for answer in (
        wire.send("GET", path("web", "one")),
        act(wire, "POST", "web", "create-bck"),
        act(wire, "DELETE", "web", "destroy-bck"),
        wire.batch(None, [{"objname": "one", "bucket": "web", "provider": "ht"}]),
        wire.batch(None, [{"objname": "one", **uname}]),
        wire.send("GET", "/v1/buckets?provider=ht", {"action": "list", "name": "", "value": None}),
    ):
        assert (answer.status, answer.error["tcode"]) == (400, "ErrInvalidBackendProvider")
        assert answer.error["message"].startswith('invalid backend provider "ht"')


def test_web_servers_are_read_only(wire: Wire, nginx: Nginx, folder: str, bucket: str) -> None:
    nginx.put(f"{folder}/one", b"content")
    assert wire.send("GET", path(bucket, "one")).body == b"content"
    for method, body in (("PUT", b"new"), ("DELETE", None), ("PATCH", {"value": {"k": "v"}})):
        answer = wire.send(method, path(bucket, "one"), body)
        assert answer.status == 501, answer.body
        assert "web servers are read only" in answer.error["message"]
    assert wire.send("GET", path(bucket, "one")).body == b"content"
    assert (nginx.root / folder / "one").read_bytes() == b"content"
    assert act(wire, "DELETE", bucket, "destroy-bck").status == 405


def test_listings_show_the_cache_and_eviction_empties_it(wire: Wire, nginx: Nginx, folder: str, bucket: str) -> None:
    for name in ("one", "two", "three"):
        nginx.put(f"{folder}/{name}", name.encode())

    def listed() -> list[str]:
        return [row["name"] for row in json.loads(act(wire, "GET", bucket, "list", {}).body)["entries"] or []]

    assert listed() == []
    answer = act(wire, "POST", bucket, "prefetch-listrange", {"objnames": ["one", "two"]})
    assert not wait(wire, answer.body.decode())["err"]
    assert listed() == ["one", "two"]
    job_id = act(wire, "GET", bucket, "summary-bck", {}).body.decode()
    wait(wire, job_id)
    (row,) = json.loads(act(wire, "GET", bucket, "summary-bck", {"uuid": job_id}).body)
    assert row["ObjCount"]["obj_count_present"] == "2"
    answer = act(wire, "POST", bucket, "prefetch-listrange", {"template": ""})
    assert "web servers list nothing" in wait(wire, answer.body.decode())["err"]
    answer = act(wire, "DELETE", bucket, "evict-listrange", {"objnames": ["one"]})
    wait(wire, answer.body.decode())
    assert listed() == ["two"]
    found = json.loads(wire.send("GET", "/v1/buckets?provider=ht", {"action": "list", "name": "", "value": None}).body)
    assert bucket in [row["name"] for row in found]
    assert act(wire, "DELETE", bucket, "evict-remote-bck").status == 200
    assert wire.send("HEAD", path(bucket, query="&presence=2")).status == 404


def test_a_server_that_is_down_is_the_cause(wire: Wire, nginx: Nginx, folder: str, bucket: str) -> None:
    nginx.put(f"{folder}/one", b"content")
    assert wire.send("GET", path(bucket, "one")).body == b"content"
    assert create(wire, f"{bucket}-busy", f"{nginx.url}/busy").status == 200
    busy = {"objname": "x", "bucket": f"{bucket}-busy", "provider": "ht"}
    answer = wire.batch(None, [{"objname": "one", "bucket": bucket, "provider": "ht"}, busy], strm=False)
    assert (answer.status, answer.error["tcode"]) == (503, "ErrFailedTo")
    assert "HTTP backend failed" in answer.error["message"] and ": 503" in answer.error["message"]


def test_the_sdk_and_the_command_line(
    web_node: NodeProcess, nginx: Nginx, folder: str, bucket: str, tmp_path: Path
) -> None:
    nginx.put(f"{folder}/one", b"content")
    with Client(web_node.url) as client:
        web = client.bucket(bucket, provider="ht")
        assert web.object("one").get_reader().read_all() == b"content"
        assert [content for _, content in client.batch(["one"], bucket=web).get()] == [b"content"]
    environ = {**os.environ, "AIS_ENDPOINT": web_node.url, "HOME": str(tmp_path)}
    command = [sys.executable, "-m", "moss.cli.main", "get", f"ht://{bucket}/one", str(tmp_path / "got")]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "got").read_bytes() == b"content"
