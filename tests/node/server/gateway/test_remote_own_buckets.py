"""Buckets of the node's own that are kept in a store (`--store`): everything works as in others, and lies in the store.

Source: spec/rest-data.md 3, 4, 6, 8.
"""

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from moss.testing import start_node
from tests.support.remote import CACHED, DIRECTORY, list_all, list_page, wait
from tests.support.rgw import Rgw
from tests.support.wire import Wire


@pytest.fixture(scope="module")
def store(rgw: Rgw) -> str:
    name = "m" + uuid.uuid4().hex[:12]
    rgw.client().create_bucket(Bucket=name)
    return name


@pytest.fixture(scope="module")
def wire(rgw: Rgw, store: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in rgw.environ.items():
            patch.setenv(name, value)
        running = start_node(tmp_path_factory.mktemp("own") / "data", store=f"s3://{store}/kept/here")
    with running:
        yield Wire(running.url)


OBJECTS = {"a": b"A", "d/1": b"one", "d/2": b"two", "d/e/3": b"three", "z": b""}


@pytest.fixture
def bucket(wire: Wire) -> str:
    name = wire.new_bucket()
    for key, body in OBJECTS.items():
        wire.put(name, key, body)
    return name


def stored(rgw: Rgw, store: str, bucket: str) -> dict[str, bytes]:
    s3, prefix = rgw.client(), f"kept/here/{bucket}/"
    rows = s3.list_objects_v2(Bucket=store, Prefix=prefix).get("Contents", [])
    return {row["Key"][len(prefix) :]: s3.get_object(Bucket=store, Key=row["Key"])["Body"].read() for row in rows}


def path(bucket: str) -> str:
    return f"/v1/buckets/{bucket}"


def names(wire: Wire, bucket: str, **value: Any) -> list[str]:
    return [row["n"] for row in list_all(wire, path(bucket), **value)]


def run(wire: Wire, method: str, bucket: str, action: str, value: Any = None, query: str = "") -> dict[str, Any]:
    answer = wire.send(method, path(bucket) + query, {"action": action, "name": "", "value": value})
    assert answer.status == 200, answer.body
    job = wait(wire, answer.body.decode())
    assert job["err"] == ""
    return job


def test_listings_name_objects_as_their_clients_do(wire: Wire, bucket: str, rgw: Rgw, store: str):
    assert stored(rgw, store, bucket) == OBJECTS
    assert names(wire, bucket) == sorted(OBJECTS)
    assert all(row["f"] == CACHED for row in list_all(wire, path(bucket)))
    assert wire.send("DELETE", path(bucket), {"action": "evict-remote-bck"}).status == 200
    assert [row.get("f", 0) for row in list_all(wire, path(bucket))] == [0] * 5
    for size in (1, 2, 0):
        assert names(wire, bucket, pagesize=size) == sorted(OBJECTS)
    assert names(wire, bucket, prefix="d/") == ["d/1", "d/2", "d/e/3"]
    assert names(wire, bucket, prefix="kept/") == []
    assert list_page(wire, path(bucket), start_after="d/1", pagesize=2)["ContinuationToken"] == "d/e/3"
    level = list_all(wire, path(bucket), flags=str(1 << 11), prefix="d/", pagesize=1)
    assert [(row["n"], row.get("f", 0)) for row in level] == [("d/1", 0), ("d/2", 0), ("d/e/", DIRECTORY)]
    assert wire.send("GET", f"/v1/objects/{bucket}/d/e/3").body == b"three"


def test_evicting_loses_nothing_and_prefetching_brings_it_back(wire: Wire, bucket: str):
    run(wire, "DELETE", bucket, "evict-listrange", {"template": "d/"})
    assert names(wire, bucket, flags="1") == ["a", "z"]
    run(wire, "POST", bucket, "prefetch-listrange", {"template": "d/", "non-recurs": True})
    assert names(wire, bucket, flags="1") == ["a", "d/1", "d/2", "z"]
    for key, body in OBJECTS.items():
        assert wire.send("GET", f"/v1/objects/{bucket}/{key}").body == body


def test_jobs_change_what_the_store_has(wire: Wire, bucket: str, rgw: Rgw, store: str):
    run(wire, "DELETE", bucket, "evict-listrange", {"objnames": ["d/e/3"]})
    to = {"tobck": {"name": bucket, "provider": "ais"}}
    run(wire, "POST", bucket, "copy-listrange", {"template": "d/", "prepend": "copy-"} | to)
    run(wire, "DELETE", bucket, "delete-listrange", {"template": "d/"})
    run(wire, "PUT", bucket, "archive", {"template": "copy-", "archname": "x.tar"} | to)
    found = stored(rgw, store, bucket)
    assert sorted(found) == ["a", "copy-d/1", "copy-d/2", "copy-d/e/3", "x.tar", "z"]
    assert found["copy-d/e/3"] == b"three"
    assert names(wire, bucket) == sorted(found)
    assert wire.send("GET", f"/v1/objects/{bucket}/x.tar?archpath=copy-d/2").body == b"two"


def test_a_bucket_made_by_a_copy_is_kept_in_the_store_too(wire: Wire, bucket: str, rgw: Rgw, store: str):
    new = f"{bucket}-2"
    run(wire, "POST", bucket, "copy-bck", {}, f"?bck_to=ais/@%23/{new}/")
    assert stored(rgw, store, new) == OBJECTS
    entry = f"kept/here/.moss/buckets/ais%2F%40%23%2F{new}.json"
    assert json.loads(rgw.client().get_object(Bucket=store, Key=entry)["Body"].read())["name"] == new
    assert wire.send("DELETE", path(new), {"action": "evict-remote-bck"}).status == 200
    assert names(wire, new) == sorted(OBJECTS)
    assert wire.send("DELETE", path(new), {"action": "destroy-bck"}).status == 200
    assert stored(rgw, store, new) == {}
    assert stored(rgw, store, bucket) == OBJECTS


def test_a_bucket_cannot_be_renamed_away_from_its_objects(wire: Wire, bucket: str):
    answer = wire.send("POST", f"{path(bucket)}?bck_to=ais/@%23/{bucket}-2/", {"action": "move-bck"})
    assert (answer.status, answer.error["message"]) == (
        400,
        f"cannot rename ais://{bucket}: its objects are kept in a store under its name",
    )
    assert names(wire, bucket) == sorted(OBJECTS)


def test_a_bucket_has_one_store_only(wire: Wire, bucket: str, store: str):
    value = {"backend_bck": {"name": store, "provider": "aws"}}
    assert wire.send("PATCH", path(bucket), {"action": "set-bprops", "value": value}).status == 400
    assert names(wire, bucket) == sorted(OBJECTS)


def test_the_summary_counts_the_cache_and_the_store(wire: Wire, bucket: str):
    run(wire, "DELETE", bucket, "evict-listrange", {"objnames": ["a"]})
    message = {"action": "summary-bck", "name": "", "value": {"uuid": ""}}
    job_id = wire.send("GET", path(bucket), message).body.decode()
    wait(wire, job_id)
    message["value"] = {"uuid": job_id}
    (row,) = json.loads(wire.send("GET", path(bucket), message).body)
    assert row["ObjCount"] == {"obj_count_present": "4", "obj_count_remote": "5"}
