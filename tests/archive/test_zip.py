"""ZIPs to the byte."""

import io
import zipfile

from hypothesis import given
from hypothesis import strategies as st

from moss.archive.formats import Format
from moss.archive.zip import ZipWriter
from tests.archive.making import ours, read_by_others

HELLO = (
    b"PK\3\4\x14\0\x08\0\0\0\0\0\x21\0" + bytes(12) + b"\x03\0\x09\0" + b"b/o" + b"UT\x05\0\x01\0\0\0\0" + b"hello"
    + b"PK\7\x08\x86\xa6\x10\x36\x05\0\0\0\x05\0\0\0"
    + b"PK\1\2\x14\x03\x14\0\x08\0\0\0\0\0\x21\0\x86\xa6\x10\x36\x05\0\0\0\x05\0\0\0\x03\0\x09\0\x03\0\0\0\0\0"
    + b"\0\0\xa4\x81\0\0\0\0" + b"b/o" + b"UT\x05\0\x01\0\0\0\0" + b"b/o"
    + b"PK\5\6\0\0\0\0\x01\0\x01\0\x3d\0\0\0\x3f\0\0\0\0\0"
)  # fmt: skip


def test_a_zip_is_these_bytes() -> None:
    assert ours([("b/o", b"hello")], Format.ZIP) == HELLO


def test_an_empty_zip_is_only_its_end() -> None:
    assert ours([], Format.ZIP) == b"PK\5\6" + bytes(18)


def test_entries_are_stored_dated_1980_and_commented_with_their_name() -> None:
    with zipfile.ZipFile(io.BytesIO(ours([("d/a", b"1"), ("é", b""), ("d/a", b"2")], Format.ZIP))) as archive:
        infos = archive.infolist()
    assert [info.filename for info in infos] == ["d/a", "é", "d/a"]
    assert {info.date_time for info in infos} == {(1980, 1, 1, 0, 0, 0)}
    assert {info.compress_type for info in infos} == {zipfile.ZIP_STORED}
    assert [info.comment for info in infos] == [b"d/a", "é".encode(), b"d/a"]
    assert [info.flag_bits for info in infos] == [8, 8 | 1 << 11, 8]


def test_names_that_code_pages_disagree_about_are_marked_as_utf8() -> None:
    names = ["a~", "a\\b", "a\tb", "a-Z_0.9 {|}"]
    with zipfile.ZipFile(io.BytesIO(ours([(name, b"") for name in names], Format.ZIP))) as archive:
        assert [info.flag_bits >> 11 for info in archive.infolist()] == [1, 1, 1, 0]


NAMES = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), min_size=1, max_size=200)


@given(st.lists(st.tuples(NAMES, st.binary(max_size=1500)), max_size=12))
def test_whatever_is_written_others_read(entries: list[tuple[str, bytes]]) -> None:
    assert read_by_others(ours(entries, Format.ZIP), Format.ZIP) == entries


def test_many_entries_and_large_ones_use_zip64() -> None:
    writer = ZipWriter()
    many = b"".join([writer.begin("a", 0) + writer.end() for _ in range(65_536)] + writer.finish())
    with zipfile.ZipFile(io.BytesIO(many)) as archive:
        assert len(archive.infolist()) == 65_536
    writer, size, piece = ZipWriter(), 5 << 30, bytes(64 << 20)
    head = writer.begin("big", size)
    for _ in range(size // len(piece)):
        writer.data(piece)
    tail = writer.end() + b"".join([writer.begin("after", 0), writer.end(), *writer.finish()])
    archive = zipfile.ZipFile(_Hole(head, size, tail))
    assert [(info.filename, info.file_size) for info in archive.infolist()] == [("big", size), ("after", 0)]
    assert archive.read("after") == b""


class _Hole(io.RawIOBase):
    """A file with a long run of zeros in it that takes no memory."""

    def __init__(self, head: bytes, zeros: int, tail: bytes) -> None:
        self._head, self._zeros, self._tail, self._at = head, zeros, tail, 0

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        end = len(self._head) + self._zeros + len(self._tail)
        self._at = max(0, (0, self._at, end)[whence] + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1) -> bytes:
        inside = self._at - len(self._head) - self._zeros
        if inside >= 0:
            out = self._tail[inside : None if size < 0 else inside + size]
        else:
            out = self._head[self._at : self._at + size]
        self._at += len(out)
        return out
