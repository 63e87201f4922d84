"""The contract's checklist of the data plane, numbers 1 to 25: requests, errors, redirects.

Source: spec/rest-data.md 11; the numbers are those of its list.
"""

import json
import re
import time
import urllib.parse
import uuid

import pytest

from moss.testing import NodeProcess
from tests.support.raw import RawClient
from tests.support.wire import Wire, make_tar

JOB_ID = re.compile(r"\A[A-Za-z][A-Za-z0-9_-]{7,30}[A-Za-z0-9]\Z")


@pytest.fixture(scope="module")
def wire(node: NodeProcess) -> Wire:
    return Wire(node.url)


@pytest.fixture
def bucket(wire: Wire) -> str:
    return wire.new_bucket()


# -- requests and errors --------------------------------------------------------------------------------


def test_01_a_get_with_a_body_is_told_apart_by_its_action(wire: Wire, bucket: str):
    wire.put(bucket, "o", b"x")
    path = f"/v1/buckets/{bucket}"
    listed = json.loads(wire.send("GET", path, {"action": "list", "name": "", "value": {}}).body)
    assert [entry["name"] for entry in listed["entries"]] == ["o"]
    named = json.loads(wire.send("GET", path, {"action": "list", "name": bucket, "value": None}).body)
    assert [found["name"] for found in named] == [bucket]
    assert wire.send("GET", path, {"action": "summary-bck", "value": {"uuid": ""}}).status == 202


@pytest.mark.parametrize("kind", ["application/json", "", "application/octet-stream", "text/plain"])
def test_02_the_content_type_of_a_message_means_nothing(wire: Wire, kind: str):
    path = f"/v1/buckets/t{uuid.uuid4().hex[:10]}"
    message = json.dumps({"action": "create-bck", "name": "", "value": None}).encode()
    assert wire.send("POST", path, message, {"Content-Type": kind}).status == 200
    assert wire.send("HEAD", path).status == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "buckets/{}"), ("POST", "buckets/{}"), ("PUT", "buckets/{}"), ("DELETE", "buckets/{}"),
        ("PATCH", "buckets/{}"), ("POST", "objects/{}"), ("POST", "objects/{}/o"),
    ],
)  # fmt: skip
def test_03_an_unknown_action_is_named(wire: Wire, bucket: str, method: str, path: str):
    answer = wire.send(method, f"/v1/{path.format(bucket)}", {"action": "frobnicate", "name": "", "value": None})
    assert answer.status == 400
    assert answer.error["message"].startswith('invalid action "frobnicate"')


FAILING = [
    ("GET", "/v1/nonsense", None),
    ("GET", "/v1/objects/{b}", None),
    ("GET", "/v1/objects/{b}/none", None),
    ("GET", "/v1/objects/{b}/o?archpath=x", None),
    ("GET", "/v1/objects/{b}/o?a=%zz", None),
    ("GET", "/v1/objects/nobucket/o", None),
    ("GET", "/v1/objects/{b}/o?provider=nope", None),
    ("GET", "/v1/objects/{b}/o?etl_name=e", None),
    ("PUT", "/v1/objects/{b}/a/../b", b"x"),
    ("PUT", "/v1/objects/{b}/s.tar?archpath=../m", b"x"),
    ("PUT", "/v1/objects/{b}/s.rar?archpath=m", b"x"),
    ("PUT", "/v1/objects/{b}/o?append_type=nope", b"x"),
    ("PUT", "/v1/objects/{b}/o?object_to=nope/@%23/{b}/p", b""),
    ("POST", "/v1/objects/{b}/o?uploadId=none", {"action": "mpt-complete", "value": []}),
    ("POST", "/v1/objects/{b}", {"action": "promote", "name": "/etc/passwd", "value": {"src": "/etc/passwd"}}),
    ("POST", "/v1/objects/{b}", {"action": "blob-download", "name": "o", "value": {}}),
    ("DELETE", "/v1/objects/{b}/none", None),
    ("PATCH", "/v1/objects/{b}/o", {"value": 7}),
    ("GET", "/v1/buckets/{b}", {"action": "list", "value": {"pagesize": -1}}),
    ("POST", "/v1/buckets/{b}", b"no json"),
    ("POST", "/v1/buckets/{b}", {"action": "create-bck", "value": None}),
    ("DELETE", "/v1/buckets/nobucket", {"action": "destroy-bck"}),
    ("DELETE", "/v1/buckets/{b}?provider=aws", {"action": "destroy-bck"}),
    ("PATCH", "/v1/buckets/{b}", {"action": "set-bprops", "value": {"nonsense": 1}}),
    ("PUT", "/v1/buckets/{b}", {"action": "archive", "value": {"archname": "x.rar"}}),
    ("TRACE", "/v1/objects/{b}/o", None),
    ("GET", "/s3/b/o", None),
]


