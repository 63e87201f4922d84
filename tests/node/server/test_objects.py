"""Objects and buckets over HTTP, against a real node."""

import hashlib
import json
import os
import threading
import time
import urllib.parse
from http.client import HTTPConnection

import msgspec
import pytest

from moss.testing import NodeProcess
from tests.support.wire import Wire, make_tar

_MIB = 1 << 20


@pytest.fixture(scope="module")
def wire(node: NodeProcess) -> Wire:
    return Wire(node.url)


@pytest.fixture
def bucket(wire: Wire) -> str:
    return wire.new_bucket()


def _list(wire: Wire, bucket: str, **value):
    answer = wire.send("GET", f"/v1/buckets/{bucket}", {"action": "list", "value": value})
    assert answer.status == 200, answer.body
    return [entry["name"] for entry in json.loads(answer.body)["entries"] or []]


# -- put and get ----------------------------------------------------------------------------------------


def test_put_get_head_delete_with_documented_headers(wire: Wire, bucket: str):
    put = wire.send("PUT", f"/v1/objects/{bucket}/d/o", b"0123456789ab")
    assert (put.hops, put.status, put.body) == ([307], 200, b"")
    get = wire.send("GET", f"/v1/objects/{bucket}/d/o")
    assert (get.hops, get.status, get.body) == ([301], 200, b"0123456789ab")
    assert get.headers["content-type"] == "application/octet-stream"
    head = wire.send("HEAD", f"/v1/objects/{bucket}/d/o")
    assert (head.hops, head.status) == ([307], 200)
    expected = {
        "content-length": "12",
        "ais-checksum-type": "xxhash2",
        "ais-version": "1",
        "ais-present": "true",
        "ais-name": "d/o",
        "ais-bucket-name": bucket,
        "ais-bucket-provider": "ais",
    }
    assert expected.items() <= head.headers.items()
    assert "ais-custom-md" not in head.headers
    assert get.headers["ais-checksum-value"] == put.headers["ais-checksum-value"] == head.headers["ais-checksum-value"]
    assert wire.send("DELETE", f"/v1/objects/{bucket}/d/o").status == 200
    again = wire.send("DELETE", f"/v1/objects/{bucket}/d/o")
    assert (again.status, again.error["message"]) == (404, f"ais://{bucket}/d/o doesn't exist")
    gone = wire.send("GET", f"/v1/objects/{bucket}/d/o")
    assert gone.status == 404
    assert gone.error["tcode"] == "ErrNotFound"
    assert gone.error["message"].endswith(f": ais://{bucket}/d/o does not exist")


