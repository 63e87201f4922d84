"""Multipart uploads over HTTP, against a real node. Source: spec/rest-data.md 5.8."""

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import google_crc32c
import pytest
import xxhash

from moss.testing import NodeProcess, start_node
from tests.support.wire import Answer, Wire

_MIB = 1 << 20


@pytest.fixture(scope="module")
def wire(node: NodeProcess) -> Wire:
    return Wire(node.url)


@pytest.fixture
def bucket(wire: Wire) -> str:
    return wire.new_bucket()


def begin(wire: Wire, bucket: str, name: str = "o") -> str:
    answer = wire.send("POST", f"/v1/objects/{bucket}/{name}", {"action": "mpt-upload"})
    assert (answer.hops, answer.status) == ([307], 200)
    return answer.body.decode()


def put(wire: Wire, bucket: str, upload: str, number: object, data: bytes, name: str = "o", more: str = "") -> Answer:
    return wire.send("PUT", f"/v1/objects/{bucket}/{name}?uploadId={upload}&partNumber={number}{more}", data)


def complete(wire: Wire, bucket: str, upload: str, numbers: list[int], name: str = "o") -> Answer:
    value = [{"part-number": number, "etag": ""} for number in numbers]
    return wire.send(
        "POST", f"/v1/objects/{bucket}/{name}?uploadId={upload}", {"action": "mpt-complete", "value": value}
    )


def head(wire: Wire, bucket: str, props: str = "chunked,checksum,version,custom", name: str = "o") -> dict[str, str]:
    answer = wire.send("HEAD", f"/v1/objects/{bucket}/{name}?props={props}")
    assert answer.status == 200
    return answer.headers


def test_object_knows_its_parts_until_it_is_replaced(wire: Wire, bucket: str):
    upload = begin(wire, bucket)
    parts = [b"first part, ", b"second part is the longest, ", b"third"]
    for number, data in enumerate(parts, 1):
        assert put(wire, bucket, upload, number, data).status == 200
    assert wire.send("GET", f"/v1/objects/{bucket}/o").status == 404
    assert complete(wire, bucket, upload, [1, 2, 3]).status == 200
    found = head(wire, bucket)
    assert (found["ais-chunks-count"], found["ais-chunks-max-chunk-size"]) == ("3", "28")
    assert (found["ais-checksum-type"], found["ais-checksum-value"]) == (
        "xxhash2",
        xxhash.xxh64(b"".join(parts)).hexdigest(),
    )
    assert complete(wire, bucket, upload, [1, 2, 3]).status == 404
    wire.put(bucket, "o", b"plain")
    assert "ais-chunks-count" not in head(wire, bucket)


def test_parts_in_any_order_have_the_checksum_that_can_be_combined(wire: Wire, bucket: str):
    upload = begin(wire, bucket)
    for number, data in ((3, b"CCC"), (1, b"AAA"), (2, b"BB")):
        assert put(wire, bucket, upload, number, data).status == 200
    assert complete(wire, bucket, upload, [2, 3, 1]).status == 200
    found = head(wire, bucket)
    assert (found["ais-checksum-type"], found["ais-checksum-value"]) == (
        "crc32c",
        f"{google_crc32c.value(b'AAABBCCC'):08x}",
    )
    assert wire.send("GET", f"/v1/objects/{bucket}/o").body == b"AAABBCCC"


def test_btr_9_part_that_is_sent_again_replaces_the_first(wire: Wire, bucket: str):
    """The reference answers 200, shows the right size, and every GET breaks off."""
    upload = begin(wire, bucket)
    for number, data in ((1, b"a" * _MIB), (2, b"wrong" * 1000), (2, b"b" * (2 * _MIB)), (3, b"c"), (1, b"A" * _MIB)):
        assert put(wire, bucket, upload, number, data).status == 200
    assert complete(wire, bucket, upload, [1, 2, 3]).status == 200
    got = wire.send("GET", f"/v1/objects/{bucket}/o")
    assert not got.is_broken
    assert got.body == b"A" * _MIB + b"b" * (2 * _MIB) + b"c"
    found = head(wire, bucket)
    assert (found["ais-chunks-count"], found["ais-chunks-max-chunk-size"]) == ("3", str(2 * _MIB))


