"""GetBatch over HTTP, number by number: archives, metadata, names (docs/compatibility.md, 28 to 54)."""

import io
import json
import os
import re
import tarfile
import zipfile

import lz4.frame
import pytest

from moss.testing import NodeProcess
from tests.support.raw import RawClient
from tests.support.wire import Wire, make_tar


@pytest.fixture(scope="module")
def wire(node: NodeProcess) -> Wire:
    return Wire(node.url)


@pytest.fixture(scope="module")
def bucket(wire: Wire) -> str:
    name = wire.new_bucket()
    for letter in "abc":
        wire.put(name, letter, letter.encode() * 5)
    wire.put(name, "void", b"")
    wire.put(name, "dir/s.tar", make_tar({"one.txt": b"first", "d/two.txt": b"second file", "void": b""}))
    return name


def headers_of(archive: bytes) -> list[bytes]:
    """The 512-byte headers of a TAR, extended ones included."""
    found, at = [], 0
    while archive[at : at + 512].strip(b"\0"):
        found.append(archive[at : at + 512])
        size = int(archive[at + 124 : at + 135], 8)
        at += 512 + size + (-size & 511)
    return found


# -- streaming ------------------------------------------------------------------------------------------


def test_29_members_are_plain_files_of_nobody(wire: Wire, bucket: str):
    entries = ["a", {"objname": "dir/s.tar", "archpath": "d/two.txt"}, {"objname": "b", "start": 1, "length": 2}, "no"]
    headers = headers_of(wire.batch(bucket, entries, coer=True).body)
    assert [int(header[124:135], 8) for header in headers] == [5, 11, 2, 0]
    for header in headers:
        assert header[100:124] == b"0000644\0" + b"0000000\0" * 2
        assert header[135:148] == b"\0" + b"00000000000\0", "the time is 1970"
        assert header[156:257] == b"0" + bytes(100), "a file that is no link"
        assert header[257:345] == b"ustar\x0000" + bytes(64) + b"0000000\0" * 2


def test_30_the_end_is_two_blocks_and_no_more(wire: Wire, bucket: str):
    body = wire.batch(bucket, ["a", "void"]).body
    assert len(body) == 3 * 512 + 1024 and body[-1024:] == bytes(1024)


LONG = ["x" * 50, "d" * 60, "f" * 20 + ".bin"]
NAMES = {
    "prefix": ("/".join(LONG), False),
    "no prefix": ("y" * 300, True),
    "utf-8": ("ordner/größe-日本.jpg", True),
}


@pytest.mark.parametrize("kind", NAMES)
def test_32_long_and_foreign_names(wire: Wire, bucket: str, kind: str):
    name, is_extended = NAMES[kind]
    wire.put(bucket, name, b"data")
    body = wire.batch(bucket, [name]).body
    headers = headers_of(body)
    assert [header[156:157] for header in headers] == [b"x", b"0"][not is_extended :]
    if is_extended:
        record = f" path={bucket}/{name}\n".encode()
        assert record in body[512:1536]
    else:
        assert headers[0][345:500].rstrip(b"\0").decode() == f"{bucket}/{LONG[0]}/{LONG[1]}"
        assert headers[0][:100].rstrip(b"\0").decode() == LONG[2]
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        assert [member.name for member in tar] == [f"{bucket}/{name}"]


def test_34_35_36_other_formats_hold_entries_in_request_order(wire: Wire, bucket: str):
    entries = ["c", "no", "a", {"objname": "dir/s.tar", "archpath": "one.txt"}, "void", "c"]
    want = wire.batch(bucket, entries, coer=True).members()
    for mime, mode in ((".tgz", "r:gz"), (".tar.lz4", "r:")):
        body = wire.batch(bucket, entries, mime=mime, coer=True).body
        opened = io.BytesIO(lz4.frame.decompress(body) if mime == ".tar.lz4" else body)
        with tarfile.open(fileobj=opened, mode=mode) as tar:
            assert [(member.name, tar.extractfile(member).read()) for member in tar] == want
    packed = wire.batch(bucket, entries, mime=".zip", coer=True).body
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        assert [(info.filename, archive.open(info).read()) for info in archive.infolist()] == want
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert [info.comment.decode() for info in archive.infolist()] == [name for name, _ in want]


