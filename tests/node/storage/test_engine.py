"""What users of the store rely on, in one process without faults."""

import threading
from concurrent.futures import wait
from hashlib import md5
from random import Random

import pytest
from xxhash import xxh3_64_intdigest, xxh64_hexdigest

from moss.archive.tar import build_header
from moss.errors import (
    BucketNotFound,
    ChecksumMismatch,
    Conflict,
    InvalidName,
    InvalidRequest,
    ObjectNotFound,
    RangeOutOfBounds,
    SegmentGone,
    StoreClosed,
)
from moss.naming.bucket import Bucket
from moss.node.storage.objects import ObjectAttributes
from moss.node.storage.records import BLOCK_BYTES, FLAG_BLOCKS, FLAG_FINISHED_HEADER, FLAG_SHARD_INDEX

MIB = 1 << 20
STRANGE_NAMES = [
    "a", "a/b", "/leading", "//x", "a//b", "%2e%2e", "%", "?q=1&r", "#", "tab\there", "line\nbreak", "cr\r\nlf: x",
    "emoji-\U0001f600", "caf\u00e9", b"bad-\xff\xfe".decode("utf-8", "surrogateescape"), "nul\0nul", "..", ".",
    "../../etc/passwd", "~/x", "trailing/", "CON", "a:b*c", " ", "x" * 255, "y" * 256, "z" * 476, "z" * 477, "w" * 1024,
    "w" * 1023 + "v", "d/" * 500 + "f", "\u00e9" * 512, "w" * 5000,
]  # fmt: skip


def data_of(seed: int, size: int) -> bytes:
    return Random(seed).randbytes(size)


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 10_240, MIB, MIB + 1, 3 * MIB + 7])
def test_what_is_put_is_read_back(engine, bucket, size):
    data = data_of(size, size)
    record = engine.put(bucket, "o", data).result()
    assert engine.read(bucket, "o") == data
    assert engine.head(bucket, "o") == record
    assert (record.name, record.size, record.version) == ("o", size, "1")
    assert (record.checksum_type, record.checksum_value) == ("xxhash2", xxh64_hexdigest(data))
    assert record.extent[3] == xxh3_64_intdigest(data)
    engine.verify(record.extent)


def test_payload_in_several_buffers(engine, bucket):
    parts = [b"abc", bytearray(b""), memoryview(b"defg"), b"h" * 700]
    record = engine.put(bucket, "o", parts).result()
    assert engine.read(bucket, "o") == b"abcdefg" + b"h" * 700
    assert record.checksum_value == xxh64_hexdigest(b"abcdefg" + b"h" * 700)


def test_many_buffers_than_one_system_call_takes(engine, bucket):
    parts = [bytes([n % 256]) for n in range(3000)]
    engine.put(bucket, "o", parts).result()
    assert engine.read(bucket, "o") == b"".join(parts)


def test_overwrite_counts_versions(engine, bucket):
    for number in range(1, 4):
        record = engine.put(bucket, "o", b"x" * number).result()
        assert record.version == str(number)
    assert engine.read(bucket, "o") == b"xxx"
    assert len(engine.list_objects(bucket)) == 1


def test_version_attributes(engine, bucket):
    def version(**attributes: object) -> str:
        return engine.put(bucket, "o", b"x", attributes=ObjectAttributes(**attributes)).result().version

    assert version(versioning=False) == ""
    assert version() == "1"
    assert version(previous_version="41") == "42"
    assert version(versioning=False) == "42"
    assert version(version="abc-etag") == "abc-etag"
    assert version() == "1"  # what is no number cannot be counted on
    assert version(load_previous=False) == "1"


def test_custom_metadata_survives_overwrite_unless_told_otherwise(engine, bucket):
    def custom(**attributes: object) -> dict[str, str]:
        return engine.put(bucket, "o", b"x", attributes=ObjectAttributes(**attributes)).result().custom

    odd = {"k": "v=1,2", "\u00e9": "\udcff", "empty": ""}
    assert custom(custom=odd) == odd
    assert custom(custom={"k": "new"}) == odd | {"k": "new"}
    assert custom(custom={"only": "this"}, keep_custom=False) == {"only": "this"}
    assert custom(load_previous=False) == {}


def test_metadata_larger_than_usual_survives_every_kind_of_overwrite(engine, bucket):
    custom = {f"key-{n}": "\u00e9\n" * 100 for n in range(100)}
    engine.put(bucket, "o", b"x", attributes=ObjectAttributes(custom=custom)).result()
    assert engine.put(bucket, "o", b"y").result().custom == custom
    assert engine.head(bucket, "o").custom == custom


