"""A TAR that is read as far as it is asked for."""

import pytest

from moss.archive.limits import Limits
from moss.archive.tar import END, build_header
from moss.archive.tar_pull import pull_members
from moss.errors import ArchiveLimit, BadArchive, TruncatedArchive
from tests.archive.making import tar_of

ENTRIES = [("a", b"1" * 511), ("é" * 70, b"2" * 512), ("empty", b""), ("x" * 120, b"3" * 5000), ("last", b"4")]


@pytest.mark.parametrize("size", [1, 100, 512, 700, 1 << 20])
def test_members_are_the_same_however_the_pieces_are_cut(size: int) -> None:
    tar = tar_of(ENTRIES)
    pieces = (tar[at : at + size] for at in range(0, len(tar), size))
    found = [(member.name, b"".join(payload), member.data_offset) for member, payload in pull_members(pieces)]
    assert [(name, payload) for name, payload, _ in found] == ENTRIES
    assert all(tar[offset : offset + len(payload)] == payload for _, payload, offset in found)


def test_a_payload_may_be_left_or_taken_in_part() -> None:
    names = []
    for member, payload in pull_members(iter([tar_of(ENTRIES)])):
        names.append(member.name)
        if member.name.startswith("x"):
            next(payload)
    assert names == [name for name, _ in ENTRIES]


def test_no_piece_is_pulled_before_it_is_needed() -> None:
    pulled = []

    def pieces():
        for at in range(0, 4096, 512):
            pulled.append(at)
            yield (build_header("a", 512) + b"x" * 512 + build_header("b", 0) + END)[at : at + 512]

    members = pull_members(pieces())
    next(members)
    assert pulled == [0]


def test_cuts_and_damage_are_errors() -> None:
    tar = build_header("a", 5) + b"hello".ljust(512, b"\0") + build_header("b", 0) + END
    for size, wanted in ((100, 0), (514, 1), (1100, 1)):
        names = []
        with pytest.raises(TruncatedArchive):
            names += [member.name for member, _ in pull_members(iter([tar[:size]]))]
        assert len(names) <= wanted
    assert [member.name for member, _ in pull_members(iter([tar[:600]]))] == ["a"]
    with pytest.raises(TruncatedArchive):
        for _, payload in pull_members(iter([tar[:514]])):
            b"".join(payload)
    with pytest.raises(BadArchive):
        list(pull_members(iter([b"x" * 512])))
    with pytest.raises(ArchiveLimit):
        list(pull_members(iter([tar]), Limits(members_max=1)))
