"""GetBatch over HTTP, number by number: soft and hard errors, ranges (docs/compatibility.md, 55 to 70, 90)."""

import io
import os
import re
import time
import zipfile
import zlib

import lz4.frame
import pytest

from moss.testing import NodeProcess
from tests.support.raw import anonymous_bytes
from tests.support.wire import Answer, Wire, make_tar

MEMBERS = {"one.txt": b"first", "big.bin": os.urandom(9000), "last.txt": b"last"}


@pytest.fixture(scope="module")
def wire(node: NodeProcess) -> Wire:
    return Wire(node.url)


@pytest.fixture(scope="module")
def bucket(wire: Wire) -> str:
    name = wire.new_bucket()
    for letter in "abc":
        wire.put(name, letter, letter.encode() * 5)
    wire.put(name, "void", b"")
    wire.put(name, "s.tar", make_tar(MEMBERS))
    return name


def both(wire: Wire, bucket: str, entries: list, **options) -> list[Answer]:
    return [wire.batch(bucket, entries, strm=streaming, **options) for streaming in (True, False)]


# -- missing entries ------------------------------------------------------------------------------------


def test_55_56_strict_requests_fail_with_a_document(wire: Wire, bucket: str):
    for answer in both(wire, bucket, ["no", "a"]) + both(wire, bucket, ["a", "b", "no"]):
        assert (answer.status, answer.error["tcode"]) == (404, "ErrNotFound")
        assert re.fullmatch(rf"t\[\w+\]: ais://{bucket}/no does not exist", answer.error["message"])
    for answer in both(wire, bucket, ["a", {"objname": "s.tar", "archpath": "/no/x"}]):
        assert (answer.status, answer.error["tcode"]) == (404, "ErrNotFound")
        want = rf"t\[\w+\]: /?no/x in ais://{bucket}/s.tar does not exist"
        assert re.fullmatch(want, answer.error["message"])


def test_58_59_the_budget_of_placeholders_to_the_last_one(wire: Wire, bucket: str):
    """Six by default: the sixth passes wherever it stands, the seventh fails, also as the last entry."""
    gone = [f"no{i}" for i in range(7)]
    for entries in ([*gone[:6], "a"], ["a", *gone[:6]], ["a", *gone[:3], "b", *gone[3:6], "c"]):
        members = wire.batch(bucket, entries, coer=True).members()
        want = [(f"{bucket}/{e}", e.encode() * 5) if e in "abc" else (f"__404__/{bucket}/{e}", b"") for e in entries]
        assert members == want
    for entries in (["a", *gone], [*gone, "a"], [*gone[:6], "a", gone[6]]):
        for answer in both(wire, bucket, entries, coer=True):
            assert answer.status == 400 and "tcode" not in answer.error
            text = rf'x-get-batch\[gbt-[\w-]+\]-ais://{bucket}: wid="[\w-]+" exceeded soft-errors limit: 7 \(max: 6\)'
            assert re.fullmatch(text, answer.error["message"])


# -- shards that cannot be read -------------------------------------------------------------------------


def packed_zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("x", b"inside")
    return out.getvalue()


