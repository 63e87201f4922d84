"""Buckets and objects from the outside. Numbers in names are those of spec/cli.md section 7."""

import io
import json
import os
from pathlib import Path

import pytest

from tests.cli.conftest import Ais
from tests.cli.wire_server import WireServer


def test_108_create(ais: Ais, server: WireServer) -> None:
    assert ais("bucket", "create", "ais://b1").out == '"ais://b1" created\n'
    again = ais("create", "ais://b1")
    assert (again.status, again.err) == (1, 'Error: Bucket "ais://b1" already exists\n')
    ignored = ais("create", "ais://b1", "ais://b2", "--ignore-error")
    assert (ignored.status, ignored.out) == (0, 'Bucket "ais://b1" already exists\n"ais://b2" created\n')


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("b4",), 'backend provider cannot be empty (did you mean "ais://b4"?)'),
        (("ais://b@d",), "may only contain letters"),
        (("ais://b/o",), 'expecting a bucket, got "ais://b/o"'),
        ((), 'missing "BUCKET" argument'),
    ],
)
def test_create_refuses(ais: Ais, words: tuple[str, ...], text: str) -> None:
    done = ais("bucket", "create", *words)
    assert done.status == 2 and text in done.err


def test_109_remove_bucket(ais: Ais, server: WireServer) -> None:
    server.buckets["empty"] = {}
    assert ais("rmb", "ais://empty").out == '"ais://empty" destroyed\n'
    no = ais("rmb", "ais://dataset", stdin="n\n")
    assert (no.status, no.out) == (0, "Proceed to destroy ais://dataset? [Y/N]: Operation canceled.\n")
    unanswered = ais("rmb", "ais://dataset")
    assert unanswered.status == 1 and "--yes" in unanswered.err
    assert "dataset" in server.buckets
    assert ais("bucket", "rm", "ais://dataset", "-y").out == '"ais://dataset" destroyed\n'
    gone = ais("rmb", "ais://dataset")
    assert (gone.status, gone.err) == (1, 'Error: bucket "ais://dataset" does not exist\n')


def test_110_remove_all_needs_the_phrase(ais: Ais, server: WireServer) -> None:
    del server.buckets["#ml/ds"]
    assert ais("rmb", "--all", "--yes", stdin="yes\n").out.endswith("Operation canceled.\n")
    assert len(server.buckets) == 3
    assert '"ais://data" destroyed' in ais("rmb", "--all", stdin="DELETE\n").out
    assert server.buckets == {}


def test_115_list_buckets(ais: Ais, server: WireServer) -> None:
    del server.buckets["#ml/ds"]
    expected = "NAME\t\t PRESENT\nais://data\t yes\nais://dataset\t yes\nais://models\t yes\n"
    assert ais("ls").out == expected + "Total: [AIS buckets: 3] ========\n\n"
    assert [row["name"] for row in json.loads(ais("ls", "--json").out)] == ["data", "dataset", "models"]
    server.buckets.clear()
    assert ais("ls").out == "No buckets in the cluster.\n"


def test_114_list_objects_over_several_pages(ais: Ais) -> None:
    expected = "NAME\t\t SIZE\t \naudio1.wav\t 100B\t \naudio2.wav\t 200B\t \ndev/x.wav\t 10B\t \ndev/y.wav\t 20B\t \n"
    assert ais("ls", "ais://dataset").out == expected
    assert ais("ls", "ais://dataset", "-H").out == expected.partition("\n")[2]
    assert ais("ls", "ais://models").out.endswith("Listed 100 names\n")
    assert ais("ls", "ais://models", "--limit", "4").out.count("\n") == 5
    assert ais("ls", "ais://dataset", "--name-only").out.startswith("NAME\t\t \naudio1.wav\t \n")
    rows = json.loads(ais("ls", "ais://dataset/dev/", "--json").out)
    assert rows == [{"name": "dev/x.wav", "size": 10}, {"name": "dev/y.wav", "size": 20}]


def test_list_by_template_and_regex(ais: Ais) -> None:
    listed = ais("ls", "ais://models", "--template", "checkpoint-{001..003}.pth", "--name-only", "-H").out
    assert [line.strip() for line in listed.splitlines()] == [f"checkpoint-00{i}.pth" for i in (1, 2, 3)]
    assert ais("ls", "ais://models", "--regex", "00[12]", "--count-only").out.startswith("Listed 2 names in ")
    assert ais("ls", "ais://models", "--regex", "(").status == 2


