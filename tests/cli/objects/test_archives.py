"""`ais archive put`, `ais archive bucket`, `ais archive gen-shards`."""

import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from moss.archive.formats import Format
from moss.cli.failures import CommandError
from moss.cli.objects.pack import pack
from tests.cli.objects.conftest import Run
from tests.sdk.peer import Peer

Read = Callable[[str], bytes]
Names = Callable[[], list[str]]
Put = Callable[..., None]


def members_of(content: bytes) -> dict[str, bytes]:
    """Names and payloads of a TAR of any compression."""
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]


@pytest.fixture
def files(work: Path, photos: dict[str, bytes]) -> dict[str, bytes]:
    """Real images in the folder `in`."""
    (work / "in").mkdir()
    for name, content in photos.items():
        (work / "in" / name).write_bytes(content)
    return photos


@pytest.mark.parametrize("shard", ["s.tar", "s.tgz"])
def test_a_folder_becomes_a_shard(ais: Run, uri: str, read: Read, files: dict[str, bytes], shard: str) -> None:
    done = ais("archive", "put", "in", f"{uri}/{shard}", "--yes")
    assert done.out.endswith(f"APPEND 4 files (one directory, non-recursive) => {uri}/{shard}\n")
    assert members_of(read(shard)) == files
    inside = ais("archive", "put", "in", f"{uri}/{shard}", "--archpath", "x/y", "--include-src-dir", stdin="y\n")
    assert inside.out.endswith("Done\n")
    assert members_of(read(shard)) == {f"x/y/in/{name}": content for name, content in files.items()}


def test_a_zip_and_empty_files(ais: Run, uri: str, read: Read, work: Path) -> None:
    (work / "empty").touch()
    assert ais("archive", "put", "empty", f"{uri}/s.zip").out == f'APPEND empty to {uri}/s.zip as "empty"\n\n'
    with zipfile.ZipFile(io.BytesIO(read("s.zip"))) as archive:
        assert archive.namelist() == ["empty"] and archive.testzip() is None
    refused = ais("archive", "put", "empty", f"{uri}/s.zip", "--append")
    assert refused.status == 1 and "empty is empty" in refused.err


@pytest.mark.parametrize("shard", ["s.tar", "s.tgz", "s.zip", "s.tar.lz4"])
def test_shards_grow(ais: Run, uri: str, names: Names, work: Path, shard: str) -> None:
    for at in range(3):
        (work / f"f{at}").write_text(f"content {at}")
    missing = ais("archive", "put", "f0", f"{uri}/{shard}", "--append")
    assert missing.status == 1 and "'--append-or-put'" in missing.err and names() == []
    assert ais("archive", "put", "f0", f"{uri}/{shard}", "--append-or-put").status == 0
    assert ais("archive", "put", "f1", f"{uri}/{shard}", "--append", "--archpath", "in/").status == 0
    assert ais("archive", "put", ".", f"{uri}/{shard}", "--append", "--list", "f2,f1", "--yes").status == 0
    assert ais("archive", "get", f"{uri}/{shard}", "out").status == 0
    found = {str(path.relative_to(work / "out")): path.read_text() for path in (work / "out").rglob("f*")}
    assert found == {"f0": "content 0", "in/f1": "content 1", "f1": "content 1", "f2": "content 2"}


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--append", "--append-or-put"], "mutually exclusive"),
        (["--append", "--skip-vc"], "'--skip-vc' works for shards that are replaced"),
        (["--archmime", "rar"], "rar"),
    ],
)
def test_archive_put_refuses(run: Run, peer: Peer, work: Path, options: list[str], text: str) -> None:
    (work / "f").touch()
    done = run("archive", "put", "f", "ais://b/s.tar", *options)
    assert done.status == 2 and text in done.err and peer.received == []
    assert run("archive", "put", "f", "ais://b/s.rar").status == 2
    assert json.loads(run("archive", "put", "f", "ais://b/s.tar", "--dry-run", "--json").out or "{}") is not None


def test_a_file_that_changes_while_it_is_packed_is_noticed() -> None:
    for pieces in ([b"12"], [b"12", b"34"]):
        with pytest.raises(CommandError, match="changed"):
            pack(io.BytesIO(), Format.TAR, [("a", 3, iter(pieces))])


