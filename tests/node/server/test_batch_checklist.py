"""GetBatch over HTTP, number by number: URL, body, buckets, validation (docs/compatibility.md, 1 to 27).

What `test_batch.py` shows already is not repeated here.
"""

import json
import re
import time

import pytest

from moss.testing import NodeProcess
from tests.support.raw import RawClient
from tests.support.wire import Wire

ERROR_KEYS = ["tcode", "message", "method", "url_path", "remote_addr", "caller", "node", "status"]


@pytest.fixture(scope="module")
def wire(node: NodeProcess) -> Wire:
    return Wire(node.url)


@pytest.fixture(scope="module")
def target(node: NodeProcess) -> Wire:
    return Wire(node.target_url)


@pytest.fixture(scope="module")
def bucket(wire: Wire) -> str:
    name = wire.new_bucket()
    for letter in "abc":
        wire.put(name, letter, letter.encode() * 5)
    return name


def ask(wire: Wire, path: str, body: object = None, **more: object):
    return wire.send("GET", path, {"in": [{"objname": "a"}], "strm": True} if body is None else body, **more)


# -- URL, methods, framing ------------------------------------------------------------------------------


def test_01_a_bare_request_is_redirected_once_and_served(wire: Wire, bucket: str):
    answer = ask(wire, f"/v1/ml/moss/{bucket}")
    assert (answer.hops, answer.status) == ([307], 200)
    assert answer.members() == [(f"{bucket}/a", b"aaaaa")]
    first = ask(wire, f"/v1/ml/moss/{bucket}", follow=False)
    assert first.headers["content-type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize("path", ["/v1/ml/moss", "/v1/ml/moss/", "/v1//ml/moss//"])
def test_02_without_a_bucket_in_the_url_entries_name_theirs(wire: Wire, bucket: str, path: str):
    answer = ask(wire, path, {"in": [{"objname": "b", "bucket": bucket}], "strm": True})
    assert answer.members() == [(f"{bucket}/b", b"bbbbb")]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "HEAD"])
def test_05_other_methods_are_refused_in_plain_text(wire: Wire, bucket: str, method: str):
    answer = wire.send(method, f"/v1/ml/moss/{bucket}", {"in": [{"objname": "a"}]}, follow=False)
    assert answer.status == 405
    assert answer.headers["allow"] == "GET"
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.body == (b"" if method == "HEAD" else b"Method Not Allowed\n")


def test_05_options_says_what_is_allowed(wire: Wire, target: Wire, bucket: str):
    at_gateway = wire.send("OPTIONS", f"/v1/ml/moss/{bucket}")
    assert (at_gateway.status, at_gateway.headers["allow"], at_gateway.body) == (200, "GET", b"")
    assert target.send("OPTIONS", f"/v1/ml/moss/{bucket}").headers["allow"] == "GET, POST"
    posted = target.send("POST", f"/v1/ml/moss/{bucket}", {"in": [{"objname": "a"}]})
    assert posted.status == 403
    assert re.fullmatch(r"t\[\w+\]: expected INTRA-CONTROL request \(got PUBLIC\)", posted.error["message"])


def test_06_a_chunked_body_is_read_at_both_faces(wire: Wire, bucket: str):
    data = json.dumps({"in": [{"objname": "a"}, {"objname": "c"}], "strm": True}).encode()
    framed = b"".join(b"%x\r\n%s\r\n" % (len(data[i : i + 7]), data[i : i + 7]) for i in range(0, len(data), 7))
    location, url = f"/v1/ml/moss/{bucket}", wire.url
    for want in (307, 200):
        with RawClient(url) as client:
            head = f"GET {location} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
            client.socket.sendall(head.encode() + framed + b"0\r\n\r\n")
            answer = client.response()
            assert answer.status == want
            at = answer.headers.get("Location", "")
            url, _, location = at.partition("/v1/")
            location = "/v1/" + location
            whole = answer.read()
    assert len(whole) == 4 * 512 + 1024


def test_06_a_client_that_waits_for_leave_to_send_its_body_gets_it(wire: Wire, bucket: str):
    data = json.dumps({"in": [{"objname": "a"}], "strm": True}).encode()
    with RawClient(wire.url) as client:
        head = f"GET /v1/ml/moss/{bucket} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nMoss-Direct: 1\r\n"
        client.socket.sendall(head.encode() + b"Content-Length: %d\r\n\r\n" % len(data))
        assert client.socket.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.socket.sendall(data)
        answer = client.response()
        assert answer.status == 200 and len(answer.read()) == 2048


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "text/plain", "", "multipart/mixed"])
def test_07_the_content_type_of_a_request_means_nothing(wire: Wire, bucket: str, content_type: str):
    assert ask(wire, f"/v1/ml/moss/{bucket}", headers={"Content-Type": content_type}).status == 200