def test_update_custom_replaces_and_leaves_content(engine, bucket, open_store):
    before = engine.put(bucket, "o", b"data", attributes=ObjectAttributes(custom={"a": "1"})).result()
    after = engine.update_custom(bucket, "o", {"b": "2"}).result()
    assert after.custom == {"b": "2"}
    assert engine.head(bucket, "o") == after
    assert (after.extent, after.version, after.created_ns) == (before.extent, before.version, before.created_ns)
    with pytest.raises(ObjectNotFound):
        engine.update_custom(bucket, "missing", {}).result()


def test_shard_flag(engine, bucket):
    engine.put(bucket, "o", b"x").result()
    assert engine.set_shard_flag(bucket, "o", True).extent[4] & FLAG_SHARD_INDEX
    assert engine.head(bucket, "o").extent[4] & FLAG_SHARD_INDEX
    assert engine.put(bucket, "o", b"y").result().extent[4] & FLAG_SHARD_INDEX
    assert not engine.set_shard_flag(bucket, "o", False).extent[4] & FLAG_SHARD_INDEX


@pytest.mark.parametrize("checksum_type", ["md5", "sha256", "sha512", "crc32", "xxhash", "xxhash2", "none"])
def test_checksum_types(engine, bucket, checksum_type):
    for size in (100, 2 * MIB):
        attributes = ObjectAttributes(checksum_type=checksum_type)
        record = engine.put(bucket, "o", b"x" * size, attributes=attributes).result()
        assert record.checksum_type == checksum_type
        assert (record.checksum_value == "") == (checksum_type == "none")


@pytest.mark.parametrize("size", [10, 2 * MIB])
def test_announced_checksum_is_enforced(engine, bucket, size):
    data = b"x" * size
    good = ObjectAttributes(checksum_type="md5", checksum_value=md5(data).hexdigest())
    engine.put(bucket, "o", data, attributes=good).result()
    with pytest.raises(ChecksumMismatch):
        engine.put(bucket, "o", b"y" * size, attributes=good)
    assert engine.read(bucket, "o") == data
    with pytest.raises(InvalidRequest):
        engine.put(bucket, "o", data, attributes=ObjectAttributes(checksum_type="sha0"))


def test_delete(engine, bucket):
    engine.put(bucket, "o", b"x").result()
    engine.delete(bucket, "o").result()
    assert engine.locate(bucket, ["o"]) == [None]
    for attempt in (engine.delete(bucket, "o").result, lambda: engine.head(bucket, "o")):
        with pytest.raises(ObjectNotFound, match="ais://b/o does not exist"):
            attempt()
    assert engine.put(bucket, "o", b"new").result().version == "1"


def test_btr_12_every_name_is_stored_listed_and_found_as_given(engine, bucket, root):
    for number, name in enumerate(STRANGE_NAMES):
        engine.put(bucket, name, b"%d" % number).result()
    for number, name in enumerate(STRANGE_NAMES):
        assert engine.read(bucket, name) == b"%d" % number
        assert engine.head(bucket, name).name == name
    assert None not in engine.locate(bucket, STRANGE_NAMES)
    in_order = sorted(STRANGE_NAMES, key=lambda name: name.encode("utf-8", "surrogateescape"))
    assert [record.name for record in engine.list_objects(bucket)] == in_order
    for name in STRANGE_NAMES:
        assert name in [record.name for record in engine.list_objects(bucket, prefix=name[:500])]
    paths = {path.suffix for path in root.rglob("*") if path.is_file()}
    assert paths <= {".tar", ".json", ".mdb", ".lock"}


@pytest.mark.parametrize("name", ["", "\ud800", "a\udc00b"])
def test_what_is_no_name_is_refused(engine, bucket, name):
    with pytest.raises(InvalidName):
        engine.put(bucket, name, b"")


def test_long_names_with_equal_beginnings(engine, bucket):
    names = [f"{'p' * 600}{n:03d}" for n in range(50)] + [f"{'p' * 300}{n}" for n in range(20)]
    for name in names:
        engine.put(bucket, name, name.encode()).result()
    assert [record.name for record in engine.list_objects(bucket)] == sorted(names)
    assert engine.locate(bucket, ["p" * 600]) == [None]
    for start in (10, 33):
        page = engine.list_objects(bucket, start_after=sorted(names)[start], limit=7)
        assert [record.name for record in page] == sorted(names)[start + 1 : start + 8]
    for name in names[::2]:
        engine.delete(bucket, name).result()
    assert [record.name for record in engine.list_objects(bucket)] == sorted(names[1::2])


