"""`ais ml lhotse-get-batch` from the outside. Numbers in names are those of spec/cli.md section 7."""

import gzip
import json
import os
import subprocess
import sys
import threading
import zipfile
from pathlib import Path
from typing import Any

import lz4.frame
import pytest

from tests.cli.conftest import Ais, Result, make_tar, members_of
from tests.cli.wire_server import WireServer

MANY = ("--batch-size", "2", "--output-template", "o-{1..9}.tar")


def cut(index: int, uri: str = "", start: float = 0.0, duration: float = 1.0, **more: Any) -> dict[str, Any]:
    sources = [{"type": "url", "channels": [0], "source": uri or f"ais://speech/utt-{index}.wav"}]
    recording = {"id": f"r{index}", "sources": sources, "sampling_rate": 8000, "num_samples": 400_000, "duration": 50.0}
    return {
        "id": f"c{index}", "start": start, "duration": duration, "channel": 0, "type": "MonoCut", "recording": recording
    } | more  # fmt: skip


def lines(*cuts: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(item).encode() + b"\n" for item in cuts)


@pytest.fixture
def speech(server: WireServer) -> WireServer:
    server.buckets["speech"] = {f"utt-{index}.wav": bytes([65 + index]) * 100_000 for index in range(9)}
    return server


@pytest.fixture
def lhotse(ais: Ais, work: Path, speech: WireServer):
    """Run the command with a manifest of these cuts."""

    def run(*words: str, cuts: list[dict[str, Any]] | bytes | None = None, name: str = "m.jsonl", **more) -> Result:
        if cuts is not None:
            (work / name).write_bytes(cuts if isinstance(cuts, bytes) else lines(*cuts))
        return ais("ml", "lhotse-get-batch", "--cuts", name, *words, **more)

    return run


def names(work: Path, pattern: str = "o*") -> list[str]:
    return sorted(path.name for path in work.glob(pattern))


def sent(server: WireServer) -> list[list[str]]:
    """Object names of each request, in any order of requests."""
    return sorted([entry["objname"] for entry in body["in"]] for _, body in server.batches())


THREE = [cut(0), cut(1), cut(2)]
FOUR = [*THREE, cut(3)]


# --- one archive ---


def test_72_the_manifest_is_required(ais: Ais) -> None:
    done = ais("ml", "lhotse-get-batch", "o.tar")
    assert (done.status, done.out) == (2, "") and 'Required flag "cuts" not set' in done.err
    assert done.err.count("\n") == 3


def test_73_a_manifest_as_one_archive(lhotse, work: Path, speech: WireServer) -> None:
    done = lhotse("o.tar", cuts=THREE)
    assert done == (0, "Created ML batch archive o.tar with 3 objects\n", "", done.data)
    path, body = speech.batches()[0]
    assert path == "/v1/ml/moss"
    assert body == {
        "mime": ".tar",
        "in": [{"objname": f"utt-{i}.wav", "bucket": "speech", "provider": "ais"} for i in range(3)],
        "onob": False,
        "strm": False,
    }
    assert members_of(work / "o.tar") == [(f"speech/utt-{i}.wav", 100_000) for i in range(3)]


def test_74_every_compression_gives_the_same_request(lhotse, speech: WireServer) -> None:
    text = lines(*THREE)
    for name, data in (
        ("m.jsonl", text), ("m.jsonl.gz", gzip.compress(text)), ("m.jsonl.gzip", gzip.compress(text)),
        ("m.jsonl.lz4", lz4.frame.compress(text)), ("hidden.jsonl", gzip.compress(text)),
    ):  # fmt: skip
        assert lhotse("o.tar", "-y", cuts=data, name=name).status == 0
    bodies = [body for _, body in speech.batches()]
    assert len(bodies) == 5 and all(body == bodies[0] for body in bodies)


def test_the_manifest_from_standard_input(lhotse, work: Path) -> None:
    done = lhotse("o.tar", name="-", stdin=lines(*THREE))
    assert done.out == "Created ML batch archive o.tar with 3 objects\n"
    again = lhotse("o.tar", name="-", stdin=lines(*THREE))
    assert again.status == 1 and "(use '--yes' to overwrite)" in again.err  # standard input answers no question
    both = lhotse("p.tar", "--spec", "-", name="-", stdin=lines(*THREE))
    assert both.status == 2 and "cannot both be read from standard input" in both.err


