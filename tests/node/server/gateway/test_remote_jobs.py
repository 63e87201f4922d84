"""Jobs on many objects of an S3 service: prefetch, evict, delete, copy, archive.

Source: spec/rest-data.md 3.10, 6, 8.
"""

import io
import json
import tarfile
import threading
from typing import Any

import pytest

from moss.testing import NodeProcess
from tests.support.remote import CACHED, Cloud, list_all, wait
from tests.support.rgw import Rgw
from tests.support.wire import Wire, make_tar


@pytest.fixture(scope="module")
def wire(cloud_node: NodeProcess) -> Wire:
    return Wire(cloud_node.url)


OBJECTS = {f"o{number}": b"x" * number for number in range(6)} | {"d/1": b"one", "d/e/2": b"two"}


@pytest.fixture
def cloud(rgw: Rgw, wire: Wire) -> Cloud:
    return Cloud(rgw, wire, **OBJECTS)


def contents(wire: Wire, bucket: str, provider: str = "ais") -> dict[str, bytes]:
    """Return what a bucket holds, as its clients see it."""
    rows = list_all(wire, f"/v1/buckets/{bucket}?provider={provider}")
    return {row["n"]: wire.send("GET", f"/v1/objects/{bucket}/{row['n']}?provider={provider}").body for row in rows}


def run(wire: Wire, method: str, bucket: str, action: str, value: Any, query: str = "") -> dict[str, Any]:
    answer = wire.send(method, f"/v1/buckets/{bucket}{query}", {"action": action, "name": "", "value": value})
    assert answer.status == 200, answer.body
    return wait(wire, answer.body.decode())


def counted(job: dict[str, Any]) -> tuple[str, int]:
    return job["err"], int(job["stats"]["loc-objs"])


# -- prefetch -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "cached"),
    [
        ({}, sorted(OBJECTS)),
        (None, sorted(OBJECTS)),
        ({"template": "d/"}, ["d/1", "d/e/2"]),
        ({"template": "d/", "non-recurs": True}, ["d/1"]),
        ({"template": "o{1..9..2}"}, ["o1", "o3", "o5"]),
        ({"template": "o%d"}, ["o0", "o1", "o2", "o3", "o4", "o5"]),
        ({"objnames": ["o2", "d/1", "o2"], "num-workers": -1}, ["d/1", "o2"]),
    ],
)
def test_prefetch_has_the_selected_objects_in_the_cache(cloud: Cloud, value: Any, cached: list[str]):
    job = cloud.run("POST", "prefetch-listrange", value)
    assert (job["kind"], counted(job)) == ("prefetch-listrange", ("", len(cached)))
    assert cloud.cached() == cached
    assert counted(cloud.run("POST", "prefetch-listrange", value)) == ("", 0)


def test_prefetch_goes_on_where_a_name_is_missing(cloud: Cloud):
    job = cloud.run("POST", "prefetch-listrange", {"objnames": ["none", "o1", "o2"]})
    assert counted(job) == (f"s3://{cloud.name}/none does not exist", 2)
    assert not job["aborted"]
    assert cloud.run("POST", "prefetch-listrange", {"objnames": ["none", "o3"], "coer": True})["err"] == ""
    assert cloud.cached() == ["o1", "o2", "o3"]


@pytest.mark.parametrize("value", [{"template": "o"}, {"objnames": ["o1", "o2"]}])
def test_prefetch_of_the_latest_fetches_what_has_changed(cloud: Cloud, value: dict[str, Any]):
    cloud.run("POST", "prefetch-listrange", value)
    cloud.store("o1", b"y")
    assert counted(cloud.run("POST", "prefetch-listrange", value)) == ("", 0)
    assert cloud.get("o1").body == b"x"
    assert counted(cloud.run("POST", "prefetch-listrange", value | {"latest-ver": True})) == ("", 1)
    assert cloud.get("o1").body == b"y"


