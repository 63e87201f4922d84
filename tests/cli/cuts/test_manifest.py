"""Reading manifests: compressions, odd lines, damage."""

import gzip
import io
import random
from pathlib import Path

import lz4.frame
import pytest

from moss.cli.cuts import manifest as module
from moss.cli.cuts.manifest import Line, Manifest, open_file, pieces_of_file
from moss.cli.failures import CommandError

TEXT = b'{"id": "a"}\n{"id": "b"}\n{"id": "c"}\n'
LINES = [Line(1, b'{"id": "a"}'), Line(2, b'{"id": "b"}'), Line(3, b'{"id": "c"}')]


def read(path: Path, data: bytes) -> list[Line]:
    path.write_bytes(data)
    with open_file(str(path)) as manifest:
        return list(manifest.lines())


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("m.jsonl", TEXT),
        ("m.jsonl.gz", gzip.compress(TEXT)),
        ("m.jsonl.gzip", gzip.compress(TEXT)),
        ("m.jsonl.lz4", lz4.frame.compress(TEXT)),
        ("m.jsonl", gzip.compress(TEXT)),
        ("m", lz4.frame.compress(TEXT)),
        ("m.jsonl.gz", gzip.compress(TEXT[:12]) + gzip.compress(TEXT[12:])),
        ("m.jsonl", TEXT.removesuffix(b"\n")),
        ("m.jsonl", b"\xef\xbb\xbf" + TEXT),
        ("m.jsonl", b"\xef\xbb\xbf" + TEXT[:12] + TEXT[12:]),
    ],
)
def test_74_75_every_compression_gives_the_same_lines(tmp_path: Path, name: str, data: bytes) -> None:
    assert read(tmp_path / name, data) == LINES


def test_96_blank_lines_are_skipped_and_counted(tmp_path: Path) -> None:
    assert read(tmp_path / "m", b'\n{"id": 1}\r\n  \t\n\n{"id": 2}') == [Line(2, b'{"id": 1}\r'), Line(5, b'{"id": 2}')]


def test_a_single_line_with_a_byte_order_mark(tmp_path: Path) -> None:
    assert read(tmp_path / "m", b"\xef\xbb\xbf{}") == [Line(1, b"{}")]


def test_an_empty_manifest_has_no_lines(tmp_path: Path) -> None:
    assert read(tmp_path / "m", b"") == []
    assert read(tmp_path / "m.gz", gzip.compress(b"")) == []


def test_lines_that_lie_in_several_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PIECE_BYTES", 5)
    for data in (TEXT, gzip.compress(TEXT), b"\xef\xbb\xbf" + TEXT):
        assert read(tmp_path / "m", data) == LINES


def test_153_data_that_ends_early_gives_its_lines_first(tmp_path: Path) -> None:
    path = tmp_path / "cuts.jsonl.gz"
    rows = b"".join(b'{"id": "%x"}\n' % n for n in random.Random(1).sample(range(1 << 60), 1000))
    path.write_bytes(gzip.compress(rows)[:-5000])
    seen = []
    with open_file(str(path)) as manifest, pytest.raises(CommandError) as caught:
        seen.extend(manifest.lines())
    assert [line.number for line in seen] == list(range(1, len(seen) + 1)) and 0 < len(seen) < 1000
    assert str(caught.value) == f"{path}: compressed data ends early (after line {len(seen)})"


def test_153_a_compressed_name_without_any_data(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="compressed data ends early"):
        read(tmp_path / "m.gz", b"")


@pytest.mark.parametrize(("name", "kind"), [("m.gz", "a gzip"), ("m.gzip", "a gzip"), ("m.lz4", "an LZ4")])
def test_a_name_that_promises_compression(tmp_path: Path, name: str, kind: str) -> None:
    with pytest.raises(CommandError, match=f"{name}: not {kind} file"):
        read(tmp_path / name, TEXT)


def test_damaged_data_is_named(tmp_path: Path) -> None:
    data = bytearray(gzip.compress(TEXT))
    data[-6] ^= 1  # of the checksum
    with pytest.raises(CommandError, match="m: compressed data is damaged after line 0: gzip: invalid checksum"):
        read(tmp_path / "m", bytes(data))


def test_lines_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LINE_BYTES_MAX", 100)
    monkeypatch.setattr(module, "PIECE_BYTES", 64)
    assert len(read(tmp_path / "m", b"x" * 100 + b"\n")) == 1
    with pytest.raises(CommandError, match="cut at line 2 exceeds"):
        read(tmp_path / "m", b"{}\n" + b"x" * 101 + b"\n")
    with pytest.raises(CommandError, match="cut at line 2 exceeds"):
        read(tmp_path / "m", b"{}\n" + b"x" * 300)


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"^open .*nope.jsonl: no such file or directory$"):
        open_file(str(tmp_path / "nope.jsonl"))
    with pytest.raises(CommandError, match="is a directory"):
        open_file(str(tmp_path))


def test_standard_input_is_recognised_by_its_bytes() -> None:
    for data in (TEXT, gzip.compress(TEXT), lz4.frame.compress(TEXT)):
        with Manifest("standard input", pieces_of_file(io.BytesIO(data))) as manifest:
            assert list(manifest.lines()) == LINES
            assert manifest.share == 0


def test_the_share_grows_from_nothing_to_all(tmp_path: Path) -> None:
    (tmp_path / "m.gz").write_bytes(gzip.compress(TEXT))
    with open_file(str(tmp_path / "m.gz")) as manifest:
        assert manifest.share == 0
        assert [round(manifest.share, 2) for _ in manifest.lines()] == [0.33, 0.67, 1.0]