def test_the_manifest_in_a_bucket_or_in_a_shard(lhotse, work: Path, speech: WireServer) -> None:
    speech.buckets["speech"] |= {
        "m.jsonl.gz": gzip.compress(lines(*THREE)),
        "set.tar": make_tar({"dev/m.jsonl": lines(*FOUR)}),
    }
    done = lhotse("o.tar", name="ais://speech/m.jsonl.gz")
    assert done.out == "Created ML batch archive o.tar with 3 objects\n", done.err
    done = lhotse("p.tar", name="ais://speech/set.tar/dev/m.jsonl")
    assert done.out == "Created ML batch archive p.tar with 4 objects\n", done.err
    missing = lhotse("q.tar", name="ais://speech/none.jsonl")
    assert missing.status == 1 and "ais://speech/none.jsonl" in missing.err and "does not exist" in missing.err


def test_77_members_of_shards(lhotse, speech: WireServer, work: Path) -> None:
    speech.buckets["speech"]["s.tar"] = make_tar({"audio/a.wav": b"a" * 10, "audio/b.wav": b"b" * 20})
    done = lhotse("o.tgz", cuts=[cut(0, "ais://speech/s.tar/audio/b.wav"), cut(1, "ais://speech/s.tar/audio/a.wav")])
    assert done.status == 0
    assert members_of(work / "o.tgz") == [("speech/s.tar/audio/b.wav", 20), ("speech/s.tar/audio/a.wav", 10)]


def test_79_absolute_paths_are_in_the_bucket_of_the_command_line(lhotse, speech: WireServer, work: Path) -> None:
    found = lhotse("ais://speech", "o.tar", cuts=[cut(0, "/utt-0.wav"), cut(1)])
    assert found.status == 0
    assert members_of(work / "o.tar") == [("speech/utt-0.wav", 100_000), ("speech/utt-1.wav", 100_000)]
    lost = lhotse("p.tar", cuts=[cut(1), cut(0, "/utt-0.wav")])
    assert lost.err == "Error: missing bucket specification for (name:utt-0.wav idx:1)\n"
    assert len(speech.batches()) == 1


def test_an_object_of_the_command_line_comes_last(lhotse, work: Path) -> None:
    done = lhotse("ais://dataset/audio1.wav", "o.tar", cuts=THREE)
    assert done.err == "Warning: adding 1 command-line defined name to the 3 spec-defined\n"
    assert members_of(work / "o.tar")[-1] == ("dataset/audio1.wav", 100)


def test_81_82_83_ranges(lhotse, speech: WireServer) -> None:
    cuts = [cut(0, start=3, duration=2), cut(1, start=0, duration=5), cut(2, start=1.75, duration=2.2)]

    def ranges(*words: str) -> list[tuple[int | None, int | None]]:
        done = lhotse("o.tar", "-y", *words, cuts=cuts)
        assert done.status == 0, done.err
        return [(entry.get("start"), entry.get("length")) for entry in speech.batches()[-1][1]["in"]]

    assert ranges() == [(None, None)] * 3
    assert ranges("--sample-rate", "1000") == [(3000, 2000), (None, 5000), (1750, 2200)]
    assert ranges("--sample-rate", "1000", "--whole-seconds") == [(3000, 2000), (None, 5000), (1000, 2000)]
    more = ("--bytes-per-sample", "2", "--header-bytes", "44")
    assert ranges("--sample-rate", "1000", *more) == [(6044, 4000), (44, 10000), (3544, 4400)]


def test_102_repeated_names_are_said_once(lhotse, work: Path) -> None:
    done = lhotse("o.tar", "--sample-rate", "1000", cuts=[cut(0), cut(0, start=1), cut(0, start=2)])
    assert done.err == (
        "Warning: archive contains repeated names (several cuts of one recording); "
        "read it as a stream, do not extract\n"
    )
    assert members_of(work / "o.tar") == [("speech/utt-0.wav", 1000)] * 3
    many = lhotse(*MANY, "--sample-rate", "1000", cuts=[cut(0)] * 6)
    assert many.err.count("repeated names") == 1


