"""Buckets of an S3 service: entered, created, looked at, listed, evicted. Source: spec/rest-data.md 3, 8."""

import json
import uuid

import pytest

from moss.testing import NodeProcess
from tests.support.remote import CACHED, Cloud, wait
from tests.support.rgw import Rgw
from tests.support.wire import Wire


@pytest.fixture(scope="module")
def wire(cloud_node: NodeProcess) -> Wire:
    return Wire(cloud_node.url)


@pytest.fixture
def cloud(rgw: Rgw, wire: Wire) -> Cloud:
    return Cloud(rgw, wire, a=b"A", b=b"BB")


def here(wire: Wire) -> list[str]:
    """Return the buckets of the service that the node has entered."""
    answer = wire.send("GET", "/v1/buckets?provider=aws&presence=2", {"action": "list", "value": None})
    return [row["name"] for row in json.loads(answer.body)]


def props(wire: Wire, cloud: Cloud, query: str = "") -> dict:
    answer = wire.send("HEAD", cloud.path(query=query))
    assert answer.status == 200, answer.headers
    return json.loads(answer.headers["ais-bucket-props"])


def test_a_bucket_is_entered_at_its_first_use(wire: Wire, cloud: Cloud):
    for query in ("&dont_add_remote_bck_md=true", "&presence=2", "&presence=3", "&presence=4"):
        answer = wire.send("HEAD", cloud.path(query=query))
        assert answer.status == 404
        assert json.loads(answer.headers["hdr-error"])["tcode"] == "ErrRemoteBckNotFound"
    assert cloud.name not in here(wire)
    found = props(wire, cloud)
    assert (found["provider"], found["extra"]["aws"]["cloud_region"]) == ("aws", "us-east-1")
    assert (found["versioning"]["enabled"], found["lru"]["enabled"]) == (False, True)
    assert int(found["bid"]) < 1 << 63
    assert cloud.name in here(wire)


def test_a_versioned_bucket_says_so(wire: Wire, cloud: Cloud):
    cloud.s3.put_bucket_versioning(Bucket=cloud.name, VersioningConfiguration={"Status": "Enabled"})
    assert props(wire, cloud)["versioning"]["enabled"]


def test_listing_enters_the_bucket_unless_it_is_not_to(wire: Wire, cloud: Cloud):
    assert [row["n"] for row in cloud.entries(flags=str(1 << 8))] == ["a", "b"]
    assert cloud.name not in here(wire)
    present = wire.send("GET", cloud.path(), {"action": "list", "value": {"flags": str(1 << 6)}})
    assert (present.status, present.error["tcode"]) == (404, "ErrRemoteBckNotFound")
    assert [row["n"] for row in cloud.entries(flags=str(1 << 7))] == ["a", "b"]
    assert cloud.name in here(wire)


def test_creating_looks_the_bucket_up(wire: Wire, cloud: Cloud):
    value = {"checksum": {"type": "md5"}}
    assert cloud.act("POST", "create-bck", value).status == 200
    assert props(wire, cloud)["checksum"]["type"] == "md5"
    again = cloud.act("POST", "create-bck")
    assert (again.status, again.error["tcode"]) == (409, "ErrBucketAlreadyExists")
    assert again.error["message"] == f'bucket "s3://{cloud.name}" already exists'
    missing = wire.send("POST", f"/v1/buckets/{cloud.name}-none?provider=aws", {"action": "create-bck"})
    assert (missing.status, missing.error["tcode"]) == (501, "ErrRemoteBckNotFound")


def test_a_bucket_that_is_not_there_can_be_registered_and_still_is_not_there(wire: Wire):
    name = "m" + uuid.uuid4().hex[:12]
    path = f"/v1/buckets/{name}?provider=aws"
    for method, body in (("HEAD", None), ("GET", {"action": "list", "value": {}})):
        answer = wire.send(method, path, body)
        error = json.loads(answer.headers["hdr-error"]) if method == "HEAD" else answer.error
        assert (error["status"], error["tcode"]) == (404, "ErrRemoteBckNotFound")
        assert error["message"] == f'aws bucket "s3://{name}" does not exist'
    assert wire.send("POST", path + "&dont_head_remote_bck=true", {"action": "create-bck"}).status == 200
    assert wire.send("HEAD", path).status == 200
    answer = wire.send("GET", path, {"action": "list", "value": {}})
    assert (answer.status, answer.error["tcode"]) == (404, "ErrRemoteBckNotFound")
    assert wire.send("GET", f"/v1/objects/{name}/o?provider=aws").status == 404
    assert wire.send("DELETE", path, {"action": "evict-remote-bck"}).status == 200
    assert wire.send("HEAD", path).status == 404


