"""What hurts a newcomer with the reference (spec/cli.md 6.4), and does not hurt here: one section for each number.

Everything runs against a real node.
"""

import gzip
import io
import json
import os
import pty
import re
import select
import shlex
import subprocess
import sys
import tarfile
import wave
from pathlib import Path

import lz4.frame
import pytest

from moss import Client
from moss.cli.commands.lhotse import LHOTSE_GET_BATCH
from moss.cli.commands.ml import GET_BATCH
from moss.cli.spec import REQUEST_KEYS
from moss.testing import NodeProcess
from tests.cli.conftest import Ais, Result, make_tar, members_of

SPEECH = Path(__file__).resolve().parents[2] / "examples" / "data" / "speech"
WORD = (SPEECH / "phonetic" / "a_p.wav").read_bytes()
ARCHIVES = {
    ".tar": b"speech/a.wav",
    ".tgz": b"\x1f\x8b",
    ".tar.gz": b"\x1f\x8b",
    ".zip": b"PK",
    ".tar.lz4": b"\x04\x22\x4d\x18",
}
GO = re.compile(r"goroutine|strconv|unmarshal|\bEOF\b|\bErr[A-Z]\w+:|cli\.\w+|apc\.|wid=|panic|Traceback")


@pytest.fixture(scope="module")
def stocked(node: NodeProcess):
    """The buckets that the documented lines talk about."""
    client = Client(node.url)
    objects = {
        "dataset": {"audio1.wav": b"a" * 100, "audio2.wav": b"b" * 200},
        "models": {f"checkpoint-{number:03d}.pth": b"%03d" % number for number in range(1, 101)},
        "data": {"shard.tar": make_tar({"file.wav": WORD})},
        "speech": {
            "dev/x.wav": WORD,
            "dev/y.wav": WORD,
            "a.wav": WORD,
            "cuts.jsonl": cut("ais://speech/a.wav").encode(),
        },
        "raw": {"x.raw": bytes(100_000)},
    }
    buckets = []
    for name, contents in objects.items():
        buckets.append(client.bucket(name).create(exist_ok=True))
        for key, data in contents.items():
            buckets[-1].object(key).get_writer().put_content(data)
    yield node
    for bucket in buckets:
        bucket.delete(missing_ok=True)


@pytest.fixture
def run(ais: Ais, stocked: NodeProcess):
    """Run a command line as it would be typed."""

    def typed(line: str, **more) -> Result:
        program, *words = shlex.split(line)
        assert program == "ais"
        return ais(*words, AIS_ENDPOINT=stocked.url, **more)

    return typed


def cut(source: str, start: float = 0.0, duration: float = 0.5) -> str:
    sources = [{"type": "url", "channels": [0], "source": source}]
    recording = {"id": "r", "sources": sources, "sampling_rate": 8000}
    return json.dumps({"id": "c", "start": start, "duration": duration, "channel": 0, "recording": recording}) + "\n"


# --- 1: from nothing to a first batch ---