def test_97_mixes_and_padding(lhotse, work: Path) -> None:
    padding = {"id": "p", "duration": 1.0, "type": "PaddingCut"}
    mixed = {"id": "m", "type": "MixedCut", "tracks": [{"cut": cut(0)}, {"cut": padding}, {"cut": cut(1)}]}
    done = lhotse("o.tar", cuts=[padding, mixed, cut(2)])
    assert done.out == "Created ML batch archive o.tar with 3 objects\n"
    assert done.err == "Warning: skipped 1 padding cut(s)\n"
    only = lhotse("p.tar", cuts=[padding])
    assert only.status == 1 and only.err.splitlines()[-1] == "Error: empty get-batch request"


def test_every_source_when_asked_for(lhotse, work: Path) -> None:
    two = cut(0, type="MultiCut", channel=[0, 1])
    two["recording"]["sources"].append({"type": "url", "channels": [1], "source": "ais://speech/utt-5.wav"})
    assert lhotse("o.tar", cuts=[two]).status == 0
    assert [name for name, _ in members_of(work / "o.tar")] == ["speech/utt-0.wav"]
    assert lhotse("o.tar", "-y", "--all-sources", cuts=[two]).status == 0
    assert [name for name, _ in members_of(work / "o.tar")] == ["speech/utt-0.wav", "speech/utt-5.wav"]


def test_missing_recordings(lhotse, work: Path) -> None:
    cuts = [cut(0), cut(1, "ais://speech/nope.wav"), cut(2)]
    done = lhotse("o.tar", cuts=cuts)
    assert done.status == 1 and "nope.wav" in done.err and names(work) == []
    done = lhotse("o.tar", "--cont-on-err", cuts=cuts)
    assert done.status == 0 and "1 of 3 requested items" in done.err and "speech/nope.wav: " in done.err


# --- many archives ---


def test_85_94_archives_of_so_many_cuts(lhotse, work: Path, speech: WireServer) -> None:
    done = lhotse(*MANY, cuts=[*FOUR, cut(4)])
    assert done.err == ""
    assert done.out.splitlines() == [
        "Created o-1.tar with 2 objects and/or archived files",
        "Created o-2.tar with 2 objects and/or archived files",
        "Created o-3.tar with 1 objects and/or archived files",
        "Generated 3 batches from 5 cuts",
    ]
    assert [members_of(work / name)[0][0] for name in names(work)] == [f"speech/utt-{i}.wav" for i in (0, 2, 4)]
    assert sent(speech) == [["utt-0.wav", "utt-1.wav"], ["utt-2.wav", "utt-3.wav"], ["utt-4.wav"]]


def test_85_the_documented_numbers(lhotse, work: Path, speech: WireServer) -> None:
    speech.buckets["speech"] = {"utt-0.wav": b"x"}
    done = lhotse("--batch-size", "1000", "--output-template", "o-{001..999}.tar", cuts=[cut(0)] * 2500)
    assert done.out.splitlines()[-1] == "Generated 3 batches from 2500 cuts"
    assert [len(members_of(work / name)) for name in names(work)] == [1000, 1000, 500]


def test_94_streaming(lhotse) -> None:
    done = lhotse(*MANY, "--streaming", cuts=FOUR)
    assert done.out.splitlines()[0] == "Streamed 2 objects and/or archived files => o-1.tar"


def test_86_87_88_names_that_run_out(lhotse, work: Path) -> None:
    two = ("--batch-size", "2", "--output-template", "o-{1..2}.tar", "-y")
    done = lhotse(*two, cuts=[*FOUR, cut(4)])
    assert done.status == 1
    assert done.err == "Error: template exhausted for final batch (generated 2 batches so far)\n"
    done = lhotse(*two, cuts=[*FOUR, cut(4), cut(5)])
    assert done.err == "Error: template exhausted at batch 3 (generated 2 batches so far)\n"
    assert names(work) == ["o-1.tar", "o-2.tar"]
    assert lhotse(*two, cuts=FOUR).status == 0


