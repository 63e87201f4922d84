"""Jobs on whole buckets over HTTP: rename, copy, rechunk and the rarer ones. Source: spec/rest-data.md 3.9-3.11."""

import json
import shutil
import threading
import time
from collections.abc import Callable

import pytest

from moss.testing import NodeProcess, start_node
from tests.support.wire import Answer, Wire, make_tar


@pytest.fixture(scope="module")
def wire(node: NodeProcess) -> Wire:
    return Wire(node.url)


@pytest.fixture
def bucket(wire: Wire) -> str:
    return wire.new_bucket()


def ask_jobs(wire: Wire, job_id: str) -> dict:
    answer = wire.send("GET", "/v1/cluster?what=qryxstats", {"id": job_id})
    assert answer.status == 200, answer.body
    ((snapshot,),) = json.loads(answer.body).values()
    return snapshot


def wait(wire: Wire, job_id: str, *, max_s: float = 10) -> dict:
    """Wait until a job is done; the state is asked for, nothing is slept away."""
    deadline = time.monotonic() + max_s
    while time.monotonic() < deadline:
        found = ask_jobs(wire, job_id)
        if found["is_idle"]:
            return found
    raise AssertionError(f"{job_id} is not done after {max_s} s")


def act(wire: Wire, bucket: str, action: str, value: object = None, query: str = "") -> Answer:
    return wire.send("POST", f"/v1/buckets/{bucket}{query}", {"action": action, "name": "", "value": value})


def start(wire: Wire, bucket: str, action: str, value: object = None, query: str = "") -> str:
    answer = act(wire, bucket, action, value, query)
    assert answer.status == 200, answer.body
    return answer.body.decode()


def to(name: str) -> str:
    return f"?bck_to=ais/@%23/{name}/"


def fresh(bucket: str) -> str:
    return f"{bucket}-2"


def entries(wire: Wire, bucket: str, **value: object) -> list[dict]:
    answer = wire.send("GET", f"/v1/buckets/{bucket}", {"action": "list", "value": value})
    assert answer.status == 200, answer.body
    return json.loads(answer.body)["entries"] or []


def names(wire: Wire, bucket: str) -> list[str]:
    return [entry["name"] for entry in entries(wire, bucket)]


# -- rename -----------------------------------------------------------------------------------------


def test_47_renamed_bucket_has_everything_and_its_old_name_is_free(wire: Wire, bucket: str):
    wire.put(bucket, "a", b"first")
    wire.put(bucket, "a", b"second")
    wire.send("PATCH", f"/v1/objects/{bucket}/a", {"action": "", "value": {"k": "v"}})
    job = wait(wire, start(wire, bucket, "move-bck", query=to(fresh(bucket))))
    assert (job["kind"], job["err"], job["aborted"], job["stats"]["loc-objs"]) == ("move-bck", "", False, "1")
    found = wire.send("GET", f"/v1/objects/{fresh(bucket)}/a")
    assert (found.body, found.headers["ais-version"], found.headers["ais-custom-md"]) == (b"second", "2", "k=v")
    assert wire.send("GET", f"/v1/objects/{bucket}/a").status == 404
    assert wire.send("HEAD", f"/v1/buckets/{bucket}").status == 404
    assert wire.send("POST", f"/v1/buckets/{bucket}", {"action": "create-bck"}).status == 200
    assert names(wire, bucket) == []


def test_batches_of_a_renamed_bucket_use_its_new_name(wire: Wire, bucket: str):
    """Stored objects are finished archive entries; those that say the old name must not be sent as they are."""
    payloads = {f"o{n}": bytes([n]) * (n * 300) for n in range(30)}
    for name, data in payloads.items():
        wire.put(bucket, name, data)
    new = fresh(bucket)
    before = wire.batch(bucket, list(payloads)).members()
    assert before == [(f"{bucket}/{name}", data) for name, data in payloads.items()]
    start(wire, bucket, "move-bck", query=to(new))
    wire.put(new, "later", b"stored under the new name")
    wanted = [*payloads, "later"]
    expected = [(f"{new}/{name}", payloads.get(name, b"stored under the new name")) for name in wanted]
    assert wire.batch(new, wanted).members() == expected
    mixed = [{"objname": name, "bucket": new} for name in wanted]
    assert wire.batch(None, mixed).members() == expected


