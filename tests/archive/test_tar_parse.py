"""Reading TAR headers: every dialect, every kind of damage."""

import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moss.archive.limits import Limits
from moss.archive.tar import END, build_header, build_pax
from moss.archive.tar_parse import Kind, fast_header, parse_header, parse_number, walk
from moss.errors import ArchiveLimit, BadArchive, TruncatedArchive
from tests.archive.making import tar_of

ENTRIES = [("a.txt", b"alpha"), ("d/" + "x" * 120, b""), ("é" * 80, b"z" * 512), ("d/b", b"y" * 513)]


def old_header(name: bytes, size: int, kind: bytes = b"\0") -> bytes:
    """A header from before POSIX: no magic."""
    header = bytearray(512)
    header[: len(name)] = name
    header[100:124] = b"0000644\0" + b"0000000\0" * 2
    header[124:148] = b"%11o " % size + b"00000000000\0"
    header[156:157] = kind
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


@pytest.mark.parametrize("dialect", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_long_and_foreign_names_of_both_dialects(dialect: int) -> None:
    tar = tar_of(ENTRIES, dialect)
    found = [(member.name, tar[member.data_offset : member.data_offset + member.size]) for member in walk(tar)]
    assert found == ENTRIES


def test_ustar_prefixes_are_joined_and_gnu_fields_in_their_place_are_not() -> None:
    assert parse_header(build_header("p" * 155 + "/" + "q" * 100, 1)).name == b"p" * 155 + b"/" + b"q" * 100
    info = tarfile.TarInfo("q")
    gnu = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    gnu[345:350] = b"01234"
    gnu[148:156] = b" " * 8
    gnu[148:156] = b"%06o\0 " % sum(gnu)
    assert parse_header(bytes(gnu)).name == b"q"


def test_a_tar_from_before_posix_is_read_and_knows_folders_by_their_slash() -> None:
    tar = old_header(b"d/", 0) + old_header(b"d/f", 3) + b"abc".ljust(512, b"\0") + END
    assert [(member.name, member.kind, member.size) for member in walk(tar)] == [
        ("d/", Kind.FOLDER, 0),
        ("d/f", Kind.FILE, 3),
    ]


def test_links_folders_and_devices_have_no_payload_whatever_their_size_says() -> None:
    kinds = {b"1": Kind.HARDLINK, b"2": Kind.SYMLINK, b"3": Kind.SPECIAL, b"4": Kind.SPECIAL, b"6": Kind.SPECIAL}
    for letter, kind in kinds.items():
        tar = old_header(b"l", 5000, letter) + old_header(b"f", 1) + b"1".ljust(512, b"\0") + END
        assert [(member.name, member.kind, member.size) for member in walk(tar)] == [
            ("l", kind, 0),
            ("f", Kind.FILE, 1),
        ]


def test_several_pax_headers_before_one_member_add_up_and_end_with_it() -> None:
    tar = build_pax({"MOSS.index": "3"}, "x") + build_header("é", 0) + build_header("b", 0) + END
    first, second = walk(tar)
    assert (first.name, first.pax) == ("é", {"MOSS.index": "3", "path": "é"})
    assert (second.name, second.pax) == ("b", None)


def test_global_pax_headers_are_no_members() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT, pax_headers={"comment": "x"}) as archive:
        archive.addfile(tarfile.TarInfo("a"))
    assert [member.name for member in walk(out.getvalue())] == ["a"]


def test_sparse_members_of_both_kinds_are_told() -> None:
    old = bytearray(old_header(b"s", 512, b"S"))
    old[257:265] = b"ustar  \0"
    old[482] = 1
    old[148:156] = b" " * 8
    old[148:156] = b"%06o\0 " % sum(old)
    tar = bytes(old) + bytes(512) + b"d" * 512 + build_header("n", 0) + END
    assert [(member.name, member.kind, member.data_offset) for member in walk(tar)] == [
        ("s", Kind.SPARSE, 1024),
        ("n", Kind.FILE, 2048),
    ]
    new = build_pax({"GNU.sparse.major": "1", "GNU.sparse.name": "real"}, "s") + build_header("s", 0) + END
    assert [(member.name, member.kind) for member in walk(new)] == [("real", Kind.SPARSE)]