WHOLE = make_tar({"y": b"y", "x": os.urandom(5000)})
BROKEN = {
    "text": ("plain.txt", b"no archive at all", 400, r'unrecognized or unsupported file format: "plain.txt"'),
    "empty": ("empty", b"", 400, r'unrecognized or unsupported file format: "empty"'),
    "empty tar": ("e.tar", b"", 404, r"t\[\w+\]: x in ais://{}/e.tar does not exist"),
    "tar cut between members": ("b.tar", WHOLE[:1024], 404, r"t\[\w+\]: x in ais://{}/b.tar does not exist"),
    "tar cut in a header": ("h.tar", WHOLE[:1200], 400, r"unexpected EOF"),
    "tar cut in the data": ("d.tar", WHOLE[:3000], 400, r"unexpected EOF"),
    "tar with a broken header": ("j.tar", b"\1" * 512 + WHOLE, 400, r"archive/tar: invalid tar header"),
    "tgz cut": ("c.tgz", make_tar({"x": os.urandom(5000)}, "w:gz")[:3000], 400, r"unexpected EOF"),
    "lz4 cut": ("c.tar.lz4", lz4.frame.compress(WHOLE)[:3000], 400, r"unexpected EOF"),
    "no tgz": ("n.tgz", b"no gzip", 400, r"failed to open ais://{}/n.tgz: gzip: invalid header"),
    "empty tgz": ("e.tgz", b"", 400, r"failed to open ais://{}/e.tgz: EOF"),
    "no zip": ("n.zip", b"no zip", 400, r"failed to open ais://{}/n.zip: zip: not a valid zip file"),
    "zip cut": ("c.zip", packed_zip()[:-30], 400, r"failed to open ais://{}/c.zip: zip: not a valid zip file"),
    "empty zip": ("e.zip", b"", 400, r"failed to open ais://{}/e.zip: zip: not a valid zip file"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_61_unreadable_shards(wire: Wire, bucket: str, kind: str):
    name, data, status, text = BROKEN[kind]
    wire.put(bucket, name, data)
    entry = {"objname": name, "archpath": "x"}
    for answer in both(wire, bucket, ["a", entry, "b"]):
        assert answer.status == status
        assert re.search(text.format(bucket), answer.error["message"])
    soft = wire.batch(bucket, ["a", entry, "b"], coer=True)
    assert soft.members() == [(f"{bucket}/a", b"aaaaa"), (f"__404__/{bucket}/{name}/x", b""), (f"{bucket}/b", b"bbbbb")]
    metadata, _ = wire.batch(bucket, [entry], coer=True, strm=False).parts()
    assert re.search(text.format(bucket), metadata["out"][0]["err_msg"])


# -- ranges ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "start", "length", "text"),
    [
        ("a", 0, 6, "size=5: not satisfiable range [start=0,length=6]"),
        ("a", 4, 2, "size=5: not satisfiable range [start=4,length=2]"),
        ("a", 5, -1, "size=5: not satisfiable range [start=5]"),
        ("a", 2**62, 2**62, f"size=5: not satisfiable range [start={2**62},length={2**62}]"),
        ("void", 0, -1, "size=0: not satisfiable range [start=0]"),
        ("void", 0, 1, "size=0: not satisfiable range [start=0,length=1]"),
    ],
)
def test_62_70_90_ranges_beyond_the_end(wire: Wire, bucket: str, name: str, start: int, length: int, text: str):
    entry = {"objname": name, "start": start, "length": length}
    for answer in both(wire, bucket, ["a", entry]):
        assert (answer.status, answer.error["tcode"]) == (416, "ErrRangeNotSatisfiable")
        assert answer.error["message"] == text
    metadata, _ = wire.batch(bucket, ["b", entry, "c"], coer=True, strm=False).parts()
    assert [row.get("err_msg") for row in metadata["out"]] == [None, text, None]


def test_62_a_range_beyond_the_end_of_a_member(wire: Wire, bucket: str):
    entry = {"objname": "s.tar", "archpath": "one.txt", "start": 3, "length": 3}
    for answer in both(wire, bucket, [entry]):
        assert answer.status == 416
        assert "size=5: not satisfiable range [start=3,length=3]" in answer.error["message"]


def test_70_nothing_of_nothing_is_no_error(wire: Wire, bucket: str):
    assert wire.batch(bucket, [{"objname": "void", "start": 0, "length": 0}]).members() == [(f"{bucket}/void", b"")]


def packed(kind: str) -> bytes:
    if kind == "zip":
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in MEMBERS.items():
                archive.writestr(name, data)
        return out.getvalue()
    tar = make_tar(MEMBERS)
    return {"tar": tar, "tgz": make_tar(MEMBERS, "w:gz"), "tar.lz4": lz4.frame.compress(tar)}[kind]


@pytest.mark.parametrize("kind", ["tar", "tgz", "tar.lz4", "zip"])
def test_68_ranges_of_members_are_exact(wire: Wire, bucket: str, kind: str):
    wire.put(bucket, f"ranges.{kind}", packed(kind))
    data = MEMBERS["big.bin"]
    spans = [(0, 1), (0, 9000), (0, -1), (4096, 4096), (8999, 1), (8999, -1), (511, 513)]
    member = {"objname": f"ranges.{kind}", "archpath": "big.bin"}
    entries = [{**member, "start": start, "length": length} for start, length in spans]
    contents = [content for _, content in wire.batch(bucket, entries).members()]
    assert contents == [data[start:] if length < 0 else data[start : start + length] for start, length in spans]


def test_69_a_range_of_a_shard_is_of_its_raw_bytes(wire: Wire, bucket: str):
    tar = make_tar(MEMBERS)
    entries = [
        {"objname": "s.tar", "start": 257, "length": 5},
        {"objname": "s.tar", "start": 500, "length": -1},
        {"objname": "s.tar"},
    ]
    contents = [content for _, content in wire.batch(bucket, entries).members()]
    assert contents == [b"ustar", tar[500:], tar]


@pytest.mark.parametrize("size", [262_143, 262_144, 262_145, 1_048_577])
def test_68_ranges_across_the_blocks_of_stored_objects(wire: Wire, bucket: str, size: int):
    data = os.urandom(size)
    wire.put(bucket, "blocks", data)
    spans = [(0, -1), (size - 1, 1), (1, size - 1), (262_142, 1), (size // 2, -1)]
    entries = [{"objname": "blocks", "start": start, "length": length} for start, length in spans]
    contents = [content for _, content in wire.batch(bucket, entries).members()]
    assert contents == [data[start:] if length < 0 else data[start : start + length] for start, length in spans]


def test_reliability_07_cut_shards_never_give_a_wrong_member(wire: Wire):
    """Fifty cuts of each format: a member is what was packed, or its entry says why not."""
    bucket = wire.new_bucket()
    wire.send("PUT", "/v1/cluster/set-config?get_batch.max_soft_errs=1000")
    try:
        for kind in ("tar", "tgz", "tar.lz4", "zip"):
            whole = packed(kind)
            cuts = [len(whole) * i // 50 for i in range(50)]
            for cut in cuts:
                wire.put(bucket, f"{cut}.{kind}", whole[:cut])
            entries = [{"objname": f"{cut}.{kind}", "archpath": name} for cut in cuts for name in MEMBERS]
            found = wire.batch(bucket, entries, coer=True).members()
            assert len(found) == len(entries)
            for entry, (name, data) in zip(entries, found, strict=True):
                plain = f"{bucket}/{entry['objname']}/{entry['archpath']}"
                assert (name, data) in [(plain, MEMBERS[entry["archpath"]]), (f"__404__/{plain}", b"")]
            assert any(name.startswith("__404__/") for name, _ in found)
    finally:
        wire.send("PUT", "/v1/cluster/set-config?get_batch.max_soft_errs=6")


# -- archives made to hurt -----------------------------------------------------------------------------------


def header(name: str, size: bytes) -> bytes:
    """A TAR header whose size field is just these 12 bytes."""
    block = bytearray(make_tar({name: b""})[:512])
    block[124:136] = size
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def lying_zip() -> bytes:
    """The directory promises 10 bytes, the data are 20 MiB."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", bytes(20 << 20))
    data = bytearray(out.getvalue())
    at = data.index(b"PK\1\2") + 24
    data[at : at + 4] = (10).to_bytes(4, "little")
    return bytes(data)


def dense_tgz() -> bytes:
    """300 MiB of zeros in 300 KiB, behind a good member."""
    tar = make_tar({"good": b"good"})[:1024] + header("bomb", b"%011o\0" % (300 << 20))
    packer = zlib.compressobj(9, wbits=31)
    packed = packer.compress(tar)
    for _ in range(300):
        packed += packer.compress(bytes(1 << 20))
    return packed + packer.compress(bytes(1024)) + packer.flush()


BOMBS = {
    "eight EiB": ("eib.tar", lambda: header("bomb", b"\x80\0\0\0\x7f" + b"\xff" * 7), 0),
    "size that lies": ("lies.zip", lying_zip, 0),
    "thousand to one": ("dense.tgz", dense_tgz, 1),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_reliability_25_bombs_harm_their_own_entry_only(wire: Wire, bucket: str, node: NodeProcess, kind: str):
    name, make, good_members = BOMBS[kind]
    wire.put(bucket, name, make())
    entries = [{"objname": name, "archpath": path} for path in ["good"] * good_members + ["bomb"]]
    memory, begin = anonymous_bytes(node.pid), time.monotonic()
    metadata, _ = wire.batch(bucket, ["a", *entries, "b"], coer=True, strm=False).parts()
    assert time.monotonic() - begin < 5
    assert [("err_msg" in row) for row in metadata["out"]] == [False] * (1 + good_members) + [True, False]
    assert anonymous_bytes(node.pid) - memory < 64 << 20
    assert wire.batch(bucket, entries).status == 400
