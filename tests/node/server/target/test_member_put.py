"""Writing files into archives over HTTP. Source: spec/rest-data.md 7.3."""

import json
import os
import socket
import urllib.parse
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from moss.archive.formats import Format
from moss.testing import NodeProcess, start_node
from tests.archive.making import foreign, read_by_others
from tests.support.raw import RawClient
from tests.support.wire import Answer, Wire, make_tar

NAMES = {Format.TAR: "s.tar", Format.TGZ: "s.tar.gz", Format.ZIP: "s.zip", Format.TAR_LZ4: "s.tar.lz4"}


@pytest.fixture(scope="module")
def wire(node: NodeProcess) -> Wire:
    return Wire(node.url)


@pytest.fixture
def bucket(wire: Wire) -> str:
    return wire.new_bucket()


def add(wire: Wire, bucket: str, shard: str, member: str, data: bytes, pine: str = "2", **query: str) -> Answer:
    text = urllib.parse.urlencode({"archpath": member, **query})
    return wire.send("PUT", f"/v1/objects/{bucket}/{shard}?{text}", data, {"Ais-Pine": pine} if pine else {})


def members(wire: Wire, bucket: str, shard: str, archive_format: Format = Format.TAR) -> list[tuple[str, bytes]]:
    return read_by_others(wire.send("GET", f"/v1/objects/{bucket}/{shard}").body, archive_format)


@pytest.mark.parametrize("archive_format", Format)
def test_flags_replace_append_and_create(wire: Wire, bucket: str, archive_format: Format):
    shard = NAMES[archive_format]
    assert add(wire, bucket, shard, "m", b"x", "1").status == 404
    assert add(wire, bucket, shard, "one", b"1", "2").status == 200
    assert add(wire, bucket, shard, "d/two", b"22", "1").status == 200
    assert members(wire, bucket, shard, archive_format) == [("one", b"1"), ("d/two", b"22")]
    assert wire.send("GET", f"/v1/objects/{bucket}/{shard}?archpath=d/two").body == b"22"
    for pine in ("0", ""):
        assert add(wire, bucket, shard, "only", b"3", pine).status == 200
        assert members(wire, bucket, shard, archive_format) == [("only", b"3")]


def test_the_format_is_what_the_client_says_or_the_name_or_the_content(wire: Wire, bucket: str):
    assert add(wire, bucket, "nameless", "m", b"1", archmime="application/zip").status == 200
    assert add(wire, bucket, "nameless", "n", b"2", "1").status == 200
    assert members(wire, bucket, "nameless", Format.ZIP) == [("m", b"1"), ("n", b"2")]
    answer = add(wire, bucket, "dir.v1/nothing", "m", b"1")
    assert (answer.status, answer.error["tcode"]) == (400, "errUnknownFileExt")
    assert answer.error["message"] == 'unknown filename extension ("dir.v1/nothing", "")'


@pytest.mark.parametrize(
    ("shard", "query", "pine", "body", "status", "text"),
    [
        ("s.tar", {}, "3", b"x", 400, 'invalid flags "3" in the request'),
        ("s.tar", {}, "-1", b"x", 400, "invalid flags"),
        ("s.tar", {}, "1", b"", 400, "empty"),
        ("s.tar", {"archpath": "../up"}, "1", b"x", 400, "invalid archpath"),
        ("s.tar", {"archpath": "/"}, "1", b"x", 400, "invalid archpath"),
        ("s.tar", {"archmime": "rar"}, "1", b"x", 400, "unknown mime"),
        ("plain.tar", {}, "1", b"x", 400, "failed to archive"),
        ("plain.zip", {}, "2", b"x", 400, "failed to archive"),
        ("s.tar", {"archmime": ".tgz"}, "1", b"x", 400, "failed to archive"),
    ],
)
def test_what_cannot_be_done_changes_nothing(wire: Wire, bucket: str, shard, query, pine, body, status, text):
    stored = {"s.tar": make_tar({"a": b"a"}), "plain.tar": b"no archive" * 99, "plain.zip": b"none" * 99}
    for name, data in stored.items():
        wire.put(bucket, name, data)
    answer = add(wire, bucket, shard, query.pop("archpath", "m"), body, pine, **query)
    assert answer.status == status
    assert text in answer.error["message"]
    for name, data in stored.items():
        assert wire.send("GET", f"/v1/objects/{bucket}/{name}").body == data


def test_a_body_of_unknown_size_is_refused(wire: Wire, bucket: str):
    with RawClient(wire.url) as client:
        path = f"/v1/objects/{bucket}/s.tar?archpath=m"
        head = (
            f"PUT {path} HTTP/1.1\r\nHost: x\r\nMoss-Direct: 1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"
        )
        client.socket.sendall(head.encode())
        answer = client.response()
        assert answer.status == 400
        assert "Content-Length is missing" in json.loads(answer.read())["message"]


