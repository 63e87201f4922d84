"""Decompressors: any number of members, bounded pieces, every cut noticed, bombs stopped."""

import gzip
import os

import lz4.frame
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moss.archive.decompression import make_decompressor
from moss.archive.formats import Format
from moss.archive.limits import DEFAULT_LIMITS, Limits
from moss.errors import ArchiveLimit, BadArchive, TruncatedArchive

FORMATS = [Format.TGZ, Format.TAR_LZ4]
PACK = {Format.TGZ: gzip.compress, Format.TAR_LZ4: lz4.frame.compress}


def unpack(archive_format: Format, pieces: list[bytes], limits: Limits = DEFAULT_LIMITS) -> bytes:
    decompressor = make_decompressor(archive_format, limits)
    out = [unpacked for piece in pieces for unpacked in decompressor.feed(piece)]
    assert all(len(each) <= 1 << 20 for each in out)
    decompressor.finish()
    assert decompressor.sound_bytes == decompressor.unpacked_bytes == sum(map(len, out))
    return b"".join(out)


@pytest.mark.parametrize("archive_format", FORMATS)
@given(parts=st.lists(st.binary(max_size=3000), min_size=1, max_size=4), step=st.integers(1, 5000))
def test_several_members_in_a_row_are_one_stream(archive_format: Format, parts: list[bytes], step: int) -> None:
    packed = b"".join(PACK[archive_format](part) for part in parts)
    pieces = [packed[at : at + step] for at in range(0, len(packed), step)]
    assert unpack(archive_format, pieces) == b"".join(parts)


@pytest.mark.parametrize("archive_format", FORMATS)
def test_large_and_dense_input_comes_in_bounded_pieces(archive_format: Format) -> None:
    data = bytes(20 << 20) + os.urandom(1 << 20)
    assert unpack(archive_format, [PACK[archive_format](data)]) == data


@pytest.mark.parametrize("archive_format", FORMATS)
def test_every_cut_is_noticed(archive_format: Format) -> None:
    packed = PACK[archive_format](b"hello" * 1000 + os.urandom(200))
    for size in range(len(packed)):
        with pytest.raises(TruncatedArchive):
            unpack(archive_format, [packed[:size]])


@pytest.mark.parametrize(
    ("archive_format", "text"), [(Format.TGZ, "gzip: invalid header"), (Format.TAR_LZ4, "lz4: bad magic number")]
)
def test_other_bytes_are_refused_at_the_beginning_and_behind_a_member(archive_format: Format, text: str) -> None:
    for packed in (b"just text", PACK[archive_format](b"x") + b"just text"):
        with pytest.raises(BadArchive, match=f"^{text}$"):
            unpack(archive_format, [packed])


def test_gzip_with_name_and_comment_is_read() -> None:
    packed = bytearray(gzip.compress(b"hello"))
    packed[3] = 0x18
    assert unpack(Format.TGZ, [bytes(packed[:10]) + b"name.tar\0a comment\0" + bytes(packed[10:])]) == b"hello"


def test_stored_lz4_blocks_content_checksums_and_skippable_frames_are_read() -> None:
    data = os.urandom(100_000)
    packed = lz4.frame.compress(data, content_checksum=True, block_checksum=True, store_size=False)
    skippable = b"\x5a\x2a\x4d\x18" + (3).to_bytes(4, "little") + b"abc"
    assert unpack(Format.TAR_LZ4, [skippable + packed + skippable]) == data
    damaged = bytearray(packed)
    damaged[-1] ^= 1
    with pytest.raises(BadArchive, match=r"^lz4: corrupt input"):
        unpack(Format.TAR_LZ4, [bytes(damaged)])


def test_a_wrong_gzip_checksum_is_noticed_and_says_how_much_was_sound() -> None:
    packed = bytearray(gzip.compress(b"first" * 100) + gzip.compress(b"second" * 100))
    packed[-8] ^= 1
    decompressor = make_decompressor(Format.TGZ)
    with pytest.raises(BadArchive, match=r"^gzip: invalid checksum$"):
        for _ in decompressor.feed(packed):
            pass
    assert decompressor.sound_bytes == 500


@pytest.mark.parametrize("archive_format", FORMATS)
def test_flipped_bits_never_give_wrong_bytes_of_a_checked_stream(archive_format: Format) -> None:
    data = b"some text, some more text, some numbers: " + bytes(range(256)) * 3
    options = {"content_checksum": True} if archive_format is Format.TAR_LZ4 else {}
    packed = PACK[archive_format](data, **options)
    for at in range(len(packed) * 8):
        damaged = bytearray(packed)
        damaged[at // 8] ^= 1 << at % 8
        try:
            assert unpack(archive_format, [bytes(damaged)]) == data
        except BadArchive:
            pass


@pytest.mark.parametrize("archive_format", FORMATS)
def test_bombs_stop_at_the_limits(archive_format: Format) -> None:
    packed = PACK[archive_format](bytes(8 << 20))
    with pytest.raises(ArchiveLimit, match=r"^archive unpacks to more than 100 times its size$"):
        unpack(archive_format, [packed], Limits(ratio_max=100, ratio_free_bytes=1 << 20))
    with pytest.raises(ArchiveLimit, match=r"^archive unpacks to more than 4194304 bytes$"):
        unpack(archive_format, [packed], Limits(unpacked_bytes_max=4 << 20))
    assert len(unpack(archive_format, [packed], Limits(unpacked_bytes_max=8 << 20, ratio_max=1))) == 8 << 20