def test_a_lost_index_is_rebuilt_with_the_new_name(tmp_path):
    node = start_node(tmp_path / "data")
    wire = Wire(node.url)
    bucket = wire.new_bucket()
    wire.put(bucket, "a", b"1")
    start(wire, bucket, "move-bck", query=to("renamed"))
    node.kill()
    (index,) = (tmp_path / "data").glob("**/index")
    shutil.rmtree(index)
    with start_node(tmp_path / "data") as node:
        wire = Wire(node.url)
        assert wire.send("GET", f"/v1/objects/{bucket}/a").status == 404
        assert wire.send("GET", "/v1/objects/renamed/a").body == b"1"
        assert wire.batch("renamed", ["a"]).members() == [("renamed/a", b"1")]


def test_all_workers_see_the_new_name(tmp_path):
    with start_node(tmp_path / "data", workers=2) as node:
        wire = Wire(node.url)
        bucket = wire.new_bucket()
        wire.put(bucket, "a", b"1")
        for _ in range(8):  # whichever worker gets them
            assert wire.batch(bucket, ["a"]).members() == [(f"{bucket}/a", b"1")]
        start(wire, bucket, "move-bck", query=to("renamed"))
        for _ in range(16):
            assert wire.send("GET", f"/v1/objects/{bucket}/a").status == 404
            assert wire.batch("renamed", ["a"]).members() == [("renamed/a", b"1")]


def test_shard_indexes_follow_a_renamed_bucket(wire: Wire, bucket: str):
    wire.put(bucket, "s.tar", make_tar({"m": b"member"}))
    wait(wire, start(wire, bucket, "index-shard", {}))
    wait(wire, start(wire, bucket, "move-bck", query=to(fresh(bucket))))
    indexes = wire.send("GET", "/v1/buckets/.sys-shardidx", {"action": "list", "value": {}})
    listed = [entry["name"] for entry in json.loads(indexes.body)["entries"]]
    assert f"ais/@#/{fresh(bucket)}/s.tar.idx" in listed
    assert f"ais/@#/{bucket}/s.tar.idx" not in listed
    assert wire.send("GET", f"/v1/objects/{fresh(bucket)}/s.tar?archpath=m").body == b"member"


def test_renaming_blocks_only_what_it_is_about(wire: Wire, bucket: str):
    """The reference refuses every rename and copy of the cluster for 13 s."""
    other = wire.new_bucket()
    start(wire, bucket, "move-bck", query=to(fresh(bucket)))
    start(wire, other, "move-bck", query=to(fresh(other)))
    start(wire, fresh(bucket), "move-bck", query=to(bucket))
    assert wire.send("HEAD", f"/v1/buckets/{bucket}").status == 200


# -- copy -------------------------------------------------------------------------------------------


def test_48_copy_maps_names_and_makes_the_destination_like_the_source(wire: Wire, bucket: str):
    wire.send("PATCH", f"/v1/buckets/{bucket}", {"action": "set-bprops", "value": {"checksum": {"type": "md5"}}})
    for name in ("p-a.jpg", "p-b.txt", "q.jpg"):
        wire.put(bucket, name, name.encode())
    value = {"prefix": "p-", "ext": {"jpg": "png"}, "prepend": "new/"}
    job = wait(wire, start(wire, bucket, "copy-bck", value, to(fresh(bucket))))
    assert (job["kind"], job["err"], job["stats"]["loc-objs"]) == ("copy-bck", "", "2")
    assert job["src-bck"]["name"] == bucket
    assert job["dst-bck"]["name"] == fresh(bucket)
    assert names(wire, fresh(bucket)) == ["new/p-a.png", "new/p-b.txt"]
    props = wire.send("HEAD", f"/v1/buckets/{fresh(bucket)}").headers["ais-bucket-props"]
    assert json.loads(props)["checksum"]["type"] == "md5"
    assert wire.send("GET", f"/v1/objects/{fresh(bucket)}/new/p-a.png").headers["ais-checksum-type"] == "md5"