def test_parts_sent_at_once_and_read_in_ranges(wire: Wire, bucket: str):
    upload = begin(wire, bucket)
    parts = [bytes([65 + number]) * (300_000 + number) for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        statuses = pool.map(lambda pair: put(wire, bucket, upload, pair[0] + 1, pair[1]).status, enumerate(parts))
        assert list(statuses) == [200] * 8
    assert complete(wire, bucket, upload, list(range(1, 9))).status == 200
    whole = b"".join(parts)
    for start, stop in ((0, 10), (299_990, 300_010), (1_000_000, 2_000_000), (len(whole) - 5, len(whole))):
        got = wire.send("GET", f"/v1/objects/{bucket}/o", None, {"Range": f"bytes={start}-{stop - 1}"})
        assert (got.status, got.body) == (206, whole[start:stop])
    assert wire.send("GET", f"/v1/objects/{bucket}/o").body == whole


def test_completion_counts_the_version_on_and_drops_the_metadata(wire: Wire, bucket: str):
    wire.put(bucket, "o", b"old")
    wire.send("PATCH", f"/v1/objects/{bucket}/o", {"action": "", "value": {"k": "v"}})
    upload = begin(wire, bucket)
    put(wire, bucket, upload, 1, b"new")
    assert wire.send("GET", f"/v1/objects/{bucket}/o").body == b"old"
    assert complete(wire, bucket, upload, [1]).status == 200
    found = head(wire, bucket)
    assert found["ais-version"] == "2"
    assert "ais-custom-md" not in found


def test_part_with_append_parameters_is_a_part(wire: Wire, bucket: str):
    upload = begin(wire, bucket)
    answer = put(wire, bucket, upload, 1, b"part", more="&append_type=append&append_handle=")
    assert answer.status == 200
    assert "ais-append-handle" not in answer.headers
    assert complete(wire, bucket, upload, [1]).status == 200
    assert wire.send("GET", f"/v1/objects/{bucket}/o").body == b"part"


@pytest.mark.parametrize(
    ("number", "data", "text"),
    [
        (1, b"", "invalid size (0)"),
        ("x", b"x", 'invalid part number "x"'),
        ("", b"x", 'invalid part number ""'),
        (0, b"x", "invalid chunk number (0)"),
        (-1, b"x", "invalid chunk number (-1)"),
        (10_000, b"x", "exceeds the maximum allowed (9999)"),
    ],
)
def test_parts_that_are_none(wire: Wire, bucket: str, number: object, data: bytes, text: str):
    upload = begin(wire, bucket)
    answer = put(wire, bucket, upload, number, data)
    assert answer.status == 400
    assert text in answer.error["message"]


def test_completions_that_do_not_name_what_was_stored(wire: Wire, bucket: str):
    upload = begin(wire, bucket)
    none = complete(wire, bucket, upload, [1])
    assert (none.status, "no chunks" in none.error["message"]) == (400, True)
    put(wire, bucket, upload, 1, b"x")
    for numbers in ([1, 2], [1, 1], []):
        answer = complete(wire, bucket, upload, numbers)
        assert (answer.status, "partial completion is not allowed" in answer.error["message"]) == (400, True)
    put(wire, bucket, upload, 3, b"z")
    gap = complete(wire, bucket, upload, [1, 3])
    assert (gap.status, "parts must be exactly 1..2" in gap.error["message"]) == (400, True)
    put(wire, bucket, upload, 2, b"y")
    assert complete(wire, bucket, upload, [1, 2, 3]).status == 200


def test_completion_that_is_sent_again_while_the_first_is_under_way_counts_once(wire: Wire, bucket: str):
    upload = begin(wire, bucket)
    for number in (1, 2):
        put(wire, bucket, upload, number, bytes(4 * _MIB))
    with ThreadPoolExecutor(4) as pool:
        statuses = list(pool.map(lambda _: complete(wire, bucket, upload, [1, 2]).status, range(4)))
    assert set(statuses) <= {200, 404}, "404 for one that came when all was over"
    assert 200 in statuses
    assert head(wire, bucket)["ais-version"] == "1"


def test_upload_belongs_to_its_object(wire: Wire, bucket: str):
    upload, other = begin(wire, bucket), wire.new_bucket()
    assert put(wire, bucket, upload, 1, b"x", name="p").status == 404
    assert put(wire, other, upload, 1, b"x").status == 404
    assert complete(wire, bucket, "../../../etc", [1]).status == 404
    assert put(wire, bucket, upload, 1, b"x").status == 200


def test_aborted_upload_is_gone(wire: Wire, bucket: str):
    upload = begin(wire, bucket)
    put(wire, bucket, upload, 1, b"x")
    path = f"/v1/objects/{bucket}/o?uploadId={upload}"
    assert wire.send("POST", path, {"action": "mpt-abort"}).status == 400
    assert wire.send("DELETE", path, {"action": "mpt-abort"}).status == 200
    assert put(wire, bucket, upload, 2, b"y").status == 404
    assert complete(wire, bucket, upload, [1]).status == 404
    assert wire.send("DELETE", path, {"action": "mpt-abort"}).status == 404


def test_upload_of_a_destroyed_bucket_does_not_reach_the_next_of_that_name(wire: Wire, bucket: str):
    upload = begin(wire, bucket)
    put(wire, bucket, upload, 1, b"x")
    wire.send("DELETE", f"/v1/buckets/{bucket}", {"action": "destroy-bck"})
    wire.send("POST", f"/v1/buckets/{bucket}", {"action": "create-bck"})
    assert complete(wire, bucket, upload, [1]).status == 404


def test_upload_and_append_go_on_when_their_bucket_is_renamed(wire: Wire, bucket: str):
    upload = begin(wire, bucket)
    put(wire, bucket, upload, 1, b"before ")
    appended = wire.send("PUT", f"/v1/objects/{bucket}/a?append_type=append&append_handle=", b"appended")
    new = f"{bucket}-new"
    query = "bck_to=" + quote(f"ais/@#/{new}/", safe="")
    assert wire.send("POST", f"/v1/buckets/{bucket}?{query}", {"action": "move-bck"}).status == 200
    while wire.send("HEAD", f"/v1/buckets/{new}").status != 200:
        pass  # until the job is done
    assert put(wire, new, upload, 2, b"after").status == 200
    assert complete(wire, new, upload, [1, 2]).status == 200
    assert wire.send("GET", f"/v1/objects/{new}/o").body == b"before after"
    handle = quote(appended.headers["ais-append-handle"], safe="")
    assert wire.send("PUT", f"/v1/objects/{new}/a?append_type=flush&append_handle={handle}").status == 200
    assert wire.send("GET", f"/v1/objects/{new}/a").body == b"appended"


def test_damaged_part_is_never_stored(node: NodeProcess, wire: Wire, bucket: str):
    upload = begin(wire, bucket)
    put(wire, bucket, upload, 1, b"as it was sent")
    (part,) = (node.data / "uploads" / upload).glob("*.part")
    part.write_bytes(b"as it was SENT")
    assert complete(wire, bucket, upload, [1]).status == 500
    assert wire.send("GET", f"/v1/objects/{bucket}/o").status == 404
    assert put(wire, bucket, upload, 1, b"as it was sent").status == 200
    assert complete(wire, bucket, upload, [1]).status == 200


def test_nothing_stays_behind_on_disk(node: NodeProcess, wire: Wire, bucket: str):
    done, dropped = begin(wire, bucket), begin(wire, bucket)
    put(wire, bucket, done, 1, b"x")
    assert complete(wire, bucket, done, [1]).status == 200
    wire.send("DELETE", f"/v1/objects/{bucket}/o?uploadId={dropped}", {"action": "mpt-abort"})
    left = {path.name for path in (node.data / "uploads").iterdir()}
    assert not left & {done, dropped}


@pytest.mark.parametrize("kind", ["xxhash", "xxhash2", "md5", "crc32c", "sha256", "sha512", "none"])
def test_every_checksum_type_a_bucket_can_have(wire: Wire, kind: str):
    bucket = wire.new_bucket()
    assert (
        wire.send(
            "PATCH", f"/v1/buckets/{bucket}", {"action": "set-bprops", "value": {"checksum": {"type": kind}}}
        ).status
        == 200
    )
    data = b"checksum me" * 200_000
    expected = {
        "xxhash": xxhash.xxh64(data).hexdigest(),
        "xxhash2": xxhash.xxh64(data).hexdigest(),
        "md5": hashlib.md5(data).hexdigest(),
        "crc32c": f"{google_crc32c.value(data):08x}",
        "sha256": hashlib.sha256(data).hexdigest(),
        "sha512": hashlib.sha512(data).hexdigest(),
        "none": None,
    }[kind]
    for name, body in (("large", data), ("small", data[:11])):
        wire.put(bucket, name, body)
        found = wire.send("HEAD", f"/v1/objects/{bucket}/{name}").headers
        if name == "large":
            assert found.get("ais-checksum-value") == expected
        assert found.get("ais-checksum-type") == (kind if kind != "none" else None)


@pytest.mark.slow
def test_upload_survives_a_killed_node(tmp_path):
    with start_node(tmp_path / "data") as node:
        wire = Wire(node.url)
        bucket = wire.new_bucket()
        upload = begin(wire, bucket)
        put(wire, bucket, upload, 1, b"before ")
        node.kill()
        node.start()
        wire = Wire(node.url)
        put(wire, bucket, upload, 2, b"after")
        assert complete(wire, bucket, upload, [1, 2]).status == 200
        assert wire.send("GET", f"/v1/objects/{bucket}/o").body == b"before after"


def test_listing_marks_objects_of_parts(wire: Wire, bucket: str):
    upload = begin(wire, bucket)
    put(wire, bucket, upload, 1, b"x")
    complete(wire, bucket, upload, [1])
    wire.put(bucket, "plain", b"x")
    answer = wire.send("GET", f"/v1/buckets/{bucket}", {"action": "list", "value": {}})
    flags = {entry["name"]: entry["flags"] for entry in json.loads(answer.body)["entries"]}
    assert flags == {"o": 64 | 1 << 13, "plain": 64}
