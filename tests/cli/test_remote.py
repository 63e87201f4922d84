"""`ais` on S3 buckets, as a user types it: a real node in front of a real S3 service."""

import io
import sys
import tarfile
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from moss.cli.main import main
from moss.testing import NodeProcess
from tests.support.rgw import Rgw


class Result(NamedTuple):
    """What a command line did."""

    status: int
    out: str
    err: str


class Cloud:
    """A bucket of the S3 service with objects that no node has seen."""

    def __init__(self, rgw: Rgw) -> None:
        self.client, self.name = rgw.client(), f"cli-{uuid.uuid4().hex[:12]}"
        self.client.create_bucket(Bucket=self.name)
        for number in range(4):
            self.client.put_object(Bucket=self.name, Key=f"d/o-{number}.txt", Body=b"content %d\n" % number)
        self.uri = f"s3://{self.name}"

    def read(self, name: str) -> bytes:
        return self.client.get_object(Bucket=self.name, Key=name)["Body"].read()

    def names(self) -> list[str]:
        return [row["Key"] for row in self.client.list_objects_v2(Bucket=self.name).get("Contents", [])]


@pytest.fixture
def cloud(rgw: Rgw) -> Cloud:
    return Cloud(rgw)


@pytest.fixture
def ais(cloud_node: NodeProcess, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Result]:
    """Run `ais` with arguments in an empty folder; it has to succeed unless told otherwise."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AIS_ENDPOINT", cloud_node.url)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.chdir(tmp_path)

    def run(*words: str, stdin: str = "", status: int = 0) -> Result:
        streams = [io.TextIOWrapper(io.BytesIO(text.encode()), "utf-8") for text in (stdin, "", "")]
        for name, stream in zip(("stdin", "stdout", "stderr"), streams, strict=True):
            monkeypatch.setattr(sys, name, stream)
        done = Result(main(list(words)), *map(written, streams[1:]))
        assert done.status == status, done
        return done

    return run


def written(stream: io.TextIOWrapper) -> str:
    stream.flush()
    stream.seek(0)
    return stream.read()


def first_words(text: str) -> list[str]:
    return [line.split()[0] for line in text.splitlines() if line.strip()]


Ais = Callable[..., Any]


def test_listings_tell_what_is_cached(ais: Ais, cloud: Cloud):
    names = [f"d/o-{number}.txt" for number in range(4)]
    assert ais("ls", cloud.uri).out.startswith("NAME\t\t SIZE\t CACHED\t \nd/o-0.txt\t 10B\t no\t \n")
    assert f"s3://{cloud.name}" in first_words(ais("ls", "s3:", "--all").out)
    assert ais("get", f"{cloud.uri}/d/o-0.txt", "-").out == "content 0\n"
    assert first_words(ais("ls", cloud.uri, "--cached", "-H").out) == names[:1]
    assert first_words(ais("ls", cloud.uri, "--not-cached", "-H").out) == names[1:]
    assert first_words(ais("ls", cloud.uri, "--name-only", "-H").out) == names
    summary = ais("bucket", "summary", cloud.uri, "-H").out.split()
    assert summary[:3] == [cloud.uri, "1", "4"]
    assert "cached\t\t yes" in ais("object", "show", f"{cloud.uri}/d/o-0.txt").out
    assert "--not-cached" in ais("object", "show", f"{cloud.uri}/d/o-1.txt", status=1).err
    assert "cached\t\t no" in ais("object", "show", f"{cloud.uri}/d/o-1.txt", "--not-cached").out


def test_what_is_put_and_removed_here_is_so_there(ais: Ais, cloud: Cloud, tmp_path: Path):
    (tmp_path / "f.txt").write_text("from a file")
    ais("put", "f.txt", f"{cloud.uri}/f.txt")
    assert cloud.read("f.txt") == b"from a file"
    ais("put", "-", f"{cloud.uri}/typed", stdin="typed")
    assert cloud.read("typed") == b"typed"
    ais("rmo", f"{cloud.uri}/f.txt")
    ais("rmo", cloud.uri, "--template", "d/o-{1..2}.txt", "--wait")
    assert cloud.names() == ["d/o-0.txt", "d/o-3.txt", "typed"]


def test_get_files_and_ranges(ais: Ais, cloud: Cloud, tmp_path: Path):
    ais("get", f"{cloud.uri}/d/o-1.txt", "one.txt")
    assert (tmp_path / "one.txt").read_bytes() == b"content 1\n"
    assert ais("get", f"{cloud.uri}/d/o-2.txt", "-", "--offset", "8", "--length", "1").out == "2"
    (tmp_path / "all").mkdir()
    ais("get", cloud.uri, "all", "--prefix", "d/", "--yes")
    assert sorted(path.read_bytes() for path in (tmp_path / "all").rglob("*.txt")) == [
        b"content %d\n" % number for number in range(4)
    ]


@pytest.mark.parametrize("words", [(), ("--streaming",)])
def test_btr_30_batches_of_what_is_not_here(ais: Ais, cloud: Cloud, tmp_path: Path, words: tuple[str, ...]):
    done = ais("ml", "get-batch", cloud.uri, "--template", "d/o-{0..3}.txt", "out.tar", *words)
    assert "4 objects" in done.out
    with tarfile.open(tmp_path / "out.tar") as archive:
        found = {name: archive.extractfile(name).read() for name in archive.getnames()}
    assert found == {f"{cloud.name}/d/o-{number}.txt": b"content %d\n" % number for number in range(4)}
    assert len(first_words(ais("ls", cloud.uri, "--cached", "-H").out)) == 4
    ais("ml", "get-batch", cloud.uri, "--list", "d/o-0.txt,none", "strict.tar", status=1)


def test_prefetch_and_evict(ais: Ais, cloud: Cloud):
    def cached() -> list[str]:
        return first_words(ais("ls", cloud.uri, "--cached", "-H").out) if cloud.names() else []

    ais("prefetch", cloud.uri, "--prefix", "d/", "--wait")
    assert len(cached()) == 4
    assert ais("evict", f"{cloud.uri}/d/o-0.txt").out == f'evicted "d/o-0.txt" from {cloud.uri}\n'
    ais("evict", cloud.uri, "--template", "d/o-{1..2}.txt", "--wait")
    assert cached() == ["d/o-3.txt"]
    ais("prefetch", cloud.uri, "--list", "d/o-0.txt", "--wait")
    assert cached() == ["d/o-0.txt", "d/o-3.txt"]
    assert ais("evict", cloud.uri, "--keep-md").out == f"Evicted bucket {cloud.uri} (metadata preserved)\n"
    assert ais("evict", cloud.uri).out == f"Evicted bucket {cloud.uri}\n"
    assert len(cloud.names()) == 4


def test_copies_out_of_into_and_within_the_store(ais: Ais, cloud: Cloud):
    local = f"ais://{cloud.name}-local"
    ais("create", local)
    ais("cp", f"{cloud.uri}/d/o-3.txt", f"{local}/x")
    ais("cp", f"{local}/x", f"{cloud.uri}/copied")
    assert cloud.read("copied") == b"content 3\n"
    ais("cp", cloud.uri, local, "--all", "--wait")
    assert len(first_words(ais("ls", local, "-H").out)) == 6
    ais("cp", local, cloud.uri, "--prepend", "new/", "--wait")
    assert cloud.read("new/d/o-0.txt") == b"content 0\n"


def test_shards_are_packed_and_listed_there(ais: Ais, cloud: Cloud):
    shard = f"{cloud.uri}/packed.tar"
    ais("archive", "bucket", cloud.uri, shard, "--template", "d/o-{0..3}.txt", "--wait")
    with tarfile.open(fileobj=io.BytesIO(cloud.read("packed.tar"))) as archive:
        assert len(archive.getnames()) == 4
    assert "packed.tar/d/o-2.txt" in ais("ls", shard, "--archive").out
    ais("evict", shard)
    assert ais("get", shard, "-", "--archpath", "d/o-2.txt").out == "content 2\n"


def test_properties_of_a_bucket(ais: Ais, cloud: Cloud):
    ais("bucket", "props", "set", cloud.uri, "versioning.validate_warm_get", "true")
    assert ais("get", f"{cloud.uri}/d/o-0.txt", "-").out == "content 0\n"
    cloud.client.put_object(Bucket=cloud.name, Key="d/o-0.txt", Body=b"changed")
    assert ais("get", f"{cloud.uri}/d/o-0.txt", "-").out == "changed"


@pytest.mark.parametrize(
    "words, text",
    [
        (("ls", "s3://nobody-has-it"), 'bucket "s3://nobody-has-it" does not exist'),
        (("get", "s3://nobody-has-it/o", "-"), 'bucket "s3://nobody-has-it" does not exist'),
        (("get", "BUCKET/none", "-"), 'none" does not exist'),
        (("rmb", "BUCKET", "--yes"), "not supported"),
        (("bucket", "mv", "BUCKET", "s3://other"), "BUCKET"),
        (("ls", "gs://b"), "gs://b"),
    ],
)
def test_refusals_say_why(ais: Ais, cloud: Cloud, words: tuple[str, ...], text: str):
    typed = [word.replace("BUCKET", cloud.uri) for word in words]
    assert text.replace("BUCKET", cloud.uri) in ais(*typed, status=1).err
    assert len(cloud.names()) == 4