def test_49_rehearsal_writes_nothing(wire: Wire, bucket: str):
    wire.put(bucket, "a", b"abc")
    job = wait(wire, start(wire, bucket, "copy-bck", {"dry_run": True}, to(fresh(bucket))))
    assert (job["stats"]["loc-objs"], job["stats"]["loc-bytes"]) == ("1", "3")
    assert wire.send("HEAD", f"/v1/buckets/{fresh(bucket)}").status == 404


def test_btr_11_copies_of_a_bucket_keep_their_own_options(wire: Wire, bucket: str):
    for name in ("a.jpg", "b.txt"):
        wire.put(bucket, name, name.encode())
    wanted = [
        {"prepend": "p/", "ext": {"jpg": "png"}},
        {"prepend": "q/", "prefix": "b"},
        {"dry_run": True, "prepend": "r/"},
    ]
    for job_id in [start(wire, bucket, "copy-bck", value, to(fresh(bucket))) for value in wanted]:
        assert wait(wire, job_id)["err"] == ""
    assert names(wire, fresh(bucket)) == ["p/a.png", "p/b.txt", "q/b.txt"]


def test_50_copies_that_contradict_themselves_are_refused(wire: Wire, bucket: str):
    wire.put(bucket, "a", b"x")
    answer = act(wire, bucket, "copy-bck", {"prepend": "p"}, to(bucket))
    assert (answer.status, answer.error["message"]) == (400, f'cannot copy-bck bucket "ais://{bucket}" onto itself')
    answer = act(wire, bucket, "copy-bck", {"prepend": "p", "synchronize": True}, to(fresh(bucket)))
    assert answer.status == 400
    assert "incompatible with the request to synchronize buckets" in answer.error["message"]
    assert names(wire, bucket) == ["a"]


def test_synchronizing_deletes_what_the_source_has_no_more(wire: Wire, bucket: str):
    for name in ("keep.jpg", "gone.jpg", "dir/keep", "dir/gone"):
        wire.put(bucket, name, name.encode())
    new = fresh(bucket)
    wait(wire, start(wire, bucket, "copy-bck", {"ext": {"jpg": "png"}}, to(new)))
    wire.put(new, "extra", b"x")
    for name in ("gone.jpg", "dir/gone"):
        assert wire.send("DELETE", f"/v1/objects/{bucket}/{name}").status == 200
    wait(wire, start(wire, bucket, "copy-bck", {"synchronize": True, "prefix": "dir/"}, to(new)))
    assert names(wire, new) == ["dir/keep", "extra", "gone.png", "keep.png"], "only what the prefix selects"
    wait(wire, start(wire, bucket, "copy-bck", {"synchronize": True, "ext": {"jpg": "png"}}, to(new)))
    assert names(wire, new) == ["dir/keep", "keep.png"]


def test_what_is_the_same_already_is_not_written_again(wire: Wire, bucket: str):
    wire.put(bucket, "a", b"x")
    start(wire, bucket, "copy-bck", {}, to(fresh(bucket)))
    deadline = time.monotonic() + 10
    while not (found := entries(wire, fresh(bucket), props="name,atime", time_format="2006-01-02T15:04:05")):
        assert time.monotonic() < deadline
    job = wait(wire, start(wire, bucket, "copy-bck", {}, to(fresh(bucket))))
    assert job["stats"]["loc-objs"] == "1"
    assert entries(wire, fresh(bucket), props="name,atime", time_format="2006-01-02T15:04:05") == found


def test_destination_that_allows_no_puts_is_refused(wire: Wire, bucket: str):
    other = wire.new_bucket()
    wire.send("PATCH", f"/v1/buckets/{other}", {"action": "set-bprops", "value": {"access": "3"}})
    answer = act(wire, bucket, "copy-bck", {}, to(other))
    assert (answer.status, answer.error["tcode"]) == (403, "ErrBucketAccessDenied")