def test_large_objects_are_fetched_as_blobs(cloud: Cloud):
    size = (1 << 20) + 1
    cloud.store("large", b"L" * size)

    def blobs() -> int:
        answer = cloud.wire.send("GET", "/v1/cluster?what=qryxstats", {"kind": "blob-download"})
        (found,) = json.loads(answer.body).values()
        return sum(row["bck"]["name"] == cloud.name for row in found)

    cloud.run("POST", "prefetch-listrange", {"objnames": ["large"], "blob-threshold": size + 1})
    assert blobs() == 0
    cloud.run("DELETE", "evict-listrange", {"objnames": ["large"]})
    assert counted(cloud.run("POST", "prefetch-listrange", {"blob-threshold": size, "template": ""}))[0] == ""
    assert blobs() == 1
    assert cloud.get("large").body == b"L" * size
    assert set(cloud.cached()) == {"large", *OBJECTS}


def test_only_buckets_with_a_store_are_fetched_and_evicted(wire: Wire):
    name = wire.new_bucket()
    for method, action, word in (
        ("POST", "prefetch-listrange", "prefetch-listrange"),
        ("DELETE", "evict-listrange", "evict-remote-bck"),
        ("DELETE", "evict-remote-bck", "evict-remote-bck"),
    ):
        answer = wire.send(method, f"/v1/buckets/{name}", {"action": action, "value": {"template": ""}})
        assert (answer.status, answer.error["message"]) == (400, f"{word}: expecting remote bucket (have ais://{name})")


def test_jobs_can_be_started_by_their_kind(cloud: Cloud):
    cloud.get("o1")
    bucket = {"name": cloud.name, "provider": "aws"}
    for kind, cached in (("prefetch-listrange", sorted(OBJECTS)), ("evict-remote-bck", [])):
        message = {"action": "start", "name": "", "value": {"kind": kind, "bck": bucket}}
        answer = cloud.wire.send("PUT", "/v1/cluster", message)
        assert answer.status == 200, answer.body
        assert wait(cloud.wire, answer.body.decode())["err"] == ""
        assert cloud.cached() == cached


def test_a_prefetch_can_be_stopped(cloud: Cloud):
    cloud.store_many([f"n{number:03d}" for number in range(200)], b"x" * 1000)
    answer = cloud.act("POST", "prefetch-listrange", {"template": "", "num-workers": -1})
    job_id = answer.body.decode()
    stop = {"action": "stop", "name": "", "value": {"id": job_id}}
    assert cloud.wire.send("PUT", "/v1/cluster", stop).status == 200
    job = wait(cloud.wire, job_id)
    assert (job["aborted"], int(job["stats"]["loc-objs"]) < 208) == (True, True)
    assert cloud.get("n199").status == 200


# -- evict --------------------------------------------------------------------------------------------


def test_evicting_by_list_and_by_template(cloud: Cloud):
    cloud.run("POST", "prefetch-listrange", {})
    assert counted(cloud.run("DELETE", "evict-listrange", {"objnames": ["o1", "none"]})) == (
        f"s3://{cloud.name}/none does not exist", 1,
    )  # fmt: skip
    assert counted(cloud.run("DELETE", "evict-listrange", {"objnames": ["o1"], "coer": True})) == ("", 0)
    assert counted(cloud.run("DELETE", "evict-listrange", {"template": "o{0..3}"})) == ("", 3)
    assert counted(cloud.run("DELETE", "evict-listrange", {"template": "d/"})) == ("", 2)
    assert cloud.cached() == ["o4", "o5"]
    assert cloud.stored() == OBJECTS
    assert cloud.get("o1").body == b"x"


# -- delete -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "left"),
    [
        ({"objnames": ["o1", "o2", "none"]}, {"o0", "o3", "o4", "o5", "d/1", "d/e/2"}),
        ({"template": "o{0..3}"}, {"o4", "o5", "d/1", "d/e/2"}),
        ({"template": "d/", "non-recurs": True}, {"o0", "o1", "o2", "o3", "o4", "o5", "d/e/2"}),
        ({"template": "o"}, {"d/1", "d/e/2"}),
        (None, set()),
    ],
)
def test_objects_are_deleted_in_the_store_and_in_the_cache(cloud: Cloud, value: Any, left: set[str]):
    cloud.run("POST", "prefetch-listrange", {"objnames": ["o1", "d/1", "o5"]})
    assert cloud.run("DELETE", "delete-listrange", value)["err"] == ""
    assert set(cloud.stored()) == left
    assert {row["n"] for row in cloud.entries()} == left
    assert set(cloud.cached()) == left & {"o1", "d/1", "o5"}