def test_08_the_redirect_keeps_the_query(wire: Wire, bucket: str):
    query = "provider=ais&x=1&coloc=1&y=%20%2f"
    at = ask(wire, f"/v1/ml/moss/{bucket}?{query}", follow=False).headers["location"]
    want = rf"http://[^/]+/v1/ml/moss/{bucket}/gbt-[\w-]+/[\w-]{{13}}/1\?{re.escape(query)}&pid=\w+&utm=\w+"
    assert re.fullmatch(want, at)
    without = ask(wire, "/v1/ml/moss", {"in": [{"objname": "a", "bucket": bucket}]}, follow=False).headers["location"]
    assert re.search(r"/v1/ml/moss/gbt-[\w-]+/[\w-]{13}/1\?pid=", without)


def test_09_a_redirect_says_when_it_was_made(wire: Wire, bucket: str):
    at = ask(wire, f"/v1/ml/moss/{bucket}", follow=False).headers["location"]
    made_ns = int(re.search(r"&utm=([0-9a-z]+)$", at)[1], 36)
    assert abs(made_ns - time.time_ns()) < 30 * 10**9


def test_10_the_target_wants_both_marks_of_a_redirect(wire: Wire, target: Wire, bucket: str):
    at = ask(wire, f"/v1/ml/moss/{bucket}", follow=False).headers["location"]
    for broken in (re.sub(r"pid=\w+&", "", at), re.sub(r"&utm=\w+", "", at), at.partition("?")[0]):
        assert ask(wire, broken).status == 401
    assert ask(target, f"/v1/ml/moss/{bucket}").status == 401
    assert ask(wire, at).status == 200


@pytest.mark.parametrize("path", ["/v1/ml/foo", "/v1/ml/moss/b/c", "/v1/ml/moss/b/c/d", "/v1/ml"])
def test_paths_of_another_shape_are_refused(wire: Wire, path: str):
    """Contract 2.3, step 1."""
    answer = ask(wire, path)
    assert answer.status == 400
    assert re.search(
        r"invalid request URI: 'GET /v1/ml/|URL 'v1/ml' is too short: expected 3 items, got 2", answer.body.decode()
    )


# -- buckets --------------------------------------------------------------------------------------------


def test_12_an_entry_without_any_bucket_fails_the_request(wire: Wire, bucket: str):
    answer = ask(wire, "/v1/ml/moss", {"in": [{"objname": "a", "bucket": bucket}, {"objname": "x y"}], "coer": True})
    assert answer.status == 400
    assert answer.error["message"] == 'missing bucket specification for object "x y"'


@pytest.mark.parametrize("provider", ["aws", "gs", "nonsense"])
def test_14_a_provider_alone_is_ignored(wire: Wire, bucket: str, provider: str):
    assert wire.batch(bucket, [{"objname": "a", "provider": provider}]).members() == [(f"{bucket}/a", b"aaaaa")]


@pytest.mark.parametrize(
    ("uname", "text"),
    [
        ("ais/@#/{}", "bucket name is missing"),
        ("nonsense", "bucket name is missing"),
        ("ais/@#/{}/a", "not expecting object name"),
        ("xyz/@#/{}/", 'invalid backend provider "xyz"'),
        ("AIS/@#/{}/", 'invalid backend provider "AIS"'),
    ],
)
def test_15_83_unames_that_name_no_bucket_are_refused(wire: Wire, bucket: str, uname: str, text: str):
    answer = wire.batch(bucket, [{"objname": "a", "uname": uname.format(bucket)}], coer=True)
    assert answer.status == 400
    assert text in answer.error["message"]


@pytest.mark.parametrize(("alias", "scheme"), [("s3", "s3"), ("gs", "gs"), ("az", "az"), ("oc", "oc"), ("aws", "s3")])
def test_16_other_providers_are_known_and_say_that_they_have_no_backend_here(wire: Wire, alias: str, scheme: str):
    answer = wire.batch(None, [{"objname": "a", "bucket": "far", "provider": alias}], coer=True)
    assert (answer.status, answer.error["tcode"]) == (404, "ErrFailedTo")
    assert f"failed to lookup bucket {scheme}://far" in answer.error["message"]
    by_query = ask(wire, f"/v1/ml/moss/far?provider={alias}")
    assert (by_query.status, by_query.error["tcode"]) == (404, "ErrFailedTo")