@pytest.mark.parametrize(
    "value",
    [
        {"dry_run": "yes"},
        {"prefix": 7},
        {"prepend": "../up/"},
        {"prepend": []},
        {"ext": {"a": 1}},
        {"ext": "jpg"},
        {"num-workers": "2"},
        {"coer": 1},
        {"synchronize": True, "prepend": "x"},
        [],
        "x",
    ],
)
def test_bad_copies_are_refused_at_once(wire: Wire, bucket: str, value: object):
    answer = act(wire, bucket, "copy-bck", value, to(fresh(bucket)))
    assert answer.status == 400
    assert answer.error["message"]
    assert wire.send("HEAD", f"/v1/buckets/{fresh(bucket)}").status == 404


def test_copying_into_the_same_bucket_ends(wire: Wire, bucket: str):
    """What is copied sorts behind its source; it is not copied in its turn."""
    for name in ("a", "b"):
        wire.put(bucket, name, name.encode())
    value = {"template": "", "prepend": "z", "tobck": {"name": bucket}}
    job = wait(wire, start(wire, bucket, "copy-listrange", value))
    assert job["stats"]["loc-objs"] == "2"
    assert names(wire, bucket) == ["a", "b", "za", "zb"]


# -- how long things take -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "make"),
    [
        ("copy-bck", lambda wire, bucket: act(wire, bucket, "copy-bck", {}, to(fresh(bucket)))),
        ("move-bck", lambda wire, bucket: act(wire, bucket, "move-bck", None, to(fresh(bucket)))),
        (
            "copy-listrange",
            lambda wire, bucket: act(
                wire, bucket, "copy-listrange", {"template": "o{0..9}", "tobck": {"name": fresh(bucket)}}
            ),
        ),
        (
            "delete-listrange",
            lambda wire, bucket: wire.send(
                "DELETE", f"/v1/buckets/{bucket}", {"action": "delete-listrange", "value": {"template": "o{0..9}"}}
            ),
        ),
        ("rechunk", lambda wire, bucket: act(wire, bucket, "rechunk", {"chunk-size": 10, "objsize-limit": 20})),
    ],
)
def test_btr_18_ten_objects_take_milliseconds(wire: Wire, bucket: str, kind: str, make: Callable[[Wire, str], Answer]):
    for number in range(10):
        wire.put(bucket, f"o{number}", bytes(100))
    begin = time.monotonic()
    answer = make(wire, bucket)
    assert answer.status == 200, answer.body
    job = wait(wire, answer.body.decode())
    took_s = time.monotonic() - begin
    assert (job["kind"], job["err"], job["stats"]["loc-objs"]) == (kind, "", "10")
    assert took_s < 1, f"{kind} took {took_s:.2f} s; the reference takes 7 to 14"


def test_requests_are_served_while_many_objects_are_copied(wire: Wire, bucket: str):
    for number in range(300):
        wire.put(bucket, f"o{number:03}", bytes(2000))
    stop, slowest = threading.Event(), [0.0]

    def read() -> None:
        while not stop.is_set():
            begin = time.monotonic()
            assert wire.send("GET", f"/v1/objects/{bucket}/o000").status == 200
            slowest[0] = max(slowest[0], time.monotonic() - begin)

    reader = threading.Thread(target=read)
    reader.start()
    wait(wire, start(wire, bucket, "copy-bck", {}, to(fresh(bucket))))
    stop.set()
    reader.join()
    assert len(names(wire, fresh(bucket))) == 300
    assert slowest[0] < 2


# -- the rest -----------------------------------------------------------------------------------------


