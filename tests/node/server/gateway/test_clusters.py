"""Remote clusters: attached, their buckets used like this cluster's own. The other cluster is a node."""

import json
import os
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from moss.sdk import Client, Namespace
from moss.testing import NodeProcess, start_node
from tests.support.proxy import running_proxy
from tests.support.remote import wait
from tests.support.wire import Answer, Wire, make_tar

CACHED = 64


@pytest.fixture(scope="module")
def near(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    with start_node(tmp_path_factory.mktemp("near") / "data", download_hosts=["127.0.0.1"]) as running:
        yield running


@pytest.fixture(scope="module")
def far(node: NodeProcess, near: NodeProcess) -> Wire:
    """The cluster that is attached under the alias `far`."""
    assert attach(Wire(near.url), "far", node.url).status == 200
    return Wire(node.url)


@pytest.fixture
def wire(near: NodeProcess, far: Wire) -> Wire:
    return Wire(near.url)


@pytest.fixture
def bucket(far: Wire) -> str:
    """A bucket of the other cluster."""
    return far.new_bucket()


def attach(wire: Wire, alias: str, url: str, query: str = "?what=remote") -> Answer:
    return wire.send(
        "PUT", f"/v1/cluster/attach{query}", None, {"Ais-Remote-Ais-Alias": alias, "Ais-Remote-Ais-Url": url}
    )


def detach(wire: Wire, alias: str) -> Answer:
    return wire.send("PUT", "/v1/cluster/detach?what=remote", None, {"Ais-Remote-Ais-Alias": alias})


def attached(wire: Wire) -> list[dict[str, Any]]:
    return json.loads(wire.send("GET", "/v1/cluster?what=remote").body)["a"]


def uuid_of(wire: Wire) -> str:
    return json.loads(wire.send("GET", "/v1/daemon?what=smap").body)["uuid"]


def path(bucket: str, name: str = "", query: str = "", space: str = "@far") -> str:
    kind = f"objects/{bucket}/{name}" if name else f"buckets/{bucket}"
    return f"/v1/{kind}?provider=ais&namespace={space}{query}"


def act(wire: Wire, method: str, bucket: str, action: str, value: Any = None, query: str = "") -> Answer:
    return wire.send(method, path(bucket, query=query), {"action": action, "name": "", "value": value})


def listed(wire: Wire, bucket: str, **value: Any) -> list[tuple[str, bool]]:
    answer = act(wire, "GET", bucket, "list", {"props": "name,size,cached", **value})
    assert answer.status == 200, answer.body
    entries = json.loads(answer.body)["entries"] or []
    return [(entry["name"], bool(entry.get("flags", 0) & CACHED)) for entry in entries]


def finish(wire: Wire, answer: Answer) -> None:
    """Wait for the job whose id an answer holds."""
    assert answer.status == 200, answer.body
    assert not wait(wire, answer.body.decode())["err"]


def buckets(wire: Wire, namespace: str) -> list[dict[str, Any]]:
    answer = wire.send(
        "GET", f"/v1/buckets?provider=ais&namespace={namespace}", {"action": "list", "name": "", "value": None}
    )
    assert answer.status == 200, answer.body
    return json.loads(answer.body)


# -- attaching -------------------------------------------------------------------------------------------


def test_attached_clusters_are_shown_with_their_maps(wire: Wire, far: Wire) -> None:
    (row,) = attached(wire)
    assert (row["alias"], row["uuid"], row["url"]) == ("far", uuid_of(far), far.url)
    assert row["smap"]["uuid"] == row["uuid"] and len(row["smap"]["tmap"]) == 1
    assert row["uptime"] > 0
    config = json.loads(wire.send("GET", "/v1/cluster?what=cluster_config").body)
    assert config["backend"] == {"ais": {"far": [far.url]}}


def test_attaching_refuses_what_makes_no_sense(wire: Wire, far: Wire, near: NodeProcess) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        nobody = f"http://127.0.0.1:{unused.getsockname()[1]}"
    for alias, url, status, words in (
        ("a b", far.url, 400, "invalid alias"),
        ("", far.url, 400, "invalid alias"),
        ("x", "no url", 400, "expecting the http or https URL"),
        ("x", "http://me:secret@127.0.0.1:1", 400, "user and password in a URL are not supported"),
        ("x", "http://10.1.2.3:51080", 403, "10.1.2.3 is not among those that this node may fetch from"),
        ("x", nobody, 503, "connection refused"),
        ("x", near.url, 400, "it is this cluster itself"),
        ("other", far.url, 400, '"far"'),
    ):
        answer = attach(wire, alias, url)
        assert (answer.status, words in answer.error["message"]) == (status, True), answer.body
    assert attach(wire, "x", far.url, "").status == 400
    assert detach(wire, "nobody").status == 400
    # The same cluster once more, perhaps at another address, is no error.
    assert attach(wire, "far", far.url + "/").status == 200
    assert [row["alias"] for row in attached(wire)] == ["far"]


def test_without_allowed_hosts_nothing_is_attached(node: NodeProcess, near: NodeProcess) -> None:
    answer = attach(Wire(node.url), "near", near.url)
    assert (answer.status, "--download-hosts" in answer.error["message"]) == (403, True)


def test_clusters_stay_attached_and_all_workers_know_them(far: Wire, bucket: str, tmp_path: Path) -> None:
    far.put(bucket, "one", b"content")
    with start_node(tmp_path / "data", download_hosts=["127.0.0.1"], workers=2) as running:
        assert attach(Wire(running.url), "far", far.url).status == 200
        for _ in range(8):  # connections go to either worker
            assert Wire(running.url).send("GET", path(bucket, "one")).body == b"content"
            assert len(attached(Wire(running.url))) == 1
    with start_node(tmp_path / "data", download_hosts=["127.0.0.1"]) as running:
        wire = Wire(running.url)
        assert wire.send("GET", path(bucket, "one")).body == b"content"
        assert detach(wire, "far").status == 200
        assert attached(wire) == []
        answer = wire.send("GET", path(bucket, "one"))
        assert (answer.status, answer.error["tcode"]) == (404, "ErrFailedTo")
        assert 'remote cluster "far" is not attached' in answer.error["message"]
        assert (
            wire.send("GET", "/v1/buckets?provider=ais", {"action": "list", "name": "", "value": None}).body == b"[]\n"
        )
        # What had been cached is gone as well, not just out of reach.
        assert attach(wire, "far", far.url).status == 200
        assert listed(wire, bucket) == [("one", False)]
    with start_node(tmp_path / "data") as running:
        answer = Wire(running.url).send("GET", path(bucket, "two"))
        assert (answer.status, "--download-hosts" in answer.error["message"]) == (403, True)


# -- buckets ---------------------------------------------------------------------------------------------


def test_buckets_are_created_and_destroyed_there(wire: Wire, far: Wire) -> None:
    name = f"made{uuid.uuid4().hex[:8]}"
    assert act(wire, "POST", name, "create-bck", {"checksum": {"type": "md5"}}).status == 200
    assert json.loads(far.send("HEAD", f"/v1/buckets/{name}").headers["ais-bucket-props"])["checksum"]["type"] == "md5"
    again = act(wire, "POST", name, "create-bck")
    assert (again.status, again.error["tcode"]) == (409, "ErrBucketAlreadyExists")
    skipped = act(wire, "POST", f"{name}2", "create-bck", query="&dont_head_remote_bck=true")
    assert skipped.status == 501
    assert "cannot skip lookup for the ais:// bucket - operation not supported" in skipped.error["message"]
    assert act(wire, "DELETE", name, "destroy-bck").status == 200
    assert far.send("HEAD", f"/v1/buckets/{name}").status == 404
    gone = act(wire, "DELETE", name, "destroy-bck")
    assert (gone.status, gone.error["tcode"]) == (404, "ErrRemoteBckNotFound")
    assert gone.error["message"] == f'remote bucket "ais://@{uuid_of(far)}/{name}" does not exist'


def test_an_alias_and_a_uuid_are_the_same_cluster(wire: Wire, far: Wire, bucket: str) -> None:
    far.put(bucket, "one", b"content")
    assert wire.send("GET", path(bucket, "one")).body == b"content"
    by_uuid = path(bucket, "one", space=f"@{uuid_of(far)}")
    assert wire.send("HEAD", by_uuid).headers["ais-present"] == "true"
    location = wire.send("GET", path(bucket, "one"), follow=False).headers["location"]
    assert uuid_of(far) in location and "far" not in location


def test_buckets_of_other_clusters_are_listed(wire: Wire, far: Wire, bucket: str) -> None:
    expected = {"name": bucket, "provider": "ais", "namespace": {"uuid": uuid_of(far), "name": ""}}
    for namespace in ("@", "@far", f"@{uuid_of(far)}"):
        assert expected in buckets(wire, namespace)
    assert expected not in buckets(wire, "")  # not used yet, and nobody asked for it
    assert buckets(wire, "@nobody") == []
    assert wire.send("HEAD", path(bucket)).status == 200
    assert expected in json.loads(
        wire.send("GET", "/v1/buckets?provider=ais", {"action": "list", "name": "", "value": None}).body
    )


def test_namespaces_of_other_clusters(wire: Wire, far: Wire, bucket: str) -> None:
    space = "@far%23team"
    assert wire.send("POST", path(bucket, space=space), {"action": "create-bck", "value": None}).status == 200
    assert wire.send("PUT", path(bucket, "one", space=space), b"team").status == 200
    assert far.send("GET", f"/v1/objects/{bucket}/one?namespace=%23team").body == b"team"
    assert wire.send("GET", path(bucket, "one")).status == 404


# -- objects ---------------------------------------------------------------------------------------------


def test_objects_are_written_through_and_read_through(wire: Wire, far: Wire, bucket: str) -> None:
    small, large = b"small", os.urandom(20_000_000)
    for name, content in (("small", small), ("dir/large", large)):
        put = wire.send("PUT", path(bucket, name), content)
        assert put.status == 200
        assert far.send("GET", f"/v1/objects/{bucket}/{name}").body == content
        head = wire.send("HEAD", path(bucket, name))
        there = far.send("HEAD", f"/v1/objects/{bucket}/{name}")
        for header in ("ais-checksum-type", "ais-checksum-value", "ais-version", "content-length"):
            assert head.headers[header] == there.headers[header]
        assert head.headers["ais-present"] == "true"
    far.put(bucket, "cold", large)
    assert wire.send("HEAD", path(bucket, "cold")).headers["ais-present"] == "false"
    assert wire.send("GET", path(bucket, "cold"), None, {"Range": "bytes=5-9"}).body == large[5:10]
    assert wire.send("GET", path(bucket, "cold")).body == large
    assert wire.send("DELETE", path(bucket, "small")).status == 200
    assert far.send("HEAD", f"/v1/objects/{bucket}/small").status == 404


def test_custom_metadata_lies_there_under_its_own_names(wire: Wire, far: Wire, bucket: str) -> None:
    assert wire.send("PUT", path(bucket, "one"), b"1", {"Ais-Custom-Md": "who=me"}).status == 200
    assert far.send("HEAD", f"/v1/objects/{bucket}/one").headers["ais-custom-md"] == "who=me"
    assert wire.send("PATCH", path(bucket, "one"), {"value": {"odd": "a, b=c"}}).status == 200
    assert act(wire, "DELETE", bucket, "evict-remote-bck", query="&keep_bck_md=true").status == 200
    head = wire.send("HEAD", path(bucket, "one"))
    assert head.headers["ais-present"] == "false"
    assert {"who=me", "odd=a"} <= set(head.headers["ais-custom-md"].split(", "))


def test_validation_notices_a_version_that_counts_from_one_again(wire: Wire, far: Wire, bucket: str) -> None:
    far.put(bucket, "one", b"first")
    assert wire.send("GET", path(bucket, "one")).body == b"first"
    assert far.send("DELETE", f"/v1/objects/{bucket}/one").status == 200
    far.put(bucket, "one", b"other")
    assert wire.send("GET", path(bucket, "one")).body == b"first"
    assert wire.send("GET", path(bucket, "one", "&latest-ver=true")).body == b"other"


def test_listing_evicting_and_prefetching(wire: Wire, far: Wire, bucket: str) -> None:
    names = [f"dir/{number}" for number in range(5)]
    for name in names:
        far.put(bucket, name, name.encode())
    assert wire.send("GET", path(bucket, "dir/3")).body == b"dir/3"
    assert listed(wire, bucket) == [(name, name == "dir/3") for name in names]
    assert listed(wire, bucket, prefix="dir/4") == [("dir/4", False)]
    finish(wire, act(wire, "POST", bucket, "prefetch-listrange", {"template": "dir/{0..2}"}))
    assert [is_cached for _, is_cached in listed(wire, bucket)] == [True, True, True, True, False]
    finish(wire, act(wire, "DELETE", bucket, "evict-listrange", {"objnames": ["dir/0"]}))
    assert listed(wire, bucket)[0] == ("dir/0", False)
    assert act(wire, "DELETE", bucket, "evict-remote-bck").status == 200
    assert not any(is_cached for _, is_cached in listed(wire, bucket))
    assert far.send("HEAD", f"/v1/objects/{bucket}/dir/0").status == 200


def test_a_bucket_of_this_cluster_in_front_of_one_there(wire: Wire, far: Wire, bucket: str) -> None:
    front = wire.new_bucket()
    behind = {"backend_bck": {"name": bucket, "provider": "ais", "namespace": {"uuid": "far", "name": ""}}}
    assert wire.send("PATCH", f"/v1/buckets/{front}", {"action": "set-bprops", "value": behind}).status == 200
    props = json.loads(wire.send("HEAD", f"/v1/buckets/{front}").headers["ais-bucket-props"])
    assert props["backend_bck"]["namespace"]["uuid"] == uuid_of(far)
    wire.put(front, "one", b"through")
    assert far.send("GET", f"/v1/objects/{bucket}/one").body == b"through"
    far.put(bucket, "two", b"cold")
    assert wire.send("GET", f"/v1/objects/{front}/two").body == b"cold"


def test_copies_and_archives_into_another_cluster(wire: Wire, far: Wire, bucket: str) -> None:
    here = wire.new_bucket()
    contents = {f"n{number}": os.urandom(1000) for number in range(6)}
    for name, content in contents.items():
        wire.put(here, name, content)
    there = {"name": bucket, "provider": "ais", "namespace": {"uuid": "far", "name": ""}}

    def job(method: str, action: str, value: Any, query: str = "") -> None:
        message = {"action": action, "name": "", "value": value}
        finish(wire, wire.send(method, f"/v1/buckets/{here}?provider=ais{query}", message))

    job("POST", "copy-bck", {"prepend": "all/"}, f"&bck_to=ais/@far%23/{bucket}/")
    job("POST", "copy-listrange", {"tobck": there, "objnames": ["n1", "n2"], "prepend": "some/"})
    job("PUT", "archive", {"tobck": there, "archname": "shard.tar", "objnames": ["n3", "n4"]})
    single = f"/v1/objects/{here}/n5?provider=ais&object_to=ais/@far%23/{bucket}/single"
    assert wire.send("PUT", single).status == 200
    for name, content in contents.items():
        assert far.send("GET", f"/v1/objects/{bucket}/all/{name}").body == content
    assert far.send("GET", f"/v1/objects/{bucket}/some/n2").body == contents["n2"]
    assert far.send("GET", f"/v1/objects/{bucket}/single").body == contents["n5"]
    members = far.send("GET", f"/v1/objects/{bucket}/shard.tar").members()
    assert [content for _, content in members] == [contents["n3"], contents["n4"]]
    # And back, of objects that are not in this cluster.
    far.put(bucket, "cold", b"cold")
    back = f"/v1/objects/{bucket}/cold?provider=ais&namespace=@far&object_to=ais/@%23/{here}/back"
    assert wire.send("PUT", back).status == 200
    assert wire.send("GET", f"/v1/objects/{here}/back").body == b"cold"


# -- batches ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mime", [".tar", ".tgz", ".zip"])
@pytest.mark.parametrize("strm", [True, False])
def test_cold_entries_of_batches(wire: Wire, far: Wire, bucket: str, mime: str, strm: bool) -> None:
    near_bucket = wire.new_bucket()
    shard = make_tar({f"m{number}": os.urandom(1000) for number in range(5)})
    contents = {f"n{number}": os.urandom(10 * number) for number in range(50)} | {"shard.tar": shard}
    for name, content in contents.items():
        far.put(bucket, name, content)
        wire.put(near_bucket, name, content)
    wanted = [{"objname": f"n{number}"} for number in range(50)]
    wanted += [{"objname": "shard.tar", "archpath": "m3"}, {"objname": "n40", "start": 7, "length": 20}]

    def ask(uname: str) -> Answer:
        return wire.batch(None, [{**entry, "uname": uname} for entry in wanted], mime=mime, strm=strm, onob=True)

    there, here = ask(f"ais/@far#/{bucket}/"), ask(f"ais/@#/{near_bucket}/")
    assert there.status == here.status == 200, there.body
    if mime == ".tar":
        assert (there.body if strm else there.parts()[1]) == (here.body if strm else here.parts()[1])
    # And again, from the cache, with what is asked for in the URL.
    again = wire.send(
        "GET",
        f"/v1/ml/moss/{bucket}?provider=ais&namespace=@far",
        {"in": wanted, "mime": mime, "strm": True, "onob": True},
    )
    assert again.status == 200
    if mime == ".tar":
        assert [content for _, content in again.members()][:50] == list(contents.values())[:50]


def test_a_batch_of_what_is_not_there_and_of_a_cluster_that_is_down(far: Wire, tmp_path: Path) -> None:
    with start_node(tmp_path / "near", download_hosts=["127.0.0.1"]) as near:
        wire = Wire(near.url)
        with start_node(tmp_path / "other") as other:
            assert attach(wire, "other", other.url).status == 200
            bucket = Wire(other.url).new_bucket()
            Wire(other.url).put(bucket, "one", b"1")
            Wire(other.url).put(bucket, "two", b"2")
            uname = {"uname": f"ais/@other#/{bucket}/"}
            answer = wire.batch(None, [{"objname": "one", **uname}, {"objname": "none", **uname}], coer=True)
            assert [name for name, _ in answer.members()] == [f"{bucket}/one", f"__404__/{bucket}/none"]
        # It is down now. What was read stays; a cold entry says why it is not there.
        assert wire.batch(None, [{"objname": "one", **uname}]).members() == [(f"{bucket}/one", b"1")]
        begin = time.monotonic()
        answer = wire.batch(None, [{"objname": "two", **uname}], strm=False)
        assert time.monotonic() - begin < 10
        assert (answer.status, answer.error["tcode"]) == (503, "ErrFailedTo")
        assert "AIS backend failed" in answer.error["message"] and "connection refused" in answer.error["message"]
        (row,) = attached(wire)
        assert row["alias"] == "other" and row["smap"] is None


def test_nothing_is_acknowledged_that_the_other_cluster_does_not_have(tmp_path: Path) -> None:
    large = os.urandom(20_000_000)
    with (
        start_node(tmp_path / "other") as other,
        running_proxy(other.url) as proxy,
        start_node(tmp_path / "near", download_hosts=["127.0.0.1"]) as near,
    ):
        wire, there = Wire(near.url), Wire(other.url)
        bucket = there.new_bucket()
        assert attach(wire, "other", proxy.url).status == 200
        assert wire.send("PUT", path(bucket, "one", space="@other"), b"old").status == 200
        proxy.trouble.is_refusing = True
        proxy.cut()
        for name, content in (("one", b"new"), ("one", large), ("two", large)):
            answer = wire.send("PUT", path(bucket, name, space="@other"), content)
            assert (answer.status, answer.error["tcode"]) == (503, "ErrFailedTo")
            assert f"AIS backend failed on ais://@{uuid_of(there)}/{bucket}/{name}" in answer.error["message"]
        assert wire.send("DELETE", path(bucket, "one", space="@other")).status == 503
        assert wire.send("GET", path(bucket, "one", space="@other")).body == b"old"
        proxy.trouble.is_refusing = False
        assert wire.send("GET", path(bucket, "one", "&latest-ver=true", space="@other")).body == b"old"
        assert wire.send("GET", path(bucket, "two", space="@other")).status == 404
        # An answer that breaks off is an error as well, and nothing of it is kept.
        there.put(bucket, "three", large)
        proxy.trouble.cut_after = 1_000_000
        answer = wire.send("GET", path(bucket, "three", space="@other"))
        assert answer.is_broken or answer.status == 503
        proxy.trouble.cut_after = None
        assert wire.send("HEAD", path(bucket, "three", space="@other")).headers["ais-present"] == "false"
        assert wire.send("GET", path(bucket, "three", space="@other")).body == large


def test_the_sdk_reads_batches_from_both_clusters(near: NodeProcess, far: Wire, wire: Wire, bucket: str) -> None:
    far.put(bucket, "there", b"there")
    here = wire.new_bucket()
    wire.put(here, "here", b"here")
    with Client(near.url) as client:
        remote = client.bucket(bucket, namespace=Namespace(uuid=uuid_of(far)))
        batch = client.batch(bucket=client.bucket(here))
        batch.add("here")
        batch.add(remote.object("there"))
        assert [content for _, content in batch.get()] == [b"here", b"there"]
        assert remote.object("there").get_reader().read_all() == b"there"


# -- the command line ------------------------------------------------------------------------------------


def test_the_command_line(node: NodeProcess, tmp_path: Path) -> None:
    def ais(*words: str) -> str:
        environ = {**os.environ, "AIS_ENDPOINT": near.url, "HOME": str(tmp_path)}
        done = subprocess.run(
            [sys.executable, "-m", "moss.cli.main", *words], env=environ, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    far = Wire(node.url)
    bucket = far.new_bucket()
    far.put(bucket, "one", b"content")
    with start_node(tmp_path / "data", download_hosts=["127.0.0.1"]) as near:
        told = ais("cluster", "remote-attach", f"far={far.url}")
        assert told == f"Remote cluster (far={far.url}) successfully attached\n"
        shown = ais("show", "remote-cluster")
        assert "far" in shown and uuid_of(far) in shown and far.url in shown
        assert f"ais://@{uuid_of(far)}/{bucket}" in ais("ls", "ais://@", "--all")
        assert "one" in ais("ls", f"ais://@far/{bucket}")
        ais("get", f"ais://@far/{bucket}/one", str(tmp_path / "got"))
        assert (tmp_path / "got").read_bytes() == b"content"
        assert ais("cluster", "remote-detach", "far") == "Remote cluster far successfully detached\n"
