"""Names, buckets and listings, number by number. Source: spec/rest-data.md 11, 26-46 and 51-64."""

import json
import urllib.parse

import msgspec
import pytest

from moss.testing import NodeProcess
from tests.support.wire import Answer, Wire, make_tar

_MSGPACK = {"Accept": "application/msgpack"}


@pytest.fixture(scope="module")
def wire(node: NodeProcess) -> Wire:
    return Wire(node.url)


@pytest.fixture
def bucket(wire: Wire) -> str:
    return wire.new_bucket()


def create(wire: Wire, name: str, value: object = None, query: str = "") -> Answer:
    return wire.send("POST", f"/v1/buckets/{name}{query}", {"action": "create-bck", "name": "", "value": value})


def destroy(wire: Wire, name: str, query: str = "") -> Answer:
    return wire.send("DELETE", f"/v1/buckets/{name}{query}", {"action": "destroy-bck"})


def props(wire: Wire, name: str, query: str = "") -> dict:
    answer = wire.send("HEAD", f"/v1/buckets/{name}{query}")
    assert answer.status == 200, answer.headers
    return json.loads(answer.headers["ais-bucket-props"])


def change(wire: Wire, name: str, value: object, action: str = "set-bprops") -> Answer:
    return wire.send("PATCH", f"/v1/buckets/{name}", {"action": action, "value": value})


def buckets(wire: Wire, query: str = "", name: str = "") -> list[dict]:
    answer = wire.send("GET", f"/v1/buckets{query}", {"action": "list", "name": name, "value": None})
    assert answer.status == 200, answer.body
    return json.loads(answer.body)


def page(wire: Wire, name: str, query: str = "", **value: object) -> dict:
    answer = wire.send("GET", f"/v1/buckets/{name}{query}", {"action": "list", "value": value})
    assert answer.status == 200, answer.body
    return json.loads(answer.body)


def names(wire: Wire, bucket: str, **value: object) -> list[str]:
    return [entry["name"] for entry in page(wire, bucket, **value)["entries"] or []]


# -- names ------------------------------------------------------------------------------------------


def test_26_bucket_names_have_at_most_64_bytes(wire: Wire):
    assert create(wire, "n" * 64).status == 200
    assert destroy(wire, "n" * 64).status == 200
    answer = create(wire, "n" * 65)
    assert (answer.status, answer.error["message"]) == (400, "bucket name is too long: 65 > 64(max length)")


@pytest.mark.parametrize("name", ["a..b", ".x", "a b", "a/b", "*", "#x", ""])
def test_27_bad_bucket_names_are_refused(wire: Wire, name: str):
    assert create(wire, urllib.parse.quote(name)).status == 400


def test_28_a_strange_name_is_a_name(wire: Wire):
    assert wire.send("HEAD", "/v1/buckets/INVALID_BCK_NAME").status == 404
    assert page_status(wire, "INVALID_BCK_NAME") == (404, "ErrBckNotFound")


def page_status(wire: Wire, bucket: str, query: str = "") -> tuple[int, str]:
    answer = wire.send("GET", f"/v1/buckets/{bucket}{query}", {"action": "list", "value": {}})
    return answer.status, answer.error.get("tcode", "")


@pytest.mark.parametrize(("alias", "provider"), [("s3", "aws"), ("gs", "gcp"), ("az", "azure"), ("oc", "oci")])
def test_29_aliases_are_the_provider(wire: Wire, alias: str, provider: str):
    texts = [
        wire.send("GET", f"/v1/objects/b/o?provider={word}", follow=False).error["message"]
        for word in (alias, provider)
    ]
    assert texts[0] == texts[1]
    assert f"{alias}://b" in texts[0]


def test_29_unknown_providers_are_refused(wire: Wire):
    answer = wire.send("GET", "/v1/objects/b/o?provider=ht", follow=False)
    assert (answer.status, answer.error["tcode"]) == (400, "ErrInvalidBackendProvider")


