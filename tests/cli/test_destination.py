import io
import os
import threading
from pathlib import Path

import pytest

from moss.cli.destination import Destination
from moss.cli.failures import CommandError


def write(path: Path, data: bytes, *, commit: bool) -> None:
    with Destination(str(path)).open(io.BytesIO()) as sink:
        sink.write(data)
        if commit:
            sink.commit()


def test_file_appears_only_when_committed(tmp_path: Path) -> None:
    path = tmp_path / "o.tar"
    with Destination(str(path)).open(io.BytesIO()) as sink:
        sink.write(b"a" * 10)
        assert not path.exists()
        sink.commit()
        assert path.read_bytes() == b"a" * 10 and sink.written == 10
    assert os.listdir(tmp_path) == ["o.tar"]


def test_failure_leaves_the_old_file_and_no_folders(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("old")
    write(tmp_path / "old", b"new", commit=False)
    write(tmp_path / "a/b/new", b"new", commit=False)
    with pytest.raises(ZeroDivisionError), Destination(str(tmp_path / "x")).open(io.BytesIO()) as sink:
        sink.write(b"1")
        raise ZeroDivisionError
    assert os.listdir(tmp_path) == ["old"] and (tmp_path / "old").read_text() == "old"


def test_mode_follows_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write(tmp_path / "o", b"", commit=True)
    finally:
        os.umask(before)
    assert (tmp_path / "o").stat().st_mode & 0o777 == 0o640


def test_pipes_are_written_to_and_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(path.read_bytes()))
    reader.start()
    assert not Destination(str(path)).exists()
    write(path, b"through", commit=True)
    reader.join(10)
    assert read == [b"through"] and path.is_fifo()


def test_long_names_leave_room_for_the_temporary_one(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 251 + ".tar")
    write(path, b"1", commit=True)
    assert path.read_bytes() == b"1"


@pytest.mark.parametrize("text", ["/dev/null", "dev/null", "dev/nil"])
def test_nowhere(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Destination(text).open(io.BytesIO()) as sink:
        sink.write(b"12")
        sink.commit()
    assert sink.written == 2 and os.listdir(tmp_path) == []


def test_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="is a directory"):
        Destination(f"{tmp_path}/").check_no_directory()
    Destination("-").check_no_directory()