@pytest.mark.parametrize(
    ("ending", "magic"),
    [("tgz", b"\x1f\x8b"), ("tar.gz", b"\x1f\x8b"), ("zip", b"PK"), ("tar.lz4", b"\x04\x22\x4d\x18")],
)
def test_91_the_name_decides_the_format(lhotse, work: Path, speech: WireServer, ending: str, magic: bytes) -> None:
    done = lhotse("--batch-size", "2", "--output-template", f"o-{{1..9}}.{ending}", "all.tar", cuts=FOUR)
    assert done.status == 0
    assert done.err == "Warning: output file all.tar is ignored in multi-batch mode (batch size 2)\n"
    assert all((work / name).read_bytes().startswith(magic) for name in names(work)) and len(names(work)) == 2
    assert {body["mime"] for _, body in speech.batches()} == {f".{ending}"}


def test_99_an_empty_manifest(lhotse, work: Path) -> None:
    one = lhotse("o.tar", cuts=[])
    assert (one.status, one.err) == (1, "Error: empty get-batch request\n")
    many = lhotse(*MANY, cuts=[])
    assert (many.status, many.out) == (0, "Generated 0 batches from 0 cuts\n")
    assert names(work) == []


def test_95_a_bad_line_after_good_batches(lhotse, work: Path) -> None:
    data = lines(cut(0), cut(1)) + b"{oops\n" + lines(cut(2))
    many = lhotse(*MANY, cuts=data)
    assert many.status == 1 and "bad cut json at line 3: " in many.err
    assert many.out == "Created o-1.tar with 2 objects and/or archived files\n"
    assert names(work) == ["o-1.tar"]
    one = lhotse("one.tar", cuts=data)
    assert one.status == 1 and "bad cut json at line 3: " in one.err and not (work / "one.tar").exists()


def test_153_a_manifest_cut_short(lhotse, work: Path) -> None:
    done = lhotse("o.tar", cuts=gzip.compress(lines(*THREE))[:-20], name="m.jsonl.gz")
    assert done.status == 1 and done.err.startswith("Error: m.jsonl.gz: compressed data ends early (after line ")
    assert names(work) == []


def test_101_the_specification_applies_to_every_batch(lhotse, speech: WireServer, work: Path) -> None:
    (work / "opts.yaml").write_text("streaming_get: true\nonly_obj_name: true\ncolocation: 1\n")
    done = lhotse(*MANY, "--spec", "opts.yaml", cuts=FOUR)
    assert done.status == 0 and "Streamed 2 objects and/or archived files => o-2.tar" in done.out
    assert [path for path, _ in speech.batches()] == ["/v1/ml/moss?coloc=1"] * 2
    assert all(body["strm"] and body["onob"] for _, body in speech.batches())
    assert [name for name, _ in members_of(work / "o-1.tar")] == ["utt-0.wav", "utt-1.wav"]


def test_the_specification_neither_names_entries_nor_the_format(lhotse, work: Path) -> None:
    done = lhotse("o.tar", "--spec", "{in: [a]}", cuts=THREE)
    assert done.status == 2 and "'--spec' used with '--cuts' must not contain entries (\"in\")" in done.err
    done = lhotse(*MANY, "--spec", "{mime: .tgz}", cuts=FOUR)
    assert done.status == 0 and done.err.count("output format .tar in the command line takes precedence") == 1
    done = lhotse("-", "--spec", "{mime: .tgz}", cuts=THREE)
    assert done.status == 0 and done.data.startswith(b"\x1f\x8b")


def test_declining_stops_and_keeps(lhotse, work: Path, speech: WireServer) -> None:
    (work / "o-2.tar").write_text("old")
    done = lhotse(*MANY, cuts=[*FOUR, cut(4)], stdin="n\n")
    assert done.status == 0 and done.out.endswith("Operation canceled.\n") and "Generated" not in done.out
    assert done.out.startswith("Created o-1.tar with 2 objects")  # reported before the question
    assert (work / "o-2.tar").read_text() == "old" and names(work) == ["o-1.tar", "o-2.tar"]
    assert len(speech.batches()) == 1