def test_listing_pages_and_prefixes(engine, bucket):
    names = sorted(["ab", "ab/", "ab/c", "abc", "b", *(f"n/{n:04d}" for n in range(300))])
    wait([engine.put(bucket, name, b"") for name in names])
    assert [record.name for record in engine.list_objects(bucket, prefix="ab")] == ["ab", "ab/", "ab/c", "abc"]
    assert [record.name for record in engine.list_objects(bucket, prefix="ab/")] == ["ab/", "ab/c"]
    found, after = [], ""
    while page := engine.list_objects(bucket, prefix="n/", start_after=after, limit=77):
        found += [record.name for record in page]
        after = found[-1]
    assert found == [name for name in names if name.startswith("n/")]
    assert engine.list_objects(bucket, prefix="n/", start_after="z") == []
    assert engine.list_objects(bucket, prefix="n/029", start_after="a")[0].name == "n/0290"


def test_locate_keeps_order_doubles_and_gaps(engine, bucket):
    wait([engine.put(bucket, f"{n}", b"x" * n) for n in range(20)])
    names = ["3", "nope", "3", "0", "19", "nope", "x" * 600, "7"]
    extents = engine.locate(bucket, names)
    assert [extent and extent[2] for extent in extents] == [3, None, 3, 0, 19, None, None, 7]
    assert engine.locate(bucket, []) == []
    with pytest.raises(BucketNotFound):
        engine.locate(Bucket("other"), ["3"])


def test_locate_in_several_buckets(engine, bucket):
    other = engine.create_bucket(Bucket("other")).id
    mine = engine.get_bucket(bucket).id
    engine.put(bucket, "o", b"mine").result()
    engine.put(Bucket("other"), "o", b"others").result()
    extents = engine.locate_mixed([other, mine, other], ["o", "o", "nope"])
    assert [extent and extent[2] for extent in extents] == [6, 4, None]


def test_stored_object_is_a_finished_entry(engine, bucket):
    data = data_of(1, 1000)
    number, offset, size, _, flags, _ = engine.put(bucket, "dir/o.bin", data).result().extent
    view = engine.segment(number).view
    assert flags & FLAG_FINISHED_HEADER
    frame = bytes(view[offset - 512 : offset + size + (-size & 511)])
    assert frame == build_header("b/dir/o.bin", 1000) + data + bytes(24)
    assert xxh3_64_intdigest(frame) & 0xFFFFFFFF == flags >> 32


@pytest.mark.parametrize("name", ["caf\u00e9", "n" * 200, "a\0b"])
def test_unfinished_headers_are_not_called_finished(engine, bucket, name):
    assert not engine.put(bucket, name, b"x").result().extent[4] & FLAG_FINISHED_HEADER


def test_ranges_are_verified_and_bounded(engine, bucket):
    data = data_of(2, 2 * MIB + 5)
    engine.put(bucket, "large", data).result()
    engine.put(bucket, "small", data[:1000]).result()
    for start, length in [(0, 1), (BLOCK_BYTES - 1, 2), (2 * MIB, 5), (2 * MIB + 4, -1), (17, MIB), (len(data), -1)]:
        stop = len(data) if length < 0 else start + length
        assert engine.read(bucket, "large", start, length) == data[start:stop]
    assert engine.read(bucket, "small", 10, 20) == data[10:30]
    for start, length in [(0, 1001), (1001, -1), (999, 2), (-1, 3)]:
        with pytest.raises(RangeOutOfBounds):
            engine.read(bucket, "small", start, length)


def test_block_checksums(engine, bucket):
    data = data_of(3, MIB + 10)
    extent = engine.put(bucket, "o", data).result().extent
    assert extent[4] & FLAG_BLOCKS
    blocks = [xxh3_64_intdigest(data[at : at + BLOCK_BYTES]) for at in range(0, len(data), BLOCK_BYTES)]
    assert engine.block_checksums(extent[5]) == blocks
    assert engine.block_checksums(engine.put(bucket, "small", b"x").result().serial) is None


def test_upload_in_pieces(engine, bucket, root):
    data = data_of(4, 5 * MIB + 3)
    upload = engine.begin_upload(bucket, "o")
    for at in range(0, len(data), 100_000):
        upload.write(bytearray(data[at : at + 100_000]))
    assert engine.locate(bucket, ["o"]) == [None]
    record = upload.commit().result()
    assert record.checksum_value == xxh64_hexdigest(data)
    assert engine.read(bucket, "o") == data
    upload.abort()
    assert engine.read(bucket, "o") == data
    with pytest.raises(StoreClosed):
        upload.write(b"more")
    assert not list((root / "incoming").iterdir())