def test_buckets_of_the_service_are_listed_and_not_entered(wire: Wire, cloud: Cloud):
    mine = wire.new_bucket()
    message = {"action": "list", "value": None}

    def listed(query: str, **more: str) -> list[tuple[str, str]]:
        answer = wire.send("GET", f"/v1/buckets?{query}", message | more)
        assert answer.status == 200, answer.body
        return [(row["provider"], row["name"]) for row in json.loads(answer.body)]

    assert ("aws", cloud.name) in listed("provider=aws")
    both = listed("provider=")
    assert {("aws", cloud.name), ("ais", mine)} <= set(both)
    assert both == sorted(both)
    assert listed("provider=aws", name=cloud.name) == [("aws", cloud.name)]
    assert ("aws", cloud.name) not in listed("provider=ais")
    assert ("aws", cloud.name) not in listed("provider=aws&presence=2")
    assert cloud.name not in here(wire)
    # Another cloud has no backend here.
    assert wire.send("GET", "/v1/buckets?provider=gcp", message).status == 400
    cloud.get("a")
    assert listed("provider=aws").count(("aws", cloud.name)) == 1


def test_evicting_a_bucket_forgets_it_and_leaves_the_store_alone(wire: Wire, cloud: Cloud):
    cloud.get("a")
    changed = {"action": "set-bprops", "value": {"checksum": {"type": "md5"}}}
    assert wire.send("PATCH", cloud.path(), changed).status == 200
    first = props(wire, cloud)
    assert cloud.act("DELETE", "evict-remote-bck", query="&keep_bck_md=True").status == 200
    kept = props(wire, cloud)
    assert (kept["bid"], kept["checksum"]["type"]) == (first["bid"], "md5")
    assert cloud.cached() == []
    assert [row.get("f", 0) & CACHED for row in cloud.entries()] == [0, 0]
    cloud.get("a")
    assert cloud.cached() == ["a"]
    assert cloud.act("DELETE", "evict-remote-bck").status == 200
    assert cloud.name not in here(wire)
    assert cloud.act("DELETE", "evict-remote-bck").status == 200
    assert cloud.name not in here(wire), "evicting looks nothing up"
    assert cloud.stored() == {"a": b"A", "b": b"BB"}
    again = props(wire, cloud)
    assert (again["checksum"]["type"], again["bid"] != first["bid"]) == ("xxhash2", True)
    assert cloud.cached() == []


def test_a_bucket_of_a_cloud_is_neither_destroyed_nor_renamed(wire: Wire, cloud: Cloud):
    assert cloud.act("DELETE", "destroy-bck").status == 405
    answer = cloud.act("POST", "move-bck", query="&bck_to=ais/@%23/other/")
    assert (answer.status, answer.error["tcode"]) == (405, "ErrUnsupp")
    mine = wire.new_bucket()
    answer = wire.send("POST", f"/v1/buckets/{mine}?bck_to=aws/@%23/{cloud.name}/", {"action": "move-bck"})
    assert (answer.status, "can only rename to AIS" in answer.error["message"]) == (400, True)
    assert cloud.stored() == {"a": b"A", "b": b"BB"}


# -- a bucket of this cluster with another behind it ------------------------------------------------------


@pytest.fixture
def front(wire: Wire, cloud: Cloud) -> str:
    name = wire.new_bucket()
    attach(wire, name, cloud)
    return name


def attach(wire: Wire, name: str, cloud: Cloud) -> None:
    value = {"backend_bck": {"name": cloud.name, "provider": "aws"}}
    assert wire.send("PATCH", f"/v1/buckets/{name}", {"action": "set-bprops", "value": value}).status == 200


def entries(wire: Wire, name: str, **value: object) -> list[tuple[str, int]]:
    answer = wire.send("GET", f"/v1/buckets/{name}", {"action": "list", "value": value})
    assert answer.status == 200, answer.body
    return [(row["name"], row.get("flags", 0)) for row in json.loads(answer.body)["entries"] or []]


def test_a_bucket_with_a_backend_shows_the_backends_objects(wire: Wire, cloud: Cloud, front: str):
    head = wire.send("HEAD", f"/v1/buckets/{front}")
    shown = json.loads(head.headers["ais-bucket-props"])
    assert (shown["provider"], shown["backend_bck"]["name"], shown["lru"]["enabled"]) == ("ais", cloud.name, True)
    assert entries(wire, front) == [("a", 0), ("b", 0)]
    assert wire.send("GET", f"/v1/objects/{front}/a").body == b"A"
    assert entries(wire, front) == [("a", CACHED), ("b", 0)]
    assert entries(wire, front, start_after="a") == [("b", 0)]
    # What it has in its cache is its own.
    assert cloud.cached() == []
    evicted = wire.send("DELETE", f"/v1/buckets/{front}", {"action": "evict-remote-bck"})
    assert evicted.status == 200
    assert entries(wire, front) == [("a", 0), ("b", 0)]
    assert wire.send("DELETE", f"/v1/buckets/{front}", {"action": "destroy-bck"}).status == 200
    assert cloud.stored() == {"a": b"A", "b": b"BB"}