def test_a_failed_batch_leaves_what_was_there(lhotse, work: Path) -> None:
    (work / "o-2.tar").write_text("old")
    cuts = [cut(0), cut(1), cut(2), cut(3, "ais://speech/nope.wav"), cut(4)]
    done = lhotse(*MANY, "--yes", "--jobs", "1", cuts=cuts)
    assert done.status == 1
    assert done.err.startswith("Error: failed to process batch 1 (o-2.tar): ") and "nope.wav" in done.err
    assert done.out == "Created o-1.tar with 2 objects and/or archived files\n"
    assert (work / "o-2.tar").read_text() == "old" and names(work) == ["o-1.tar", "o-2.tar"]
    final = lhotse("--batch-size", "4", "--output-template", "p-{1..9}.tar", cuts=[*FOUR, cut(4, "ais://speech/no")])
    assert "failed to process final batch 1 (p-2.tar): " in final.err and names(work, "p*") == ["p-1.tar"]


def test_a_failed_batch_and_a_bad_line_are_both_named(lhotse, work: Path, speech: WireServer) -> None:
    done = lhotse("--batch-size", "1", "--output-template", "o-%d.tar", cuts=lines(cut(0, "ais://speech/no")) + b"oops")
    assert done.status == 1 and done.err.startswith("Error: failed to process batch 0 (o-0.tar): ")
    assert done.err.splitlines()[-1].startswith("Also: bad cut json at line 2: ")


def test_what_many_archives_lack_is_summed_up(lhotse) -> None:
    gone = cut(0, "ais://speech/no")
    done = lhotse(*MANY, "--cont-on-err", cuts=[gone, cut(1), gone, gone, cut(2)])
    assert done.status == 0 and done.out.endswith("Generated 3 batches from 5 cuts\n")
    assert done.err.splitlines()[-1] == "Warning: 3 requested items are missing or failed, in 2 of 3 archives"


def test_every_failure_is_named(lhotse, work: Path, speech: WireServer) -> None:
    speech.meeting = threading.Barrier(2)  # both are in flight before one can fail
    words = ("--batch-size", "1", "--jobs", "2", "--output-template", "o-%d.tar")
    done = lhotse(*words, cuts=[cut(0, "ais://speech/no"), cut(1, "ais://speech/none"), cut(2)])
    first, second = done.err.splitlines()
    assert first.startswith("Error: failed to process batch 0 (o-0.tar): ") and "speech/no " in first
    assert second.startswith("Also: failed to process batch 1 (o-1.tar): ") and "speech/none " in second
    assert (done.status, done.out, names(work)) == (1, "", [])


def test_batches_are_in_flight_together_and_reported_in_order(lhotse, work: Path, speech: WireServer) -> None:
    speech.meeting = threading.Barrier(3)  # each answer waits until three requests are there
    done = lhotse("--batch-size", "1", "--jobs", "3", "--output-template", "o-%d.tar", cuts=[cut(i) for i in range(6)])
    assert done.status == 0, done.err
    order = [line.split()[1] for line in done.out.splitlines()[:-1]]
    assert order == [f"o-{i}.tar" for i in range(6)]