def test_numbers_are_octal_or_base_256() -> None:
    assert parse_number(b"0000644\0") == 0o644
    assert parse_number(b"   644 \0") == 0o644
    assert parse_number(b"\0" * 8) == 0
    assert parse_number(b"\x80" + bytes(6) + b"\x05") == 5
    assert parse_number(b"\xff" * 12) == -1
    for bad in (b"0000648\0", b"-000001\0", b"0_00001\0", b"0o00001\0", b"abcdefg\0"):
        with pytest.raises(BadArchive, match=r"^archive/tar: invalid tar header$"):
            parse_number(bad)


def test_the_fast_way_takes_what_the_slow_way_takes_and_leaves_the_rest() -> None:
    block = build_header("b/o", 5)
    assert fast_header(block, 7) == ("b/o", 5, Kind.FILE, 7, None, b"0")
    for at in [*range(154), *range(156, 512)]:  # between them: what ends the checksum field
        damaged = bytearray(block)
        damaged[at] ^= 0x15
        assert fast_header(bytes(damaged), 0) is None, f"damage at {at} must be noticed"
    assert fast_header(bytes(512), 0) is None


def test_signed_checksums_of_old_programs_are_accepted() -> None:
    header = bytearray(old_header(b"\xe9", 0))
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(byte - 256 if byte > 127 else byte for byte in header)
    assert parse_header(bytes(header)).name == b"\xe9"


def cut(tar: bytes) -> str:
    """How a walk over a cut archive ends: its last member and error."""
    names: list[str] = []
    try:
        for member in walk(tar):
            names.append(member.name)
    except BadArchive as error:
        names.append(error.message)
    return ",".join(names)


def test_where_an_archive_may_end() -> None:
    """Source: spec/getbatch.md 7."""
    tar = build_header("a", 5) + b"hello".ljust(512, b"\0") + build_header("b", 0) + END
    assert cut(b"") == "" and cut(tar) == "a,b"
    assert cut(tar[:100]) == "unexpected EOF"
    assert cut(tar[:514]) == "unexpected EOF", "inside the payload"
    assert cut(tar[:600]) == "a", "inside the padding"
    assert cut(tar[:1024]) == "a", "between members"
    assert cut(tar[:1100]) == "a,unexpected EOF"
    assert cut(tar[:1536]) == "a,b" and cut(tar[:2048]) == "a,b"
    assert cut(tar[:2100]) == "a,b,unexpected EOF"
    assert cut(tar[:2048] + build_header("c", 0)) == "a,b,archive/tar: invalid tar header"
    assert cut(tar[:1024] + b"x" * 512) == "a,archive/tar: invalid tar header"


def test_limits_of_count_and_of_extensions() -> None:
    tar = build_header("a", 0) * 5 + END
    assert len(list(walk(tar, Limits(members_max=5)))) == 5
    with pytest.raises(ArchiveLimit):
        list(walk(tar, Limits(members_max=4)))
    pax = build_pax({"k": "v" * 90}, "a") + build_header("a", 0) + END
    assert len(list(walk(pax, Limits(extension_bytes_max=96)))) == 1
    with pytest.raises(ArchiveLimit):
        list(walk(pax, Limits(extension_bytes_max=95)))


def test_a_size_of_eight_eib_is_only_a_cut_archive() -> None:
    header = bytearray(build_header("a", 0))
    header[124:136] = b"\x80\0\0\0\x7f" + b"\xff" * 7
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    with pytest.raises(TruncatedArchive):
        list(walk(bytes(header) + bytes(5000)))


@pytest.mark.parametrize(
    "records",
    [b"8 path=a\n", b"11 path=a\n", b"x path=a\n", b"10 path\n", b"5 =b\n", b"11 path=a\0\n", b"99999999999 a=b\n"],
)
def test_broken_pax_records_are_broken_headers(records: bytes) -> None:
    blocks = bytearray(build_pax({"k": "v"}, "a"))
    blocks[512:1024] = records.ljust(512, b"\0")
    blocks[124:136] = b"%011o\0" % len(records)
    blocks[148:156] = b" " * 8
    blocks[148:156] = b"%06o\0 " % sum(blocks[:512])
    with pytest.raises(BadArchive, match="invalid tar header"):
        list(walk(bytes(blocks) + build_header("a", 0) + END))


@given(st.binary(max_size=3000), st.integers(0, 4000))
def test_garbage_ends_with_members_or_an_archive_error(garbage: bytes, at: int) -> None:
    tar = tar_of(ENTRIES)
    mixed = tar[:at] + garbage + tar[at:]
    try:
        for member in walk(mixed):
            assert 0 <= member.data_offset <= member.data_offset + member.size <= len(mixed)
    except BadArchive:
        pass