def test_30_namespaces_are_spaces_of_their_own(wire: Wire, bucket: str):
    scoped = "?namespace=@%23ns"
    assert wire.send("HEAD", f"/v1/buckets/{bucket}{scoped}").status == 404
    assert create(wire, bucket, None, scoped).status == 200
    wire.put(bucket, "o", b"global")
    assert wire.send("PUT", f"/v1/objects/{bucket}/o{scoped}", b"scoped").status == 200
    assert wire.send("GET", f"/v1/objects/{bucket}/o").body == b"global"
    assert wire.send("GET", f"/v1/objects/{bucket}/o{scoped}").body == b"scoped"
    found = [row["namespace"]["name"] for row in buckets(wire, name=bucket)]
    assert found == ["", "ns"]
    assert destroy(wire, bucket).status == 200
    assert wire.send("GET", f"/v1/objects/{bucket}/o{scoped}").body == b"scoped"


@pytest.mark.parametrize("name", ["a/", "~/x", "a/../b", "a/./b", "../x"])
def test_31_bad_object_names_are_refused(wire: Wire, bucket: str, name: str):
    answer = wire.send("PUT", f"/v1/objects/{bucket}/{name}", b"x")
    assert (answer.status, answer.error["tcode"]) == (400, "errInvalidPath")
    assert names(wire, bucket) == []


@pytest.mark.parametrize("name", ["n" * 300, "d/" + "é" * 300, "x" * 1024, "p/" * 400 + "end"])
def test_32_long_names_are_stored_listed_read_and_deleted(wire: Wire, bucket: str, name: str):
    wire.put(bucket, name, b"long")
    path = f"/v1/objects/{bucket}/{urllib.parse.quote(name)}"
    assert names(wire, bucket, prefix=name[:290]) == [name]
    assert names(wire, bucket, start_after=name[:-1]) == [name]
    assert wire.send("GET", path).body == b"long"
    assert wire.send("DELETE", path).status == 200
    assert names(wire, bucket) == []


def test_33_a_star_at_the_end_of_a_prefix_means_nothing(wire: Wire, bucket: str):
    for name in ("abc", "abcd", "abd", "abc*"):
        wire.put(bucket, name, b"x")
    assert names(wire, bucket, prefix="abc*") == names(wire, bucket, prefix="abc") == ["abc", "abc*", "abcd"]
    assert len(names(wire, bucket, prefix="*")) == 4


def test_btr_12_slashes_in_front_of_names_do_not_count(wire: Wire, bucket: str):
    """Wherever a name is given: in paths, lists, and what copies put in front. Prefixes are no names."""
    wire.put(bucket, "/x", b"1")
    wire.put(bucket, "//y", b"2")
    assert names(wire, bucket) == ["x", "y"]
    assert names(wire, bucket, prefix="/x") == []
    value = {"objnames": ["/x"], "prepend": "/p/", "tobck": {"name": f"{bucket}-to"}}
    wait(wire, wire.send("POST", f"/v1/buckets/{bucket}", {"action": "copy-listrange", "value": value}))
    assert names(wire, f"{bucket}-to") == ["p/x"]
    delete_many(wire, bucket, {"template": "/"})
    assert names(wire, bucket) == ["x", "y"], "a slash is not everything"
    delete_many(wire, bucket, {"objnames": ["///y", "/x"]})
    assert names(wire, bucket) == []


# -- buckets ----------------------------------------------------------------------------------------


def test_34_creating_twice_is_a_conflict(wire: Wire, bucket: str):
    answer = create(wire, bucket)
    assert (answer.status, answer.error["tcode"]) == (409, "ErrBucketAlreadyExists")
    assert answer.error["message"] == f'bucket "ais://{bucket}" already exists'


def test_35_properties_of_a_new_bucket(wire: Wire):
    assert create(wire, "t35", {"versioning": {"enabled": False}}).status == 200
    assert props(wire, "t35")["versioning"]["enabled"] is False
    assert destroy(wire, "t35").status == 200
    assert create(wire, "t35", {"versioning": {"enabld": False}}).status == 400
    assert wire.send("HEAD", "/v1/buckets/t35").status == 404


def test_36_destroyed_buckets_are_gone(wire: Wire, bucket: str):
    assert (destroy(wire, bucket).status, destroy(wire, bucket).status) == (200, 404)
    assert bucket not in [row["name"] for row in buckets(wire)]


