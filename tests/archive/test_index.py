"""The shard index object, to the byte."""

import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moss.archive.formats import Format
from moss.archive.index import (
    ENTRIES_MAX,
    IndexEntry,
    ShardIndex,
    build_shard_index,
    pack_shard_index,
    unpack_shard_index,
)
from moss.archive.tar import END, build_header
from moss.errors import BadArchive, BadShardIndex, TruncatedArchive
from tests.archive.making import ours, tar_of
from tests.archive.test_tar_parse import old_header

VECTOR = "010001d06cf0a089e493ef0778786861736832103031323334353637383961626364656680100105612e7478740005"


def test_the_documented_vector_both_ways() -> None:
    """Source: spec/getbatch.md 10.3."""
    index = ShardIndex("xxhash2", "0123456789abcdef", 2048, {"a.txt": IndexEntry(0, 5)})
    assert pack_shard_index(index).hex() == VECTOR
    assert unpack_shard_index(bytes.fromhex(VECTOR)) == index


def test_the_recorded_index_of_a_real_shard() -> None:
    index = build_shard_index(
        ours([("a.txt", b"hello")], Format.TAR), checksum_type="xxhash2", checksum_value="6da05b89311f859d"
    )
    assert pack_shard_index(index).hex() == (
        "01000111746189d493ebca0778786861736832103664613035623839333131663835396480100105612e7478740005"
    )


@given(
    st.dictionaries(
        st.text(st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=200),
        st.tuples(st.integers(0, 1 << 40), st.integers(0, 1 << 40)),
    )
)
def test_packing_and_unpacking_is_the_identity(places: dict[str, tuple[int, int]]) -> None:
    entries = {name: IndexEntry(*place) for name, place in places.items()}
    index = ShardIndex("md5", "00ff", 1 << 42, entries)
    assert unpack_shard_index(pack_shard_index(index)) == index


@pytest.mark.parametrize("dialect", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_offsets_lead_to_the_last_header_block(dialect: int) -> None:
    entries = [("a", b"1"), ("é" * 80, b"22"), ("x" * 150, b""), ("b", b"3" * 600)]
    tar = tar_of(entries, dialect)
    index = build_shard_index(tar, checksum_type="none", checksum_value="")
    read = [(name, tar[entry.offset + 512 :][: entry.size]) for name, entry in index.entries.items()]
    assert read == entries


def test_only_regular_files_count_and_the_first_of_a_name() -> None:
    tar = old_header(b"d/", 0, b"5") + old_header(b"l", 0, b"2") + old_header(b"h", 0, b"1") + old_header(b"o", 0)
    tar += build_header("a", 0) + build_header("/a", 0) + build_header("a", 0) + old_header(b"c", 0, b"7") + END
    index = build_shard_index(tar, checksum_type="", checksum_value="")
    assert index.entries == {"o": IndexEntry(1536, 0), "a": IndexEntry(2048, 0), "/a": IndexEntry(2560, 0)}


def test_a_shard_cut_between_members_is_indexed_as_far_as_it_goes() -> None:
    tar = tar_of([("a", b"1"), ("b", b"2")])
    assert list(build_shard_index(tar[:700], checksum_type="", checksum_value="").entries) == ["a"]
    with pytest.raises(TruncatedArchive):
        build_shard_index(tar[:1200], checksum_type="", checksum_value="")
    with pytest.raises(BadArchive):
        build_shard_index(b"this is no archive at all, only words", checksum_type="", checksum_value="")


def test_an_index_is_stale_when_size_or_checksum_differ() -> None:
    """Source: spec/getbatch.md 10.4."""
    index = ShardIndex("xxhash2", "aa", 10)
    assert not index.is_stale(size=10, checksum_type="xxhash2", checksum_value="aa")
    assert index.is_stale(size=11, checksum_type="xxhash2", checksum_value="aa")
    assert index.is_stale(size=10, checksum_type="xxhash2", checksum_value="ab")
    assert not ShardIndex("none", "", 10).is_stale(size=10, checksum_type="xxhash2", checksum_value="aa")


def test_damage_at_any_byte_is_noticed() -> None:
    data = bytes.fromhex(VECTOR)
    for at in range(len(data)):
        damaged = bytearray(data)
        damaged[at] ^= 0x40
        with pytest.raises(BadShardIndex):
            unpack_shard_index(bytes(damaged))
    for size in range(len(data)):
        with pytest.raises(BadShardIndex):
            unpack_shard_index(data[:size])
    with pytest.raises(
        BadShardIndex, match=r"^shard index: checksum mismatch \(stored 006cf0a089e493ef, computed d06c"
    ):
        unpack_shard_index(data[:3] + b"\0" + data[4:])


def test_impossible_entries_and_counts_are_refused() -> None:
    with pytest.raises(BadShardIndex, match="ends behind the shard"):
        unpack_shard_index(pack_shard_index(ShardIndex("", "", 2048, {"a": IndexEntry(2048 - 512, 1)})))
    many = {str(number): IndexEntry(0, 0) for number in range(ENTRIES_MAX + 1)}
    with pytest.raises(BadShardIndex, match=r"^shard index: too many entries \(max 1048576\)$"):
        pack_shard_index(ShardIndex("", "", 0, many))