def test_16_unknown_providers_are_refused(wire: Wire, bucket: str):
    for answer in (
        ask(wire, f"/v1/ml/moss/{bucket}?provider=foo"),
        wire.batch(bucket, [{"objname": "a", "bucket": bucket, "provider": "foo"}]),
    ):
        assert (answer.status, answer.error["tcode"]) == (400, "ErrInvalidBackendProvider")
        assert answer.error["message"].startswith('invalid backend provider "foo": must be one of [ais, aws')


def test_17_the_bucket_of_the_url_must_exist_even_if_no_entry_uses_it(wire: Wire, bucket: str):
    answer = ask(wire, "/v1/ml/moss/nobody", {"in": [{"objname": "a", "bucket": bucket}], "coer": True})
    assert (answer.status, answer.error["tcode"]) == (404, "ErrBckNotFound")
    assert answer.error["message"] == 'bucket "ais://nobody" does not exist'


def test_18_keys_in_any_letter_case_mean_the_same_at_both_faces(wire: Wire, bucket: str):
    body = {"In": [{"OBJNAME": "a", "Bucket": bucket}, {"ObjName": "b", "bUCKET": bucket, "START": 1, "Length": 2}]}
    answer = ask(wire, "/v1/ml/moss", {**body, "Strm": True, "MIME": ".tar"})
    assert answer.members() == [(f"{bucket}/a", b"aaaaa"), (f"{bucket}/b", b"bb")]


def test_19_the_hint_changes_no_byte(wire: Wire, bucket: str):
    entries = {"in": [{"objname": name} for name in "cabbac"], "strm": True}
    plain = ask(wire, f"/v1/ml/moss/{bucket}", entries).body
    for hint in (0, 1, 2):
        assert ask(wire, f"/v1/ml/moss/{bucket}?coloc={hint}", entries).body == plain
        assert ask(wire, f"/v1/ml/moss/{bucket}", {**entries, "coloc": hint}).body == plain


@pytest.mark.parametrize(
    ("hint", "text"),
    [
        ("3", "invalid 'coloc=3' (expecting 0, 1, or 2)"),
        ("abc", "dpq: 'coloc=abc', err: invalid syntax"),
        ("1.0", "dpq: 'coloc=1.0', err: invalid syntax"),
        ("0x1", "dpq: 'coloc=0x1', err: invalid syntax"),
        ("-1", "dpq: 'coloc=-1', err: invalid syntax"),
        ("", "dpq: 'coloc=', err: invalid syntax"),
        ("256", "dpq: 'coloc=256', err: "),
        ("1&coloc=3", "invalid 'coloc=3' (expecting 0, 1, or 2)"),
    ],
)
def test_19_85_hints_that_are_none_are_refused(wire: Wire, bucket: str, hint: str, text: str):
    answer = ask(wire, f"/v1/ml/moss/{bucket}?coloc={hint}")
    assert answer.status == 400
    assert answer.error["message"].startswith(text) and "tcode" not in answer.error


def test_85_of_a_repeated_hint_the_last_counts(wire: Wire, bucket: str):
    assert ask(wire, f"/v1/ml/moss/{bucket}?coloc=3&coloc=1").status == 200


def test_85_many_parameters(wire: Wire, bucket: str):
    def query(count: int) -> str:
        return "&".join(f"p{i}=x" for i in range(count))

    assert ask(wire, f"/v1/ml/moss/{bucket}?{query(97)}").status == 200
    refused = ask(wire, f"/v1/ml/moss/{bucket}?{query(101)}")
    assert refused.status == 400
    assert refused.error["message"] == "dpq: exceeded maximum number of iterations (100)"


@pytest.mark.parametrize(
    "body",
    [b'{"in":[]}', b"{}", b"null", b'{"in":null}', b'{"strm":true}', b'{"in":null,"value":{"in":[{"objname":"a"}]}}'],
)
def test_20_84_requests_for_nothing_are_refused(wire: Wire, bucket: str, body: bytes):
    answer = wire.send("GET", f"/v1/ml/moss/{bucket}", body)
    assert answer.status == 400
    assert answer.error["message"] == "moss: empty input" and "tcode" not in answer.error


def test_84_beside_entries_an_action_is_not_looked_at(wire: Wire, bucket: str):
    body = {"action": "list", "in": [{"objname": "a"}], "strm": True}
    assert ask(wire, f"/v1/ml/moss/{bucket}", body).members() == [(f"{bucket}/a", b"aaaaa")]


# -- validation -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "a/", "../a", "a/../b", "a/./b", "a/..", ".", "~/a"])
def test_21_impossible_object_names(wire: Wire, bucket: str, name: str):
    answer = wire.batch(bucket, ["a", {"objname": name}], coer=True)
    assert answer.status == 400
    assert f'invalid object name "{name}"' in answer.error["message"]