def test_what_only_the_cache_has_is_deleted_with_the_rest(cloud: Cloud):
    cloud.get("o1")
    cloud.remove("o1")
    cloud.run("DELETE", "delete-listrange", {"template": "o"})
    assert cloud.cached() == []
    assert cloud.get("o1").status == 404


# -- copies -------------------------------------------------------------------------------------------


def to(name: str, provider: str = "ais") -> str:
    return f"&bck_to={provider}/@%23/{name}/"


def test_a_copy_of_a_bucket_takes_what_is_cached_unless_all_is_wanted(wire: Wire, cloud: Cloud):
    cloud.get("o2")
    first, second = wire.new_bucket(), wire.new_bucket() + "-new"
    job = cloud.run("POST", "copy-bck", {}, to(first))
    assert (job["kind"], counted(job)) == ("copy-bck", ("", 1))
    assert contents(wire, first) == {"o2": b"xx"}
    answer = cloud.act("POST", "copy-bck", {}, to(second) + "&presence=0")
    assert answer.body.startswith(b"tco-")
    assert counted(wait(wire, answer.body.decode())) == ("", len(OBJECTS))
    assert contents(wire, second) == OBJECTS
    assert cloud.cached() == ["o2"], "what passes through leaves no trace"


def test_copies_of_a_selection_read_cold_objects(wire: Wire, cloud: Cloud):
    name = wire.new_bucket()
    value = {"template": "d/", "tobck": {"name": name, "provider": "ais"}, "prepend": "p-", "prefix": "d/"}
    assert counted(cloud.run("POST", "copy-listrange", value)) == ("", 2)
    assert contents(wire, name) == {"p-d/1": b"one", "p-d/e/2": b"two"}
    value = {"objnames": ["o1", "none"], "tobck": {"name": name, "provider": "ais"}}
    assert counted(cloud.run("POST", "copy-listrange", value)) == (f"s3://{cloud.name}/none does not exist", 1)
    assert contents(wire, name).keys() == {"p-d/1", "p-d/e/2", "o1"}
    value = {"template": "o{0..9}", "tobck": {"name": name, "provider": "ais"}, "dry_run": True}
    assert counted(cloud.run("POST", "copy-listrange", value)) == ("", 6)
    assert contents(wire, name).keys() == {"p-d/1", "p-d/e/2", "o1"}


def test_a_copy_from_a_store_has_the_metadata_that_clients_gave_and_no_more(wire: Wire, cloud: Cloud):
    cloud.store("m", b"data", Metadata={"Color": "red"})
    names = [wire.new_bucket() for _ in range(2)]
    for number, name in enumerate(names):
        if number:
            cloud.get("m")
        cloud.run("POST", "copy-listrange", {"objnames": ["m"], "tobck": {"name": name, "provider": "ais"}})
        head = wire.send("HEAD", f"/v1/objects/{name}/m")
        assert head.headers["ais-custom-md"] == "X-Amz-Meta-Color=red"
        assert (head.headers["ais-checksum-type"], head.headers["content-length"]) == ("xxhash2", "4")