def test_whole_archives_of_an_earlier_run_are_kept(lhotse, work: Path, speech: WireServer) -> None:
    for name in ("o-{1..9}.tar", "p-{1..9}.zip", "q-{1..9}.tar.lz4"):
        words = ("--batch-size", "2", "--output-template", name, "--skip-existing")
        assert lhotse(*words, cuts=[*FOUR, cut(4)]).status == 0
        first, second, third = names(work, name[0] + "*")
        (work / third).unlink()
        os.truncate(work / second, (work / second).stat().st_size // 2)
        speech.requests.clear()
        done = lhotse(*words, "--yes", cuts=[*FOUR, cut(4)])
        assert done.out.splitlines() == [
            f"Kept {first} with 2 objects and/or archived files",
            f"Created {second} with 2 objects and/or archived files",
            f"Created {third} with 1 objects and/or archived files",
            "Generated 2 batches from 5 cuts (1 more were kept)",
        ]
        assert sent(speech) == [["utt-2.wav", "utt-3.wav"], ["utt-4.wav"]]


def test_archives_of_other_cuts_are_not_kept(lhotse, work: Path) -> None:
    assert lhotse("o.tar", cuts=THREE).status == 0
    same = lhotse("o.tar", "--skip-existing", cuts=THREE)
    assert same.out == "Kept o.tar with 3 objects and/or archived files\n"
    other = lhotse("o.tar", "--skip-existing", cuts=[cut(0), cut(1), cut(5)], stdin="n\n")
    assert "already exists" in other.err and "Operation canceled." in other.out
    ranges = lhotse("o.tar", "--skip-existing", "--sample-rate", "1000", cuts=THREE, stdin="n\n")
    assert "already exists" in ranges.err


def test_a_json_summary(lhotse, work: Path) -> None:
    done = lhotse(*MANY, "--json", "--cont-on-err", cuts=[cut(0), cut(1, "ais://speech/no"), cut(2)])
    document = json.loads(done.out)
    assert {key: document[key] for key in ("batches", "kept", "cuts", "padding_cuts")} == {
        "batches": 2, "kept": 0, "cuts": 3, "padding_cuts": 0,
    }  # fmt: skip
    first = document["archives"][0]
    assert first.pop("bytes") == (work / "o-1.tar").stat().st_size
    assert first == {"archive": "o-1.tar", "format": ".tar", "entries": 2, "failed": 1, "streaming": False}
    assert "o-1.tar: 1 of 2 requested items are missing or failed:" in done.err


def test_a_dry_run_sends_and_writes_nothing(lhotse, work: Path, speech: WireServer) -> None:
    done = lhotse(*MANY, "--dry-run", cuts=THREE)
    first, body, second, _ = done.out.splitlines()
    assert (first, second) == (
        "[DRY RUN] GET /v1/ml/moss => o-1.tar",
        "[DRY RUN] GET /v1/ml/moss => o-2.tar",
    )
    assert [entry["objname"] for entry in json.loads(body)["in"]] == ["utt-0.wav", "utt-1.wav"]
    documents = json.loads(lhotse(*MANY, "--dry-run", "--json", cuts=THREE).out)
    assert [document["archive"] for document in documents] == ["o-1.tar", "o-2.tar"]
    assert json.loads(lhotse(*MANY, "--dry-run", "--json", cuts=[]).out) == []
    one = json.loads(lhotse("ais://speech", "o.tar", "--dry-run", "--json", cuts=THREE).out)
    assert one["path"] == "/v1/ml/moss/speech?provider=ais" and one["body"]["mime"] == ".tar"
    assert speech.requests == [] and names(work) == []


def test_quiet(lhotse) -> None:
    for words in (MANY, ("p.tar",)):
        done = lhotse(*words, "--nv", cuts=FOUR)
        assert (done.status, done.out, done.err) == (0, "", "")


def test_zip_batches_hold_what_they_should(lhotse, work: Path) -> None:
    assert lhotse("o.zip", "--streaming", cuts=THREE).status == 0
    with zipfile.ZipFile(work / "o.zip") as archive:
        assert archive.testzip() is None and len(archive.namelist()) == 3


@pytest.mark.timeout(100)
@pytest.mark.parametrize(("signal", "status"), [(2, 130), (15, 143), (1, 129)])
def test_46_an_interrupt_leaves_whole_archives_only(
    lhotse, work: Path, speech: WireServer, tmp_path: Path, signal: int, status: int
) -> None:
    (work / "m.jsonl").write_bytes(lines(*FOUR))
    speech.stall = threading.Event()
    command = [sys.executable, "-m", "moss.cli.main", "ml", "lhotse-get-batch", "--cuts", "m.jsonl"]
    environ = {**os.environ, "AIS_ENDPOINT": speech.url, "HOME": str(tmp_path)}
    process = subprocess.Popen(
        [*command, "--batch-size", "2", "--output-template", "out/o-%d.tar"],
        cwd=work, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert speech.stalled.wait(20)
        process.send_signal(signal)
        out, err = process.communicate(timeout=20)
    finally:
        speech.stall.set()
        process.kill()
    assert process.returncode == status and "Traceback" not in err and out == ""
    assert sorted(os.listdir(work)) == ["m.jsonl"]


# --- memory ---


PEAK = """
import sys
from moss.cli.main import main
assert main() == 0
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1], file=sys.stderr)
"""


@pytest.mark.slow
def test_103_memory_does_not_grow_with_the_manifest(work: Path) -> None:
    """What 20,000 and 100,000 lines take is the same, so that a million take no more."""
    block = gzip.compress(lines(*(cut(i % 9, start=1.5) for i in range(1000))))
    peaks = []
    for name, blocks in (("small.jsonl.gz", 20), ("large.jsonl.gz", 100)):
        (work / name).write_bytes(block * blocks)
        words = ["--sample-rate", "8000", "--batch-size", "1000", "--output-template", "o-%06d.tar", "--dry-run"]
        command = [sys.executable, "-c", PEAK, "ml", "lhotse-get-batch", "--cuts", name, *words]
        done = subprocess.run(command, cwd=work, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=100)
        peaks.append(int(done.stderr.split()[-1]) / 1024)
    assert peaks[1] < 200 and peaks[1] < peaks[0] + 5, f"MiB: {peaks}"


# --- usage ---


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--sample-rate", "0", "o.tar"), "sample rate must be positive, got 0"),
        (("--sample-rate=-5", "o.tar"), "sample rate must be positive, got -5"),
        (("--sample-rate", "999", "o.tar"), "sample rate 999 Hz is outside reasonable range [1000, 384000]"),
        (("--sample-rate", "384001", "o.tar"), "sample rate 384001 Hz is outside reasonable range [1000, 384000]"),
        (("--sample-rate", "abc", "o.tar"), 'invalid value "abc" for flag -sample-rate'),
        (("--batch-size", "2"), "'--output-template' must be set when '--batch-size' > 0"),
        (("--batch-size", "2", "--output-template", "o.tar"), 'prefix-only template not supported (prefix: "o.tar")'),
        (("--batch-size", "2", "--output-template", "o-{5..4}.tar"), "'start' cannot be greater than 'end'"),
        (("--batch-size", "2", "--output-template", "o-{1..9}.bin"), 'unknown filename extension (".bin", ".bin")'),
        (("--batch-size=-2", "o.tar"), "'--batch-size' cannot be negative (got -2)"),
        (("--output-template", "o-{1..9}.tar", "o.tar"), "'--output-template' requires '--batch-size'"),
        ((), "output file is required for single-batch mode"),
        (("ais://speech",), "output file is required for single-batch mode"),
        (("--list", "x", "o.tar"), "flags '--list' and '--cuts' are mutually exclusive"),
        (("--template", "x", "o.tar"), "flags '--template' and '--cuts' are mutually exclusive"),
        (("--prefix", "x", "o.tar"), "flags '--prefix' and '--cuts' are mutually exclusive"),
        (("ais://speech/x", *MANY), 'object "ais://speech/x" cannot be added to batches'),
        (("--jobs", "0", *MANY), "'--jobs' must be within [1, 64] (got 0)"),
        (("--whole-seconds", "o.tar"), "'--whole-seconds' requires '--sample-rate'"),
        (("--header-bytes", "44", "o.tar"), "'--header-bytes' requires '--sample-rate'"),
        (("--sample-rate", "8000", "--bytes-per-sample", "0", "o.tar"), "'--bytes-per-sample' must be positive"),
        (("--sample-rate", "8000", "--header-bytes=-1", "o.tar"), "'--header-bytes' cannot be negative"),
        (("--audio", "--whole-seconds", "o.tar"), "flags '--whole-seconds' and '--audio' are mutually exclusive"),
        (("--cut-names", "o.tar"), "'--cut-names' requires '--audio'"),
        (("o.bin",), 'unknown filename extension (".bin", ".bin")'),
    ],
)
def test_84_89_90_93_100_151_152_wrong_usage(
    lhotse, work: Path, speech: WireServer, words: tuple[str, ...], text: str
) -> None:
    done = lhotse(*words, cuts=THREE)
    assert (done.status, done.out) == (2, "") and text in done.err
    assert done.err.count("\n") == 3
    assert speech.requests == [] and os.listdir(work) == ["m.jsonl"]


@pytest.mark.parametrize("rate", ["1000", "384000"])
def test_84_the_ends_of_the_range_of_rates(lhotse, rate: str) -> None:
    assert lhotse("o.tar", "--dry-run", "--sample-rate", rate, cuts=THREE).status == 0
