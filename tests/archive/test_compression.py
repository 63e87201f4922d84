"""Compressed TAR streams to the byte, where the format fixes them."""

import gzip
import os
import zlib

import lz4.frame
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moss.archive.compression import GzipStream, Lz4Stream, adler32, crc32

PIECES = st.lists(st.binary(max_size=4000), max_size=10)


@given(PIECES)
def test_gzip_is_one_member_with_a_fixed_header(pieces: list[bytes]) -> None:
    stream = GzipStream()
    out = stream.update(pieces[:3]) + stream.update(pieces[3:]) + stream.finish()
    assert out[:10] == bytes.fromhex("1f8b08000000000004ff")
    decoder = zlib.decompressobj(31)
    assert decoder.decompress(out) == b"".join(pieces) and decoder.eof and not decoder.unused_data
    assert gzip.decompress(out) == b"".join(pieces)


@given(PIECES)
def test_lz4_is_one_frame_with_a_fixed_header_and_end(pieces: list[bytes]) -> None:
    stream = Lz4Stream()
    out = stream.update(pieces[:3]) + stream.update(pieces[3:]) + stream.finish()
    assert out[:7] == bytes.fromhex("04224d186050fb") and out[-4:] == bytes(4)
    assert lz4.frame.decompress(out) == b"".join(pieces)


@pytest.mark.parametrize("size", [(256 << 10) - 1, 256 << 10, (256 << 10) + 1, 1 << 20])
def test_lz4_blocks_are_256_kib_and_stored_where_they_do_not_shrink(size: int) -> None:
    for data in (bytes(size), os.urandom(size)):
        stream = Lz4Stream()
        out = b"".join([stream.update([data[:1000]]), stream.update([memoryview(data)[1000:]]), stream.finish()])
        assert lz4.frame.decompress(out) == data
        assert lz4.frame.get_frame_info(out)["block_size"] == 256 << 10
        assert lz4.frame.get_frame_info(out)["block_linked"] is False
    assert int.from_bytes(out[7:11], "little") == min(size, 256 << 10) | 1 << 31


def test_streams_of_nothing_are_whole() -> None:
    assert gzip.decompress(GzipStream().finish()) == b"" and lz4.frame.decompress(Lz4Stream().finish()) == b""


def test_checksums_are_those_of_zlib() -> None:
    assert crc32(b"hello") == zlib.crc32(b"hello") and adler32(b"b", adler32(b"a")) == zlib.adler32(b"ab")