@pytest.mark.parametrize(("method", "path", "body"), FAILING)
def test_04_06_15_errors_are_documents_and_permanent_ones_are_not_retried(wire: Wire, bucket: str, method, path, body):
    wire.put(bucket, "o", b"x")
    answer = wire.send(method, path.replace("{b}", bucket), body)
    # The official client sends a request again for a minute and a half on these.
    assert answer.status not in (429, 500, 502, 503, 504)
    assert 400 <= answer.status < 600
    error = answer.error
    assert type(error["status"]) is int
    assert error["status"] == answer.status
    assert isinstance(error["message"], str)
    assert error["message"]
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    ["objects/{b}/none", "objects/nobucket/o", "buckets/nobucket", "buckets/{b}/prefix", "objects/{b}/gr%C3%B6%C3%9Fe"],
)
def test_05_errors_of_head_are_in_one_header(wire: Wire, bucket: str, path: str):
    answer = wire.send("HEAD", f"/v1/{path.replace('{b}', bucket)}")
    assert (answer.status >= 400, answer.body) == (True, b"")
    assert json.loads(answer.headers["hdr-error"])["status"] == answer.status


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_07_a_missing_bucket_is_named_without_a_slash(wire: Wire, method: str):
    answer = wire.send(method, "/v1/objects/no-such-bucket/o", {"value": {}})
    assert (answer.status, answer.error["tcode"]) == (404, "ErrBckNotFound")
    assert answer.body.find(b"://") == answer.body.find(b'ais://no-such-bucket\\"') + 3


def test_08_a_missing_object_is_named_in_full(wire: Wire, bucket: str):
    answer = wire.send("GET", f"/v1/objects/{bucket}/dir/none")
    assert answer.status == 404
    assert answer.body.find(b"://") == answer.body.find(f"ais://{bucket}/dir/none does not exist".encode()) + 3


def test_10_11_job_ids_are_bare(wire: Wire, bucket: str):
    wire.put(bucket, "a", b"1")
    destination = {"name": bucket, "provider": "ais", "namespace": None}
    started = [
        wire.send(
            "PUT", f"/v1/buckets/{bucket}", {"action": "archive", "value": {"archname": "a.tar", "tobck": destination}}
        ),
        wire.send("POST", f"/v1/buckets/{bucket}", {"action": "index-shard", "value": {"prefix": "zz"}}),
        wire.send("DELETE", f"/v1/buckets/{bucket}", {"action": "delete-listrange", "value": {"objnames": ["a"]}}),
    ]
    for answer in started:
        assert answer.status == 200, answer.body
        assert JOB_ID.match(answer.body.decode())
        assert int(answer.headers["content-length"]) == len(answer.body)


@pytest.mark.parametrize(
    ("word", "is_true"),
    [(word, True) for word in ("True", "true", "1", "yes", "on", "T", "y")]
    + [(word, False) for word in ("False", "", "0", "maybe")],
)
def test_12_booleans(wire: Wire, bucket: str, word: str, is_true: bool):
    path = f"/v1/objects/{bucket}/o"
    wire.put(bucket, "o", b"x")
    wire.send("PATCH", path, {"value": {"a": "1"}})
    wire.send("PATCH", f"{path}?set-new-custom={word}", {"value": {"b": "2"}})
    custom = wire.send("HEAD", path).headers["ais-custom-md"]
    assert sorted(custom.split(", ")) == (["b=2"] if is_true else ["a=1", "b=2"])


def test_13_blank_member_parameters_mean_the_whole_object(wire: Wire, bucket: str):
    tar = make_tar({"a": b"1"})
    wire.put(bucket, "s.tar", tar)
    for query in ("archpath=&archregx=", "archregx=a", "archpath=/"):
        assert wire.send("GET", f"/v1/objects/{bucket}/s.tar?{query}").body == tar


def test_14_unknown_parameters_are_ignored_up_to_a_hundred(wire: Wire, bucket: str):
    wire.put(bucket, "o", b"x")
    path = f"/v1/objects/{bucket}/o"
    assert wire.send("GET", f"{path}?unknown=1&Another=%20").body == b"x"
    many = "&".join(f"p{number}=1" for number in range(97))
    assert wire.send("GET", f"{path}?{many}").body == b"x"
    more = "&".join(f"p{number}=1" for number in range(101))
    assert wire.send("GET", f"{path}?{more}").status == 400