def test_37_the_first_bytes_come_before_the_last_entry_is_read(wire: Wire):
    """The last entry is deleted when the first bytes are there: the answer breaks, so it had not been read."""
    bucket = wire.new_bucket()
    wire.put(bucket, "x", os.urandom(256 << 10))
    wire.put(bucket, "last", b"last")
    with RawClient(wire.url, receive_buffer=64 << 10) as client:
        client.begin_batch(bucket, ["x"] * 600 + ["last"])
        assert wire.send("DELETE", f"/v1/objects/{bucket}/last").status in (200, 204)
        received = client.read_to_end()
    assert received.startswith(b"HTTP/1.1 200")
    assert not received.endswith(b"0\r\n\r\n") and bytes(1024) not in received[-1100:], "the answer must look cut"


# -- buffered -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mime", [".tar", ".tgz", ".tar.lz4", ".zip"])
def test_38_39_the_layout_of_a_buffered_answer(wire: Wire, bucket: str, mime: str):
    answer = wire.batch(bucket, ["a", "b"], strm=False, mime=mime)
    boundary = re.fullmatch(r"multipart/mixed; boundary=([0-9a-f]{60})", answer.headers["content-type"])[1].encode()
    opening, metadata, archive, closing = answer.body.split(b"--" + boundary)
    assert (opening, closing) == (b"", b"--\r\n")
    head, _, text = metadata.partition(b"\r\n\r\n")
    assert head == b'\r\nContent-Disposition: form-data; name="metadata"'
    assert text.endswith(b"\n\r\n")
    uuid = json.loads(text)["uuid"]
    head, _, rest = archive.partition(b"\r\n\r\n")
    assert head.decode() == (
        f'\r\nContent-Disposition: form-data; name="archive"; filename="get-batch[{uuid}]"'
        "\r\nContent-Type: application/octet-stream"
    )
    assert rest.removesuffix(b"\r\n") == wire.batch(bucket, ["a", "b"], mime=mime).body


def test_40_41_44_metadata_of_every_kind_of_entry(wire: Wire, bucket: str):
    other = wire.new_bucket()
    wire.put(other, "z", b"zz")
    entries = [
        {"objname": "a"},
        {"objname": "dir/s.tar", "archpath": "d/two.txt"},
        {"objname": "a", "start": 1, "length": 3},
        {"objname": "dir/s.tar", "archpath": "d/two.txt", "start": 7, "length": -1},
        {"objname": "void"},
        {"objname": "no"},
        {"objname": "z", "bucket": other},
        {"objname": "z", "uname": f"ais/@#/{other}/"},
    ]
    metadata, _ = wire.batch(bucket, entries, strm=False, coer=True).parts()
    rows = metadata["out"]
    assert [row["objname"] for row in rows] == [entry["objname"] for entry in entries]
    assert [row["bucket"] for row in rows] == [bucket] * 6 + [other] * 2
    assert {row["provider"] for row in rows} == {"ais"}
    assert [row["size"] for row in rows] == [5, 11, 3, 4, 0, 0, 2, 2]
    assert [i for i, row in enumerate(rows) if "err_msg" in row] == [5]
    assert re.fullmatch(rf"t\[\w+\]: ais://{bucket}/no does not exist", rows[5]["err_msg"])
    assert list(rows[1]) == ["objname", "archpath", "bucket", "provider", "size"]


def test_42_the_member_path_is_reported_as_it_was_sent(wire: Wire, bucket: str):
    paths = ["one.txt", "/one.txt", "none", "/d/two.txt"]
    entries = [{"objname": "dir/s.tar", "archpath": path} for path in paths] + [{"objname": "no", "archpath": "x"}]
    metadata, _ = wire.batch(bucket, entries, strm=False, coer=True).parts()
    assert [row["archpath"] for row in metadata["out"]] == [*paths, "x"]


# -- names and order ------------------------------------------------------------------------------------

ROWS = {
    "object": ({"objname": "a"}, "a", True),
    "member": ({"objname": "dir/s.tar", "archpath": "d/two.txt"}, "dir/s.tar/d/two.txt", True),
    "member with slash": ({"objname": "dir/s.tar", "archpath": "/one.txt"}, "dir/s.tar/one.txt", True),
    "missing object": ({"objname": "no"}, "no", False),
    "missing member": ({"objname": "dir/s.tar", "archpath": "no"}, "dir/s.tar/no", False),
    "missing member with slash": ({"objname": "dir/s.tar", "archpath": "/no"}, "dir/s.tar/no", False),
    "two slashes": ({"objname": "dir/s.tar", "archpath": "//one.txt"}, "dir/s.tar//one.txt", False),
    "missing shard": ({"objname": "no.tar", "archpath": "/x/y"}, "no.tar/x/y", False),
    "range": ({"objname": "b", "start": 1, "length": 2}, "b", True),
    "missing range": ({"objname": "b", "start": 1, "length": 20}, "b", False),
    "empty": ({"objname": "void"}, "void", True),
    "empty member": ({"objname": "dir/s.tar", "archpath": "void"}, "dir/s.tar/void", True),
}


