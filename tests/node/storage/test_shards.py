"""Members of shards: right bytes or the documented error, found by one look into a table."""

import io
import os
import random
import tarfile
import threading
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from xxhash import xxh3_64_intdigest

from moss.archive.formats import Format
from moss.archive.limits import Limits
from moss.archive.tar import END, build_header, build_pax
from moss.errors import (
    ArchiveLimit,
    BadArchive,
    ChecksumMismatch,
    MemberNotFound,
    MossError,
    SegmentGone,
    TruncatedArchive,
)
from moss.node.storage.layout import Extent
from moss.node.storage.shards import Member, MemberHit, ShardIndexes, ShardLimits
from tests.archive.making import foreign, packed, tar_of, zip_of
from tests.archive.test_tar_parse import old_header
from tests.node.storage.shard_store import MemoryStore

ENTRIES = [(f"m/{number:03}.bin", random.Random(number).randbytes(number * 211 % 3000)) for number in range(80)]
NAMES = {Format.TAR: "s.tar", Format.TGZ: "s.tgz", Format.ZIP: "s.zip", Format.TAR_LZ4: "s.tar.lz4"}
COMPRESSED = [Format.TGZ, Format.TAR_LZ4]


@pytest.fixture
def store(tmp_path: Path) -> MemoryStore:
    return MemoryStore(tmp_path)


@pytest.fixture
def shards(store: MemoryStore) -> ShardIndexes:
    return ShardIndexes(store)


def payload(store: MemoryStore, hit: MemberHit | MossError) -> bytes:
    """The bytes of a hit, checked as whoever delivers it checks them."""
    if isinstance(hit, MossError):
        raise hit
    if not isinstance(hit, tuple):
        return bytes(hit)
    number, offset, size, checksum, _ = hit
    found = store.segment(number).view[offset : offset + size]
    assert xxh3_64_intdigest(found) == checksum
    return bytes(found)


def read(store: MemoryStore, shards: ShardIndexes, shard: Extent, name: str, members: list[str]) -> list[bytes]:
    return [payload(store, hit) for hit in shards.resolve(shard, name, members)]


def why(store: MemoryStore, shards: ShardIndexes, data: bytes, name: str, member: str = "a.txt") -> str:
    """The error of one member, class and text."""
    (hit,) = shards.resolve(store.put(data), name, [member], cname=f"ais://b/{name}")
    assert isinstance(hit, MossError), hit
    return f"{type(hit).__name__}: {hit.message}"


@pytest.mark.parametrize("archive_format", list(Format))
@pytest.mark.parametrize(
    "limits", [ShardLimits(), ShardLimits(unpacked_shard_bytes_max=100, decoded_member_bytes_max=9)]
)
def test_members_in_any_order_and_repeated(store: MemoryStore, archive_format: Format, limits: ShardLimits) -> None:
    shards, name = ShardIndexes(store, limits), NAMES[archive_format]
    shard = store.put(foreign(ENTRIES, archive_format))
    wanted = [*reversed(ENTRIES), ENTRIES[5], ENTRIES[5]]
    assert read(store, shards, shard, name, [member for member, _ in wanted]) == [data for _, data in wanted]
    assert read(store, shards, shard, name, ["/" + ENTRIES[7][0]]) == [ENTRIES[7][1]]


@pytest.mark.parametrize("archive_format", list(Format))
def test_a_shard_is_read_once_and_its_table_kept(store: MemoryStore, archive_format: Format) -> None:
    name, shard = NAMES[archive_format], store.put(foreign(ENTRIES, archive_format))
    for _ in range(2):
        shards = ShardIndexes(store)
        for member, data in ENTRIES[:10]:
            assert read(store, shards, shard, name, [member]) == [data]
    assert store.verified == [shard[5]]


@pytest.mark.parametrize("archive_format", [Format.TAR, Format.ZIP])
def test_members_that_lie_in_the_object_are_extents_of_it(store: MemoryStore, archive_format: Format) -> None:
    data = zip_of(ENTRIES, zipfile.ZIP_STORED) if archive_format is Format.ZIP else tar_of(ENTRIES)
    shard = store.put(data)
    hits = ShardIndexes(store).resolve(shard, NAMES[archive_format], [member for member, _ in ENTRIES])
    assert all(isinstance(hit, tuple) and hit[0] == shard[0] and hit[4] == shard[5] for hit in hits)


