"""Reading ZIPs of all sorts, and refusing the rest."""

import io
import struct
import zipfile
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moss.archive.formats import Format
from moss.archive.limits import Limits
from moss.archive.zip_parse import inflate, read_directory, read_entry, stored_span
from moss.errors import ArchiveLimit, BadArchive
from tests.archive.making import ours, zip_of

ENTRIES = [("a.txt", b"alpha"), ("d/", b""), ("d/é", b"z" * 5000), ("empty", b"")]


def read(archive: bytes) -> list[tuple[str, bytes]]:
    return [(entry.name, b"".join(read_entry(archive, entry))) for entry in read_directory(archive)]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zip_with_prefix_and_comment_is_read(method: int) -> None:
    archive = zip_of(ENTRIES, method)
    assert read(archive) == ENTRIES
    assert [entry.is_folder for entry in read_directory(archive)] == [False, True, False, False]
    assert read(b"#!/bin/sh\nexit\n" + archive) == ENTRIES
    commented = archive[:-2] + struct.pack("<H", 11) + b"PK\5\6comment"
    assert read(commented) == ENTRIES
    out = io.BytesIO(b"prefix that the offsets know of")
    with zipfile.ZipFile(out, "a") as appended:
        appended.writestr("x", b"y")
    assert read(out.getvalue()) == [("x", b"y")]


def test_data_descriptors_and_zip64_are_read() -> None:
    assert read(ours(ENTRIES[:1] + ENTRIES[2:], Format.ZIP)) == ENTRIES[:1] + ENTRIES[2:]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive, archive.open("big", "w", force_zip64=True) as member:
        member.write(b"1234")
    assert read(out.getvalue()) == [("big", b"1234")]
    many = [(f"{number}", b"") for number in range(65_600)]
    assert [entry.name for entry in read_directory(zip_of(many))] == [name for name, _ in many]


@pytest.mark.parametrize("archive", [b"", b"PK", b"no zip at all" * 100, b"PK\5\6" + bytes(10)])
def test_what_is_no_zip_is_refused(archive: bytes) -> None:
    with pytest.raises(BadArchive, match=r"^zip: not a valid zip file$"):
        read_directory(archive)


def test_every_cut_is_noticed() -> None:
    archive = zip_of(ENTRIES)
    for size in range(len(archive)):
        with pytest.raises(BadArchive):
            read_directory(archive[:size])


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_damage_gives_right_bytes_or_an_error(at: int, change: int) -> None:
    archive = bytearray(zip_of(ENTRIES))
    at %= len(archive)
    archive[at] ^= change
    wanted = [payload for _, payload in ENTRIES]
    try:
        entries = read_directory(bytes(archive))
    except BadArchive:
        return
    for entry in entries:
        try:
            # What a flipped name or folder mark cannot change is the payload.
            assert b"".join(read_entry(bytes(archive), entry)) in wanted
        except BadArchive:
            pass


def test_a_wrong_checksum_is_noticed_in_stored_and_deflated_entries() -> None:
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        archive = zip_of([("a", b"hello" * 10)], method)
        (entry,) = read_directory(archive)
        with pytest.raises(BadArchive, match=r"^zip: checksum error$"):
            list(read_entry(archive, entry._replace(crc=1)))


def test_methods_that_are_not_known_and_encryption_are_refused() -> None:
    archive = zip_of([("a", b"hello")], zipfile.ZIP_BZIP2)
    with pytest.raises(BadArchive, match=r"^zip: unsupported compression algorithm$"):
        list(read_entry(archive, read_directory(archive)[0]))
    archive = zip_of([("a", b"hello")])
    with pytest.raises(BadArchive):
        list(read_entry(archive, read_directory(archive)[0]._replace(is_encrypted=True)))


def test_an_entry_cannot_point_out_of_the_file() -> None:
    archive = zip_of([("a", b"hello")])
    (entry,) = read_directory(archive)
    for bad in (
        entry._replace(header_offset=1 << 60),
        entry._replace(packed_size=1 << 40),
        entry._replace(header_offset=5),
    ):
        with pytest.raises(BadArchive):
            stored_span(archive, bad)


def test_bombs_stop_one_byte_behind_what_they_announce() -> None:
    packed = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = packed.compress(bytes(50 << 20)) + packed.flush()
    pieces = []
    with pytest.raises(BadArchive, match="checksum error"):
        pieces += inflate(bomb, 1000, 0)
    with pytest.raises(ArchiveLimit):
        list(inflate(bomb, 50 << 20, 0, Limits(decoded_bytes_max=1 << 20)))
    assert sum(map(len, inflate(bomb, 50 << 20, zlib.crc32(bytes(50 << 20))))) == 50 << 20


def test_the_number_of_entries_is_limited() -> None:
    archive = zip_of([(str(number), b"") for number in range(20)])
    assert len(read_directory(archive, Limits(members_max=20))) == 20
    with pytest.raises(ArchiveLimit):
        read_directory(archive, Limits(members_max=19))
    # One that lies about the number.
    lying = bytearray(archive)
    lying[-14:-10] = b"\x01\0\x01\0"
    with pytest.raises(BadArchive):
        read_directory(bytes(lying), Limits(members_max=19))
