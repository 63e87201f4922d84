"""Which format is meant: by word, by extension, by magic."""

import gzip

import lz4.frame
import pytest

from moss.archive.formats import Format, format_of_magic, format_of_name, parse_mime
from moss.errors import UnknownMime
from tests.archive.making import tar_of, zip_of


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", Format.TAR), ("tar", Format.TAR), (".tar", Format.TAR), ("application/x-tar", Format.TAR),
        ("x-tar-x", Format.TAR), (".tar.xz", Format.TAR), (".tar.gz", Format.TGZ), ("s-0.tar.gz", Format.TGZ),
        ("tgz", Format.TGZ), (".tgz", Format.TGZ), ("application/x-tgz", Format.TGZ), ("application/gzip", Format.TGZ),
        ("application/x-gzip", Format.TGZ), (".tar.lz4", Format.TAR_LZ4), (".zip", Format.ZIP), ("zip", Format.ZIP),
        ("application/zip", Format.ZIP), ("multipart/x-zip", Format.ZIP),
    ],
)  # fmt: skip
def test_a_mime_is_known_by_the_first_word_found_in_it(text: str, wanted: Format) -> None:
    assert parse_mime(text) is wanted


@pytest.mark.parametrize("text", ["TAR", "lz4", "rar", ".Zip", "gz"])
def test_a_mime_without_a_known_word_is_refused_with_its_text(text: str) -> None:
    with pytest.raises(UnknownMime, match=f'^unknown mime type "{text}"$'):
        parse_mime(text)


def test_content_types_are_those_of_the_reference() -> None:
    assert {str(each): each.content_type for each in Format} == {
        ".tar": "application/x-tar",
        ".tgz": "application/gzip",
        ".zip": "application/zip",
        ".tar.lz4": "application/x-lz4",
    }


def test_an_object_name_tells_its_format_by_a_lower_case_extension() -> None:
    names = ["a.tar", "a.tgz", "a.tar.gz", "d/a.zip", "a.tar.lz4", "a.TAR", "a.gz", "a.lz4", "tar", "a.tar/b"]
    assert [format_of_name(name) for name in names] == [
        Format.TAR, Format.TGZ, Format.TGZ, Format.ZIP, Format.TAR_LZ4, None, None, None, None, None,
    ]  # fmt: skip


def test_magic_tells_what_the_name_does_not() -> None:
    tar = tar_of([("a", b"1")])
    assert format_of_magic(tar) is Format.TAR
    assert format_of_magic(gzip.compress(tar)) is Format.TGZ
    assert format_of_magic(lz4.frame.compress(tar)) is Format.TAR_LZ4
    assert format_of_magic(zip_of([("a", b"1")])) is Format.ZIP
    assert format_of_magic(memoryview(b"PK\x03\x04")) is Format.ZIP
    assert format_of_magic(b"") is None and format_of_magic(b"just text" * 100) is None