def test_37_a_bucket_made_again_is_another_and_empty(wire: Wire, bucket: str):
    wire.put(bucket, "o", b"x")
    before = props(wire, bucket)["bid"]
    destroy(wire, bucket)
    create(wire, bucket)
    assert props(wire, bucket)["bid"] != before
    assert names(wire, bucket) == []


def test_38_numbers_of_properties_that_are_text(wire: Wire, bucket: str):
    found = props(wire, bucket)
    assert all(found[key].isdecimal() for key in ("access", "features", "bid", "created"))
    assert found["provider"] == "ais"


def test_39_partial_changes(wire: Wire, bucket: str):
    before = props(wire, bucket)
    assert change(wire, bucket, {"mirror": {"burst_buffer": 77}, "checksum": {"type": "md5"}}).status == 200
    after = props(wire, bucket)
    assert (after["mirror"]["burst_buffer"], after["checksum"]["type"]) == (77, "md5")
    before["mirror"]["burst_buffer"], before["checksum"]["type"] = 77, "md5"
    assert after == before
    assert change(wire, bucket, {"mirror": {"burst_buffer": 78, "nope": 1}}).status == 400
    assert change(wire, bucket, None).status == 200
    assert props(wire, bucket) == after


def test_40_reset_keeps_identity(wire: Wire, bucket: str):
    before = props(wire, bucket)
    change(wire, bucket, {"checksum": {"type": "md5"}})
    assert change(wire, bucket, None, "reset-bprops").status == 200
    assert props(wire, bucket) == before


def test_41_buckets_are_listed_in_order(wire: Wire, bucket: str):
    for query in ("", "?provider=", "?provider=ais"):
        assert bucket in [row["name"] for row in buckets(wire, query)]
    globals_ = [row["name"] for row in buckets(wire) if not row["namespace"]["name"]]
    assert globals_ == sorted(globals_)
    assert buckets(wire, name=bucket) == [
        {"name": bucket, "provider": "ais", "namespace": {"uuid": "", "name": ""}},
    ]
    assert buckets(wire, name="there-is-none") == []


def test_42_evicting_buckets_that_have_no_store_behind_them(wire: Wire, bucket: str):
    answer = wire.send("DELETE", f"/v1/buckets/{bucket}", {"action": "evict-remote-bck"})
    assert (answer.status, answer.error["message"]) == (
        400,
        f"evict-remote-bck: expecting remote bucket (have ais://{bucket})",
    )
    assert wire.send("DELETE", "/v1/buckets/none?provider=s3", {"action": "evict-remote-bck"}).status == 200
    assert wire.send("HEAD", f"/v1/buckets/{bucket}").status == 200


def summary(wire: Wire, bucket: str, prefix: str = "") -> list[dict]:
    body = {"action": "summary-bck", "value": {"uuid": "", "prefix": prefix}}
    started = wire.send("GET", f"/v1/buckets/{bucket}", body)
    assert started.status == 202
    body["value"]["uuid"] = started.body.decode()
    while (answer := wire.send("GET", f"/v1/buckets/{bucket}", body)).status in (202, 206):
        pass
    assert answer.status == 200, answer.body
    return json.loads(answer.body)


def test_43_summary_of_an_empty_bucket_has_one_row(wire: Wire, bucket: str):
    (row,) = summary(wire, bucket)
    assert row["name"] == bucket
    assert row["ObjCount"] == {"obj_count_present": "0", "obj_count_remote": "0"}
    assert row["ObjSize"] == {"obj_min_size": 0, "obj_avg_size": 0, "obj_max_size": 0}
    assert row["TotalSize"]["size_all_present_objs"] == "0"


def test_44_summary_with_a_prefix(wire: Wire, bucket: str):
    for name, size in (("a/1", 10), ("a/2", 30), ("b", 500)):
        wire.put(bucket, name, bytes(size))
    (row,) = summary(wire, bucket, "a/")
    assert row["ObjCount"]["obj_count_present"] == "2"
    assert row["ObjSize"] == {"obj_min_size": 10, "obj_avg_size": 20, "obj_max_size": 30}
    assert (row["TotalSize"]["size_all_present_objs"], row["used_pct"]) == ("40", 0)