@pytest.mark.parametrize("size", [0, 1, 511, _MIB - 1, _MIB, _MIB + 1, 5 * _MIB + 7])
def test_bodies_of_every_size_come_back_whole_and_in_ranges(wire: Wire, bucket: str, size: int):
    data = os.urandom(size)
    assert wire.send("PUT", f"/v1/objects/{bucket}/o", data).status == 200
    assert wire.send("GET", f"/v1/objects/{bucket}/o").body == data
    if size:
        for start, stop in ((0, 1), (size // 2, size), (max(0, size - 300_000), size)):
            answer = wire.send("GET", f"/v1/objects/{bucket}/o", headers={"Range": f"bytes={start}-{stop - 1}"})
            assert (answer.status, answer.body) == (206, data[start:stop])
            assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/{size}"
            assert answer.headers["content-length"] == str(stop - start)


def test_chunked_body_of_unknown_size_is_stored(wire: Wire, bucket: str):
    data = os.urandom(2 * _MIB + 5)
    location = wire.send("PUT", f"/v1/objects/{bucket}/o", b"", follow=False).headers["location"]
    parts = urllib.parse.urlsplit(location)
    connection = HTTPConnection(parts.hostname, parts.port, timeout=30)
    pieces = [data[at : at + 100_000] for at in range(0, len(data), 100_000)]
    connection.request("PUT", f"{parts.path}?{parts.query}", iter(pieces), encode_chunked=True)
    assert connection.getresponse().status == 200
    connection.close()
    assert wire.send("GET", f"/v1/objects/{bucket}/o").body == data


@pytest.mark.parametrize("sent", [10, 2 * _MIB])
def test_body_that_breaks_off_stores_nothing(wire: Wire, bucket: str, sent: int):
    wire.put(bucket, "o", b"old")
    location = wire.send("PUT", f"/v1/objects/{bucket}/o", b"", follow=False).headers["location"]
    parts = urllib.parse.urlsplit(location)
    connection = HTTPConnection(parts.hostname, parts.port, timeout=30)
    connection.putrequest("PUT", f"{parts.path}?{parts.query}")
    connection.putheader("Content-Length", str(sent + 1000))
    connection.endheaders()
    connection.send(b"x" * sent)
    connection.close()
    assert wire.send("GET", f"/v1/objects/{bucket}/o").body == b"old"
    assert _list(wire, bucket) == ["o"]


def test_checksum_that_does_not_fit_stores_nothing(wire: Wire, bucket: str):
    wire.put(bucket, "o", b"old")
    headers = {"Ais-Checksum-Type": "md5", "Ais-Checksum-Value": hashlib.md5(b"other").hexdigest()}
    answer = wire.send("PUT", f"/v1/objects/{bucket}/o", b"new", headers)
    assert answer.status == 500
    assert "BAD DATA CHECKSUM" in answer.error["message"]
    assert wire.send("GET", f"/v1/objects/{bucket}/o").body == b"old"


def test_btr_13_equal_checksum_header_does_not_spare_the_check_of_the_body(wire: Wire, bucket: str):
    headers = {"Ais-Checksum-Type": "md5", "Ais-Checksum-Value": hashlib.md5(b"data").hexdigest()}
    assert wire.send("PUT", f"/v1/objects/{bucket}/o", b"data", headers).status == 200
    assert wire.send("PUT", f"/v1/objects/{bucket}/o", b"other", headers).status == 500
    assert wire.send("PUT", f"/v1/objects/{bucket}/o", b"data", headers).status == 200
    head = wire.send("HEAD", f"/v1/objects/{bucket}/o")
    assert (head.headers["ais-version"], head.headers["ais-checksum-type"]) == ("1", "md5")


def test_btr_14_unknown_checksum_type_is_refused(wire: Wire, bucket: str):
    headers = {"Ais-Checksum-Type": "sha0", "Ais-Checksum-Value": "00"}
    assert wire.send("PUT", f"/v1/objects/{bucket}/o", b"data", headers).status == 400


def test_btr_14_head_with_latest_version_is_answered(wire: Wire, bucket: str):
    wire.put(bucket, "o", b"x")
    assert wire.send("HEAD", f"/v1/objects/{bucket}/o?latest-ver=true").status == 200


def test_btr_13_delete_with_evict_message_keeps_the_data(wire: Wire, bucket: str):
    wire.put(bucket, "o", b"x")
    assert wire.send("DELETE", f"/v1/objects/{bucket}/o", {"action": "evict-listrange"}).status == 400
    assert wire.send("GET", f"/v1/objects/{bucket}/o").body == b"x"


def test_custom_metadata_merges_and_is_replaced_when_asked(wire: Wire, bucket: str):
    wire.send("PUT", f"/v1/objects/{bucket}/o", b"x", {"Ais-Custom-Md": "a=1"})
    wire.send("PATCH", f"/v1/objects/{bucket}/o", {"action": "", "value": {"b": "2"}})
    assert wire.send("HEAD", f"/v1/objects/{bucket}/o").headers["ais-custom-md"] == "a=1, b=2"
    wire.put(bucket, "o", b"y")
    assert wire.send("HEAD", f"/v1/objects/{bucket}/o").headers["ais-custom-md"] == "a=1, b=2"
    wire.send("PATCH", f"/v1/objects/{bucket}/o?set-new-custom=true", {"value": {"c": "3"}})
    assert wire.send("HEAD", f"/v1/objects/{bucket}/o").headers["ais-custom-md"] == "c=3"


NAMES = [
    *("a", "a/b", "a b", "a%25b", "q?x", "h#x", "\u00e9\u4e2d\U0001f600", "x" * 300, "l/" * 200 + "end", "a+b&c=d"),
    *("..a", "a..", ".hidden/x", "back\\slash", "it's", '"q"', "<x>", "tab\tname"),
]


@pytest.mark.parametrize("name", NAMES)
def test_btr_12_every_valid_name_is_stored_listed_and_found_as_given(wire: Wire, bucket: str, name: str):
    wire.put(bucket, name, name.encode())
    assert _list(wire, bucket) == [name]
    assert _list(wire, bucket, prefix=name[:3].removesuffix("/").removesuffix("/.")) == [name]
    assert wire.send("GET", f"/v1/objects/{bucket}/{urllib.parse.quote(name)}").body == name.encode()
    assert wire.batch(bucket, [name]).members() == [(f"{bucket}/{name}", name.encode())]


@pytest.mark.parametrize("name", ["a/../b", "./a", "a/.", "dir/", "~/x"])
def test_names_that_lead_elsewhere_are_refused(wire: Wire, bucket: str, name: str):
    answer = wire.send("PUT", f"/v1/objects/{bucket}/{name}", b"x")
    assert (answer.status, answer.error["message"]) == (400, f'invalid object name "{name}"')


def test_bad_escape_is_refused(wire: Wire, bucket: str):
    assert wire.send("PUT", f"/v1/objects/{bucket}/a%zz", b"x").status == 400


# -- redirects and direct access --------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "status"), [("GET", 301), ("HEAD", 307), ("PUT", 307), ("DELETE", 307)])
def test_redirect_keeps_path_and_query_and_adds_the_markers(wire: Wire, bucket: str, method: str, status: int):
    before = time.time_ns()
    answer = wire.send(method, f"/v1/objects/{bucket}/d/%C3%A9?provider=ais&mark=7", follow=False)
    parts = urllib.parse.urlsplit(answer.headers["location"])
    query = dict(urllib.parse.parse_qsl(parts.query))
    assert (answer.status, urllib.parse.unquote(parts.path)) == (status, f"/v1/objects/{bucket}/d/\u00e9")
    assert list(query) == ["provider", "mark", "pid", "utm"]
    assert before <= int(query["utm"], 36) <= time.time_ns()


def test_target_refuses_changes_that_no_gateway_sent(wire: Wire, bucket: str):
    wire.put(bucket, "o", b"x")
    target = json.loads(wire.send("GET", "/v1/daemon?what=smap").body)["tmap"]
    ((target_id, info),) = target.items()
    url = info["public_net"]["direct_url"]
    for suffix in ("", "?pid=pAbCdEfGh", "?utm=1"):
        answer = wire.send("PUT", f"{url}/v1/objects/{bucket}/o{suffix}", b"y")
        assert (answer.status, answer.error["message"]) == (
            400,
            f"t[{target_id}]: PUT(obj) is expected to be redirected",
        )
    direct = wire.send("GET", f"{url}/v1/objects/{bucket}/o")
    assert (direct.status, direct.hops, direct.body) == (200, [], b"x")


def test_gateway_serves_itself_when_asked_to(wire: Wire, bucket: str):
    headers = {"Moss-Direct": "1"}
    assert wire.send("PUT", f"/v1/objects/{bucket}/o", b"x" * 3 * _MIB, headers).hops == []
    answer = wire.send("GET", f"/v1/objects/{bucket}/o", headers=headers)
    assert (answer.status, answer.hops, answer.body) == (200, [], b"x" * 3 * _MIB)


# -- buckets --------------------------------------------------------------------------------------------------


def test_create_list_head_destroy(wire: Wire):
    name = wire.new_bucket()
    again = wire.send("POST", f"/v1/buckets/{name}", {"action": "create-bck"})
    assert (again.status, again.error["tcode"]) == (409, "ErrBucketAlreadyExists")
    assert again.error["message"] == f'bucket "ais://{name}" already exists'
    listed = json.loads(wire.send("GET", "/v1/buckets", {"action": "list", "value": None}).body)
    assert {"name": name, "provider": "ais", "namespace": {"uuid": "", "name": ""}} in listed
    props = json.loads(wire.send("HEAD", f"/v1/buckets/{name}").headers["ais-bucket-props"])
    assert {type(props[key]) for key in ("access", "features", "bid", "created")} == {str}
    assert wire.send("DELETE", f"/v1/buckets/{name}", {"action": "destroy-bck"}).status == 200
    gone = wire.send("HEAD", f"/v1/buckets/{name}")
    assert (gone.status, gone.body) == (404, b"")
    assert json.loads(gone.headers["hdr-error"])["tcode"] == "ErrBckNotFound"


def test_bucket_made_anew_is_empty_and_another(wire: Wire):
    name = wire.new_bucket()
    wire.put(name, "o", b"x")
    before = json.loads(wire.send("HEAD", f"/v1/buckets/{name}").headers["ais-bucket-props"])["bid"]
    wire.send("DELETE", f"/v1/buckets/{name}", {"action": "destroy-bck"})
    wire.send("POST", f"/v1/buckets/{name}", {"action": "create-bck"})
    assert _list(wire, name) == []
    assert json.loads(wire.send("HEAD", f"/v1/buckets/{name}").headers["ais-bucket-props"])["bid"] != before


def test_namespaces_are_separate(wire: Wire, bucket: str):
    query = "?namespace=%23lab"
    assert wire.send("POST", f"/v1/buckets/{bucket}{query}", {"action": "create-bck"}).status == 200
    wire.put(bucket, "o", b"global")
    assert wire.send("PUT", f"/v1/objects/{bucket}/o{query}", b"lab").status == 200
    assert wire.send("GET", f"/v1/objects/{bucket}/o").body == b"global"
    assert wire.send("GET", f"/v1/objects/{bucket}/o{query}").body == b"lab"
    assert wire.send("DELETE", f"/v1/buckets/{bucket}{query}", {"action": "destroy-bck"}).status == 200
    assert wire.send("GET", f"/v1/objects/{bucket}/o").body == b"global"


@pytest.mark.parametrize(
    ("provider", "scheme", "word"),
    [("aws", "s3", "AWS"), ("s3", "s3", "AWS"), ("gcp", "gs", "GCP"), ("az", "az", "Azure"), ("oci", "oc", "OCI")],
)
def test_cloud_bucket_without_a_backend_is_not_found_at_once(wire: Wire, provider: str, scheme: str, word: str):
    answer = wire.send("GET", f"/v1/buckets/nosuch?provider={provider}", {"action": "list", "value": {}})
    assert (answer.status, answer.error["tcode"]) == (404, "ErrFailedTo")
    text = f"failed to lookup bucket {scheme}://nosuch, err: {word} backend is missing in the cluster configuration"
    assert answer.error["message"].endswith(text)


def test_unknown_remote_cluster_is_not_found(wire: Wire):
    answer = wire.send("GET", "/v1/objects/b/o?namespace=@remote1")
    assert (answer.status, answer.error["tcode"]) == (404, "ErrFailedTo")


def test_access_mask_protects_from_writes_and_deletes(wire: Wire, bucket: str):
    wire.put(bucket, "o", b"x")
    change = {"action": "set-bprops", "value": {"access": "771"}}
    assert wire.send("PATCH", f"/v1/buckets/{bucket}", change).status == 200
    for method, operation in (("PUT", "PUT"), ("DELETE", "DELETE-OBJECT")):
        answer = wire.send(method, f"/v1/objects/{bucket}/o", b"")
        assert (answer.status, answer.error["tcode"]) == (403, "ErrBucketAccessDenied")
        assert (
            f"{operation} access denied (allowed: [GET,HEAD-OBJECT,HEAD-BUCKET,LIST-OBJECTS])"
            in answer.error["message"]
        )
    assert wire.send("GET", f"/v1/objects/{bucket}/o").body == b"x"


# -- listing ----------------------------------------------------------------------------------------------------


def test_pages_hold_every_name_once_in_byte_order(wire: Wire, bucket: str):
    names = sorted([f"d/{number:02}" for number in range(7)] + ["Z", "a", "\u00e9"], key=str.encode)
    for name in names:
        wire.put(bucket, name, b"x")
    found, token, uuid, pages = [], "", "", 0
    while True:
        value = {"pagesize": 5, "continuation_token": token, "uuid": uuid}
        body = {"action": "list", "value": value}
        answer = wire.send("GET", f"/v1/buckets/{bucket}", body, {"Accept": "application/msgpack"})
        assert answer.headers["content-type"] == "application/msgpack"
        page = msgspec.msgpack.decode(answer.body)
        found += [entry["n"] for entry in page["Entries"]]
        token, uuid, pages = page["ContinuationToken"], page["UUID"], pages + 1
        assert len(uuid) >= 9
        if not token:
            break
    assert (found, pages) == (names, 3)


def test_prefix_selects_by_the_front_of_the_name_only(wire: Wire, bucket: str):
    for name in ("ab", "ab.txt", "ab/c", "ab/1", "abc", "b"):
        wire.put(bucket, name, b"x")
    assert _list(wire, bucket, prefix="ab") == ["ab", "ab.txt", "ab/1", "ab/c", "abc"]
    assert _list(wire, bucket, prefix="ab/1") == ["ab/1"]
    assert _list(wire, bucket, prefix="ab", start_after="ab/1") == ["ab/c", "abc"]


def test_one_level_shows_folders_with_a_slash(wire: Wire, bucket: str):
    for name in ("p/a", "p/s/x", "p/s/y", "p/t/z/w", "q", "p0"):
        wire.put(bucket, name, b"x")
    assert _list(wire, bucket, prefix="p/", flags=str(1 << 11)) == ["p/a", "p/s/", "p/t/"]
    assert _list(wire, bucket, flags=str(1 << 11)) == ["p/", "p0", "q"]
    assert _list(wire, bucket, prefix="p/", flags=str(1 << 11), start_after="p/s/") == ["p/t/"]


def test_members_of_archives_are_listed(wire: Wire, bucket: str):
    wire.put(bucket, "s.tar", make_tar({"b.txt": b"bb", "d/a.txt": b"a"}))
    wire.put(bucket, "broken.tar", b"no archive")
    body = {"action": "list", "value": {"flags": "8"}}
    entries = json.loads(wire.send("GET", f"/v1/buckets/{bucket}", body).body)["entries"]
    assert [(entry["name"], entry["flags"], entry["size"]) for entry in entries] == [
        ("broken.tar", 64, "10"),
        ("s.tar", 64 | 512, str(len(make_tar({"b.txt": b"bb", "d/a.txt": b"a"})))),
        ("s.tar/b.txt", 64 | 128, "2"),
        ("s.tar/d/a.txt", 64 | 128, "1"),
    ]
    assert _list(wire, bucket, flags="8", prefix="s.tar/d/") == ["s.tar/d/a.txt"]


def test_list_sees_puts_and_deletes_at_once(wire: Wire, bucket: str):
    for number in range(10):
        wire.put(bucket, "o", b"x")
        assert _list(wire, bucket) == ["o"], number
        wire.send("DELETE", f"/v1/objects/{bucket}/o")
        assert _list(wire, bucket) == [], number


# -- members of archives ------------------------------------------------------------------------------------------


def test_one_member_by_plain_get(wire: Wire, bucket: str):
    wire.put(bucket, "s.tar", make_tar({"a.txt": b"alpha", "d/b": os.urandom(2 * _MIB)}))
    answer = wire.send("GET", f"/v1/objects/{bucket}/s.tar?archpath=/a.txt")
    assert (answer.status, answer.body, answer.headers["content-length"]) == (200, b"alpha", "5")
    assert len(wire.send("GET", f"/v1/objects/{bucket}/s.tar?archpath=s.tar/d/b").body) == 2 * _MIB
    missing = wire.send("GET", f"/v1/objects/{bucket}/s.tar?archpath=no")
    assert missing.status == 404
    assert f"no in ais://{bucket}/s.tar does not exist" in missing.error["message"]
    ranged = wire.send("GET", f"/v1/objects/{bucket}/s.tar?archpath=a.txt", headers={"Range": "bytes=0-1"})
    assert ranged.status == 400


def test_wrong_word_for_the_format_harms_nobody_else(wire: Wire, bucket: str):
    wire.put(bucket, "s.tar", make_tar({"a.txt": b"alpha"}))
    assert wire.send("GET", f"/v1/objects/{bucket}/s.tar?archpath=a.txt&archmime=.zip").status == 400
    assert wire.send("GET", f"/v1/objects/{bucket}/s.tar?archpath=a.txt").body == b"alpha"
    wire.put(bucket, "t.zip", make_tar({"a.txt": b"tar"}))
    assert wire.send("GET", f"/v1/objects/{bucket}/t.zip?archpath=a.txt&archmime=.tar").body == b"tar"
    assert wire.send("GET", f"/v1/objects/{bucket}/t.zip?archpath=a.txt").status == 400


def test_members_that_match_come_as_a_tar(wire: Wire, bucket: str):
    wire.put(bucket, "s.tar", make_tar({"f1.txt": b"1", "f2.txt": b"2", "f2.cls": b"c"}))
    answer = wire.send("GET", f"/v1/objects/{bucket}/s.tar?archregx=f2&archmode=prefix")
    assert answer.members() == [("f2.txt", b"2"), ("f2.cls", b"c")]
    assert wire.send("GET", f"/v1/objects/{bucket}/s.tar?archregx=zz&archmode=prefix").status == 404


# -- uploads in parts ------------------------------------------------------------------------------------------------


def _begin(wire: Wire, bucket: str, name: str = "m") -> str:
    return wire.send("POST", f"/v1/objects/{bucket}/{name}", {"action": "mpt-upload"}).body.decode()


def _complete(wire: Wire, bucket: str, upload: str, numbers: list[int], name: str = "m"):
    body = {"action": "mpt-complete", "value": [{"part-number": number, "etag": ""} for number in numbers]}
    return wire.send("POST", f"/v1/objects/{bucket}/{name}?uploadId={upload}", body)


def _part(wire: Wire, bucket: str, upload: str, number: int, data: bytes, name: str = "m"):
    return wire.send("PUT", f"/v1/objects/{bucket}/{name}?uploadId={upload}&partNumber={number}", data)


def test_btr_09_part_that_is_sent_again_replaces_the_earlier_one(wire: Wire, bucket: str):
    upload = _begin(wire, bucket)
    for number, data in ((2, b"second"), (1, b"wrong"), (1, b"first-"), (3, b"x" * 2 * _MIB)):
        assert _part(wire, bucket, upload, number, data).status == 200
    assert wire.send("GET", f"/v1/objects/{bucket}/m").status == 404
    assert _complete(wire, bucket, upload, [1, 2, 3]).status == 200
    assert wire.send("GET", f"/v1/objects/{bucket}/m").body == b"first-second" + b"x" * 2 * _MIB
    assert _complete(wire, bucket, upload, [1, 2, 3]).status == 404


def test_incomplete_and_foreign_completions_are_refused(wire: Wire, bucket: str):
    upload = _begin(wire, bucket)
    assert "no chunks" in _complete(wire, bucket, upload, [1]).error["message"]
    assert "invalid size (0)" in _part(wire, bucket, upload, 1, b"").error["message"]
    _part(wire, bucket, upload, 1, b"x")
    assert "partial completion" in _complete(wire, bucket, upload, [1, 1]).error["message"]
    assert _complete(wire, bucket, upload, [2]).status == 400
    assert _complete(wire, bucket, upload, [1], name="other").status == 404
    assert _part(wire, bucket, upload, 1, b"y", name="other").status == 404
    assert wire.send("DELETE", f"/v1/objects/{bucket}/m?uploadId={upload}", {"action": "mpt-abort"}).status == 200
    assert _part(wire, bucket, upload, 1, b"x").status == 404
    assert _list(wire, bucket) == []


@pytest.mark.parametrize("number", ["x", "0", "-1", "10000", ""])
def test_bad_part_numbers_are_refused(wire: Wire, bucket: str, number: str):
    upload = _begin(wire, bucket)
    assert wire.send("PUT", f"/v1/objects/{bucket}/m?uploadId={upload}&partNumber={number}", b"x").status == 400


@pytest.mark.parametrize("upload", ["../../etc", "nosuchupload1", "%2e%2e%2fx", "a" * 300])
def test_upload_ids_lead_nowhere_else(wire: Wire, bucket: str, upload: str):
    assert _part(wire, bucket, urllib.parse.quote(upload, safe=""), 1, b"x").status == 404


def test_concurrent_writers_of_one_name_leave_one_of_their_bodies(wire: Wire, bucket: str):
    bodies = [bytes([65 + number]) * 200_000 for number in range(8)]
    threads = [threading.Thread(target=wire.put, args=(bucket, "o", body)) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wire.send("GET", f"/v1/objects/{bucket}/o").body in bodies
    assert wire.send("HEAD", f"/v1/objects/{bucket}/o").headers["ais-version"] == "8"