def test_116_list_refuses(ais: Ais) -> None:
    assert 'invalid backend provider "aiss"' in ais("ls", "aiss://b").err
    assert ais("ls", "ais://dataset", "--props", "foo").status == 2
    assert ais("ls", "ais://dataset/zzz").err == 'Error: "zzz" not found in ais://dataset\n'
    assert ais("ls", "ais://nope").err == 'Error: bucket "ais://nope" does not exist\n'


def test_list_one_object_shows_properties(ais: Ais) -> None:
    expected = (
        "PROPERTY\t VALUE\natime\t\t 14 Nov 23 22:13 UTC\nchecksum\t xxhash2[00ff]\n"
        "name\t\t ais://dataset/audio1.wav\nsize\t\t 100B\n"
    )
    assert ais("ls", "ais://dataset/audio1.wav").out == expected
    assert ais("show", "object", "ais://dataset/audio1.wav").out == expected
    assert json.loads(ais("show", "object", "ais://dataset/audio1.wav", "--json").out)["size"] == 100


def test_control_characters_in_names_stay_escaped(ais: Ais, server: WireServer) -> None:
    server.buckets["odd"] = {"a\x1b[31m\nb": b""}
    assert ais("ls", "ais://odd").out == "NAME\t\t SIZE\t \na\\x1b[31m\\nb\t 0B\t \n"


def test_111_155_put(ais: Ais, work: Path, server: WireServer) -> None:
    (work / "d").mkdir()
    (work / "d/f.txt").write_text("one")
    assert ais("put", "d/f.txt", "ais://dataset/o").out == f'PUT "{work}/d/f.txt" => ais://dataset/o\n\n'
    assert ais("put", "d/f.txt", "ais://dataset/dir/").out.endswith(" => ais://dataset/dir/d/f.txt\n\n")
    assert ais("put", "d/f.txt", "ais://dataset").out.endswith(" => ais://dataset/f.txt\n\n")
    assert ais("put", "-", "ais://dataset/s", stdin="data").out == "PUT (standard input) => ais://dataset/s\n\n"
    found = server.buckets["dataset"]
    assert found["o"] == found["dir/d/f.txt"] == found["f.txt"] == b"one" and found["s"] == b"data"
    failed = ais("put", "d/f.txt", "ais://nobck/x")
    assert (failed.status, failed.out) == (1, "") and 'bucket "ais://nobck" does not exist' in failed.err
    assert ais("put", "-", "ais://dataset").status == 2
    assert '"nofile"' in ais("put", "nofile", "ais://dataset").err


def test_large_bodies_are_sent_once_behind_a_redirect(ais: Ais, work: Path, server: WireServer) -> None:
    data = os.urandom(1 << 20)
    (work / "big").write_bytes(data)
    assert ais("put", "big", "ais://dataset").status == 0
    assert ais("put", "-", "ais://dataset/piped", stdin=data).status == 0
    assert server.buckets["dataset"]["big"] == server.buckets["dataset"]["piped"] == data
    assert [body for method, _, _, body in server.requests if method == "PUT"] == [b"", b""]


def test_put_folder(ais: Ais, work: Path, server: WireServer) -> None:
    (work / "d/sub").mkdir(parents=True)
    for name in ("f1.txt", "f2.txt", "x.jpg", "sub/s.txt"):
        (work / "d" / name).write_text("12")
    server.buckets["tmp"] = {}
    done = ais("put", "d", "ais://tmp", "--yes")
    assert done.out == (
        "Files to upload:\nEXTENSION\t COUNT\t SIZE\n.jpg\t\t 1\t 2B\n.txt\t\t 2\t 4B\nTOTAL\t\t 3\t 6B\n\n"
        "PUT 3 files (one directory, non-recursive) => ais://tmp\n"
    )
    assert sorted(server.buckets["tmp"]) == ["f1.txt", "f2.txt", "x.jpg"]
    assert ais("put", "d", "ais://tmp/p/", "-r", "--num-workers", "-1", stdin="y\n").out.endswith("[Y/N]: Done\n")
    assert "p/sub/s.txt" in server.buckets["tmp"]
    assert ais("put", "d/*.txt", "ais://tmp/g/", "--yes").out.endswith("PUT 2 files => ais://tmp/g/\n")
    server.buckets["tmp"].clear()
    dry = ais("put", "d", "ais://tmp", "--dry-run")
    assert "PUT d/f1.txt -> ais://tmp/f1.txt\n" in dry.out and server.buckets["tmp"] == {}
    assert ais("put", "d", "ais://tmp", stdin="n\n").out.endswith("Operation canceled.\n")


