"""The member table's bytes. Format: docs/formats/member-table.md."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from xxhash import xxh3_64_intdigest

from moss.errors import ArchiveLimit, BadArchive, BadRecord, TruncatedArchive, UnknownArchive
from moss.node.storage.member_table import Failure, Layout, MemberTable, Packing, member_key


def test_a_table_is_these_bytes() -> None:
    table = MemberTable(Layout.UNPACKED, Failure.of(TruncatedArchive()), unpacked_bytes=4096)
    table.add("/a", 512, 5, 0x0102)
    table.add("é", 1536, 6, 0xFF, Packing.SPARSE)
    body = (
        b"\1\1\2\0" + b"\x0e\0\0\0" + b"\2\0\0\0" + b"\0\x10\0\0\0\0\0\0" + b"\4\0\0\0\0\0\0\0" + b"unexpected EOF"
        + "a\0é".encode() + b"\0\2\0\0\0\0\0\0" + b"\0\6\0\0\0\0\0\0" + b"\5\0\0\0\0\0\0\0" + b"\6\0\0\0\0\0\0\0"
        + b"\2\1\0\0\0\0\0\0" + b"\xff\0\0\0\0\0\0\0" + b"\0\2"
    )  # fmt: skip
    assert table.encode() == body + xxh3_64_intdigest(body).to_bytes(8, "little")
    assert MemberTable.decode(table.encode()) == table


ANY_BYTES = st.binary(max_size=9).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
NAMES = st.text(st.characters(blacklist_categories=["Cs"])) | ANY_BYTES
NUMBERS = st.integers(0, (1 << 64) - 1)
MEMBERS = st.lists(st.tuples(NAMES, NUMBERS, NUMBERS, NUMBERS, st.sampled_from(Packing)))


@given(MEMBERS)
def test_the_first_of_a_name_is_kept_through_encoding(members: list) -> None:
    table = MemberTable()
    for member in members:
        table.add(*member)
    decoded = MemberTable.decode(table.encode())
    assert decoded == table
    for name, *_ in members:
        if "\0" in name:
            assert member_key(name) not in decoded.rows
            continue
        row = decoded.rows[member_key(name)]
        first = next(member for member in members if member_key(member[0]) == member_key(name))
        columns = (decoded.offsets, decoded.sizes, decoded.checks, decoded.packings)
        assert tuple(column[row] for column in columns) == first[1:]


def test_failures_come_back_as_what_they_were() -> None:
    for error in (BadArchive("b"), TruncatedArchive(), ArchiveLimit("much"), UnknownArchive("s.bin")):
        table = MemberTable(failure=Failure.of(error))
        failure = MemberTable.decode(table.encode()).failure
        assert failure is not None
        again = failure.error("s.bin", "ais://b/s.bin")
        assert type(again) is type(error) and again.message == error.message
    at_opening = Failure.of(BadArchive("EOF"), at_opening=True).error("s", "ais://b/s")
    assert at_opening.message == "failed to open ais://b/s: EOF"


def test_damage_anywhere_is_noticed() -> None:
    table = MemberTable()
    table.add("a", 1, 2, 3)
    data = table.encode()
    for at in range(len(data)):
        with pytest.raises(BadRecord):
            MemberTable.decode(data[:at])
        with pytest.raises(BadRecord):
            MemberTable.decode(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])


def test_a_selection_is_of_plain_members_only() -> None:
    table = MemberTable()
    for i, packing in enumerate([Packing.PLAIN, Packing.PLAIN, Packing.DEFLATED]):
        table.add(f"m{i}", 512 * i, 10 + i, 100 + i, packing)
    assert table.select(["m1"], 1000) == ((1512,), (11,), (101,))
    assert table.select(["m1", "m0", "m1"], 0) == ((512, 0, 512), (11, 10, 11), (101, 100, 101))
    for names in (["m2"], ["m0", "m2"], ["none"], ["m0", "none"], ["/m0"]):
        assert table.select(names, 0) is None
