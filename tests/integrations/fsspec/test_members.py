"""Paths that lead into shards."""

import errno
import io
import os
import tarfile
import zipfile
from pathlib import Path

import fsspec
import pytest

from moss.integrations.fsspec import MossFileSystem
from tests.integrations.fsspec.test_contents import count_requests

MEMBERS = {
    "a.wav": b"RIFF" + bytes(range(200)),
    "d/b.txt": b"text of b",
    "d/e/c.bin": os.urandom(300_000),
    "empty": b"",
}


def make_tar(mode: str = "w") -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode=mode) as archive:
        for name, content in MEMBERS.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return target.getvalue()


def make_zip() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in MEMBERS.items():
            archive.writestr(name, content)
    return target.getvalue()


@pytest.fixture(params=["s.tar", "s.tgz", "s.zip"])
def shard(fs: MossFileSystem, bucket: str, request: pytest.FixtureRequest) -> str:
    content = {"s.tar": make_tar, "s.tgz": lambda: make_tar("w:gz"), "s.zip": make_zip}[request.param]()
    fs.pipe(f"{bucket}/in/{request.param}", content)
    return f"{bucket}/in/{request.param}"


def test_members_are_read_like_files(fs: MossFileSystem, shard: str):
    for name, content in MEMBERS.items():
        path = f"{shard}/{name}"
        assert fs.cat(f"ais://{path}") == content
        assert fs.cat_file(path, 2, 7) == content[2:7] and fs.cat_file(path, -3) == content[-3:]
        assert fs.cat_file(path, 100, 1_000_000) == content[100:]
        with fs.open(path) as file:
            assert file.size == len(content) and file.read() == content
            file.seek(4)
            assert file.read(9) == content[4:13]
        assert fs.info(path)["size"] == len(content) and fs.isfile(path)


def test_ranges_of_members_come_in_one_batch(fs: MossFileSystem, shard: str, monkeypatch: pytest.MonkeyPatch):
    paths = [f"{shard}/{name}" for name in MEMBERS if name != "empty"] + [shard]
    whole = fs.cat(shard)
    sent = count_requests(fs, monkeypatch)
    found = fs.cat_ranges(paths, 1, 9)
    assert found == [content[1:9] for name, content in MEMBERS.items() if name != "empty"] + [whole[1:9]]
    assert len(sent) == 1
    assert isinstance(fs.cat_ranges([f"{shard}/x", f"{shard}/a.wav"], 0, 4)[0], FileNotFoundError)


def test_a_shard_is_a_file_and_with_a_slash_a_directory(fs: MossFileSystem, shard: str):
    parent = shard.rpartition("/")[0]
    assert fs.isfile(shard) and fs.ls(shard, detail=False) == [shard]
    assert fs.find(parent) == [shard] and fs.glob(f"{parent}/*") == [shard]
    assert fs.ls(f"{shard}/", detail=False) == [f"{shard}/{name}" for name in ("a.wav", "d", "empty")]
    assert fs.ls(f"{shard}/d", detail=False) == [f"{shard}/d/b.txt", f"{shard}/d/e"]
    assert fs.ls(f"{shard}/a.wav", detail=False) == [f"{shard}/a.wav"]
    assert fs.find(f"{shard}/") == [f"{shard}/{name}" for name in MEMBERS]
    assert fs.glob(f"{shard}/*.wav") == [f"{shard}/a.wav"]
    assert fs.glob(f"{shard}/**/*.bin") == [f"{shard}/d/e/c.bin"]
    assert fs.isdir(f"{shard}/d") and not fs.exists(f"{shard}/x")
    assert fs.cat(f"{shard}/d/*") == {f"{shard}/d/b.txt": b"text of b"}


def test_members_go_to_the_disk_and_to_objects(fs: MossFileSystem, shard: str, bucket: str, tmp_path: Path):
    fs.get(f"{shard}/d", str(tmp_path / "d"), recursive=True)
    assert (tmp_path / "d" / "e" / "c.bin").read_bytes() == MEMBERS["d/e/c.bin"]
    fs.cp_file(f"{shard}/a.wav", f"{bucket}/a.wav")
    assert fs.cat(f"{bucket}/a.wav") == MEMBERS["a.wav"]