def test_112_get(ais: Ais, work: Path) -> None:
    assert ais("get", "ais://dataset/audio1.wav", "out1").out == "GET audio1.wav from ais://dataset as out1 (100B)\n"
    assert (work / "out1").read_bytes() == b"a" * 100
    assert ais("get", "ais://dataset/dev/x.wav").out == "GET dev/x.wav from ais://dataset as x.wav (10B)\n"
    assert ais("get", "ais://dataset/dev/x.wav", "-").data == b"x" * 10
    assert ais("object", "cat", "ais://dataset/dev/x.wav").data == b"x" * 10
    null = ais("get", "ais://dataset/audio1.wav", "/dev/null")
    assert null.out == "GET and discard audio1.wav from ais://dataset (100B)\n"


def test_113_get_of_nothing_leaves_nothing(ais: Ais, work: Path) -> None:
    done = ais("get", "ais://dataset/none")
    assert (done.status, done.out) == (1, "")
    assert done.err == 'Error: object "ais://dataset/none" does not exist\n'
    assert os.listdir(work) == []


def test_156_get_range(ais: Ais, work: Path) -> None:
    words = ("get", "ais://dataset/audio1.wav", "part")
    assert ais(*words, "--offset", "99", "--length", "50").out == "Read range (length 1 at offset 99) as part\n"
    half = ais(*words, "--offset", "10")
    assert half.status == 2 and "'--length' and '--offset'" in half.err


def test_get_member_of_a_shard(ais: Ais, work: Path) -> None:
    done = ais("get", "ais://data/shard.tar", "b.txt", "--archpath", "dir/b.txt")
    assert done.out == "GET dir/b.txt from ais://data/shard.tar as b.txt (8B)\n"
    assert ais("get", "ais://data/shard.tar/dir/b.txt", "-").out == "hello b\n"
    none = ais("get", "ais://data/shard.tar/none", "-")
    assert none.err == 'Error: file "ais://data/shard.tar/none" does not exist\n'


def test_get_keeps_existing_files_until_the_new_one_is_whole(ais: Ais, work: Path, server: WireServer) -> None:
    (work / "o").write_text("old")
    no = ais("get", "ais://dataset/audio1.wav", "o", stdin="n\n")
    assert (no.status, no.out) == (0, 'overwrite existing "o" [Y/N]: Operation canceled.\n')
    server.fault = "cut"
    assert ais("get", "ais://dataset/audio1.wav", "o", "--yes").status == 1
    assert (work / "o").read_text() == "old" and os.listdir(work) == ["o"]


def test_get_prefix_into_a_folder(ais: Ais, work: Path) -> None:
    assert ais("get", "ais://models", "gdir/", "--prefix", "checkpoint-00", "--yes").status == 0
    assert len(os.listdir(work / "gdir")) == 9
    assert ais("get", "ais://models", "x/", "--prefix", "none").err == "Error: no objects match ais://models/none\n"


def test_names_cannot_leave_the_folder(ais: Ais, work: Path, server: WireServer) -> None:
    server.buckets["odd"] = {"../../evil": b"x", "/abs": b"y"}
    done = ais("get", "ais://odd", "in", "--prefix", "", "--yes")
    assert done.status == 1 and "refusing to write" in done.err
    assert not (work.parent / "evil").exists() and not (work / "evil").exists()
    assert not Path("/abs").exists()


def test_117_remove_objects(ais: Ais, server: WireServer) -> None:
    assert ais("object", "rm", "ais://dataset/audio1.wav").out == 'deleted "audio1.wav" from ais://dataset\n'
    again = ais("rmo", "ais://dataset/audio1.wav")
    assert (again.status, again.err) == (1, 'Error: "ais://dataset/audio1.wav" does not exist\n')
    nothing = ais("rmo", "ais://dataset")
    assert nothing.status == 2 and "to select objects to be removed use one of" in nothing.err
    assert list(server.buckets["dataset"]) == ["audio2.wav", "dev/x.wav", "dev/y.wav"]


def test_empty_files(ais: Ais, work: Path, server: WireServer) -> None:
    (work / "e").touch()
    assert ais("put", "e", "ais://dataset").status == 0
    assert server.buckets["dataset"]["e"] == b""
    assert ais("get", "ais://dataset/e", "back").status == 0
    assert io.BytesIO((work / "back").read_bytes()).getvalue() == b""