def test_rechunked_objects_say_so_and_can_be_made_whole_again(wire: Wire, bucket: str):
    wire.put(bucket, "big", bytes(range(250)) * 40)
    wire.put(bucket, "small", b"s")
    wire.send("PATCH", f"/v1/objects/{bucket}/big", {"action": "", "value": {"k": "v"}})
    job = wait(wire, start(wire, bucket, "rechunk", {"chunk-size": 4000, "objsize-limit": 5000}))
    assert (job["err"], job["stats"]["loc-objs"]) == ("", "2")
    head = wire.send("HEAD", f"/v1/objects/{bucket}/big?props=chunked,version,custom").headers
    assert (head["ais-chunks-count"], head["ais-chunks-max-chunk-size"]) == ("3", "4000")
    assert (head["ais-version"], head["ais-custom-md"]) == ("2", "k=v")
    assert [entry["flags"] for entry in entries(wire, bucket)] == [64 | 1 << 13, 64]
    assert [entry["flags"] for entry in entries(wire, bucket, props="name,version")] == [64 | 1 << 13, 64]
    wait(wire, start(wire, bucket, "rechunk", {"chunk-size": 4000, "objsize-limit": 5000}))
    assert wire.send("HEAD", f"/v1/objects/{bucket}/big").headers["ais-version"] == "2", "nothing to do"
    wait(wire, start(wire, bucket, "rechunk", {"chunk-size": 4000, "objsize-limit": 0}))
    whole = wire.send("HEAD", f"/v1/objects/{bucket}/big?props=chunked,version").headers
    assert "ais-chunks-count" not in whole
    assert whole["ais-version"] == "3"
    assert wire.send("GET", f"/v1/objects/{bucket}/big").body == bytes(range(250)) * 40


def test_rechunk_started_as_a_job_goes_by_the_properties_of_the_bucket(wire: Wire, bucket: str):
    wire.put(bucket, "big", bytes(5000))
    value = {"chunks": {"objsize_limit": "2KiB", "chunk_size": "1KiB"}}
    assert wire.send("PATCH", f"/v1/buckets/{bucket}", {"action": "set-bprops", "value": value}).status == 200
    message = {"action": "start", "value": {"kind": "rechunk", "bck": {"name": bucket}}}
    answer = wire.send("PUT", "/v1/cluster", message)
    assert answer.status == 200, answer.body
    assert wait(wire, answer.body.decode())["err"] == ""
    head = wire.send("HEAD", f"/v1/objects/{bucket}/big?props=chunked").headers
    assert (head["ais-chunks-count"], head["ais-chunks-max-chunk-size"]) == ("5", "1024")


@pytest.mark.parametrize(
    ("action", "value"),
    [
        ("rechunk", {"chunk-size": 0}),
        ("rechunk", {"chunk-size": -1}),
        ("rechunk", {"chunk-size": "1MiB"}),
        ("rechunk", {"chunk-size": 10, "objsize-limit": -1}),
        ("rechunk", {"chunk-size": 10, "prefix": "../x"}),
        ("rechunk", "x"),
        ("make-n-copies", True),
        ("make-n-copies", 2),
        ("make-n-copies", 1 << 70),
        ("ec-encode", None),
        ("ec-encode", "no json"),
        ("ec-encode", "[]"),
        ("ec-encode", '{"data_slices": 99, "parity_slices": 1}'),
        ("ec-encode", '{"data_slices": 1, "parity_slices": 1, "enabled": true}'),
        ("create-inventory", {}),
        ("prefetch-listrange", {"template": ""}),
        ("no-such-action", None),
    ],
)
def test_btr_14_what_one_node_cannot_do_is_refused_with_a_reason(wire: Wire, bucket: str, action: str, value: object):
    answer = act(wire, bucket, action, value)
    assert answer.status == 400, answer.body
    assert answer.error["message"]


@pytest.mark.parametrize(
    "action", ["copy-bck", "move-bck", "rechunk", "make-n-copies", "ec-encode", "create-inventory"]
)
def test_jobs_on_missing_buckets_are_not_found(wire: Wire, bucket: str, action: str):
    value = {"make-n-copies": 1, "ec-encode": "{}", "rechunk": {"chunk-size": 1}}.get(action)
    answer = act(wire, fresh(bucket), action, value, to(bucket))
    assert (answer.status, answer.error["tcode"]) == (404, "ErrBckNotFound")
