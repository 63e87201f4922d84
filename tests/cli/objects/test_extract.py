"""Unpacking: `ais get --extract`, `ais archive get`, and the unpacking itself."""

import gzip
import io
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import lz4.frame
import pytest

from moss.archive.formats import Format
from moss.cli.failures import CommandError
from moss.cli.objects.extract import stem_of
from moss.cli.objects.unpack import unpack
from moss.errors import BadArchive
from tests.cli.objects.conftest import Run

Put = Callable[..., None]


def make_tar(members: dict[str, bytes], **extra: tarfile.TarInfo) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        for info in extra.values():
            tar.addfile(info)
    return out.getvalue()


def make_zip(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def shards(members: dict[str, bytes]) -> dict[str, bytes]:
    tar = make_tar(members)
    compressed = {"s.tgz": gzip.compress(tar), "s.tar.gz": gzip.compress(tar), "s.tar.lz4": lz4.frame.compress(tar)}
    return {"s.tar": tar, "s.zip": make_zip(members), **compressed}


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", ["s.tar", "s.tgz", "s.tar.gz", "s.tar.lz4", "s.zip"])
def test_every_format_is_unpacked(
    ais: Run, uri: str, put: Put, work: Path, photos: dict[str, bytes], name: str
) -> None:
    members = {"empty": b"", **{f"in/{photo}": content for photo, content in photos.items()}}
    put({name: shards(members)[name]})
    done = ais("archive", "get", f"{uri}/{name}")
    assert done.out.startswith(f"GET {name} from {uri} and extract 5 files to s (") and done.err == ""
    assert files_of(work / "s") == members
    assert ais("get", f"{uri}/{name}", "new/place", "--extract").status == 0
    assert files_of(work / "new/place") == members
    some = ais("archive", "get", f"{uri}/{name}", "some", "--archregx", "in/", "--archmode", "prefix")
    assert some.status == 0 and sorted(files_of(work / "some")) == sorted(f"in/{photo}" for photo in photos)


def test_one_file_or_the_archive_itself(ais: Run, uri: str, put: Put, work: Path) -> None:
    tar = make_tar({"a/b.txt": b"hello", "c.txt": b"!"})
    put({"s.tar": tar})
    assert ais("archive", "get", f"{uri}/s.tar/a/b.txt", "-").data == b"hello"
    assert ais("archive", "get", f"{uri}/s.tar", "f", "--archpath", "c.txt").out.startswith("GET c.txt from")
    assert ais("archive", "get", f"{uri}/s.tar", "copy.tar").status == 0
    assert (work / "copy.tar").read_bytes() == tar
    assert ais("archive", "get", f"{uri}/s.tar", "-").data == tar
    ais("get", f"{uri}/s.tar", "picked.tar", "--archregx", "b.txt", "--archmode", "suffix")
    with tarfile.open(work / "picked.tar") as picked:
        assert picked.getnames() == ["a/b.txt"]
    none = ais("archive", "get", f"{uri}/s.tar", "out", "--archregx", "nothing")
    assert none.status == 1 and none.err == f'Error: no files in "{uri}/s.tar" match regexp "nothing"\n'
    assert not (work / "out").exists()


def test_many_shards_have_folders_of_their_own(ais: Run, uri: str, put: Put, work: Path) -> None:
    put({f"en/{i}.tar": make_tar({"x.txt": b"%d" % i}) for i in range(3)})
    wanted = {f"en/{i}/x.txt": b"%d" % i for i in range(3)}
    assert ais("get", uri, "a", "--prefix", "en/", "--extract", "--yes").status == 0
    assert files_of(work / "a") == wanted
    done = ais("get", uri, "b", "--prefix", "en/", "--archive", "--yes")
    assert done.out.startswith(f"GET 3 archived files from {uri} (total size 3B)")
    assert files_of(work / "b") == wanted


def test_shards_of_one_stem_are_not_mixed(ais: Run, uri: str, put: Put, work: Path) -> None:
    tar = make_tar({"x": b"1"})
    put({"a.tar": tar, "a.tgz": gzip.compress(tar), "b/a.tar": tar})
    assert ais("get", uri, "out", "--prefix", "", "--extract", "--yes").status == 0
    assert files_of(work / "out") == {"a.tar/x": b"1", "a.tgz/x": b"1", "b/a/x": b"1"}
    assert ais("get", uri, "sel", "--prefix", "", "--archregx", "x", "--yes").status == 0
    assert sorted(files_of(work / "sel")) == ["a.tar.tar", "a.tgz.tar", "b/a.tar"]


def test_existing_files_are_asked_about_once(ais: Run, uri: str, put: Put, work: Path) -> None:
    put({"s.tar": make_tar({"a": b"new", "b": b"new"})})
    (work / "out").mkdir()
    for name in ("a", "b"):
        (work / "out" / name).write_text("old")
    refused = ais("archive", "get", f"{uri}/s.tar", "out")
    assert refused.status == 1 and "'--yes'" in refused.err
    assert ais("archive", "get", f"{uri}/s.tar", "out", stdin="n\n").status == 0
    assert set(files_of(work / "out").values()) == {b"old"}
    done = ais("archive", "get", f"{uri}/s.tar", "out", stdin="y\n")
    assert done.out.count("overwrite existing files") == 1
    assert set(files_of(work / "out").values()) == {b"new"}


def test_a_damaged_shard_fails_and_keeps_what_was_whole(ais: Run, uri: str, put: Put, work: Path) -> None:
    tar = make_tar({"a": b"1" * 600, "b": b"2" * 600})
    put({"s.tar": tar[:2000]})
    done = ais("archive", "get", f"{uri}/s.tar")
    assert done.status == 1 and f"{uri}/s.tar" in done.err
    assert files_of(work) == {"s/a": b"1" * 600}


def test_what_is_no_archive_says_so(ais: Run, uri: str, put: Put, work: Path) -> None:
    put(o=b"plain text")
    done = ais("get", f"{uri}/o", "--extract")
    assert done.status == 1 and os.listdir(work) == [] and f"{uri}/o" in done.err
    (work / "file").touch()
    assert "is not a folder" in ais("get", f"{uri}/o", "file", "--extract").err
    assert ais("get", f"{uri}/o", "-", "--extract").status == 2


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "..", "a/./b"])
def test_names_that_lead_out_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(CommandError, match="refusing to write"):
        unpack(iter([make_zip({"ok": b"1"})]), "s.zip", str(tmp_path / "out"))
        unpack(iter([_raw_tar(name)]), "s.tar", str(tmp_path / "out"))
    assert sorted(files_of(tmp_path)) == ["out/ok"]