def test_118_objects_become_a_shard(ais: Run, uri: str, put: Put, read: Read) -> None:
    put({f"obj_{at}.txt": b"%d" % at for at in range(5)} | {"sub/a": b"a"})
    done = ais("archive", "bucket", uri, f"{uri}/x.tar", "--template", "obj_{1..3}.txt")
    assert (done.status, done.out) == (0, f"Archived {uri}/obj_{{1..3}}.txt => {uri}/x.tar\n")
    assert members_of(read("x.tar")) == {f"obj_{at}.txt": b"%d" % at for at in (1, 2, 3)}
    done = ais("archive", "bucket", f"{uri}/sub/", f"{uri}/y.tar", "--include-src-bck", "--wait")
    assert done.out == f"Archived {uri}/sub/* => {uri}/y.tar\n"
    assert list(members_of(read("y.tar"))) == [f"{uri.removeprefix('ais://')}/sub/a"]
    grown = ais("archive", "bucket", uri, f"{uri}/y.tar", "--list", "obj_0.txt", "--append-or-put", "--nv")
    assert grown.status == 0 and len(members_of(read("y.tar"))) == 2
    level = ais("archive", "bucket", uri, f"{uri}/z.tar", "--prefix", "", "--nr")
    assert level.status == 0 and "sub/a" not in members_of(read("z.tar"))


def test_missing_objects_fail_the_shard_or_are_reported(ais: Run, uri: str, put: Put, names: Names) -> None:
    put(a=b"1")
    failed = ais("archive", "bucket", uri, f"{uri}/x.tar", "--list", "a,none")
    assert failed.status == 1 and f"{uri}/none does not exist" in failed.err and failed.out == ""
    assert names() == ["a"]
    partly = ais("archive", "bucket", uri, f"{uri}/x.tar", "--list", "a,none", "--cont-on-err")
    assert partly.status == 0 and partly.out.startswith("Archived ")
    assert "some objects were left out" in partly.err and "none" in partly.err
    nothing = ais("archive", "bucket", uri, f"{uri}/n.tar", "--list", "none", "--cont-on-err")
    assert nothing.status == 1 and names() == ["a", "x.tar"]


def test_archive_bucket_shows_before_it_does(ais: Run, uri: str, put: Put, names: Names) -> None:
    put({f"o{at:02d}": b"" for at in range(12)})
    done = ais("archive", "bucket", uri, f"{uri}/x.tar", "--dry-run")
    assert f"[DRY RUN] archive {uri}/o00 => {uri}/x.tar\n" in done.out and "(and 2 more)" in done.out
    assert ais("archive", "bucket", uri, f"{uri}/x.rar").status == 2
    assert len(names()) == 12


def test_119_files_of_shards_are_indented(ais: Run, uri: str) -> None:
    ais("archive", "gen-shards", f"{uri}/sh-{{0..1}}.tar", "--fcount", "1", "--fsize", "10")
    shown = ais("archive", "ls", uri, "--props", "size").out
    assert "\n    sh-0.tar/sh-0-1.test\t 10B" in shown and ais("ls", uri, "--archive").out == shown


def test_generated_shards(ais: Run, uri: str, names: Names, read: Read) -> None:
    done = ais(
        "archive", "gen-shards", f"{uri}/t-{{00..02}}.tgz", "--fcount", "2", "--fsize", "2KiB", "--fext", "wav,.txt"
    )
    assert done.out.startswith(f"Shards created: 3/3 in {uri} (")
    assert names() == ["t-00.tgz", "t-01.tgz", "t-02.tgz"]
    found = members_of(read("t-01.tgz"))
    assert {name: len(data) for name, data in found.items()} == {
        f"t-01-{at}{ext}": 2048 for at in (1, 2) for ext in (".wav", ".txt")
    }
    assert found["t-01-1.wav"] != found["t-01-2.wav"]


def test_generated_shards_anew(ais: Run, uri: str, names: Names, read: Read, put: Put) -> None:
    put(old=b"1")
    words = ["archive", "gen-shards", f"{uri}/s.tar", "--fcount", "2", "--fsize", "1", "--cleanup"]
    assert ais(*words, stdin="n\n").out.endswith("Operation canceled.\n") and names() == ["old"]
    made = ais(*words, "--tform", "GNU", "--output-template", "a-{7..9}.bin", "--yes", "--json")
    assert json.loads(made.out)["shards"] == ["s.tar"] and names() == ["s.tar"]
    assert list(members_of(read("s.tar"))) == ["a-7.bin", "a-8.bin"]
    assert read("s.tar")[257:265] == b"ustar  \0"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["ais://b"], "missing a template"),
        (["ais://b/s.rar"], "unknown extension"),
        (["ais://b/s-{3..1}.tar"], "invalid template"),
        (["ais://b/s.tar", "--fcount", "0"], "'--fcount' must be 1 or more"),
        (["ais://b/s.tar", "--tform", "v7"], "USTAR, PAX or GNU"),
        (["ais://b/s.zip", "--tform", "PAX"], "'--tform' is for .tar shards"),
        (["ais://b/s.tar", "--output-template", "a-{1..2}"], "fewer than 5 names"),
        (["ais://b/s.tar", "--fsize", "1GiB"], "a shard would have more than"),
    ],
)
def test_gen_shards_refuses(run: Run, peer: Peer, words: list[str], text: str) -> None:
    done = run("archive", "gen-shards", *words)
    assert done.status == 2 and text in done.err and peer.received == []