# -- redirects ------------------------------------------------------------------------------------------


def test_16_17_statuses_of_redirects(wire: Wire, bucket: str, node: NodeProcess):
    wire.put(bucket, "o", b"x")
    path = f"/v1/objects/{bucket}/o"
    requests = {"GET": None, "PUT": b"y", "HEAD": None, "PATCH": {"value": {}}, "DELETE": None}
    for method, body in requests.items():
        answer = wire.send(method, path, body, follow=False)
        assert answer.status == (301 if method == "GET" else 307)
        assert answer.headers["location"].startswith(f"{node.target_url}{path}?")
    for action in ("check-lock", "mpt-upload"):
        assert wire.send("POST", path, {"action": action}, follow=False).status == 307
    assert wire.send("POST", path, {"action": "rename-obj", "name": "p"}, follow=False).status == 307


def test_18_the_query_is_kept_in_its_order_and_marked(wire: Wire, bucket: str):
    query = "zz=1&provider=ais&archpath=a%20b&zz=2&%C3%A9=%26"
    answer = wire.send("GET", f"/v1/objects/{bucket}/o?{query}", follow=False)
    found = urllib.parse.urlsplit(answer.headers["location"]).query
    assert found.startswith(f"{query}&pid=")
    pairs = urllib.parse.parse_qsl(found)
    assert [name for name, _ in pairs[-2:]] == ["pid", "utm"]
    assert abs(int(pairs[-1][1], 36) / 1e9 - time.time()) < 60


def test_19_names_survive_the_redirect(wire: Wire, bucket: str):
    for name in ("a b?c#d%20é", "%25", "a+b&c=d", "track?name=lofi&v=1", "\\\"'", "-x", ".hidden", "日本/語"):
        wire.put(bucket, name, name.encode())
        answer = wire.send("GET", f"/v1/objects/{bucket}/{urllib.parse.quote(name)}")
        assert (answer.hops, answer.body) == ([301], name.encode())
        listing = {"action": "list", "value": {"prefix": name, "props": "name"}}
        page = json.loads(wire.send("GET", f"/v1/buckets/{bucket}", listing).body)
        assert [entry["name"] for entry in page["entries"]] == [name]


def test_20_a_target_takes_changes_from_gateways_only(wire: Wire, bucket: str, node: NodeProcess):
    wire.put(bucket, "o", b"x")
    path = f"{node.target_url}/v1/objects/{bucket}/o"
    for method, body in (
        ("PUT", b"y"),
        ("POST", {"action": "rename-obj", "name": "p"}),
        ("PATCH", {}),
        ("DELETE", None),
    ):
        for mark in ("", "?pid=p", "?utm=1"):
            answer = wire.send(method, path + mark, body)
            assert (answer.status, "is expected to be redirected" in answer.error["message"]) == (400, True)
    assert wire.send("GET", path).body == b"x"
    assert wire.send("HEAD", path).status == 200


def test_21_a_put_is_redirected_before_its_body_comes(wire: Wire, bucket: str):
    begin = time.monotonic()
    with RawClient(wire.url) as client:
        head = f"PUT /v1/objects/{bucket}/o HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\nConnection: close\r\n\r\n"
        client.socket.sendall(head.encode())
        assert client.response().status == 307
    assert time.monotonic() - begin < 1


def test_22_a_client_that_sends_its_whole_body_to_the_gateway_gets_the_redirect(wire: Wire, bucket: str):
    data = bytes(96 << 20)
    answer = wire.send("PUT", f"/v1/objects/{bucket}/large", data)
    assert (answer.status, answer.hops) == (200, [307])
    assert wire.send("HEAD", f"/v1/objects/{bucket}/large").headers["content-length"] == str(len(data))


def test_25_buckets_and_promotion_are_never_redirected(wire: Wire, bucket: str):
    requests = [
        ("GET", f"/v1/buckets/{bucket}", {"action": "list", "value": {}}),
        ("HEAD", f"/v1/buckets/{bucket}", None),
        ("PATCH", f"/v1/buckets/{bucket}", {"action": "set-bprops", "value": {}}),
        ("POST", f"/v1/objects/{bucket}", {"action": "promote", "name": "/x", "value": {}}),
        ("DELETE", f"/v1/buckets/{bucket}", {"action": "destroy-bck"}),
    ]
    for method, path, body in requests:
        answer = wire.send(method, path, body, follow=False)
        assert answer.status in (200, 400)
        assert "location" not in answer.headers
