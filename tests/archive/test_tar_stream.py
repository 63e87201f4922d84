"""A TAR that arrives in pieces."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moss.archive.formats import Format
from moss.archive.tar import END, build_header, build_pax
from moss.archive.tar_stream import TarStreamParser
from moss.errors import ArchiveLimit, BadArchive, TruncatedArchive
from tests.archive.making import ours, tar_of
from tests.archive.test_tar_parse import old_header

ENTRIES = [("a", b"1" * 511), ("é" * 70, b"2" * 512), ("empty", b""), ("x" * 120, b"3" * 5000), ("a", b"4")]


def parse(pieces: list[bytes]) -> list[tuple[str, bytes]]:
    parser = TarStreamParser()
    found = [(member.name, bytes(member.payload)) for piece in pieces for member in parser.feed(piece)]
    parser.finish()
    return found


@given(st.lists(st.integers(0, 12_000), max_size=20))
def test_members_are_the_same_however_the_pieces_are_cut(cuts: list[int]) -> None:
    tar = ours(ENTRIES, Format.TAR)
    edges = [0, *sorted(cut for cut in cuts if cut < len(tar)), len(tar)]
    assert parse([tar[begin:end] for begin, end in itertools.pairwise(edges)]) == ENTRIES


def test_single_bytes_are_pieces_too() -> None:
    tar = ours(ENTRIES, Format.TAR)
    assert parse([tar[at : at + 1] for at in range(len(tar))]) == ENTRIES


def test_members_come_as_soon_as_they_are_whole() -> None:
    parser = TarStreamParser()
    tar = ours([("a", b"hello"), ("b", b"")], Format.TAR)
    assert parser.feed(tar[:516]) == []
    assert [bytes(member.payload) for member in parser.feed(tar[516:517])] == [b"hello"]
    assert [member.name for member in parser.feed(tar[517:])] == ["b"] and parser.is_ended


def test_a_payload_inside_one_piece_is_a_view_of_it() -> None:
    tar = ours([("a", b"hello")], Format.TAR)
    (member,) = TarStreamParser().feed(tar)
    assert isinstance(member.payload, memoryview) and member.payload.obj is tar


def test_records_of_several_pax_headers_reach_their_member_only() -> None:
    tar = build_pax({"MOSS.error": "gone", "MOSS.index": "0"}, "é") + build_header("é", 0) + build_header("b", 0) + END
    first, second = TarStreamParser().feed(tar)
    assert (first.name, first.pax) == ("é", {"MOSS.error": "gone", "MOSS.index": "0", "path": "é"})
    assert (second.name, second.pax) == ("b", {})


@pytest.mark.parametrize("step", [1, 97])
def test_every_cut_is_noticed(step: int) -> None:
    tar = ours(ENTRIES, Format.TAR)
    for size in range(0, len(tar), step):
        parser = TarStreamParser()
        parser.feed(tar[:size])
        with pytest.raises(TruncatedArchive):
            parser.finish()


def test_what_follows_the_end_mark_is_ignored() -> None:
    assert parse([tar_of(ENTRIES), b"more"]) == ENTRIES


def test_a_broken_header_is_an_error_and_members_before_it_were_returned() -> None:
    parser = TarStreamParser()
    assert len(parser.feed(build_header("a", 0))) == 1
    with pytest.raises(BadArchive, match="invalid tar header"):
        parser.feed(b"x" * 512)
    with pytest.raises(BadArchive):
        TarStreamParser().feed(bytes(512) + build_header("a", 0))


def test_a_member_above_the_limit_is_refused_before_it_is_kept() -> None:
    parser = TarStreamParser(member_bytes_max=100)
    assert len(parser.feed(build_header("a", 100) + bytes(512))) == 1
    with pytest.raises(ArchiveLimit):
        parser.feed(build_header("a", 101))


def test_declared_sizes_allocate_nothing() -> None:
    parser = TarStreamParser()
    assert parser.feed(build_header("a", 1 << 60) + b"some") == []
    with pytest.raises(TruncatedArchive):
        parser.finish()


def test_links_are_members_without_payload_and_sparse_ones_are_refused() -> None:
    parser = TarStreamParser()
    assert [(member.name, member.size) for member in parser.feed(old_header(b"l", 99, b"2"))] == [("l", 0)]
    with pytest.raises(BadArchive, match="sparse"):
        parser.feed(old_header(b"s", 0, b"S"))