def test_members_change_with_their_shard(fs: MossFileSystem, shard: str):
    path = f"{shard}/a.wav"
    before = fs.ukey(path)
    assert fs.modified(path) == fs.modified(shard) and fs.ukey(path) == before
    fs.pipe(shard, fs.cat(shard)[:] + b"\0" * 512)
    assert fs.ukey(path) != before


def test_members_are_not_written(fs: MossFileSystem, shard: str):
    for call in (
        lambda path: fs.pipe(path, b"x"),
        lambda path: fs.open(path, "wb"),
        lambda path: fs.cp_file(shard, path),
    ):
        with pytest.raises(OSError) as caught:
            call(f"{shard}/new")
        assert caught.value.errno == errno.EROFS
    with pytest.raises(FileNotFoundError):
        fs.rm(f"{shard}/a.wav")


def test_a_large_member_is_read_by_ranges(fs: MossFileSystem, bucket: str, monkeypatch: pytest.MonkeyPatch):
    content = os.urandom(6_000_000)
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        info = tarfile.TarInfo("large")
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    fs.pipe(f"{bucket}/s.tar", target.getvalue())
    sent = count_requests(fs, monkeypatch)
    with fs.open(f"{bucket}/s.tar/large", cache_type="none") as file:
        file.seek(5_000_000)
        assert file.read(1000) == content[5_000_000:5_001_000]
    assert sent == [f"GET /objects/{bucket}/s.tar", f"GET /ml/moss/{bucket}"]


def test_directories_may_be_called_like_archives(fs: MossFileSystem, bucket: str):
    fs.pipe({f"{bucket}/x.tar/{name}": name.encode() for name in ("a", "b/c")})
    assert fs.cat(f"{bucket}/x.tar/a") == b"a" and fs.info(f"{bucket}/x.tar/a")["version"] == "1"
    assert fs.find(bucket) == fs.find(f"{bucket}/x.tar/") == [f"{bucket}/x.tar/a", f"{bucket}/x.tar/b/c"]
    assert fs.ls(f"{bucket}/x.tar/b", detail=False) == [f"{bucket}/x.tar/b/c"]
    assert fs.cat_ranges([f"{bucket}/x.tar/a", f"{bucket}/x.tar/b/c"], None, None) == [b"a", b"b/c"]
    fs.rm(f"{bucket}/x.tar", recursive=True)
    assert fs.find(bucket) == []


def test_objects_that_are_called_like_archives(fs: MossFileSystem, bucket: str):
    fs.pipe(f"{bucket}/broken.tar", b"no archive at all")
    assert fs.cat(f"{bucket}/broken.tar") == b"no archive at all"
    with pytest.raises(OSError):
        fs.cat(f"{bucket}/broken.tar/a")


def test_members_can_be_switched_off(make_fs, fs: MossFileSystem, bucket: str):
    fs.pipe(f"{bucket}/s.tar", make_tar())
    plain = make_fs(members=False)
    assert not plain.exists(f"{bucket}/s.tar/a.wav") and plain.ls(f"{bucket}/s.tar/", detail=False) == [
        f"{bucket}/s.tar"
    ]
    plain.pipe(f"{bucket}/s.tar/a.wav", b"an object")
    assert plain.cat(f"{bucket}/s.tar/a.wav") == b"an object"
    assert fs.cat(f"{bucket}/s.tar/a.wav") == MEMBERS["a.wav"], "where both are there, the member is read"


def test_other_file_systems_on_top(node, fs: MossFileSystem, bucket: str, tmp_path: Path):
    content = make_zip()
    fs.pipe(f"{bucket}/s.zip", content)
    options = {"endpoint": node.url}
    with fsspec.open(f"zip://d/b.txt::ais://{bucket}/s.zip", ais=options) as file:
        assert file.read() == b"text of b"
    cached = fsspec.filesystem("filecache", target_protocol="ais", target_options=options, cache_storage=str(tmp_path))
    with cached.open(f"ais://{bucket}/s.zip") as file:
        assert file.read() == content
    assert any(tmp_path.iterdir())
