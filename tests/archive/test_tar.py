"""TAR headers to the byte."""

import hashlib
import io
import tarfile

from hypothesis import given
from hypothesis import strategies as st

from moss.archive.formats import Format
from moss.archive.tar import END, PADDINGS, build_header, build_headers, build_pax, is_plain, walk
from tests.archive.making import ours, read_by_others

HELLO = (
    b"b/o" + bytes(97) + b"0000644\0" + b"0000000\0" + b"0000000\0" + b"00000000005\0" + b"00000000000\0"
    + b"007602\0 " + b"0" + bytes(100) + b"ustar\0" + b"00" + bytes(32) + bytes(32) + b"0000000\0" + b"0000000\0"
    + bytes(155) + bytes(12)
)  # fmt: skip


def test_a_header_is_these_512_bytes() -> None:
    assert build_header("b/o", 5) == HELLO
    assert build_headers(["b/o"], [5]) == [HELLO]


def test_the_recorded_answers_are_reproduced() -> None:
    """Source: spec/getbatch.md 4.2."""
    hello = ours([("b/o", b"hello")], Format.TAR)
    assert len(hello) == 2048
    assert hashlib.sha256(hello).hexdigest() == "70f363ae645103be601e1297ebe7f6cddf84dc72fc520b6a90b5303a256829a7"
    missing = ours([("__404__/b/x", b"")], Format.TAR)
    assert len(missing) == 1536
    assert hashlib.sha256(missing).hexdigest() == "e094015f0d34ff202b77c1a667f9b92d08f4b4bbf4c37e9f626eda19254aaf7c"


def test_the_end_is_two_zero_blocks_and_paddings_fill_a_block() -> None:
    assert bytes(1024) == END
    assert all((size + len(PADDINGS[-size & 511])) % 512 == 0 for size in range(2000))


def test_a_name_of_100_bytes_fits_as_it_is() -> None:
    header = build_header("a" * 100, 1)
    assert len(header) == 512 and header[:108] == b"a" * 100 + b"0000644\0" and header[345:500] == bytes(155)


def test_a_longer_ascii_name_is_split_at_the_last_slash_that_fits() -> None:
    header = build_header("p" * 155 + "/" + "q" * 100, 1)
    assert len(header) == 512 and header[:100] == b"q" * 100 and header[345:500] == b"p" * 155
    header = build_header("level/" * 39 + "level", 1)
    assert header[345:500].rstrip(b"\0") == b"level/" * 25 + b"level"
    assert header[:100].rstrip(b"\0") == b"level/" * 13 + b"level"
    assert [is_plain(name) for name in ("a" * 100, "b" * 50 + "/" + "c" * 50, "s" * 101, "é", "a\0")] == [
        True, True, False, False, False,
    ]  # fmt: skip


def test_a_name_that_cannot_be_split_gets_a_pax_header() -> None:
    name = "d/" + "s" * 200
    pax, records, header = (build_header(name, 7)[at : at + 512] for at in (0, 512, 1024))
    assert pax[:100] == (b"d/PaxHeaders.0/" + b"s" * 200)[:100]
    assert pax[100:148] == b"0000000\0" * 3 + b"00000000324\0" + b"00000000000\0"
    assert pax[156:157] == b"x" and pax[257:265] == b"ustar\x0000"
    assert pax[329:345] == bytes(16), "device numbers of a pax header are zero bytes, not digits"
    assert records == b"212 path=d/" + b"s" * 200 + b"\n" + bytes(512 - 212)
    assert header[:100] == (b"d/" + b"s" * 200)[:100] and header[124:136] == b"00000000007\0"
    assert len(build_header(name, 7)) == 1536


def test_a_name_outside_ascii_gets_a_pax_header_and_loses_the_letters_in_the_other() -> None:
    blocks = build_header("été/ü.txt", 0)
    assert blocks[:22].rstrip(b"\0") == b"t/PaxHeaders.0/.txt"
    assert blocks[512 : 512 + 21] == "21 path=été/ü.txt\n".encode()
    assert blocks[1024:1124].rstrip(b"\0") == b"t/.txt"


def test_a_size_of_eight_gib_gets_a_pax_record() -> None:
    assert len(build_header("big", (8 << 30) - 1)) == 512
    blocks = build_header("big", 8 << 30)
    assert blocks[512:531] == b"19 size=8589934592\n"
    assert blocks[1024 + 124 : 1024 + 136] == b"00000000000\0"
    with tarfile.open(fileobj=io.BytesIO(blocks + END)) as archive:
        assert archive.next().size == 8 << 30
    assert build_headers(["a", "big"], [1, 8 << 30]) == [build_header("a", 1), blocks]


def test_pax_records_count_their_own_length_and_are_sorted() -> None:
    blocks = build_pax({"MOSS.index": "7", "MOSS.error": "é"}, "b/o")
    assert blocks[:17].rstrip(b"\0") == b"b/PaxHeaders.0/o"
    assert blocks[512:].rstrip(b"\0") == "17 MOSS.error=é\n16 MOSS.index=7\n".encode()
    # 94 and two digits make 97: the length grows by a digit through itself.
    for size in range(80, 100):
        record = build_pax({"k": "v" * size}, "o")[512:].rstrip(b"\0")
        assert int(record.split(b" ")[0]) == len(record)


def test_a_nul_is_left_out_of_a_name() -> None:
    assert build_headers(["a\0b", "c"], [1, 2]) == [build_header("ab", 1), build_header("c", 2)]
    assert build_header("é\0", 1) == build_header("é", 1)


def test_bytes_that_are_no_utf8_are_written_as_they_are() -> None:
    name = b"\xff.txt".decode("utf-8", "surrogateescape")
    assert b"14 path=\xff.txt\n" in build_header(name, 1)
    assert [member.name for member in walk(build_header(name, 0) + END)] == [name]
    assert "\ufffd".encode() in build_header("\ud800", 1)


NAMES = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), min_size=1, max_size=300).filter(
    lambda name: not name.endswith("/")
)


@given(st.lists(st.tuples(NAMES, st.binary(max_size=1500)), max_size=12))
def test_whatever_is_written_others_read(entries: list[tuple[str, bytes]]) -> None:
    assert read_by_others(ours(entries, Format.TAR), Format.TAR) == entries


@given(st.lists(st.tuples(NAMES, st.integers(0, 1 << 36)), max_size=12))
def test_a_window_gives_what_single_headers_give(entries: list[tuple[str, int]]) -> None:
    names, sizes = [name for name, _ in entries], [size for _, size in entries]
    assert build_headers(names, sizes) == [build_header(name, size) for name, size in entries]


@given(st.text("abcdefghijklm.0123456789_-", min_size=1, max_size=100), st.integers(0, (8 << 30) - 1))
def test_plain_headers_say_to_tarfile_what_they_should(name: str, size: int) -> None:
    info = tarfile.TarInfo.frombuf(build_header(name, size), "utf-8", "strict")
    assert (info.name, info.size, info.mode, info.mtime, info.type) == (name, size, 0o644, 0, b"0")