def _raw_tar(name: str) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = 1
    info.pax_headers = {"path": name}
    return info.tobuf(tarfile.PAX_FORMAT) + b"x".ljust(512, b"\0") + bytes(1024)


def test_absolute_names_stay_inside(tmp_path: Path) -> None:
    unpack(iter([make_tar({"/etc/x": b"1", "./y": b"2"})]), "s.tar", str(tmp_path))
    assert files_of(tmp_path) == {"etc/x": b"1", "y": b"2"}


def test_links_and_devices_are_skipped_and_named(ais: Run, uri: str, put: Put, work: Path) -> None:
    link = tarfile.TarInfo("link")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    put({"s.tar": make_tar({"a": b"1"}, link=link)})
    done = ais("archive", "get", f"{uri}/s.tar")
    assert done.status == 0 and done.err == 'Warning: skipped "link": not a regular file\n'
    assert os.listdir(work / "s") == ["a"]


def test_pieces_may_come_in_any_size(tmp_path: Path) -> None:
    members = {"a": os.urandom(5000), "b/c": b"", "b/d": os.urandom(700)}
    for name, content in shards(members).items():
        for step in (1, 511, 100_000):
            folder = tmp_path / f"{name}-{step}"
            pieces = (content[at : at + step] for at in range(0, len(content), step))
            assert unpack(pieces, name, str(folder)).files == 3
            assert files_of(folder) == members


def test_content_tells_the_format_when_the_name_does_not(tmp_path: Path) -> None:
    content = gzip.compress(make_tar({"a": b"1"}))
    assert unpack(iter([content]), "object", str(tmp_path)).files == 1
    with pytest.raises(BadArchive):
        unpack(iter([b"nothing known"]), "object", str(tmp_path))
    assert unpack(iter([content]), "s.zip", str(tmp_path), archive_format=Format.TGZ).size == 1


@pytest.mark.parametrize(
    ("name", "stem"),
    [("d/a.tar", "a"), ("a.tar.gz", "a"), ("a.b.tgz", "a.b"), ("a.tar.lz4", "a"), ("a", "a.d"), (".tar", ".tar.d")],
)
def test_folder_of_a_shard(name: str, stem: str) -> None:
    assert stem_of(name) == stem