def test_objects_from_before_stay_when_the_cache_is_evicted(wire: Wire, cloud: Cloud):
    name = wire.new_bucket()
    wire.put(name, "aa", b"mine alone")
    attach(wire, name, cloud)
    assert entries(wire, name) == [("a", 0), ("aa", CACHED), ("b", 0)]
    assert entries(wire, name, pagesize=2) == [("a", 0), ("aa", CACHED)]
    wire.send("GET", f"/v1/objects/{name}/a")
    assert wire.send("DELETE", f"/v1/buckets/{name}", {"action": "evict-remote-bck"}).status == 200
    answer = wire.send("DELETE", f"/v1/buckets/{name}", {"action": "evict-listrange", "value": {"template": ""}})
    assert wait(wire, answer.body.decode())["err"] == ""
    assert entries(wire, name) == [("a", 0), ("aa", CACHED), ("b", 0)]
    assert wire.send("GET", f"/v1/objects/{name}/aa").body == b"mine alone"


def test_a_backend_has_to_be_there(wire: Wire, cloud: Cloud):
    name = wire.new_bucket()
    value = {"backend_bck": {"name": cloud.name + "-none", "provider": "aws"}}
    answer = wire.send("PATCH", f"/v1/buckets/{name}", {"action": "set-bprops", "value": value})
    assert (answer.status, answer.error["tcode"]) == (404, "ErrRemoteBckNotFound")
    create = {"action": "create-bck", "value": {"backend_bck": {"name": cloud.name, "provider": "aws"}}}
    assert wire.send("POST", f"/v1/buckets/{name}-2", create).status == 200
    assert [row[0] for row in entries(wire, f"{name}-2")] == ["a", "b"]
    clear = {"action": "set-bprops", "value": {"backend_bck": {"name": "", "provider": ""}}}
    assert wire.send("PATCH", f"/v1/buckets/{name}-2", clear).status == 200
    assert entries(wire, f"{name}-2") == []


def test_eviction_can_be_forbidden_for_a_bucket(wire: Wire, cloud: Cloud):
    value = {"backend_bck": {"name": cloud.name, "provider": "aws"}, "lru": {"enabled": False}}
    name = wire.new_bucket()
    assert wire.send("PATCH", f"/v1/buckets/{name}", {"action": "set-bprops", "value": value}).status == 200
    head = wire.send("HEAD", f"/v1/buckets/{name}")
    assert json.loads(head.headers["ais-bucket-props"])["lru"]["enabled"] is False


def test_a_bucket_with_a_backend_can_be_renamed(wire: Wire, cloud: Cloud, front: str):
    wire.send("GET", f"/v1/objects/{front}/a")
    answer = wire.send("POST", f"/v1/buckets/{front}?bck_to=ais/@%23/{front}-2/", {"action": "move-bck"})
    assert answer.status == 200, answer.body
    wait(wire, answer.body.decode())
    assert entries(wire, f"{front}-2") == [("a", CACHED), ("b", 0)]
    assert wire.send("GET", f"/v1/objects/{front}-2/b").body == b"BB"


# -- summaries --------------------------------------------------------------------------------------------


def summary(cloud: Cloud, **value: object) -> dict:
    message = {"action": "summary-bck", "name": "", "value": {"uuid": "", "prefix": "", **value}}
    answer = cloud.wire.send("GET", cloud.path(), message)
    assert answer.status == 202, answer.body
    message["value"]["uuid"] = answer.body.decode()
    wait(cloud.wire, answer.body.decode())
    answer = cloud.wire.send("GET", cloud.path(), message)
    assert answer.status == 200, answer.body
    (row,) = json.loads(answer.body)
    return row


def test_a_summary_tells_what_is_cached_and_what_the_store_has(cloud: Cloud):
    cloud.get("a")
    row = summary(cloud)
    assert row["ObjCount"] == {"obj_count_present": "1", "obj_count_remote": "2"}
    assert row["ObjSize"] == {"obj_min_size": 1, "obj_avg_size": 2, "obj_max_size": 2}
    sizes = row["TotalSize"]
    assert (sizes["size_all_present_objs"], sizes["size_all_remote_objs"]) == ("1", "3")
    row = summary(cloud, cached=True)
    assert row["ObjCount"] == {"obj_count_present": "1", "obj_count_remote": "0"}
    assert summary(cloud, prefix="b")["ObjCount"] == {"obj_count_present": "0", "obj_count_remote": "1"}


@pytest.mark.parametrize(("wanted", "count"), [("True", "2"), ("False", "0")])
def test_bucket_info_includes_the_store_if_that_is_wanted(wire: Wire, cloud: Cloud, wanted: str, count: str):
    cloud.get("a")
    path = cloud.path(query=f"&bsumm_remote={wanted}")
    first = wire.send("HEAD", path)
    assert first.status == 202
    job_id = first.headers["ais-xaction-id"]
    wait(wire, job_id)
    done = wire.send("HEAD", f"{path}&uuid={job_id}")
    row = json.loads(done.headers["ais-bucket-summ"])
    assert (done.status, row["ObjCount"]) == (200, {"obj_count_present": "1", "obj_count_remote": count})
    assert row["is_present"] is True
