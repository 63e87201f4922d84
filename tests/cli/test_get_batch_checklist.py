"""Numbers of spec/cli.md section 7 about `ais ml get-batch` that no other test shows."""

import json
import os
from pathlib import Path

import pytest

from tests.cli.conftest import Ais, make_tar, members_of
from tests.cli.wire_server import WireServer


def get(ais: Ais, *words: str, **more):
    return ais("ml", "get-batch", *words, **more)


def names(path: Path) -> list[str]:
    return [name for name, _ in members_of(path)]


def test_01_03_words_of_the_group(ais: Ais) -> None:
    page = ais("ml")
    assert page.status == 0 and "get-batch" in page.out and "lhotse-get-batch" in page.out
    unknown = ais("ml", "bogus")
    assert unknown.status == 2 and 'unknown or misplaced "bogus"' in unknown.err


@pytest.mark.parametrize("word", ["--help", "-h"])
def test_02_help_of_both_commands_without_a_network(ais: Ais, server: WireServer, word: str) -> None:
    flags = "spec list template prefix omit-src-bck streaming cont-on-err yes non-verbose"
    for command, more in (("get-batch", ""), ("lhotse-get-batch", "cuts sample-rate batch-size output-template")):
        page = ais("ml", command, word)
        assert page.status == 0 and all(f"--{flag}" in page.out for flag in (flags + " " + more).split())
    assert server.requests == []


def test_06_the_order_of_the_list_and_blanks(ais: Ais, work: Path) -> None:
    assert get(ais, "ais://dataset", "--list", "audio2.wav, audio1.wav", "o.tar").status == 0
    assert names(work / "o.tar") == ["dataset/audio2.wav", "dataset/audio1.wav"]


def test_07_empty_items_of_a_list(ais: Ais, work: Path) -> None:
    done = get(ais, "ais://dataset", "--list", "audio1.wav,,audio2.wav", "o.tar")
    assert done.status == 0 and done.err.startswith("Warning: ignoring 1 empty name")
    assert len(names(work / "o.tar")) == 2


def test_12_members_of_shards_below_folders(ais: Ais, server: WireServer) -> None:
    assert get(ais, "ais://data/shard.tar/dir/b.txt", "o.tar").status == 0
    (entry,) = server.batches()[0][1]["in"]
    assert (entry["objname"], entry["archpath"]) == ("shard.tar", "dir/b.txt")


def test_13_a_template_in_the_source(ais: Ais, work: Path) -> None:
    assert get(ais, "ais://models/checkpoint-{001..003}.pth", "o.tar").status == 0
    assert names(work / "o.tar") == [f"models/checkpoint-{number:03d}.pth" for number in (1, 2, 3)]


@pytest.mark.parametrize("option", ["--prefix", "--template"])
def test_16_106_a_prefix(ais: Ais, work: Path, option: str) -> None:
    assert get(ais, "ais://dataset", option, "dev/", "o.tar").status == 0
    assert names(work / "o.tar") == ["dataset/dev/x.wav", "dataset/dev/y.wav"]


@pytest.mark.parametrize("template", ["", "*"])
def test_106_every_object(ais: Ais, work: Path, template: str) -> None:
    assert get(ais, "ais://dataset", "--template", template, "o.tar").status == 0
    assert len(names(work / "o.tar")) == 4


def test_17_nothing_matches(ais: Ais, work: Path) -> None:
    done = get(ais, "ais://dataset", "--prefix", "nope/", "o.tar")
    assert (done.status, done.err) == (1, "Error: no objects match ais://dataset/nope/\n")
    assert os.listdir(work) == []


@pytest.mark.parametrize(
    "words",
    [
        ("--streaming", "ais://dataset", "--list", "audio1.wav", "o.tar"),
        ("ais://dataset", "--streaming", "o.tar", "--list", "audio1.wav"),
    ],
)
def test_19_20_flags_in_any_place(ais: Ais, server: WireServer, words: tuple[str, ...]) -> None:
    done = get(ais, *words)
    assert (done.status, done.out) == (0, "Streamed 1 objects to o.tar\n")
    assert server.batches()[0][1]["strm"] is True


def test_22_23_names_without_the_bucket(ais: Ais, work: Path, server: WireServer) -> None:
    words = ("ais://dataset/audio1.wav", "ais://data/shard.tar/file.wav")
    assert get(ais, *words, "o.tar", "--omit-src-bck").status == 0
    assert server.batches()[0][1]["onob"] is True
    assert names(work / "o.tar") == ["audio1.wav", "shard.tar/file.wav"]


def test_32_an_object_and_a_list(ais: Ais, server: WireServer) -> None:
    done = get(ais, "ais://dataset/audio1.wav", "--list", "audio2.wav", "o.tar")
    assert done.status == 2 and "cannot be used together with flags '--list' and '--template'" in done.err
    assert server.requests == []


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("s3:/bck/o", 'did you mean "s3://bck/o"?'),
        ("foo://b/o", 'invalid backend provider "foo"'),
        ("dataset/audio1.wav", 'did you mean "ais://dataset/audio1.wav"?'),
    ],
)
def test_42_43_sources_that_are_none(ais: Ais, work: Path, source: str, text: str) -> None:
    done = get(ais, source, "o.tar")
    assert done.status == 2 and text in done.err and os.listdir(work) == []


