"""Files: reading, lines, seeking, and writes that are visible at once or not at all."""

import errno
import gc
import gzip
import io
import os
import pickle
import tarfile
import zipfile

import numpy
import pytest

from moss.integrations.fsspec import MossFileSystem
from tests.integrations.fsspec.test_contents import count_requests

LINES = b"".join(b"line %d %s\n" % (number, b"x" * (number % 90)) for number in range(20_000)) + b"last without end"


@pytest.fixture
def path(fs: MossFileSystem, bucket: str) -> str:
    fs.pipe(f"{bucket}/lines", LINES)
    return f"{bucket}/lines"


def test_a_small_file_takes_one_request(fs: MossFileSystem, bucket: str, monkeypatch: pytest.MonkeyPatch):
    fs.pipe(f"{bucket}/small", b"0123456789")
    sent = count_requests(fs, monkeypatch)
    with fs.open(f"{bucket}/small") as file:
        assert file.size == 10
        assert file.read(3) == b"012" and file.tell() == 3
        assert file.seek(-2, 2) == 8 and file.read() == b"89" and file.read() == b""
        assert file.seek(0) == 0 and file.read() == b"0123456789"
    assert sent == [f"GET /objects/{bucket}/small"]


@pytest.mark.parametrize("cache", ["readahead", "bytes", "none", "blockcache", "first", "all", "background"])
def test_every_cache_reads_the_same(fs: MossFileSystem, path: str, cache: str):
    with fs.open(path, cache_type=cache, block_size=100_000) as file:
        for start, size in (
            (0, 10),
            (65_530, 20),
            (65_536, 5),
            (1_000_000, 300_000),
            (3, 70_000),
            (len(LINES) - 5, 50),
        ):
            file.seek(start)
            assert file.read(size) == LINES[start : start + size]
        file.seek(0)
        assert file.read() == LINES


def test_lines(fs: MossFileSystem, path: str):
    expected = LINES.splitlines(keepends=True)
    with fs.open(path) as file:
        assert file.readline() == expected[0] and file.tell() == len(expected[0])
        assert file.read(5) == expected[1][:5]
        assert file.readline() == expected[1][5:]
        assert file.readline(3) == expected[2][:3] and file.readline(0) == b""
        assert file.readline() == expected[2][3:]
        assert list(file) == expected[3:] and file.readline() == b""
        file.seek(0)
        assert file.readlines() == expected
        file.seek(0)
        assert file.readlines(20) == expected[:3]
    with pytest.raises(ValueError, match="closed"):
        file.readline()


def test_text_and_wrappers(fs: MossFileSystem, path: str, bucket: str):
    with fs.open(path, "r") as file:
        assert file.read() == LINES.decode()
    with fs.open(path, "r") as file:
        assert list(file) == LINES.decode().splitlines(keepends=True)
    with fs.open(f"{bucket}/text", "w", encoding="latin-1", newline="\r\n") as file:
        file.write("Grüße\n")
    assert fs.cat(f"{bucket}/text") == "Grüße\r\n".encode("latin-1")
    with fs.open(f"{bucket}/t.gz", "wt", compression="infer") as file:
        file.write("packed")
    assert gzip.decompress(fs.cat(f"{bucket}/t.gz")) == b"packed"
    with pytest.raises(RuntimeError), fs.open(f"{bucket}/t.gz", "wb", compression="gzip") as file:
        file.write(b"other")
        raise RuntimeError
    assert gzip.decompress(fs.cat(f"{bucket}/t.gz")) == b"packed"
    with fs.open(f"{bucket}/t.gz", "rt", compression="infer") as file:
        assert file.read() == "packed"
    with fs.open(f"{bucket}/t.txt", "wt", compression="infer") as file:
        file.write("plain")
    fs.write_text(f"{bucket}/w", "ä")
    assert fs.read_text(f"{bucket}/w") == "ä"


def test_libraries_write_to_files(fs: MossFileSystem, bucket: str):
    array = numpy.arange(1000).reshape(10, 100)
    with fs.open(f"{bucket}/a.npy", "wb") as file:
        numpy.save(file, array)
    with fs.open(f"{bucket}/a.npy") as file:
        assert (numpy.load(file) == array).all()
    with fs.open(f"{bucket}/a.zip", "wb") as file, zipfile.ZipFile(file, "w") as archive:
        archive.writestr("member", b"zipped")
    with fs.open(f"{bucket}/a.zip") as file, zipfile.ZipFile(file) as archive:
        assert archive.read("member") == b"zipped"
    with fs.open(f"{bucket}/a.tar", "wb") as file, tarfile.open(fileobj=file, mode="w|") as archive:
        info = tarfile.TarInfo("member")
        info.size = 4
        archive.addfile(info, io.BytesIO(b"tape"))
    with fs.open(f"{bucket}/a.tar") as file, tarfile.open(fileobj=file) as archive:
        assert archive.extractfile("member").read() == b"tape"