def test_concurrent_first_reads_build_one_table(store: MemoryStore) -> None:
    shard, shards = store.put(foreign(ENTRIES, Format.TGZ)), ShardIndexes(store)
    barrier = threading.Barrier(8)

    def first_read(_: int) -> list[bytes]:
        barrier.wait()
        return read(store, shards, shard, "s.tgz", [member for member, _ in ENTRIES])

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(first_read, range(8))) == [[data for _, data in ENTRIES]] * 8
    assert store.verified == [shard[5]]


def test_how_names_are_compared(store: MemoryStore, shards: ShardIndexes) -> None:
    """Source: spec/getbatch.md 7."""
    entries = [("./dot", b"1"), ("/abs", b"2"), ("Case", b"3"), ("twice", b"4"), ("/twice", b"5"), ("d//b", b"6")]
    shard = store.put(tar_of(entries))
    assert read(store, shards, shard, "s.tar", ["abs", "/abs", "Case", "twice", "./dot"]) == [
        b"2",
        b"2",
        b"3",
        b"4",
        b"1",
    ]
    for member in ("dot", "//abs", "case", "d/b", "nope"):
        (hit,) = shards.resolve(shard, "s.tar", [member], cname="ais://b/s.tar")
        assert isinstance(hit, MemberNotFound)
        assert hit.message == f"{member.removeprefix('/')} in ais://b/s.tar does not exist"


def test_folders_are_no_files(store: MemoryStore, shards: ShardIndexes) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        info = tarfile.TarInfo("d")
        info.type = tarfile.DIRTYPE
        archive.addfile(info)
        archive.addfile(tarfile.TarInfo("d/f"))
    for name, data in (("s.tar", out.getvalue()), ("s.zip", zip_of([("d/", b""), ("d/f", b"")]))):
        hits = shards.resolve(store.put(data), name, ["d", "d/f"])
        assert isinstance(hits[0], MemberNotFound) and payload(store, hits[1]) == b""