def test_small_and_empty_uploads(engine, bucket):
    upload = engine.begin_upload(bucket, "empty")
    assert upload.commit().result().size == 0
    upload = engine.begin_upload(bucket, "small")
    upload.write(b"ab")
    upload.write(b"")
    upload.write(b"c")
    upload.commit().result()
    assert engine.read(bucket, "small") == b"abc"


def test_aborted_upload_leaves_nothing(engine, bucket, root):
    engine.put(bucket, "o", b"old").result()
    upload = engine.begin_upload(bucket, "o")
    upload.write(bytes(3 * MIB))
    assert list((root / "incoming").iterdir())
    upload.abort()
    assert not list((root / "incoming").iterdir())
    assert engine.read(bucket, "o") == b"old"


def test_deleting_a_large_object_frees_its_space_at_once(engine, bucket, root):
    extent = engine.put(bucket, "o", bytes(2 * MIB)).result().extent
    held = engine.segment(extent[0])
    assert len(list(root.glob("segments/*/*.tar"))) == 2
    engine.delete(bucket, "o").result()
    assert len(list(root.glob("segments/*/*.tar"))) == 1
    assert bytes(held.view[extent[1] : extent[1] + extent[2]]) == bytes(2 * MIB)
    with pytest.raises(SegmentGone):
        engine.segment(extent[0])


def test_readers_keep_what_they_hold(engine, bucket):
    extents = [engine.put(bucket, f"{n}", b"%d" % n * 1000).result().extent for n in range(10)]
    held = engine.segment(extents[0][0])
    for n in range(10):
        engine.put(bucket, f"{n}", b"new").result()
        engine.delete(bucket, f"{n}").result()
    for n, (_, offset, size, *_) in enumerate(extents):
        assert bytes(held.view[offset : offset + size]) == b"%d" % n * 1000


def test_many_writers_at_once(engine, bucket):
    def work(worker: int) -> None:
        for n in range(50):
            engine.put(bucket, f"{worker}/{n}", f"{worker}-{n}".encode()).result()
            engine.put(bucket, "shared", f"{worker}-{n}".encode()).result()

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for worker in range(8):
        assert engine.read(bucket, f"{worker}/49") == f"{worker}-49".encode()
    assert engine.head(bucket, "shared").version == "400"
    assert len(engine.list_objects(bucket)) == 401


def test_operations_on_one_name_in_one_group_take_effect_in_order(engine, bucket):
    futures = []
    for n in range(40):
        futures.append(engine.put(bucket, "o", b"%d" % n))
        futures.append(engine.delete(bucket, "o"))
    futures.append(engine.put(bucket, "o", b"last"))
    for future in futures:
        future.result()
    assert engine.read(bucket, "o") == b"last"


def test_segments_are_sealed_when_full(engine, bucket, root, open_store):
    futures = [engine.put(bucket, f"{n}", bytes([n % 256]) * 100_000) for n in range(200)]
    assert len({future.result().extent[0] for future in futures}) > 4
    assert max(path.stat().st_size for path in root.glob("segments/*/*.tar")) <= 4 << 20
    for n in range(200):
        assert engine.read(bucket, f"{n}") == bytes([n % 256]) * 100_000


def test_errors_of_one_operation_leave_the_others_of_its_group_alone(engine, bucket):
    futures = [engine.put(bucket if n % 2 else Bucket("gone"), f"{n}", b"x") for n in range(40)]
    for n, future in enumerate(futures):
        if n % 2:
            assert future.result().size == 1
        else:
            with pytest.raises(BucketNotFound):
                future.result()


def test_the_same_worker_cannot_run_twice(engine, open_store):
    with pytest.raises(Conflict):
        open_store()


def test_closed_store_refuses(engine, bucket):
    future = engine.put(bucket, "o", b"x")
    engine.close()
    assert future.result().size == 1
    for attempt in (lambda: engine.put(bucket, "p", b""), lambda: engine.head(bucket, "o"), engine.list_buckets):
        with pytest.raises(StoreClosed):
            attempt()


def test_stats(engine, bucket):
    engine.put(bucket, "o", bytes(1000)).result()
    engine.put(bucket, "large", bytes(2 * MIB)).result()
    stats = engine.stats()
    assert (stats["objects"], stats["segments"], stats["lost_records"]) == (2, 2, 0)
    assert stats["stored_bytes"] >= stats["live_bytes"] > 2 * MIB