def test_45_info_in_two_steps_keeps_its_prefix(wire: Wire, bucket: str):
    wire.put(bucket, "a/1", b"12345")
    wire.put(bucket, "b", b"x")
    first = wire.send("HEAD", f"/v1/buckets/{bucket}/a/?presence=0&bsumm_remote=False")
    assert first.status == 202
    assert "ais-bucket-props" in first.headers
    job_id = first.headers["ais-xaction-id"]
    while (answer := wire.send("HEAD", f"/v1/buckets/{bucket}?bsumm_remote=False&uuid={job_id}")).status == 202:
        pass
    assert answer.status == 200
    found = json.loads(answer.headers["ais-bucket-summ"])
    assert (found["ObjCount"]["obj_count_present"], found["is_present"]) == ("1", True)


def test_46_a_prefix_without_info_is_refused(wire: Wire, bucket: str):
    answer = wire.send("HEAD", f"/v1/buckets/{bucket}/prefix")
    assert answer.status == 400
    assert "expecting just the bucket name" in json.loads(answer.headers["hdr-error"])["message"]


# -- listings ---------------------------------------------------------------------------------------


def packed(wire: Wire, bucket: str, **value: object) -> tuple[Answer, dict]:
    answer = wire.send("GET", f"/v1/buckets/{bucket}", {"action": "list", "value": value}, _MSGPACK)
    return answer, msgspec.msgpack.decode(answer.body)


def test_51_52_53_messagepack(wire: Wire, bucket: str):
    answer, empty = packed(wire, bucket)
    assert answer.headers["content-type"] == "application/msgpack"
    assert set(empty) == {"UUID", "ContinuationToken", "Entries", "Flags"}
    assert empty["Entries"] == []
    wire.put(bucket, "empty", b"")
    wire.put(bucket, "o", b"123")
    _, found = packed(wire, bucket)
    assert found["Entries"] == [{"n": "empty", "f": 64}, {"n": "o", "s": 3, "f": 64}]


def test_54_55_56_pages(wire: Wire, bucket: str):
    stored = [f"o{number:02}" for number in range(9)]
    for name in stored:
        wire.put(bucket, name, b"x")
    pages, uuid, token = [], "", ""
    while True:
        found = page(wire, bucket, pagesize=3, uuid=uuid, continuation_token=token)
        again = page(wire, bucket, pagesize=3, uuid=found["uuid"], continuation_token=token)
        assert again["entries"] == found["entries"]
        assert found["uuid"]
        assert uuid in ("", found["uuid"])
        uuid, token = found["uuid"], found["continuation_token"]
        pages.append([entry["name"] for entry in found["entries"] or []])
        if not token:
            break
        assert token == pages[-1][-1]
    assert pages == [stored[:3], stored[3:6], stored[6:], []]


def test_57_default_page_has_ten_thousand_entries(wire: Wire, bucket: str):
    """Asked of the request's own limits; `tests/node/server/gateway/test_listing.py` has the default."""
    for name in ("b", "a", "é", "Z", "a/b", "a-b"):
        wire.put(bucket, name, b"x")
    assert names(wire, bucket, pagesize=10**9) == sorted(["b", "a", "é", "Z", "a/b", "a-b"], key=str.encode)


def test_58_start_after_is_exclusive(wire: Wire, bucket: str):
    for number in range(6):
        wire.put(bucket, f"o{number}", b"x")
    found = page(wire, bucket, start_after="o1", pagesize=2)
    assert [entry["name"] for entry in found["entries"]] == ["o2", "o3"]
    assert names(wire, bucket, uuid=found["uuid"], continuation_token="o3", pagesize=9) == ["o4", "o5"]


def test_59_60_columns_and_flags(wire: Wire, bucket: str):
    wire.put(bucket, "o", b"abc")
    assert page(wire, bucket, flags=str(1 << 4), props="name,size")["entries"] == [{"name": "o", "flags": 64}]
    (entry,) = page(wire, bucket, props="name,size,checksum,version,location,copies,atime,custom,status")["entries"]
    assert (entry["size"], len(entry["checksum"]), entry["version"], entry["copies"]) == ("3", 16, "1", 1)
    assert entry["location"].startswith("t[")
    assert entry["flags"] == 64