def test_reliability_26_links_and_devices_are_empty_files_under_their_own_names(
    store: MemoryStore, shards: ShardIndexes
) -> None:
    """The recordings show links so; spec/getbatch.md 7 beats the table in spec/reliability.md."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, kind in (("sym", tarfile.SYMTYPE), ("hard", tarfile.LNKTYPE), ("dev", tarfile.BLKTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.size = kind, "/etc/passwd", 0
            archive.addfile(info)
    for archive_format in (Format.TAR, Format.TGZ):
        shard = store.put(packed(out.getvalue(), archive_format))
        assert read(store, shards, shard, NAMES[archive_format], ["sym", "hard", "dev"]) == [b"", b"", b""]


def test_reliability_26_names_never_touch_the_file_system(store: MemoryStore, shards: ShardIndexes) -> None:
    names = ["../../escaped", "/etc/escaped", "a/../../escaped", "\x01\r\n", "C:\\escaped"]
    for archive_format in Format:
        shard = store.put(foreign([(name, name.encode()) for name in names], archive_format))
        assert read(store, shards, shard, NAMES[archive_format], names) == [name.encode() for name in names]
    files = [path for path in store.folder.rglob("*") if path.is_file()]
    assert all(path.parent == store.folder / "derived" and path.suffix == ".segment" for path in files)


@pytest.mark.parametrize("dialect", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_long_and_foreign_names(store: MemoryStore, shards: ShardIndexes, dialect: int) -> None:
    entries = [("x" * 200, b"1"), ("é" * 90, b"2"), ("d/" * 90 + "f", b"3")]
    shard = store.put(tar_of(entries, dialect))
    assert read(store, shards, shard, "s.tar", [name for name, _ in entries]) == [b"1", b"2", b"3"]


def test_a_shard_without_extension_is_known_by_magic(store: MemoryStore, shards: ShardIndexes) -> None:
    for archive_format in Format:
        shard = store.put(foreign(ENTRIES, archive_format))
        assert read(store, shards, shard, "no-extension", [ENTRIES[9][0]]) == [ENTRIES[9][1]]


def test_a_tar_from_before_posix_is_known_by_its_extension_only(store: MemoryStore, shards: ShardIndexes) -> None:
    data = old_header(b"f", 3) + b"abc".ljust(512, b"\0") + END
    assert read(store, shards, store.put(data), "old.tar", ["f"]) == [b"abc"]
    assert why(store, shards, data, "old", "f") == 'UnknownArchive: unrecognized or unsupported file format: "old"'


def test_several_gzip_members_and_lz4_frames_in_a_row(store: MemoryStore, shards: ShardIndexes) -> None:
    tar = tar_of(ENTRIES)
    for archive_format in COMPRESSED:
        data = b"".join(packed(tar[at : at + 9999], archive_format) for at in range(0, len(tar), 9999))
        found = read(store, shards, store.put(data), NAMES[archive_format], [name for name, _ in ENTRIES])
        assert found == [each for _, each in ENTRIES]


def test_the_error_table_of_unreadable_shards(store: MemoryStore, shards: ShardIndexes) -> None:
    """Source: spec/getbatch.md 7, the texts that were recorded."""
    text, tar = b"just text, nothing to open here " * 30, tar_of([("b", b"1" * 900), ("a.txt", b"2" * 900)])
    unknown = 'UnknownArchive: unrecognized or unsupported file format: "{}"'
    assert why(store, shards, text, "notes.txt") == unknown.format("notes.txt")
    assert why(store, shards, b"", "empty") == unknown.format("empty")
    assert why(store, shards, b"x", "short") == unknown.format("short")
    missing = "MemberNotFound: a.txt in ais://b/{0} does not exist"
    assert why(store, shards, b"", "e.tar") == missing.format("e.tar")
    assert why(store, shards, tar[:1536], "edge.tar") == missing.format("edge.tar")
    assert why(store, shards, text, "text.tar") == "BadArchive: archive/tar: invalid tar header"
    for archive_format, name in ((Format.TAR, "c.tar"), (Format.TGZ, "c.tgz"), (Format.TAR_LZ4, "c.tar.lz4")):
        for size in (1600, 2100):  # inside the header, inside the payload
            data = packed(tar[:size], archive_format)
            assert why(store, shards, data, name) == "TruncatedArchive: unexpected EOF"
    whole = zip_of([("a.txt", b"1" * 900)])
    for data in (text, whole[:-10], b""):
        assert (
            why(store, shards, data, "t.zip") == "BadArchive: failed to open ais://b/t.zip: zip: not a valid zip file"
        )
    assert why(store, shards, text, "t.tgz") == "BadArchive: failed to open ais://b/t.tgz: gzip: invalid header"
    assert why(store, shards, b"", "t.tgz") == "BadArchive: failed to open ais://b/t.tgz: EOF"
    assert why(store, shards, text, "t.tar.lz4") == "BadArchive: lz4: bad magic number"
    assert why(store, shards, b"", "t.tar.lz4") == missing.format("t.tar.lz4")


@pytest.mark.parametrize("archive_format", list(Format))
def test_reliability_07_a_cut_shard_gives_what_lies_before_the_cut(store: MemoryStore, archive_format: Format) -> None:
    whole, names = foreign(ENTRIES, archive_format), [name for name, _ in ENTRIES]
    rng = random.Random(7)
    for size in sorted(rng.sample(range(len(whole)), 60)):
        hits = ShardIndexes(store).resolve(store.put(whole[:size]), NAMES[archive_format], names)
        good = [hit for hit in hits if not isinstance(hit, MossError)]
        assert [payload(store, hit) for hit in good] == [data for _, data in ENTRIES[: len(good)]]
        assert all(isinstance(hit, (BadArchive, MemberNotFound)) for hit in hits[len(good) :])
        if archive_format is Format.TAR and size > 512 + len(ENTRIES[0][1]):
            assert good, "the first member is whole"


def test_btr_04_damage_behind_a_member_does_not_harm_it(store: MemoryStore, shards: ShardIndexes) -> None:
    data = build_header("a", 1) + b"1".ljust(512, b"\0") + b"x" * 512 + build_header("b", 0)
    hits = shards.resolve(store.put(data), "s.tar", ["a", "b"])
    assert payload(store, hits[0]) == b"1"
    assert isinstance(hits[1], BadArchive) and hits[1].message == "archive/tar: invalid tar header"


def test_btr_05_a_bad_entry_of_a_zip_harms_only_itself(store: MemoryStore, shards: ShardIndexes) -> None:
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        data = bytearray(zip_of([("good", b"1" * 100), ("bad", bytes(range(256))), ("last", b"2")], method))
        at = data.index(b"bad") + 40
        data[at] ^= 0xFF
        hits = shards.resolve(store.put(bytes(data)), "s.zip", ["good", "bad", "last"])
        assert payload(store, hits[0]) == b"1" * 100 and payload(store, hits[2]) == b"2"
        assert isinstance(hits[1], BadArchive)
    unknown = zip_of([("a", b"hello")], zipfile.ZIP_LZMA)
    assert why(store, shards, unknown, "u.zip", "a") == "BadArchive: zip: unsupported compression algorithm"


def test_a_wrong_gzip_checksum_spoils_its_own_gzip_member_only(store: MemoryStore, shards: ShardIndexes) -> None:
    tar = tar_of([("a", b"1" * 600), ("b", b"2" * 600)])
    data = bytearray(packed(tar[:1536], Format.TGZ) + packed(tar[1536:], Format.TGZ))
    data[-6] ^= 1
    hits = shards.resolve(store.put(bytes(data)), "s.tgz", ["a", "b"])
    assert payload(store, hits[0]) == b"1" * 600
    assert isinstance(hits[1], BadArchive) and hits[1].message == "gzip: invalid checksum"


def test_sparse_members_are_refused_and_their_neighbours_not(store: MemoryStore, shards: ShardIndexes) -> None:
    sparse = build_pax({"GNU.sparse.major": "1"}, "s") + build_header("s", 3) + b"abc".ljust(512, b"\0")
    tar = sparse + build_header("n", 1) + b"1".ljust(512, b"\0") + END
    for limits in (ShardLimits(), ShardLimits(unpacked_shard_bytes_max=10)):
        for archive_format in (Format.TAR, Format.TGZ):
            shard = store.put(packed(tar, archive_format))
            hits = ShardIndexes(store, limits).resolve(shard, NAMES[archive_format], ["s", "n"])
            assert isinstance(hits[0], BadArchive) and payload(store, hits[1]) == b"1"


def test_a_shard_that_is_damaged_on_disk_is_an_error_and_never_a_table(
    store: MemoryStore, shards: ShardIndexes
) -> None:
    shard = store.put(tar_of(ENTRIES))
    store.segments[shard[0]][5000] ^= 1
    with pytest.raises(ChecksumMismatch):
        shards.resolve(shard, "s.tar", [ENTRIES[0][0]])
    store.segments[shard[0]][5000] ^= 1
    assert read(store, shards, shard, "s.tar", [ENTRIES[0][0]]) == [ENTRIES[0][1]]
    with pytest.raises(SegmentGone):
        shards.resolve((77, *shard[1:5], 77), "s.tar", ["a"])


def test_a_damaged_or_foreign_table_is_built_again(store: MemoryStore) -> None:
    shard = store.put(tar_of(ENTRIES))
    read(store, ShardIndexes(store), shard, "s.tar", [ENTRIES[0][0]])
    key, good = (shard[5], "members"), store.derived[shard[5], "members"]
    for bad in (b"", good[:-1], b"\xff" + good[1:], good[:100] + b"\0" + good[101:]):
        store.derived[key] = bad
        assert read(store, ShardIndexes(store), shard, "s.tar", [ENTRIES[3][0]]) == [ENTRIES[3][1]]
        assert store.derived[key] == good


@pytest.mark.parametrize("archive_format", COMPRESSED)
def test_an_evicted_or_damaged_unpacked_file_is_made_again(store: MemoryStore, archive_format: Format) -> None:
    name, shard = NAMES[archive_format], store.put(foreign(ENTRIES, archive_format))
    names, wanted = [name for name, _ in ENTRIES], [data for _, data in ENTRIES]
    shards = ShardIndexes(store)
    assert read(store, shards, shard, name, names) == wanted
    path = store.derived_segment_path(shard[5])
    path.unlink()
    assert read(store, shards, shard, name, names) == wanted, "what is mapped stays readable"
    assert read(store, ShardIndexes(store), shard, name, names) == wanted and path.exists()
    good = path.read_bytes()
    with path.open("r+b") as file:
        file.seek(len(good) // 2)
        file.write(b"damage!" * 100)
    assert read(store, ShardIndexes(store), shard, name, names) == wanted and path.read_bytes() == good
    os.truncate(path, 100)
    assert read(store, ShardIndexes(store), shard, name, names) == wanted and path.read_bytes() == good


def test_unpacked_files_are_bounded_and_the_least_recently_used_go_first(store: MemoryStore) -> None:
    limits = ShardLimits(unpacked_bytes_max=3 * len(tar_of([*ENTRIES, ENTRIES[0]])))
    shards = ShardIndexes(store, limits)
    extents = [store.put(foreign([*ENTRIES, ("n", b"%d" % number)], Format.TGZ)) for number in range(6)]
    paths = [store.derived_segment_path(shard[5]) for shard in extents]

    def kept() -> list[int]:
        return [number for number, path in enumerate(paths) if path.exists()]

    for number in range(3):
        assert read(store, shards, extents[number], "s.tgz", ["n"]) == [b"%d" % number]
    assert kept() == [0, 1, 2]
    read(store, shards, extents[0], "s.tgz", ["n"])
    for number in (3, 4):
        assert read(store, shards, extents[number], "s.tgz", ["n"]) == [b"%d" % number]
    assert kept() == [0, 3, 4]
    assert read(store, shards, extents[1], "s.tgz", ["n"]) == [b"1"], "what is mapped needs no file"
    assert kept() == [0, 3, 4]


def test_tables_in_memory_are_bounded(store: MemoryStore) -> None:
    shards = ShardIndexes(store, ShardLimits(tables_members_max=200))
    extents = [store.put(tar_of(ENTRIES)) for _ in range(5)]
    for shard in extents:
        read(store, shards, shard, "s.tar", [ENTRIES[0][0]])
    assert list(shards._shards) == [shard[5] for shard in extents[-2:]]
    assert read(store, shards, extents[0], "s.tar", [ENTRIES[1][0]]) == [ENTRIES[1][1]]
    assert len(store.verified) == 5, "a table that was dropped from memory is loaded, not built"


@pytest.mark.parametrize("archive_format", COMPRESSED)
def test_reliability_25_bombs_are_refused_without_filling_the_disk(store: MemoryStore, archive_format: Format) -> None:
    tar = build_header("good", 3) + b"abc".ljust(512, b"\0") + build_header("bomb", 32 << 20) + bytes(32 << 20) + END
    limits = ShardLimits(archive=Limits(ratio_max=100, ratio_free_bytes=4 << 20), unpacked_shard_bytes_max=64 << 20)
    hits = ShardIndexes(store, limits).resolve(
        store.put(packed(tar, archive_format)), NAMES[archive_format], ["good", "bomb"]
    )
    assert payload(store, hits[0]) == b"abc" and isinstance(hits[1], ArchiveLimit)
    assert sum(path.stat().st_size for path in store.folder.rglob("*") if path.is_file()) <= 8 << 20


def test_reliability_25_a_tar_of_eight_eib_and_too_many_members(store: MemoryStore) -> None:
    header = bytearray(build_header("a", 0))
    header[124:136] = b"\x80\0\0\0\x7f" + b"\xff" * 7
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    assert why(store, ShardIndexes(store), bytes(header), "s.tar", "a") == "TruncatedArchive: unexpected EOF"
    shards = ShardIndexes(store, ShardLimits(archive=Limits(members_max=50)))
    hits = shards.resolve(store.put(tar_of(ENTRIES)), "s.tar", [ENTRIES[49][0], ENTRIES[50][0]])
    assert payload(store, hits[0]) == ENTRIES[49][1] and isinstance(hits[1], ArchiveLimit)


def test_reliability_25_overlapping_zip_entries_are_refused(store: MemoryStore, shards: ShardIndexes) -> None:
    whole = zip_of([("a", random.Random(1).randbytes(5000))], zipfile.ZIP_STORED)
    start = whole.index(b"PK\1\2")
    central, end = whole[start : whole.index(b"PK\5\6")], bytearray(whole[whole.index(b"PK\5\6") :])
    copies = b"".join(central.replace(b"a", bytes([97 + number])) for number in range(20))
    end[8:16] = (20).to_bytes(2, "little") * 2 + len(copies).to_bytes(4, "little")
    assert why(store, shards, whole[:start] + copies + bytes(end), "o.zip", "a") == "ArchiveLimit: zip: entries overlap"


def test_reliability_25_a_zip_entry_that_is_larger_than_it_says(store: MemoryStore, shards: ShardIndexes) -> None:
    data = bytearray(zip_of([("a", bytes(1 << 20))]))
    at = data.index(b"PK\1\2") + 24
    data[at : at + 4] = (10).to_bytes(4, "little")
    assert why(store, shards, bytes(data), "b.zip", "a") == "BadArchive: zip: checksum error"


def test_large_decoded_members_are_views_of_unnamed_files(store: MemoryStore) -> None:
    entries = [(f"{number}", random.Random(number).randbytes(500_000)) for number in range(6)]
    shard = store.put(zip_of(entries))
    hits = ShardIndexes(store, ShardLimits(decoded_bytes_max=1_200_000)).resolve(
        shard, "s.zip", [n for n, _ in entries]
    )
    assert [type(hit) for hit in hits] == [bytes, bytes, memoryview, memoryview, memoryview, memoryview]
    assert [bytes(hit) for hit in hits] == [data for _, data in entries]
    assert not list((store.folder / "derived").iterdir())


def test_listing_gives_files_in_order(store: MemoryStore, shards: ShardIndexes) -> None:
    wanted = [Member(name, len(data)) for name, data in ENTRIES]
    for archive_format in Format:
        shard = store.put(foreign(ENTRIES, archive_format))
        assert shards.list_members(shard, NAMES[archive_format]) == wanted
    scanning = ShardIndexes(store, ShardLimits(unpacked_shard_bytes_max=10))
    assert scanning.list_members(store.put(foreign(ENTRIES, Format.TGZ)), "s.tgz") == wanted


def test_listing_a_shard_that_breaks_off_gives_what_stands_before_the_break(
    store: MemoryStore, shards: ShardIndexes
) -> None:
    whole = tar_of(ENTRIES)
    found = shards.list_members(store.put(whole[:9999]), "s.tar")
    assert found
    assert found == [Member(name, len(data)) for name, data in ENTRIES][: len(found)]
    for name in ("s.tar", "s.tgz", "s.zip"):
        with pytest.raises(BadArchive):
            shards.list_members(store.put(b"no archive" * 99), name)


def test_listing_shows_members_of_one_name_and_no_links(store: MemoryStore, shards: ShardIndexes) -> None:
    entries = [("a", b"first"), ("b", b"2"), ("a", b"again!")]
    for archive_format in Format:
        shard = store.put(foreign(entries, archive_format))
        assert shards.list_members(shard, NAMES[archive_format]) == [Member("a", 5), Member("b", 1), Member("a", 6)]
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as writer:
        for name, kind in (("d", tarfile.DIRTYPE), ("l", tarfile.SYMTYPE), ("f", tarfile.REGTYPE)):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "f"
            writer.addfile(member)
    assert shards.list_members(store.put(tar.getvalue()), "s.tar") == [Member("f", 0)]


def test_contents_are_kept_beside_the_shard_and_made_again_when_they_are_of_another_format(store: MemoryStore) -> None:
    shard = store.put(tar_of(ENTRIES))
    first, view = ShardIndexes(store).contents(shard, "s.tar")
    assert view[: first.stops[-1]] == b"".join(view[first.start(row) : first.stops[row]] for row in range(len(ENTRIES)))
    assert not any(view[first.stops[-1] :])
    ((key, kept),) = store.derived.items()
    assert ShardIndexes(store).contents(shard, "s.tar")[0] == first
    assert store.verified == [shard[5]]
    for broken in (b"", b"\x09" + kept[1:], kept[:-1], kept + b"x"):
        store.derived[key] = broken
        assert ShardIndexes(store).contents(shard, "s.tar")[0] == first


def test_a_forgotten_version_takes_its_file_along(store: MemoryStore, shards: ShardIndexes) -> None:
    shard = store.put(foreign(ENTRIES, Format.TGZ))
    read(store, shards, shard, "s.tgz", [ENTRIES[0][0]])
    shards.forget(shard[5])
    assert not store.derived_segment_path(shard[5]).exists()


@pytest.mark.parametrize("archive_format", list(Format))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(changes=st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(1, 255)), min_size=1, max_size=3))
def test_damaged_archives_give_bytes_or_errors_of_ours(
    store: MemoryStore, archive_format: Format, changes: list[tuple[int, int]]
) -> None:
    """Whatever was uploaded: no other exception, and of checked formats never a wrong byte.

    Damage that makes a gzip stream look cut cannot be told from a cut, before which all bytes are good.
    """
    data = bytearray(foreign(ENTRIES[:20], archive_format))
    for at, change in changes:
        data[at % len(data)] ^= change
    hits = ShardIndexes(store).resolve(
        store.put(bytes(data)), NAMES[archive_format], [name for name, _ in ENTRIES[:20]]
    )
    is_cut = any(isinstance(hit, TruncatedArchive) for hit in hits)
    for hit, (_, wanted) in zip(hits, ENTRIES[:20], strict=True):
        if is_cut and archive_format is Format.TGZ:
            continue
        if archive_format in (Format.ZIP, Format.TGZ) and not isinstance(hit, MossError):
            assert zlib.crc32(payload(store, hit)) == zlib.crc32(wanted)