@pytest.mark.parametrize("size", [0, 1, 8 * 1024 * 1024, 20 * 1024 * 1024 + 17])
def test_writes_of_any_size(fs: MossFileSystem, bucket: str, size: int):
    content = os.urandom(1 << 20) * 21
    with fs.open(f"{bucket}/new", "wb") as file:
        for start in range(0, size, 3_000_000):
            file.write(memoryview(content)[start : min(start + 3_000_000, size)])
        file.flush()
        assert file.tell() == size
        assert not fs.exists(f"{bucket}/new"), "nothing is visible before the end"
    assert fs.cat(f"{bucket}/new") == content[:size]


def test_an_exception_or_a_forgotten_close_leaves_the_object(fs: MossFileSystem, bucket: str):
    fs.pipe(f"{bucket}/o", b"old")
    with pytest.raises(RuntimeError), fs.open(f"{bucket}/o", "wb") as file:
        file.write(b"x" * 9_000_000)
        raise RuntimeError
    assert file.closed
    forgotten = fs.open(f"{bucket}/o", "wb")
    forgotten.write(b"new")
    with pytest.warns(RuntimeWarning, match="not closed"):
        del forgotten
        gc.collect()
    assert fs.cat(f"{bucket}/o") == b"old"


def test_appending(fs: MossFileSystem, bucket: str):
    path = f"{bucket}/log"
    for piece in (b"one", b"two", b"x" * 9_000_000):
        with fs.open(path, "ab") as file:
            file.write(piece)
    assert fs.cat(path) == b"onetwo" + b"x" * 9_000_000
    with fs.open(path, "ab") as file:
        assert file.tell() == 9_000_006


def test_exclusive_creation(fs: MossFileSystem, bucket: str):
    with fs.open(f"{bucket}/once", "xb") as file:
        file.write(b"1")
    with pytest.raises(FileExistsError):
        fs.open(f"{bucket}/once", "xb")


def test_transactions_commit_together_or_not_at_all(fs: MossFileSystem, bucket: str):
    with fs.transaction:
        for name in ("a", "b"):
            with fs.open(f"{bucket}/{name}", "wb") as file:
                file.write(name.encode())
        assert fs.find(bucket) == []
    assert fs.cat([f"{bucket}/a", f"{bucket}/b"]) == {f"{bucket}/a": b"a", f"{bucket}/b": b"b"}
    with pytest.raises(RuntimeError), fs.transaction:
        with fs.open(f"{bucket}/c", "wb") as file:
            file.write(b"c")
        raise RuntimeError
    assert not fs.exists(f"{bucket}/c")


def test_what_files_refuse(fs: MossFileSystem, bucket: str):
    with fs.open(f"{bucket}/f", "wb") as file:
        assert file.writable() and not file.readable() and not file.seekable()
        with pytest.raises(ValueError, match="read mode"):
            file.read()
        with pytest.raises(OSError):
            file.truncate(0)
    with pytest.raises(ValueError, match="closed"):
        file.write(b"x")
    with fs.open(f"{bucket}/f") as file, pytest.raises(ValueError, match="write mode"):
        file.write(b"x")
    with pytest.raises(FileNotFoundError), fs.open("no-such-bucket/f", "wb") as file:
        file.write(b"x")
    with pytest.raises(NotImplementedError):
        fs.open(f"{bucket}/f", "r+b")


def test_a_file_that_is_replaced_while_it_is_read_is_noticed(fs: MossFileSystem, path: str):
    with fs.open(path, block_size=1000) as file:
        assert file.read(10) == LINES[:10]
        fs.pipe(path, LINES[::-1])
        with pytest.raises(OSError) as caught:
            file.seek(500_000)
            file.read(10)
    assert caught.value.errno == errno.ESTALE
    with fs.open(path) as file:
        assert file.read() == LINES[::-1]


def test_open_files_can_be_sent_to_other_processes(fs: MossFileSystem, path: str):
    with fs.open(path) as file:
        file.seek(100)
        with pickle.loads(pickle.dumps(file)) as other:
            assert other.tell() == 100 and other.read(50) == LINES[100:150]
        assert file.info()["size"] == len(LINES)