@pytest.mark.parametrize("flags", [1 << 11, 1 << 11 | 1 << 13])
def test_61_one_level(wire: Wire, bucket: str, flags: int):
    for name in ("a", "d/1", "d/e/2", "d/e/3", "d-", "z/1"):
        wire.put(bucket, name, b"x")
    found = page(wire, bucket, flags=str(flags))["entries"]
    assert [(entry["name"], entry["flags"]) for entry in found] == [("a", 64), ("d-", 64), ("d/", 256), ("z/", 256)]
    assert names(wire, bucket, flags=str(flags), prefix="d/") == ["d/1", "d/e/"]
    paged = page(wire, bucket, flags=str(flags), pagesize=3)
    assert paged["continuation_token"] == "d/"
    assert names(wire, bucket, flags=str(flags), continuation_token="d/", uuid=paged["uuid"]) == ["z/"]
    (first, *_) = page(wire, bucket, flags=str(flags), props="name,checksum")["entries"]
    assert len(first["checksum"]) == 16


def test_62_members_of_archives(wire: Wire, bucket: str):
    wire.put(bucket, "s.tar", make_tar({"a/1": b"one", "b": b"four"}))
    wire.put(bucket, "t", b"x")
    found = page(wire, bucket, flags="8", props="name,size")["entries"]
    assert [(entry["name"], entry["flags"] & ~64) for entry in found] == [
        ("s.tar", 512),
        ("s.tar/a/1", 128),
        ("s.tar/b", 128),
        ("t", 0),
    ]
    assert [entry["size"] for entry in found[1:3]] == ["3", "4"]


def test_63_json_listings(wire: Wire, bucket: str):
    found = page(wire, bucket)
    assert set(found) == {"uuid", "continuation_token", "entries", "flags"}
    assert found["entries"] is None
    wire.put(bucket, "o", b"abc")
    assert page(wire, bucket)["entries"] == [{"name": "o", "size": "3", "flags": 64}]
    answer = wire.send("GET", f"/v1/buckets/{bucket}", {"action": "list", "value": {"pagesize": -1}})
    assert answer.status == 400
    assert "pagesize" in answer.error["message"]


def test_64_listings_show_what_is_there_now(wire: Wire, bucket: str):
    for number in range(20):
        wire.put(bucket, f"o{number}", b"x")
        assert f"o{number}" in names(wire, bucket)
        wire.send("DELETE", f"/v1/objects/{bucket}/o{number}")
        assert names(wire, bucket) == []


def test_btr_12_paging_passes_names_that_are_no_text(wire: Wire, bucket: str):
    """Answers hold text only, so such a name is shown with U+FFFD; the next page begins behind the right one."""
    raws = [b"a", b"x\x80", b"x\x80y", b"x\xc3", b"x\xef\xbf\xbc", b"x\xff", b"y", "\ufdd0z".encode()]
    for raw in raws:
        assert wire.send("PUT", f"/v1/objects/{bucket}/{urllib.parse.quote(raw)}", raw).status == 200
    found, token, uuid = [], "", ""
    for _ in range(len(raws)):
        listed = page(wire, bucket, pagesize=1, continuation_token=token, uuid=uuid)
        found += [entry["name"] for entry in listed["entries"]]
        token, uuid = listed["continuation_token"], listed["uuid"]
    assert found == [raw.decode("utf-8", "replace") for raw in sorted(raws)]
    assert page(wire, bucket, pagesize=1, continuation_token=token, uuid=uuid)["entries"] is None


# -- many objects -------------------------------------------------------------------------------------


def wait(wire: Wire, answer: Answer) -> dict:
    assert answer.status == 200, answer.body
    while True:
        found = json.loads(wire.send("GET", "/v1/cluster?what=qryxstats", {"id": answer.body.decode()}).body)
        ((snapshot,),) = found.values()
        if snapshot["is_idle"]:
            return snapshot