@pytest.mark.parametrize("row", ROWS)
def test_45_47_48_49_names_in_the_archive(wire: Wire, bucket: str, row: str):
    entry, name, is_there = ROWS[row]
    mark = "" if is_there else "__404__/"
    found = [wire.batch(bucket, [entry], coer=True, onob=omit).members()[0][0] for omit in (False, True)]
    assert found == [f"{mark}{bucket}/{name}", f"{mark}{name}"]


def test_46_unames_and_other_buckets_give_their_own_bucket_name(wire: Wire, bucket: str):
    other = wire.new_bucket()
    wire.put(other, "a", b"other")
    entries = [{"objname": "a", "uname": f"ais/@#/{other}/"}, {"objname": "a", "bucket": other}, {"objname": "a"}]
    names = [name for name, _ in wire.batch(bucket, entries).members()]
    assert names == [f"{other}/a", f"{other}/a", f"{bucket}/a"]
    assert [data for _, data in wire.batch(bucket, entries, onob=True).members()] == [b"other", b"other", b"aaaaa"]


def test_51_duplicates_are_members_of_their_own(wire: Wire, bucket: str):
    whole, part = {"objname": "b"}, {"objname": "b", "start": 4, "length": 1}
    assert [data for _, data in wire.batch(bucket, [whole, part, whole, part]).members()] == [b"bbbbb", b"b"] * 2


@pytest.mark.parametrize("mime", [".tar", ".tgz"])
def test_52_a_hundred_members_backwards(wire: Wire, bucket: str, mime: str):
    members = {f"{i:03d}.txt": b"%d" % i * (i % 7) for i in range(100)}
    wire.put(bucket, f"hundred{mime}", make_tar(members, "w:gz" if mime == ".tgz" else "w"))
    paths = list(members)[::-1]
    answer = wire.batch(bucket, [{"objname": f"hundred{mime}", "archpath": path} for path in paths])
    assert answer.members() == [(f"{bucket}/hundred{mime}/{path}", members[path]) for path in paths]


def test_54_a_shard_is_known_by_its_first_bytes_when_its_name_says_nothing(wire: Wire, bucket: str):
    tar = make_tar({"m": b"inside"})
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("m", b"inside")
    for kind, data in {"tar": tar, "tgz": make_tar({"m": b"inside"}, "w:gz"), "lz4": lz4.frame.compress(tar)}.items():
        wire.put(bucket, f"as-{kind}", data)
    wire.put(bucket, "as-zip", packed.getvalue())
    wire.put(bucket, "UPPER.TAR", tar)
    shards = ["as-tar", "as-tgz", "as-lz4", "as-zip", "UPPER.TAR"]
    answer = wire.batch(bucket, [{"objname": shard, "archpath": "m"} for shard in shards])
    assert [data for _, data in answer.members()] == [b"inside"] * 5


def test_output_names_are_relative_and_safe_to_unpack(wire: Wire, bucket: str, tmp_path):
    """Reliability row 26: whatever the members of a shard are called, the names in an answer cannot leave a folder."""
    evil = ["/etc/passwd", "../../up", "c:\\x", "-rf", "a\nb"]
    shard = make_tar([(name, b"evil") for name in evil])
    wire.put(bucket, "evil.tar", shard)
    asked = ["/etc/passwd", "c:\\x", "-rf", "a\nb"]
    answer = wire.batch(bucket, [{"objname": "evil.tar", "archpath": name} for name in asked])
    assert [data for _, data in answer.members()] == [b"evil"] * 4
    with tarfile.open(fileobj=io.BytesIO(answer.body)) as tar:
        tar.extractall(tmp_path, filter="data")
    inside = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(inside) == 4 and all(tmp_path in path.resolve().parents for path in inside)
    refused = wire.batch(bucket, [{"objname": "evil.tar", "archpath": "../../up"}])
    assert refused.status == 400 and "invalid archpath" in refused.error["message"]