def test_41_a_bucket_is_no_destination(ais: Ais, work: Path, server: WireServer) -> None:
    done = get(ais, "ais://dataset/audio1.wav", "ais://dst/o.tar")
    assert done.status == 2 and "destination must be a local file, '-' or '/dev/null'" in done.err
    assert os.listdir(work) == [] and server.requests == []


def test_54_55_the_inline_text_of_the_documents(ais: Ais, work: Path, server: WireServer) -> None:
    real = "{ in: [ais://dataset/audio1.wav, {objname: audio2.wav, bucket: dataset}], streaming_get: true }"
    done = get(ais, "out.tar", "--spec", real, "--streaming")
    assert done.out == "Streamed 2 objects to out.tar\n" and server.batches()[0][1]["strm"] is True
    typed = get(ais, "out.tar", "--spec", "{ in: [...], streaming_get: true }", "--streaming", "-y")
    assert typed.status == 1 and "entry 0: " in typed.err


def test_56_71_providers_of_entries_are_sent_as_given(ais: Ais, server: WireServer) -> None:
    spec = """{"in": [{"objname": "a.wav", "bucket": "speech-data", "provider": "ais"},
                      {"objname": "b.wav", "bucket": "speech-data"},
                      {"objname": "c.pth", "bucket": "models", "provider": "s3"}],
               "output_format": "tar", "streaming_get": false}"""
    shown = json.loads(get(ais, "o.tar", "--spec", spec, "--dry-run", "--json").out)
    assert [entry.get("provider") for entry in shown["body"]["in"]] == ["ais", None, "s3"]
    assert shown["body"]["mime"] == ".tar" and server.requests == []


def test_70_ranges(ais: Ais, work: Path, server: WireServer) -> None:
    server.buckets["dataset"]["letters"] = b"abcdefghijklmnopqrstuvwxyz"
    spec = "{in: [{objname: letters, start: 10, length: 5}, {objname: letters, start: 20, length: -1}]}"
    assert get(ais, "ais://dataset", "o.tar", "--spec", spec).status == 0
    assert [size for _, size in members_of(work / "o.tar")] == [5, 6]
    assert b"klmno" in (work / "o.tar").read_bytes()
    refused = get(ais, "ais://dataset", "p.tar", "--spec", "{in: [{objname: letters, start: 10, length: 0}]}")
    assert refused.status == 1 and "not satisfiable range [start=10,length=0" in refused.err
    assert not (work / "p.tar").exists()


def test_145_a_refused_range_is_named(ais: Ais, work: Path, server: WireServer) -> None:
    """Clusters say size and range; which item of several it was is ours to add."""
    server.refuse = (416, "t[abc]: size=26: not satisfiable range [start=20,length=100]")
    spec = "{in: [{objname: a}, {objname: b, start: 20, length: 100}, {objname: c, start: 20, length: 10}]}"
    done = get(ais, "ais://dataset", "o.tar", "--spec", spec)
    assert done.err == "Error: dataset/b: size=26: not satisfiable range [start=20,length=100]\n"
    twice = "{in: [{objname: a, start: 20, length: 100}, {objname: b, start: 20, length: 100}]}"
    done = get(ais, "ais://dataset", "o.tar", "--spec", twice)
    assert done.err.startswith("Error: dataset/a (or another of 2 items with this range): size=26")
    server.refuse = (416, "t[abc]: size=26: not satisfiable range [start=50]")
    done = get(ais, "ais://dataset", "o.tar", "--spec", "{in: [{objname: b, start: 50, length: -1}]}")
    assert done.err.startswith("Error: dataset/b: size=26")
    assert os.listdir(work) == []


def test_150_an_object_beside_longer_names(ais: Ais, work: Path, server: WireServer) -> None:
    server.buckets["data"]["shard.tar.lz4"] = make_tar({"x": b"x"})
    assert get(ais, "ais://data/shard.tar", "o.tar").status == 0
    assert names(work / "o.tar") == ["data/shard.tar"]


def test_a_dry_run_asks_for_listings_only(ais: Ais, work: Path, server: WireServer) -> None:
    done = get(ais, "ais://dataset", "ais://#ml/ds/a", "o.tgz", "--dry-run", "--streaming")
    first, body = done.out.splitlines()
    assert first == "[DRY RUN] GET /v1/ml/moss/dataset?provider=ais => o.tgz"
    entries = json.loads(body)["in"]
    assert len(entries) == 5 and entries[-1] == {
        "objname": "a", "bucket": "ds", "provider": "ais", "uname": "ais/@#ml/ds/",
    }  # fmt: skip
    assert os.listdir(work) == [] and server.batches() == []


@pytest.mark.parametrize("code", [429, 503])
def test_a_busy_cluster_is_asked_again_before_anything_is_written(
    ais: Ais, work: Path, server: WireServer, code: int
) -> None:
    server.busy, server.busy_code = 2, code
    done = get(ais, "ais://dataset/audio1.wav", "o.tar")
    assert done.status == 0 and done.err.count("Note: ") == 1
    assert len(server.batches()) == 3 and names(work / "o.tar") == ["dataset/audio1.wav"]