@pytest.mark.parametrize("path", ["../x", "d/", "a/./b", "/", "~/x"])
def test_22_impossible_member_paths(wire: Wire, bucket: str, path: str):
    answer = wire.batch(bucket, [{"objname": "s.tar", "archpath": path}], coer=True)
    assert answer.status == 400
    assert f'invalid archpath "{path}" (oname: "s.tar")' in answer.error["message"]


@pytest.mark.parametrize(
    ("start", "length", "text"),
    [
        (5, 0, "[start=5,length=0 "),
        (-5, 0, "[start=-5,length=0 "),
        (-5, 10, "[start=-5,length=10 "),
        (-5, -1, "[start=-5 "),
        (0, -2, "[start=0,length=-2 "),
        (5, None, "[start=5,length=0 "),
    ],
)
def test_23_ranges_that_nothing_can_satisfy(wire: Wire, bucket: str, start: int, length: int | None, text: str):
    answer = wire.batch(bucket, [{"objname": "a", "start": start, "length": length}], coer=True)
    assert answer.status == 400
    assert f'not satisfiable range {text}(oname: "a")]' in answer.error["message"]


@pytest.mark.parametrize("mime", ["rar", "TAR", "lz4", "."])
def test_24_formats_that_are_none(wire: Wire, bucket: str, mime: str):
    answer = wire.batch(bucket, ["a"], mime=mime)
    assert (answer.status, answer.error["tcode"]) == (400, "errUnknownMime")
    assert answer.error["message"] == f'unknown mime type "{mime}"'


@pytest.mark.parametrize(
    ("same", "content_type"),
    [
        ((None, "", "tar", ".tar", "application/x-tar"), "application/x-tar"),
        ((".tgz", "tgz", ".tar.gz", "tar.gz", "application/gzip", "application/x-gzip"), "application/gzip"),
        ((".zip", "zip", "application/zip"), "application/zip"),
        ((".tar.lz4", "tar.lz4"), "application/x-lz4"),
    ],
)
def test_25_28_formats_by_any_of_their_names(wire: Wire, bucket: str, same: tuple[str, ...], content_type: str):
    answers = [wire.batch(bucket, ["a", "b"], mime=mime) for mime in same]
    assert {answer.headers["content-type"] for answer in answers} == {content_type}
    assert len({answer.body for answer in answers}) == 1
    for answer in answers:
        assert answer.headers["transfer-encoding"] == "chunked" and "content-length" not in answer.headers
        assert not [name for name in answer.headers if name.startswith("ais-")]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/ml/moss/nobody", b'{"in":[{"objname":"a"}]}', 404),
        ("/v1/ml/moss/{}", b'{"in":[{"objname":"none"}]}', 404),
        ("/v1/ml/moss/{}", b'{"in":[{"objname":"a","start":9,"length":-1}]}', 416),
        ("/v1/ml/moss/{}", b'{"in":[{"objname":"\xff\xfe<&>\x01/"}]}', 400),
        ("/v1/ml/moss/{}", b"\xef\xbb\xbf{}", 400),
        ("/v1/ml/moss/%ff%00", b'{"in":[{"objname":"a"}]}', 400),
        ("/v1/ml/%0d%0afoo", b"", 400),
    ],
)
def test_26_88_errors_are_documents_of_one_form(wire: Wire, bucket: str, path: str, body: bytes, status: int):
    answer = wire.send("GET", path.format(bucket), body)
    assert answer.status == status
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    text = answer.body.decode("utf-8")
    document = json.loads(text)
    assert text.endswith("}\n") and text.count("\n") == 1
    assert list(document) == [key for key in ERROR_KEYS if key != "tcode" or "tcode" in document]
    assert document["status"] == status and re.fullmatch(r"[pt]\[\w+\]", document["node"])


def test_27_opaque_in_either_alphabet_comes_back_in_the_standard_one(wire: Wire, bucket: str):
    sent = ["+/+/", "-_-_", "-_8", "+/8=", ""]
    entries = [{"objname": "a", "opaque": text} for text in sent]
    metadata, _ = wire.batch(bucket, entries, strm=False).parts()
    assert [row.get("opaque") for row in metadata["out"]] == ["+/+/", "+/+/", "+/8=", "+/8=", None]
    refused = wire.batch(bucket, [{"objname": "a", "opaque": "ab*d"}], strm=False)
    assert refused.status == 400 and "illegal base64 data at input byte 2" in refused.error["message"]
