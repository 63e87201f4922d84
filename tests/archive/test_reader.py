"""Archives of all formats, whole and in pieces: what Moss reads is what others wrote, or an error."""

import io
import random
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moss.archive.formats import Format
from moss.archive.reader import Kind, StreamParser, detect_format, read_members, stream_members
from moss.errors import BadArchive, TruncatedArchive, UnknownArchive
from tests.archive.making import foreign, ours, packed, tar_of, zip_of

TAR_FAMILY = [Format.TAR, Format.TGZ, Format.TAR_LZ4]
ENTRIES = [(f"d/{number:03}.txt", random.Random(number).randbytes(number * 37 % 2000)) for number in range(60)]

NAMES = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), min_size=1, max_size=150).filter(
    lambda name: not name.endswith("/") and name[0] != "/"
)


@pytest.mark.parametrize("archive_format", list(Format))
@given(entries=st.lists(st.tuples(NAMES, st.binary(max_size=2000)), max_size=8, unique_by=lambda entry: entry[0]))
def test_archives_of_others_are_read(archive_format: Format, entries: list[tuple[str, bytes]]) -> None:
    found = [
        (member.name, bytes(payload))
        for member, payload in read_members(foreign(entries, archive_format), archive_format)
    ]
    assert found == entries


@pytest.mark.parametrize("archive_format", TAR_FAMILY)
@pytest.mark.parametrize("chunk_bytes", [100, 4096, 1 << 20])
def test_streams_are_read_from_files_and_from_pieces(archive_format: Format, chunk_bytes: int) -> None:
    archive = ours(ENTRIES, archive_format)
    from_file = stream_members(io.BytesIO(archive), archive_format, chunk_bytes=chunk_bytes)
    assert [(member.name, bytes(member.payload)) for member in from_file] == ENTRIES
    pieces = [archive[at : at + chunk_bytes] for at in range(0, len(archive), chunk_bytes)]
    assert [(member.name, bytes(member.payload)) for member in stream_members(pieces, archive_format)] == ENTRIES


@pytest.mark.parametrize("archive_format", TAR_FAMILY)
def test_btr_01_every_cut_of_a_stream_is_noticed(archive_format: Format) -> None:
    archive = ours(ENTRIES, archive_format)
    sizes = random.Random(1).sample(range(len(archive)), 300)
    for size in {*sizes, *range(len(archive) - 20, len(archive)), len(archive) - 512, len(archive) - 1024}:
        seen = []
        with pytest.raises(TruncatedArchive):
            seen += stream_members([archive[:size]], archive_format)
        for member in seen:
            assert (member.name, bytes(member.payload)) in ENTRIES


@pytest.mark.parametrize("archive_format", list(Format))
def test_reliability_07_members_before_a_cut_are_right_and_the_rest_is_an_error(archive_format: Format) -> None:
    archive = foreign(ENTRIES, archive_format)
    for size in random.Random(2).sample(range(len(archive)), 200):
        found = []
        try:
            for member, payload in read_members(archive[:size], archive_format):
                found.append((member.name, bytes(payload)))
        except BadArchive:
            assert found == ENTRIES[: len(found)]
        else:
            # A TAR may end between members; what was asked for behind is then simply not there.
            assert archive_format is not Format.ZIP and found == ENTRIES[: len(found)]
            assert archive_format is Format.TAR or len(found) == len(ENTRIES)


@pytest.mark.parametrize("archive_format", list(Format))
def test_reliability_26_names_that_leave_a_folder_are_only_text(archive_format: Format) -> None:
    names = ["../../etc/passwd", "/etc/passwd", "a/../../b", "C:\\x", "nul\x01\r\n", "~/.ssh/id"]
    archive = foreign([(name, b"x") for name in names], archive_format)
    found = [member.name for member, _ in read_members(archive, archive_format)]
    assert found == names


def test_links_have_no_payload() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, kind in (("sym", tarfile.SYMTYPE), ("hard", tarfile.LNKTYPE), ("dev", tarfile.CHRTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    found = [(member.name, member.kind, bytes(payload)) for member, payload in read_members(out.getvalue(), Format.TAR)]
    assert found == [("sym", Kind.SYMLINK, b""), ("hard", Kind.HARDLINK, b""), ("dev", Kind.SPECIAL, b"")]


def test_the_extension_decides_and_else_the_magic() -> None:
    tar = tar_of([("a", b"1")])
    assert detect_format("s.zip", tar) is Format.ZIP
    assert detect_format("s", tar) is Format.TAR and detect_format("s.bin", packed(tar, Format.TGZ)) is Format.TGZ
    assert detect_format("s", zip_of([])) is Format.ZIP
    with pytest.raises(UnknownArchive, match=r'^unrecognized or unsupported file format: "notes.txt"$'):
        detect_format("notes.txt", b"just text")


def test_a_parser_says_what_is_missing_of_a_compressed_stream() -> None:
    archive = ours(ENTRIES, Format.TGZ)
    parser = StreamParser(Format.TGZ)
    assert sum(1 for _ in parser.feed(archive[:-1])) == len(ENTRIES)
    with pytest.raises(TruncatedArchive):
        parser.finish()
    list(parser.feed(archive[-1:]))
    parser.finish()
