"""Framers: all formats, whole entries and pieces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moss.archive.formats import Format
from moss.archive.tar import PADDINGS, build_header, build_pax
from moss.archive.writer import make_framer
from tests.archive.making import ours, read_by_others

NAMES = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), min_size=1, max_size=150).filter(
    lambda name: not name.endswith("/")
)
ENTRIES = st.lists(st.tuples(NAMES, st.binary(max_size=2000)), max_size=8)


@pytest.mark.parametrize("archive_format", list(Format))
@given(entries=ENTRIES)
def test_windows_are_read_by_others(archive_format: Format, entries: list[tuple[str, bytes]]) -> None:
    assert read_by_others(ours(entries, archive_format), archive_format) == entries


@pytest.mark.parametrize("archive_format", list(Format))
def test_windows_and_pieces_give_the_same_archive(archive_format: Format) -> None:
    entries = [("a", b"1" * 700), ("é" * 60, b""), ("b", b"2" * 512)]
    framer = make_framer(archive_format)
    out = framer.frame(["a"], [700], [memoryview(entries[0][1])])
    for name, payload in entries[1:]:
        out += framer.begin(name, len(payload))
        for at in range(0, len(payload), 100):
            out += framer.data(payload[at : at + 100])
        out += framer.end()
    assert read_by_others(b"".join(out + framer.finish()), archive_format) == entries
    if archive_format in (Format.TAR, Format.ZIP):
        assert read_by_others(ours(entries, archive_format), archive_format) == entries
    assert framer.content_type == archive_format.content_type


def test_payloads_are_passed_on_and_not_copied() -> None:
    payload = memoryview(b"x" * 1000)
    for archive_format in (Format.TAR, Format.ZIP):
        assert any(buffer is payload for buffer in make_framer(archive_format).frame(["a"], [1000], [payload]))


@pytest.mark.parametrize("archive_format", [Format.TAR, Format.TGZ, Format.TAR_LZ4])
def test_finished_blocks_go_through_as_they_are(archive_format: Format) -> None:
    blocks = build_pax({"MOSS.index": "0"}, "a") + build_header("a", 3) + b"abc" + PADDINGS[-3 & 511]
    framer = make_framer(archive_format)
    out = framer.raw([blocks]) + framer.frame(["b"], [1], [b"1"]) + framer.finish()
    assert read_by_others(b"".join(out), archive_format) == [("a", b"abc"), ("b", b"1")]


@pytest.mark.parametrize("archive_format", list(Format))
def test_a_payload_of_another_size_than_announced_is_refused(archive_format: Format) -> None:
    framer = make_framer(archive_format)
    framer.begin("a", 5)
    framer.data(b"1234")
    with pytest.raises(AssertionError):
        framer.end()


def test_btr_21_the_same_entries_give_the_same_bytes() -> None:
    """Nothing of the time or place of assembly is in an archive."""
    entries = [("a", b"1" * 700), ("b", b"2")]
    for archive_format in Format:
        assert ours(entries, archive_format) == ours(entries, archive_format)


@pytest.mark.parametrize("archive_format", [Format.TAR, Format.TGZ, Format.TAR_LZ4])
def test_blocks_before_entries_of_a_window_are_those_written_one_by_one(archive_format: Format) -> None:
    names, payloads = ["a", "b/c", "ü"], [b"1", b"", b"3" * 600]
    sizes = list(map(len, payloads))
    before = {i: build_pax({"MOSS.index": str(i)}, names[i]) for i in (0, 2)}
    at_once, singly = make_framer(archive_format), make_framer(archive_format)
    window = [*at_once.frame(names, sizes, payloads, before), *at_once.finish()]
    parts = []
    for i, name in enumerate(names):
        parts += singly.raw([before[i]]) if i in before else []
        parts += singly.frame([name], [sizes[i]], [payloads[i]])
    parts += singly.finish()
    read = read_by_others(b"".join(window), archive_format)
    assert read == read_by_others(b"".join(parts), archive_format) == list(zip(names, payloads, strict=True))
    if archive_format is Format.TAR:
        assert b"".join(window) == b"".join(parts)