def delete_many(wire: Wire, bucket: str, value: object) -> dict:
    return wait(wire, wire.send("DELETE", f"/v1/buckets/{bucket}", {"action": "delete-listrange", "value": value}))


def test_90_91_deleting_by_list_template_and_all(wire: Wire, bucket: str):
    def fill() -> None:
        for number in range(1, 8):
            wire.put(bucket, f"o-{number:04}", b"x")

    fill()
    delete_many(wire, bucket, {"objnames": ["o-0001", "o-0001", "o-0007"]})
    assert names(wire, bucket) == [f"o-{number:04}" for number in range(2, 7)]
    fill()
    delete_many(wire, bucket, {"template": "o-{0001..0005..2}"})
    assert names(wire, bucket) == ["o-0002", "o-0004", "o-0006", "o-0007"]
    delete_many(wire, bucket, {"template": "o-000*"})
    assert names(wire, bucket) == []
    fill()
    job = delete_many(wire, bucket, None)
    assert (names(wire, bucket), job["stats"]["loc-objs"]) == ([], "7")


def test_92_impossible_templates_are_refused_at_once(wire: Wire, bucket: str):
    for template, text in (
        ("o{3..1}", "invalid 'bash' template \"o{3..1}\": 'start' cannot be greater than 'end'"),
        ("o{a..b}", 'strconv.ParseInt: parsing "a": invalid syntax'),
        ("user@host", "'at'"),
    ):
        body = {"action": "delete-listrange", "value": {"template": template}}
        answer = wire.send("DELETE", f"/v1/buckets/{bucket}", body)
        assert answer.status == 400
        assert text in answer.error["message"]


def test_93_missing_names_of_a_template_are_fine_and_of_a_list_are_told(wire: Wire, bucket: str):
    wire.put(bucket, "o1", b"x")
    job = delete_many(wire, bucket, {"template": "o{1..3}"})
    assert (job["err"], job["aborted"]) == ("", False)
    wire.put(bucket, "o1", b"x")
    job = delete_many(wire, bucket, {"objnames": ["nope", "o1"]})
    assert f"ais://{bucket}/nope does not exist" in job["err"]
    assert (job["aborted"], names(wire, bucket)) == (False, [])
    assert delete_many(wire, bucket, {"objnames": ["nope"], "coer": True})["err"] == ""


def test_94_95_copies_by_list(wire: Wire, bucket: str):
    wire.put(bucket, "a", b"1")
    to = {"name": f"{bucket}-to", "provider": "ais", "namespace": None}
    body = {"action": "copy-listrange", "value": {"objnames": ["a", "nope"], "tobck": to}}
    answer = wire.send("POST", f"/v1/buckets/{bucket}", body)
    assert all(part.startswith("tco-") for part in answer.body.decode().split(","))
    job = wait(wire, answer)
    assert "does not exist" in job["err"]
    assert names(wire, to["name"]) == ["a"]
    for method, action in (("POST", "copy-listrange"), ("PUT", "archive")):
        value = {"objnames": ["a"], "archname": "x.tar"}
        answer = wire.send(method, f"/v1/buckets/{bucket}", {"action": action, "value": value})
        assert (answer.status, answer.error["message"]) == (400, "bucket name is missing")


@pytest.mark.parametrize("action", ["evict-listrange", "prefetch-listrange"])
def test_103_nothing_to_evict_or_fetch(wire: Wire, bucket: str, action: str):
    method = "DELETE" if action == "evict-listrange" else "POST"
    answer = wire.send(method, f"/v1/buckets/{bucket}", {"action": action, "value": {"template": ""}})
    assert answer.status == 400
    assert f"expecting remote bucket (have ais://{bucket})" in answer.error["message"]


def test_104_clouds_without_backend(wire: Wire):
    assert page_status(wire, "none", "?provider=aws") == (404, "ErrFailedTo")
    assert wire.send("HEAD", "/v1/buckets/none?provider=aws").status == 404
    answer = wire.send("GET", "/v1/objects/none/o?provider=aws", follow=False)
    assert (answer.status, "AWS backend is missing" in answer.error["message"]) == (404, True)
