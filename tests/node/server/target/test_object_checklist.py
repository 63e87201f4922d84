"""Numbers of the checklist in spec/rest-data.md 11 that no other test shows, over HTTP against a real node."""

import json

import pytest

from moss.testing import NodeProcess
from tests.support.wire import Wire


@pytest.fixture(scope="module")
def wire(node: NodeProcess) -> Wire:
    return Wire(node.url)


@pytest.fixture
def bucket(wire: Wire) -> str:
    return wire.new_bucket()


@pytest.mark.parametrize(
    ("word", "is_true"),
    [(word, True) for word in ("True", "true", "1", "yes", "on", "T", "Y")]
    + [(word, False) for word in ("False", "", "0", "no", "2", "off")],
)
def test_12_boolean_words_of_a_query(wire: Wire, bucket: str, word: str, is_true: bool):
    wire.put(bucket, "o", b"x")
    wire.send("PATCH", f"/v1/objects/{bucket}/o", {"action": "", "value": {"old": "1"}})
    wire.send("PATCH", f"/v1/objects/{bucket}/o?set-new-custom={word}", {"action": "", "value": {"new": "1"}})
    found = wire.send("HEAD", f"/v1/objects/{bucket}/o").headers["ais-custom-md"]
    assert found == ("new=1" if is_true else "old=1, new=1")


def test_13_blank_archive_parameters_mean_the_whole_object(wire: Wire, bucket: str):
    wire.put(bucket, "s.tar", b"no archive at all")
    answer = wire.send("GET", f"/v1/objects/{bucket}/s.tar?archpath=&archregx=")
    assert (answer.status, answer.body) == (200, b"no archive at all")


def test_14_unknown_parameters_are_ignored_and_a_hundred_refused(wire: Wire, bucket: str):
    wire.put(bucket, "o", b"x")
    few = "&".join(f"p{number}=1" for number in range(90))
    assert wire.send("GET", f"/v1/objects/{bucket}/o?{few}&unheard-of").body == b"x"
    many = "&".join(f"p{number}=1" for number in range(100))
    answer = wire.send("GET", f"/v1/objects/{bucket}/o?{many}")
    assert (answer.status, "maximum number of iterations (100)" in answer.error["message"]) == (400, True)


CLIENT_ERRORS = [
    ("GET", "/v1/objects/{bucket}/missing", None),
    ("GET", "/v1/objects/none-of-that-name/o", None),
    ("PUT", "/v1/objects/{bucket}/a/../b", b"x"),
    ("PUT", "/v1/objects/{bucket}/o?append_type=flush&append_handle=a|b|c|d", b""),
    ("PUT", "/v1/objects/{bucket}/o?append_type=nothing", b""),
    ("PUT", "/v1/objects/{bucket}/o?uploadId=unknown123&partNumber=1", b"x"),
    ("PUT", "/v1/objects/{bucket}/o?uploadId=unknown123&partNumber=99999999999999999999", b"x"),
    ("PUT", "/v1/objects/{bucket}/missing?object_to=ais/@%23/{bucket}/p", None),
    ("PUT", "/v1/objects/{bucket}/o?object_to=x", None),
    ("POST", "/v1/objects/{bucket}/o", {"action": "rename-obj", "name": ""}),
    ("POST", "/v1/objects/{bucket}/missing", {"action": "rename-obj", "name": "x"}),
    ("POST", "/v1/objects/{bucket}/o", {"action": "mpt-complete", "value": {"not": "a list"}}),
    ("POST", "/v1/objects/{bucket}/o?uploadId=unknown123", {"action": "mpt-complete", "value": [{"part-number": "1"}]}),
    ("POST", "/v1/objects/{bucket}/o", {"action": "unheard-of"}),
    ("PATCH", "/v1/objects/{bucket}/o", {"action": "", "value": {"k": 7}}),
    ("PATCH", "/v1/objects/{bucket}/missing", {"action": "", "value": {"k": "v"}}),
    ("PATCH", "/v1/objects/{bucket}/o", {"action": "", "value": {"k": "v" * 3000}}),
    ("DELETE", "/v1/objects/{bucket}/missing", None),
    ("DELETE", "/v1/objects/{bucket}/o", b"no json"),
    ("DELETE", "/v1/objects/{bucket}/o?uploadId=x", {"action": "mpt-abort"}),
    ("HEAD", "/v1/objects/{bucket}/o?props=bogus", None),
]


@pytest.mark.parametrize(("method", "path", "body"), CLIENT_ERRORS)
def test_15_errors_that_stay_are_never_such_as_clients_repeat(wire: Wire, bucket: str, method: str, path: str, body):
    wire.put(bucket, "o", b"kept")
    answer = wire.send(method, path.format(bucket=bucket), body)
    assert 400 <= answer.status < 429
    if method == "HEAD":
        assert (answer.body, json.loads(answer.headers["hdr-error"])["status"]) == (b"", answer.status)
    else:
        assert answer.error["status"] == answer.status
    assert wire.send("GET", f"/v1/objects/{bucket}/o").body == b"kept"


def test_65_67_headers_of_a_put_and_of_a_head(wire: Wire, bucket: str):
    put = wire.send("PUT", f"/v1/objects/{bucket}/o", b"0123456789ab")
    head = wire.send("HEAD", f"/v1/objects/{bucket}/o").headers
    assert (put.body, put.headers["ais-checksum-type"], put.headers["ais-version"]) == (b"", "xxhash2", "1")
    assert head["content-length"] == "12"
    assert (head["ais-checksum-type"], head["ais-version"], head["ais-present"]) == ("xxhash2", "1", "true")
    assert len(head["ais-checksum-value"]) == 16
    assert head["ais-checksum-value"] == put.headers["ais-checksum-value"]
    assert head["ais-atime"].isdigit()
    assert "ais-custom-md" not in head