def test_01_two_commands_without_configuration_or_questions(tmp_path: Path) -> None:
    """A node with no configuration at all, nobody to answer questions, and the lines that it prints itself."""
    environ = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    (tmp_path / "README.md").write_text("hello")
    node = subprocess.Popen(
        ["moss", "serve", "--port", "0"], cwd=tmp_path, env=environ, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        lines = []
        while not lines or not lines[-1].strip().startswith("ais ml get-batch"):
            lines.append(node.stdout.readline())
            assert lines[-1], lines
        commands = [line.strip() for line in lines if line.strip().startswith(("export ", "ais "))]
        assert len(commands) == 4
        done = subprocess.run(
            ["bash", "-e", "-c", "\n".join(commands)], cwd=tmp_path, env=environ, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
    finally:
        node.terminate()
        node.communicate(timeout=30)
    assert done.returncode == 0, done.stderr
    assert members_of(tmp_path / "demo.tar") == [("demo/README.md", 5)]


# --- 2: success is never reported for a batch that lacks samples or holds other bytes ---


@pytest.mark.parametrize("how", ["", "--streaming"])
@pytest.mark.parametrize(
    ("entry", "named"),
    [
        ("{objname: missing.wav}", "missing.wav"),
        ("{objname: audio1.wav, start: 50, length: 100}", "audio1.wav"),
        ("{objname: audio1.wav, start: 500, length: -1}", "audio1.wav"),
    ],
)
def test_02_a_batch_that_lacks_something_is_a_failure(run, work: Path, how: str, entry: str, named: str) -> None:
    spec = f"{{in: [{{objname: audio2.wav}}, {entry}]}}"
    done = run(f"ais ml get-batch ais://dataset o.tar {how} --spec '{spec}'")
    assert (done.status, done.out) == (1, "") and named in done.err
    assert os.listdir(work) == []


# --- 3: nothing is forgotten between batches ---


def test_03_one_job_however_many_batches(run, work: Path) -> None:
    def jobs() -> set[str]:
        rows = json.loads(run("ais show job get-batch --json").out)
        return {row["id"] for row in rows}

    assert run("ais ml get-batch ais://dataset/audio1.wav first.tar").status == 0
    running = jobs()
    for number in range(4):
        assert run(f"ais ml get-batch ais://dataset/audio1.wav o-{number}.tar").status == 0
    assert running and jobs() == running


# --- 4: every documented line works ---


@pytest.mark.parametrize("line", [*GET_BATCH.examples, *LHOTSE_GET_BATCH.examples])
def test_04_every_documented_line_works(run, work: Path, line: str) -> None:
    (work / "batch.json").write_text('{"in": [{"objname": "audio1.wav", "bucket": "dataset"}]}')
    cuts = (cut("x.raw" if "raw" in line else "ais://speech/a.wav").replace("x.raw", "/x.raw")).encode() * 3
    (work / "cuts.jsonl").write_bytes(cuts)
    (work / "cuts.jsonl.gz").write_bytes(gzip.compress(cuts))
    (work / "manifest.jsonl.gz").write_bytes(gzip.compress(cuts))
    (work / "manifest.jsonl.lz4").write_bytes(lz4.frame.compress(cuts))
    done = run(line)
    assert done.status == 0, done.err
    assert done.out.startswith(("Created ", "Streamed "))


@pytest.mark.parametrize(
    "line",
    [
        "ais ml get-batch --streaming ais://dataset --list audio1.wav o.tar",
        "ais ml get-batch ais://dataset --streaming o.tar --list audio1.wav",
        "ais ml get-batch -y ais://dataset --cont-on-err --list audio1.wav --nv o.tar",
        "ais ml get-batch ais://dataset o.tar",
        "ais ml get-batch ais://speech/dev/ o.tar",
        "ais ml get-batch ais://speech --prefix dev/ o.tar",
        "ais ml get-batch ais://dataset/audio1.wav ais://models/checkpoint-001.pth o.tar",
        "ais ml get-batch o.tar --spec '{ in: [ais://dataset/audio1.wav], streaming_get: true }'",
        """ais ml get-batch o.tar --spec '{"in": [{"objname": "a.wav", "bucket": "speech", "provider": "ais"}],"""
        """ "output_format": "tar", "streaming_get": false}'""",
    ],
)
def test_04_flags_sources_and_inline_text_as_documented(run, work: Path, line: str) -> None:
    done = run(line)
    assert done.status == 0, done.err
    assert len(members_of(work / "o.tar")) >= 1


# --- 5: every spelling of a key is accepted in both syntaxes, unknown ones are refused ---


@pytest.mark.parametrize(("key", "wire"), [(key, wire) for key, wire in REQUEST_KEYS.items() if wire != "in"])
def test_05_every_spelling_counts(run, work: Path, key: str, wire: str) -> None:
    value = {"mime": '".tar"', "coloc": "1"}.get(wire, "true")
    (work / "s.yaml").write_text(f"{key}: {value}\nin: [ais://dataset/audio1.wav]\n")
    shown = json.loads(run("ais ml get-batch o.tar --dry-run --json --spec s.yaml").out)
    assert shown["body"][wire] == json.loads(value)


def test_05_an_unknown_key_is_refused(run, work: Path) -> None:
    (work / "s.yaml").write_text("streamng: true\nin: [ais://dataset/audio1.wav]\n")
    done = run("ais ml get-batch o.tar --spec s.yaml")
    assert (done.status, done.err) == (1, 'Error: unknown field "streamng"\n')


# --- 6: seconds of a cut are the right audio ---


def test_06_a_part_of_a_cut_is_that_part_of_the_recording(run, work: Path) -> None:
    (work / "cuts.jsonl").write_text(cut("ais://speech/a.wav", start=0.0625, duration=0.25))
    assert run("ais ml lhotse-get-batch --cuts cuts.jsonl --audio o.tar").status == 0
    with tarfile.open(work / "o.tar") as archive, wave.open(archive.extractfile("speech/a.wav")) as part:
        assert part.getframerate() == 8000
        samples = part.readframes(part.getnframes())
    with wave.open(io.BytesIO(WORD)) as whole:
        whole.setpos(500)
        assert samples == whole.readframes(2000)


# --- 7: an archive is what its name says ---


@pytest.mark.parametrize("ending", ARCHIVES)
def test_07_the_name_decides(run, work: Path, ending: str) -> None:
    (work / "cuts.jsonl").write_text(cut("ais://speech/a.wav") * 2)
    assert run(f"ais ml get-batch ais://speech/a.wav one{ending} --spec '{{mime: .tar}}'").status == 0
    template = f"'o-{{1..9}}{ending}'"
    assert run(f"ais ml lhotse-get-batch --cuts cuts.jsonl --batch-size 1 --output-template {template}").status == 0
    for name in (f"one{ending}", f"o-1{ending}", f"o-2{ending}"):
        assert (work / name).read_bytes().startswith(ARCHIVES[ending])


# --- 8: messages say what was expected and found, in few lines; the exit status tells the cause ---


@pytest.mark.parametrize(
    ("line", "status", "said"),
    [
        ("ais ml get-batch o.tar --spec '{in: [{objname: a}]}'", 1, "missing bucket specification for (name:a idx:0)"),
        ("ais ml get-batch o.tar --spec '{\"in\": [1]}'", 1, "entry 0: expected a mapping"),
        ("ais ml get-batch o.tar --spec syntax.json", 1, "line 1, column 9"),
        ("ais ml get-batch o.tar --spec empty.json", 1, "empty get-batch request"),
        ("ais ml get-batch ais://nobucket/x o.tar", 1, 'bucket "ais://nobucket" does not exist'),
        ("ais ml get-batch ais://dataset/none o.tar", 1, "ais://dataset/none does not exist"),
        ("ais ml get-batch ais://dataset --template 'x{a..b}' o.tar", 2, '"a" is not a number'),
        ("ais ml get-batch ais://dataset --list a o.bin", 2, "expecting one of .tar"),
        ("ais ml get-batch ais://dataset --bogus o.tar", 2, "flag provided but not defined: -bogus"),
        ("ais ml lhotse-get-batch --cuts bad.json o.tar", 1, "bad cut json at line 1: "),
        ("ais ml lhotse-get-batch --cuts none.jsonl o.tar", 1, "open none.jsonl: no such file or directory"),
        ("ais ml lhotse-get-batch o.tar", 2, 'Required flag "cuts" not set'),
    ],
)
def test_08_errors_are_short_and_in_the_users_words(run, work: Path, line: str, status: int, said: str) -> None:
    (work / "bad.json").write_text('{"in": oops}')
    (work / "syntax.json").write_text('{"in": [}')
    (work / "empty.json").write_text("")
    done = run(line)
    assert (done.status, done.out) == (status, "") and said in done.err
    assert done.err.count("\n") <= 3
    assert not GO.search(done.err), done.err


# --- 9: the old file lives until the new one is whole ---


def test_09_nothing_is_lost_to_a_failed_run(run, work: Path) -> None:
    (work / "o.tar").write_text("old")
    assert run("ais ml get-batch ais://dataset/none o.tar --yes").status == 1
    unanswered = run("ais ml get-batch ais://dataset/audio1.wav o.tar")
    assert unanswered.status == 1 and "use '--yes' to overwrite" in unanswered.err
    declined = run("ais ml get-batch ais://dataset/audio1.wav o.tar", stdin="n\n")
    assert declined.status == 0 and declined.out.endswith("Operation canceled.\n")
    assert (work / "o.tar").read_text() == "old" and os.listdir(work) == ["o.tar"]


# --- 10: scripts ---


def test_10_one_json_document_where_something_is_shown(run, work: Path) -> None:
    (work / "cuts.jsonl").write_text(cut("ais://speech/a.wav"))
    for line in (
        "ais ls --json",
        "ais ls ais://dataset --json",
        "ais show job --json",
        "ais show job --all --json",
        "ais ml get-batch ais://dataset o.tar --json -y",
        "ais ml lhotse-get-batch --cuts cuts.jsonl --json -y o.tar",
        "ais ml lhotse-get-batch --cuts cuts.jsonl --json --batch-size 1 --output-template b-%d.tar",
    ):
        done = run(line)
        assert done.status == 0 and done.err == "", (line, done.err)
        json.loads(done.out)


def test_10_an_archive_to_a_pipe_and_messages_elsewhere(run) -> None:
    done = run("ais ml get-batch ais://dataset --list audio1.wav,none - --cont-on-err")
    with tarfile.open(fileobj=io.BytesIO(done.data)) as archive:
        assert archive.getnames() == ["dataset/audio1.wav", "__404__/dataset/none"]
    assert "1 of 2 requested items" in done.err and "with 2 objects" in done.err


def test_10_progress_is_shown_on_a_terminal_only(stocked: NodeProcess, work: Path, tmp_path: Path) -> None:
    """A reader that takes its time until the line appears."""
    Client(stocked.url).bucket("raw").object("big").get_writer().put_content(bytes(64 << 20))
    terminal, other_end = pty.openpty()
    environ = {**os.environ, "AIS_ENDPOINT": stocked.url, "HOME": str(tmp_path)}
    command = [sys.executable, "-m", "moss.cli.main", "ml", "get-batch", "ais://raw/big", "-"]
    process = subprocess.Popen(command, cwd=work, env=environ, stdout=subprocess.PIPE, stderr=other_end)
    os.close(other_end)
    shown, size = b"", 0
    while piece := process.stdout.read(64 << 10):
        size += len(piece)
        if b"/s" not in shown and select.select([terminal], [], [], 0.01)[0]:
            shown += os.read(terminal, 65536)
    assert process.wait(30) == 0 and size > 64 << 20
    assert re.search(rb"\rReceiving -: [0-9.]+[KMG]iB.* \([0-9.]+[KMG]iB/s(, .* left)?\)", shown), shown