@pytest.mark.parametrize("how", ["bucket", "list", "template"])
def test_btr_32_a_copy_to_a_store_is_in_the_store_when_it_is_reported_done(rgw: Rgw, wire: Wire, how: str):
    there, name = Cloud(rgw, wire), wire.new_bucket()
    expected = {f"c/{number:02d}": bytes([number]) * (number + 1) for number in range(30)}
    for key, body in expected.items():
        wire.put(name, key, body)
    wire.send("PATCH", f"/v1/objects/{name}/c/07", {"action": "", "value": {"k": "v"}})
    value: dict[str, Any] = {"tobck": {"name": there.name, "provider": "aws"}}
    if how == "bucket":
        job = run(wire, "POST", name, "copy-bck", {}, f"?x=0{to(there.name, 'aws')}")
    else:
        chosen = {"objnames": list(expected)} if how == "list" else {"template": "c/{00..40}"}
        job = run(wire, "POST", name, "copy-listrange", value | chosen)
    assert counted(job) == ("", 30)
    assert there.stored() == expected
    assert there.s3.head_object(Bucket=there.name, Key="c/07")["Metadata"]["k"] == "v"
    assert [row.get("f", 0) & CACHED for row in there.entries()] == [CACHED] * 30
    # Evicting one of them loses nothing.
    there.run("DELETE", "evict-listrange", {})
    assert there.cached() == []
    assert contents(wire, there.name, "aws") == expected


def test_copies_between_buckets_of_a_store(rgw: Rgw, wire: Wire, cloud: Cloud):
    there = Cloud(rgw, wire)
    large = b"0123456789abcdef" * (600 << 10)
    cloud.store("large", large)
    cloud.get("o1")
    value = {"template": "", "tobck": {"name": there.name, "provider": "aws"}}
    assert counted(cloud.run("POST", "copy-listrange", value)) == ("", len(OBJECTS) + 1)
    assert there.stored() == OBJECTS | {"large": large}
    assert cloud.cached() == ["o1"]
    same = cloud.run(
        "POST", "copy-listrange", {"template": "d/", "prepend": "x-", "tobck": {"name": cloud.name, "provider": "aws"}}
    )
    assert counted(same) == ("", 2)
    assert {key for key in cloud.stored() if key.startswith("x-")} == {"x-d/1", "x-d/e/2"}


def test_a_copy_of_a_bucket_of_a_store_onto_itself_refreshes_it(cloud: Cloud):
    cloud.get("o1")
    cloud.store("o1", b"y")
    assert cloud.run("POST", "copy-bck", {"latest-ver": True, "prefix": "o"}, to(cloud.name, "aws"))["err"] == ""
    assert cloud.cached() == [f"o{number}" for number in range(6)]
    assert cloud.get("o1").body == b"y"


@pytest.mark.parametrize("source_is_remote", [True, False])
def test_synchronizing_deletes_what_the_source_has_no_more(rgw: Rgw, wire: Wire, source_is_remote: bool):
    cloud, name = Cloud(rgw, wire, a=b"1", b=b"2"), wire.new_bucket()
    if source_is_remote:
        wire.put(name, "stale", b"s")
        cloud.run("POST", "prefetch-listrange", {})
        cloud.store("a", b"new")
        cloud.remove("b")
        job = cloud.run("POST", "copy-bck", {"synchronize": True}, to(name))
        assert job["err"] == ""
        assert contents(wire, name) == {"a": b"new"}
    else:
        wire.put(name, "a", b"mine")
        job = run(wire, "POST", name, "copy-bck", {"synchronize": True}, f"?x=0{to(cloud.name, 'aws')}")
        assert job["err"] == ""
        assert cloud.stored() == {"a": b"mine"}


def test_a_copy_into_a_missing_bucket_of_a_store_is_refused(wire: Wire, cloud: Cloud):
    answer = cloud.act("POST", "copy-bck", {}, to(cloud.name + "-none", "aws"))
    assert (answer.status, answer.error["tcode"]) == (404, "ErrRemoteBckNotFound")
    name = cloud.name + "-none"
    value = {"objnames": ["o1"], "archname": "x.tar", "tobck": {"name": name, "provider": "aws"}}
    assert cloud.act("PUT", "archive", value).status == 404


