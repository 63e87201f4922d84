import io
from pathlib import Path

import pytest

from moss.cli.failures import CommandError
from moss.cli.text_source import BYTES_MAX, read_text


def test_files_text_and_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "spec.yaml"
    path.write_bytes(b"\xef\xbb\xbfname: x\n")
    assert read_text(str(path)) == "name: x\n"
    assert read_text('{"name": "x"}') == '{"name": "x"}'
    assert read_text("name: x\nruntime: y") == "name: x\nruntime: y"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"typed")))
    assert read_text("-") == "typed"


def test_what_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "spec"
    path.write_bytes(b"ab\xff")
    with pytest.raises(CommandError, match=r"is not valid UTF-8 \(byte 2\)"):
        read_text(str(path))
    path.write_bytes(b"x" * (BYTES_MAX + 1))
    with pytest.raises(CommandError, match="too big"):
        read_text(str(path))
    with pytest.raises(CommandError, match="is a directory"):
        read_text(str(tmp_path))
    with pytest.raises(CommandError, match=r"cannot fetch http://127.0.0.1:1/x: .*refused"):
        read_text("http://127.0.0.1:1/x")