def test_a_cut_body_leaves_the_archive_as_it_was(wire: Wire, bucket: str):
    before = make_tar({"a": b"a"})
    wire.put(bucket, "s.tar", before)
    with RawClient(wire.url) as client:
        head = f"PUT /v1/objects/{bucket}/s.tar?archpath=m HTTP/1.1\r\nHost: x\r\nMoss-Direct: 1\r\nAis-Pine: 1\r\n"
        client.socket.sendall(f"{head}Content-Length: 100\r\n\r\nshort".encode())
        client.socket.shutdown(socket.SHUT_WR)
        client.read_to_end()
    assert wire.send("GET", f"/v1/objects/{bucket}/s.tar").body == before


def test_the_announced_checksum_is_that_of_the_file(wire: Wire, bucket: str):
    path = f"/v1/objects/{bucket}/s.tar?archpath=m"
    good = {"Ais-Checksum-Type": "md5", "Ais-Checksum-Value": "900150983cd24fb0d6963f7d28e17f72"}
    assert wire.send("PUT", path, b"abc", good).status == 200
    assert wire.send("PUT", path, b"abX", {**good, "Ais-Pine": "1"}).status == 500
    assert members(wire, bucket, "s.tar") == [("m", b"abc")]
    # The archive's own checksum is of the bucket's type.
    head = wire.send("HEAD", f"/v1/objects/{bucket}/s.tar")
    assert head.headers["ais-checksum-type"] == "xxhash2"


def test_versions_are_not_counted(wire: Wire, bucket: str):
    add(wire, bucket, "new.tar", "m", b"1")
    assert "ais-version" not in wire.send("HEAD", f"/v1/objects/{bucket}/new.tar").headers
    for _ in range(2):
        wire.put(bucket, "old.tar", make_tar({"a": os.urandom(9)}))
    add(wire, bucket, "old.tar", "m", b"1", "1")
    assert wire.send("HEAD", f"/v1/objects/{bucket}/old.tar").headers["ais-version"] == "2"


def test_a_large_file_goes_in_whole(wire: Wire, bucket: str):
    data = os.urandom(5 << 20)
    assert add(wire, bucket, "s.tar", "first", b"1").status == 200
    assert add(wire, bucket, "s.tar", "big", data, "1").status == 200
    assert members(wire, bucket, "s.tar") == [("first", b"1"), ("big", data)]
    assert wire.send("GET", f"/v1/objects/{bucket}/s.tar?archpath=big").body == data


def test_growing_an_archive_that_was_uploaded_in_parts_keeps_all_of_it(wire: Wire, bucket: str):
    tar = foreign([("a", os.urandom(4000)), ("b", b"2")], Format.TAR)
    path = f"/v1/objects/{bucket}/parts.tar"
    upload = wire.send("POST", path, {"action": "mpt-upload"}).body.decode()
    for number, part in enumerate((tar[:3000], tar[3000:]), 1):
        wire.send("PUT", f"{path}?uploadId={upload}&partNumber={number}", part)
    parts = [{"part-number": 1, "etag": ""}, {"part-number": 2, "etag": ""}]
    assert wire.send("POST", f"{path}?uploadId={upload}", {"action": "mpt-complete", "value": parts}).status == 200
    assert add(wire, bucket, "parts.tar", "c", b"3", "1").status == 200
    assert [name for name, _ in members(wire, bucket, "parts.tar")] == ["a", "b", "c"]


@pytest.fixture(scope="module")
def two_workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    with start_node(tmp_path_factory.mktemp("members") / "data", workers=2, sync=False) as running:
        yield running


@pytest.mark.parametrize("archive_format", [Format.TAR, Format.ZIP])
def test_no_file_is_lost_that_several_clients_add_at_once(two_workers: NodeProcess, archive_format: Format):
    wire = Wire(two_workers.url)
    bucket, shard = wire.new_bucket(), NAMES[archive_format]
    wanted = {f"m{number}": os.urandom(number * 50 + 1) for number in range(24)}
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda item: add(wire, bucket, shard, *item), wanted.items()))
    assert {answer.status for answer in answers} == {200}
    found = members(wire, bucket, shard, archive_format)
    assert len(found) == len(wanted)
    assert dict(found) == wanted


def test_the_spool_leaves_no_file_behind(wire: Wire, bucket: str, node: NodeProcess):
    before = sorted(path.name for path in (node.data / "run").iterdir())
    add(wire, bucket, "s.tar", "big", os.urandom(3 << 20))
    assert sorted(path.name for path in Path(node.data / "run").iterdir()) == before