def test_a_new_bucket_made_like_one_of_a_store_is_this_clusters_own(wire: Wire, cloud: Cloud):
    name = wire.new_bucket()
    value = {"backend_bck": {"name": cloud.name, "provider": "aws"}, "checksum": {"type": "md5"}}
    wire.send("PATCH", f"/v1/buckets/{name}", {"action": "set-bprops", "value": value})
    run(wire, "POST", name, "copy-bck", {"prefix": "d/"}, f"?presence=0{to(name + '-2')}")
    head = wire.send("HEAD", f"/v1/buckets/{name}-2")
    made = json.loads(head.headers["ais-bucket-props"])
    assert (made["backend_bck"]["name"], made["lru"]["enabled"], made["checksum"]["type"]) == ("", False, "md5")
    assert contents(wire, f"{name}-2") == {"d/1": b"one", "d/e/2": b"two"}
    assert cloud.stored() == OBJECTS


# -- archives -----------------------------------------------------------------------------------------


def members(data: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {row.name: tar.extractfile(row).read() for row in tar}  # type: ignore[union-attr]


def test_archives_of_cold_objects_in_a_store(rgw: Rgw, wire: Wire, cloud: Cloud):
    there = Cloud(rgw, wire)
    value = {"template": "o", "archname": "s/x.tar", "tobck": {"name": there.name, "provider": "aws"}}
    job = cloud.run("PUT", "archive", value)
    assert counted(job) == ("", 6)
    expected = {f"o{number}": b"x" * number for number in range(6)}
    assert members(there.stored()["s/x.tar"]) == expected
    assert there.get("s/x.tar", "&archpath=o3").body == b"xxx"
    # It grows from what the store has, not from what is in the cache.
    cloud.rgw.client().copy_object(Bucket=there.name, Key="s/y.tar", CopySource=f"{there.name}/s/x.tar")
    there.store("s/x.tar", there.stored()["s/y.tar"])
    there.run("DELETE", "evict-listrange", {})
    more = {"objnames": ["d/1"], "aate": True, "archname": "s/y.tar", "tobck": value["tobck"]}
    assert cloud.run("PUT", "archive", more)["err"] == ""
    assert members(there.stored()["s/y.tar"]) == expected | {"d/1": b"one"}


def test_an_archive_with_a_missing_member_is_not_made(wire: Wire, cloud: Cloud):
    name = wire.new_bucket()
    value = {"objnames": ["o1", "none"], "archname": "x.tar", "tobck": {"name": name, "provider": "ais"}}
    assert cloud.run("PUT", "archive", value)["err"] == f"s3://{cloud.name}/none does not exist"
    assert wire.send("GET", f"/v1/objects/{name}/x.tar").status == 404
    job = cloud.run("PUT", "archive", value | {"coer": True})
    assert job["err"] == f"s3://{cloud.name}/none does not exist"
    assert members(wire.send("GET", f"/v1/objects/{name}/x.tar").body) == {"o1": b"x"}


# -- shard indexes ------------------------------------------------------------------------------------


def test_shards_in_the_cache_are_indexed_and_counted(cloud: Cloud):
    for name in ("s1.tar", "s2.tar"):
        cloud.store(name, make_tar({"m": b"member"}))
    cloud.get("s1.tar")
    assert cloud.run("POST", "index-shard", {"prefix": "s"})["err"] == ""
    answer = cloud.act("GET", "summary-shard", {"prefix": "s"})
    wait(cloud.wire, answer.body.decode())
    found = cloud.act("GET", "summary-shard", {"prefix": "s", "uuid": answer.body.decode()})
    counts = json.loads(found.body)
    assert (counts["tar-objs"], counts["shards"], counts["archived-objs"]) == ("1", "1", "1")


def test_many_jobs_at_once(rgw: Rgw, wire: Wire, cloud: Cloud):
    """Prefetches of the same objects, copies of them and evictions at the same time end, and end right."""
    there = Cloud(rgw, wire)
    value = {"template": "", "tobck": {"name": there.name, "provider": "aws"}}
    errors: list[str] = []

    def go(method: str, action: str, fields: dict[str, Any]) -> None:
        errors.append(cloud.run(method, action, fields)["err"])

    calls = [("POST", "prefetch-listrange", {}), ("POST", "copy-listrange", value), ("DELETE", "evict-listrange", {})]
    threads = [threading.Thread(target=go, args=call) for call in calls * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert errors == [""] * len(threads)
    assert there.stored() == OBJECTS