def test_66_overwriting_counts_the_version_on(wire: Wire, bucket: str):
    versions = [wire.send("PUT", f"/v1/objects/{bucket}/o", b"%d" % n).headers["ais-version"] for n in range(3)]
    assert versions == ["1", "2", "3"]


def test_69_empty_object(wire: Wire, bucket: str):
    wire.put(bucket, "o", b"")
    assert wire.send("GET", f"/v1/objects/{bucket}/o").body == b""
    assert wire.send("HEAD", f"/v1/objects/{bucket}/o?props=size").headers["content-length"] == "0"


@pytest.mark.parametrize("size", [12, 3 << 20])
def test_70_whole_objects_have_a_length_and_come_as_they_are(wire: Wire, bucket: str, size: int):
    wire.put(bucket, "o", bytes(size))
    answer = wire.send("GET", f"/v1/objects/{bucket}/o", None, {"Accept-Encoding": "gzip, deflate"})
    assert answer.headers["content-length"] == str(size)
    assert not {"content-encoding", "transfer-encoding"} & answer.headers.keys()


def test_71_72_ranges_of_twelve_bytes(wire: Wire, bucket: str):
    wire.put(bucket, "o", b"0123456789ab")

    def get(text: str):
        return wire.send("GET", f"/v1/objects/{bucket}/o", None, {"Range": text})

    answer = get("bytes=5-100")
    assert (answer.status, answer.body, answer.headers["content-range"]) == (206, b"56789ab", "bytes 5-11/12")
    assert (get("bytes=-3").body, get("bytes=4-").body) == (b"9ab", b"456789ab")
    for text in ("bytes=12-", "bytes=-0"):
        answer = get(text)
        assert (answer.status, answer.headers["content-range"]) == (416, "bytes */12")
    assert get("bytes=0-1,4-5").status == 416


def test_73_metadata_in_several_lines(wire: Wire, bucket: str):
    import http.client
    from urllib.parse import urlsplit

    target = urlsplit(wire.send("PUT", f"/v1/objects/{bucket}/o", b"x", follow=False).headers["location"])
    connection = http.client.HTTPConnection(target.hostname, target.port, timeout=20)
    connection.putrequest("PUT", f"{target.path}?{target.query}")
    for line in ("a=1", "b=2=3"):
        connection.putheader("Ais-Custom-Md", line)
    connection.putheader("Content-Length", "1")
    connection.endheaders(b"x")
    assert connection.getresponse().status == 200
    connection.close()
    assert wire.send("HEAD", f"/v1/objects/{bucket}/o").headers["ais-custom-md"] == "a=1, b=2=3"


def test_74_75_selected_properties(wire: Wire, bucket: str):
    wire.put(bucket, "o", b"x")
    bogus = wire.send("HEAD", f"/v1/objects/{bucket}/o?props=size,bogus")
    assert (bogus.status, "invalid property" in json.loads(bogus.headers["hdr-error"])["message"]) == (400, True)
    plain = wire.send("HEAD", f"/v1/objects/{bucket}/o?props=name,size,chunked").headers
    assert not {"etag", "last-modified", "ais-chunks-count", "ais-chunks-max-chunk-size"} & plain.keys()
    asked = wire.send("HEAD", f"/v1/objects/{bucket}/o?props=etag, last-modified".replace(" ", "%20")).headers
    assert asked["etag"].startswith('"v1-')
    assert asked["last-modified"].endswith(" GMT")


def test_76_deleting_twice(wire: Wire, bucket: str):
    wire.put(bucket, "o", b"x")
    assert wire.send("DELETE", f"/v1/objects/{bucket}/o").status == 200
    answer = wire.send("DELETE", f"/v1/objects/{bucket}/o")
    assert (answer.status, answer.error["message"]) == (404, f"ais://{bucket}/o doesn't exist")


@pytest.mark.parametrize(
    ("name", "text", "status"),
    [
        ("Ais-Blob-Download", "true", 400),
        ("Ais-Blob-Download", "false", 200),
        ("Ais-Blob-Download", "", 400),
        ("Ais-Blob-Chunk", "1mb", 200),
        ("Ais-Blob-Chunk", "1MiB", 200),
        ("Ais-Blob-Chunk", "x", 400),
        ("Ais-Blob-Chunk", "", 400),
        ("Ais-Blob-Workers", "4", 200),
        ("Ais-Blob-Workers", "129", 400),
        ("Ais-Blob-Workers", "x", 400),
        ("Ais-Blob-Threshold", "5", 400),
        ("Ais-Blob-Threshold", "0", 200),
        ("Ais-Blob-Threshold", "-1", 400),
    ],
)
def test_89_blob_headers_on_a_bucket_of_this_cluster(wire: Wire, bucket: str, name: str, text: str, status: int):
    wire.put(bucket, "o", b"x")
    answer = wire.send("GET", f"/v1/objects/{bucket}/o", None, {name: text})
    assert answer.status == status
    if (name, text) == ("Ais-Blob-Download", "true"):
        assert answer.error["message"] == f"blob-downloader is not supported for local buckets: ais://{bucket}"
