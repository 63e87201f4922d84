"""`ais ml get-batch` from the outside. Numbers in names are those of spec/cli.md section 7."""

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.cli.conftest import Ais, members_of
from tests.cli.wire_server import WireServer

GET = ("ml", "get-batch")


def get(ais: Ais, *words: str, **more):
    return ais(*GET, *words, **more)


def test_04_05_two_objects_as_tar(ais: Ais, work: Path) -> None:
    done = get(ais, "ais://dataset", "--list", "audio1.wav,audio2.wav", "training.tar")
    assert done == (0, "Created ML batch archive training.tar with 2 objects\n", "", done.data)
    assert members_of(work / "training.tar") == [("dataset/audio1.wav", 100), ("dataset/audio2.wav", 200)]
    assert os.listdir(work) == ["training.tar"]


def test_08_48_request_as_the_reference_sends_it(ais: Ais, server: WireServer) -> None:
    get(ais, "ais://dataset", "--list", "audio1.wav", "o.tar")
    method, path, headers, body = server.requests[0]
    assert (method, path) == ("GET", "/v1/ml/moss/dataset?provider=ais")
    assert headers["Content-Type"] == "application/json"
    assert headers["User-Agent"] == "ais/cli"
    assert body == (
        b'{"mime":".tar","in":[{"objname":"audio1.wav","bucket":"dataset","provider":"ais"}],"onob":false,"strm":false}'
    )


def test_09_template_as_compressed_tar(ais: Ais, work: Path, server: WireServer) -> None:
    done = get(ais, "ais://models", "--template", "checkpoint-{001..100}.pth", "m.tgz")
    assert done.out == "Created ML batch archive m.tgz with 100 objects\n"
    assert (work / "m.tgz").read_bytes()[:2] == b"\x1f\x8b"
    assert len(members_of(work / "m.tgz")) == 100
    assert server.batches()[0][1]["mime"] == ".tgz"


def test_10_extension_is_sent_as_typed(ais: Ais, server: WireServer) -> None:
    get(ais, "ais://models", "--template", "checkpoint-{001..003}.pth", "m.tar.gz", "--streaming")
    assert server.batches()[0][1]["mime"] == ".tar.gz"


@pytest.mark.parametrize("streaming", [(), ("--streaming",)])
def test_11_member_of_a_shard_as_zip(ais: Ais, work: Path, streaming: tuple[str, ...]) -> None:
    done = get(ais, "ais://data/shard.tar/file.wav", "dataset.zip", *streaming)
    assert done.status == 0, done.err
    with zipfile.ZipFile(work / "dataset.zip") as archive:
        assert [(i.filename, i.file_size) for i in archive.infolist()] == [("data/shard.tar/file.wav", 50)]


@pytest.mark.parametrize("name", ["o.tar.lz4", "o.tgz", "o.tar"])
def test_streaming_says_so(ais: Ais, work: Path, name: str) -> None:
    done = get(ais, "--streaming", "ais://dataset", "--list", "audio1.wav", name)
    assert done.out == f"Streamed 1 objects to {name}\n"
    assert (work / name).stat().st_size


def test_14_15_listed_sources(ais: Ais, work: Path) -> None:
    assert get(ais, "ais://dataset/", "all.tar").out.endswith("with 4 objects\n")
    names = ["dataset/audio1.wav", "dataset/audio2.wav", "dataset/dev/x.wav", "dataset/dev/y.wav"]
    assert [name for name, _ in members_of(work / "all.tar")] == names
    assert get(ais, "ais://dataset/dev/", "dev.tar").status == 0
    assert [name for name, _ in members_of(work / "dev.tar")] == names[2:]


def test_18_several_sources(ais: Ais, work: Path) -> None:
    assert get(ais, "ais://dataset/audio1.wav", "ais://models/checkpoint-001.pth", "o.tar").status == 0
    assert [name for name, _ in members_of(work / "o.tar")] == ["dataset/audio1.wav", "models/checkpoint-001.pth"]


def test_49_namespace_travels_in_the_query(ais: Ais, work: Path, server: WireServer) -> None:
    assert get(ais, "ais://#ml/ds", "--list", "a", "o.tar").status == 0
    path, body = server.batches()[0]
    assert path == "/v1/ml/moss/ds?provider=ais&namespace=%40%23ml"
    assert body["in"] == [{"objname": "a"}]
    assert members_of(work / "o.tar") == [("ds/a", 16)]


def test_24_missing_items_are_reported_when_tolerated(ais: Ais, work: Path) -> None:
    done = get(ais, "ais://dataset", "--list", "audio1.wav,missing.wav", "o.tar", "--cont-on-err")
    assert done.status == 0
    assert done.err.splitlines() == [
        "Warning: 1 of 2 requested items are missing or failed:",
        "   dataset/missing.wav: object does not exist",
    ]
    assert members_of(work / "o.tar") == [("dataset/audio1.wav", 100), ("__404__/dataset/missing.wav", 0)]


@pytest.mark.parametrize("name", ["o.tar", "o.tgz", "o.zip"])
def test_24_missing_items_of_a_stream_are_reported_and_leave_no_trace_of_how(ais: Ais, work: Path, name: str) -> None:
    done = get(ais, "ais://dataset", "--list", "audio1.wav,missing.wav", name, "--cont-on-err", "--streaming")
    assert done.status == 0
    assert "1 of 2 requested" in done.err and "dataset/missing.wav: " in done.err
    if name == "o.tar":
        assert "object does not exist" in done.err
        assert b"MOSS" not in (work / name).read_bytes()


def test_long_lists_of_failures_are_cut(ais: Ais) -> None:
    words = ("ais://models", "--template", "none-{1..15}", "o.tar", "--cont-on-err")
    lines = get(ais, *words).err.splitlines()
    assert len(lines) == 12 and lines[-1] == "   ... and 5 more"
    assert get(ais, *words, "--nv", "--yes").err.splitlines() == lines[:1]


@pytest.mark.parametrize("streaming", [(), ("--streaming",)])
def test_25_missing_item_fails(ais: Ais, work: Path, streaming: tuple[str, ...]) -> None:
    done = get(ais, "ais://dataset", "--list", "audio1.wav,missing.wav", "sub/o.tar", *streaming)
    assert (done.status, done.out) == (1, "")
    assert done.err == "Error: ais://dataset/missing.wav does not exist\n"
    assert os.listdir(work) == []


@pytest.mark.parametrize("streaming", [(), ("--streaming",)])
@pytest.mark.parametrize("name", ["o.tar", "o.tgz", "o.zip"])
def test_btr_02_placeholders_that_nobody_asked_for_are_a_failure(
    ais: Ais, work: Path, server: WireServer, streaming: tuple[str, ...], name: str
) -> None:
    server.fault = "placeholders"
    done = get(ais, "ais://dataset", "--list", "audio1.wav,missing.wav", name, *streaming)
    assert done.status == 1 and "dataset/missing.wav" in done.err
    assert os.listdir(work) == []


@pytest.mark.parametrize("name", ["o.tar", "o.tgz", "o.tar.lz4", "o.zip"])
def test_btr_01_147_short_streams_are_a_failure(ais: Ais, work: Path, server: WireServer, name: str) -> None:
    (work / name).write_text("old")
    server.fault = "short"
    done = get(ais, "ais://models", "--template", "checkpoint-{001..003}.pth", name, "--streaming", "--yes")
    assert (done.status, done.out, done.err) == (1, "", "Error: archive ends after 2 of 3 items\n")
    assert (work / name).read_text() == "old"
    assert os.listdir(work) == [name]


@pytest.mark.parametrize(
    ("fault", "name", "text"),
    [
        ("cut", "o.tar", "archive ends after 1 of 3 items (the answer was cut off"),
        ("no-end-mark", "o.tar", "archive ends after 3 of 3 items"),
        ("cut", "o.tgz", "the answer was cut off"),
        ("cut", "o.zip", "the answer was cut off"),
        ("html", "o.tar", 'unexpected Content-Type "text/html"'),
    ],
)
def test_btr_01_cut_streams_are_a_failure(
    ais: Ais, work: Path, server: WireServer, fault: str, name: str, text: str
) -> None:
    server.fault = fault
    done = get(ais, "ais://models", "--template", "checkpoint-{001..003}.pth", name, "--streaming")
    assert done.status == 1 and text in done.err
    assert os.listdir(work) == []


def test_buffered_answers_must_be_whole(ais: Ais, work: Path, server: WireServer) -> None:
    words = ("ais://dataset", "--list", "audio1.wav,audio2.wav", "o.tar")
    server.fault = "cut"
    assert "unexpected EOF" in get(ais, *words).err
    server.fault = "short"
    assert "malformed response: 1 entries for 2 requested" in get(ais, *words).err
    assert os.listdir(work) == []


def test_btr_03_bytes_other_than_the_range_are_a_failure(ais: Ais, work: Path) -> None:
    spec = "in: [{objname: audio1.wav, bucket: dataset, start: 90, length: 20}]"
    for streaming in ("true", "false"):
        done = get(ais, "o.tar", "--spec", "{" + spec + f", strm: {streaming}" + "}")
        assert done.status == 1
        assert "dataset/audio1.wav: got 10 bytes instead of the range of 20 bytes" in done.err
    assert os.listdir(work) == []


# --- destination ---


@pytest.mark.parametrize(("word", "kept"), [("y", False), ("YES", False), ("n", True), ("", True)])
def test_36_37_existing_file_asks(ais: Ais, work: Path, word: str, kept: bool) -> None:
    (work / "o.tar").write_text("old")
    done = get(ais, "ais://dataset", "--list", "audio1.wav", "o.tar", stdin=word + "\n")
    assert done.err == 'Warning: destination "o.tar" already exists\n'
    ending = "Operation canceled.\n" if kept else "Created ML batch archive o.tar with 1 objects\n"
    assert (done.status, done.out) == (0, "Proceed to overwrite? [Y/N]: " + ending)
    assert ((work / "o.tar").read_bytes() == b"old") is kept


def test_38_other_answers_are_asked_again(ais: Ais, work: Path) -> None:
    (work / "o.tar").write_text("old")
    done = get(ais, "ais://dataset", "--list", "audio1.wav", "o.tar", stdin="maybe\ny\n")
    assert done.status == 0 and done.err.count("Invalid input!") == 1
    assert len(members_of(work / "o.tar")) == 1


def test_no_answer_is_no_success(ais: Ais, work: Path, server: WireServer) -> None:
    (work / "o.tar").write_text("old")
    done = get(ais, "ais://dataset", "--list", "audio1.wav", "o.tar")
    assert done.status == 1 and "(use '--yes' to overwrite)" in done.err
    assert server.requests == []


def test_39_failed_request_keeps_the_old_file(ais: Ais, work: Path) -> None:
    (work / "o.tar").write_text("old")
    assert get(ais, "ais://dataset/nope.wav", "o.tar", "--yes").status == 1
    assert (work / "o.tar").read_text() == "old"
    assert os.listdir(work) == ["o.tar"]


def test_replaced_link_keeps_pointing_at_its_file(ais: Ais, work: Path) -> None:
    (work / "real").mkdir()
    (work / "o.tar").symlink_to("real/data.tar")
    (work / "real/data.tar").write_text("old")
    assert get(ais, "ais://dataset", "--list", "audio1.wav", "o.tar", "-y").status == 0
    assert (work / "o.tar").is_symlink()
    assert len(members_of(work / "real/data.tar")) == 1


def test_35_40_folders(ais: Ais, work: Path) -> None:
    (work / "d.tar").mkdir()
    for name in ("d.tar", "d.tar/"):
        done = get(ais, "ais://dataset", "--list", "audio1.wav", name)
        assert (done.status, done.err) == (1, 'Error: destination "d.tar" is a directory\n')
    assert get(ais, "ais://dataset", "--list", "audio1.wav", "sub/dir/o.tar").status == 0
    assert (work / "sub/dir/o.tar").exists()


@pytest.mark.parametrize("streaming", [(), ("--streaming",)])
def test_45_standard_output(ais: Ais, work: Path, streaming: tuple[str, ...]) -> None:
    done = get(ais, "ais://dataset", "--list", "audio1.wav", "-", *streaming)
    assert done.status == 0
    assert "with 1 objects" in done.err or "Streamed 1 objects" in done.err
    (work / "piped.tar").write_bytes(done.data)
    assert members_of(work / "piped.tar") == [("dataset/audio1.wav", 100)]


def test_discarding(ais: Ais, work: Path) -> None:
    done = get(ais, "ais://dataset", "--list", "audio1.wav", "/dev/null")
    assert (done.status, done.out) == (0, "")
    assert os.listdir(work) == []


def test_closed_pipe_is_no_traceback(server: WireServer, tmp_path: Path) -> None:
    server.buckets["dataset"]["big"] = bytes(4 << 20)
    command = f"{sys.executable} -m moss.cli.main ml get-batch ais://dataset/big - | head -c 10 > {tmp_path}/out"
    env = {**os.environ, "AIS_ENDPOINT": server.url}
    done = subprocess.run(["bash", "-c", command], env=env, capture_output=True, timeout=60, text=True)
    assert "Traceback" not in done.stderr and "Exception" not in done.stderr


def test_json_summary(ais: Ais) -> None:
    done = get(ais, "ais://dataset", "--list", "audio1.wav,x", "o.tar", "--json", "--cont-on-err")
    assert json.loads(done.out) == {
        "archive": "o.tar", "format": ".tar", "entries": 2, "failed": 1, "bytes": 10240, "streaming": False,
    }  # fmt: skip


@pytest.mark.parametrize("word", ["-nv", "--nv", "--non-verbose"])
def test_21_quiet(ais: Ais, word: str) -> None:
    done = get(ais, "ais://dataset", "--list", "audio1.wav", "o.tar", word)
    assert (done.status, done.out, done.err) == (0, "", "")


# --- specifications ---


def spec_of(server: WireServer) -> dict:
    return server.batches()[-1][1]


def test_50_63_spec_without_source(ais: Ais, server: WireServer) -> None:
    assert get(ais, "o.tar", "--spec", '{"in":[{"objname":"audio1.wav","bucket":"dataset"}]}').status == 0
    assert server.batches()[0][0] == "/v1/ml/moss"
    server.requests.clear()
    done = get(ais, "p.tar", "--spec", '{"in":[{"objname":"a.wav"}]}')
    assert (done.status, done.err) == (1, "Error: missing bucket specification for (name:a.wav idx:0)\n")
    assert server.requests == []


def test_57_spec_from_standard_input(ais: Ais) -> None:
    done = get(ais, "ais://dataset", "o.tar", "--spec", "-", stdin='{"in":["audio1.wav"]}')
    assert done.out == "Created ML batch archive o.tar with 1 objects\n"


@pytest.mark.parametrize(("spec", "sent"), [("strm: false", False), ("onob: false", True)])
def test_58_59_present_keys_win_over_flags(ais: Ais, server: WireServer, spec: str, sent: bool) -> None:
    get(ais, "ais://dataset", "o.tar", "--streaming", "--spec", "{in: [audio1.wav], " + spec + "}")
    assert spec_of(server)["strm"] is sent


def test_60_61_destination_decides_the_format(ais: Ais, work: Path, server: WireServer) -> None:
    done = get(ais, "ais://dataset", "o.tar", "--spec", "{in: [audio1.wav], mime: .tgz}")
    text = "output format .tar in the command line takes precedence (over '--spec' specified .tgz)"
    assert (done.status, done.err) == (0, f"Warning: {text}\n")
    assert spec_of(server)["mime"] == ".tar"
    assert (work / "o.tar").read_bytes()[257:262] == b"ustar"
    for same in ("tar", "application/x-tar"):
        done = get(ais, "ais://dataset", "o.tar", "-y", "--spec", "{in: [audio1.wav], mime: " + same + "}")
        assert (done.status, done.err) == (0, "")


def test_format_of_standard_output_is_the_specs(ais: Ais) -> None:
    done = get(ais, "ais://dataset", "-", "--streaming", "--spec", "{in: [audio1.wav], mime: tgz}")
    assert done.data[:2] == b"\x1f\x8b"
    unknown = get(ais, "ais://dataset", "-", "--streaming", "--spec", "{in: [audio1.wav], mime: .rar}")
    assert (unknown.status, unknown.err) == (1, 'Error: unknown mime type ".rar"\n')


def test_62_64_default_bucket(ais: Ais, server: WireServer) -> None:
    spec = "{in: [{objname: a}, {objname: audio1.wav, bucket: dataset}], coer: true}"
    get(ais, "ais://models", "o.tar", "--spec", spec)
    assert spec_of(server)["in"] == [
        {"objname": "a", "bucket": "models", "provider": "ais"},
        {"objname": "audio1.wav", "bucket": "dataset"},
    ]


def test_67_names_are_appended_to_the_spec(ais: Ais, server: WireServer) -> None:
    done = get(ais, "ais://dataset/audio1.wav", "o.tar", "--spec", "{in: [audio2.wav]}")
    assert done.err == "Warning: adding 1 command-line defined name to the 1 spec-defined\n"
    assert [entry["objname"] for entry in spec_of(server)["in"]] == ["audio2.wav", "audio1.wav"]


@pytest.mark.parametrize("spec", ['{"in": []}', "{}"])
def test_68_nothing_to_fetch(ais: Ais, spec: str) -> None:
    done = get(ais, "ais://dataset", "o.tar", "--spec", spec)
    assert (done.status, done.err) == (1, "Error: empty get-batch request\n")


def test_154_colocation_without_bucket(ais: Ais, server: WireServer) -> None:
    assert get(ais, "o.tar", "--spec", "{in: [ais://dataset/audio1.wav], coloc: 2}").status == 0
    path, body = server.batches()[0]
    assert path == "/v1/ml/moss?coloc=2" and body["coloc"] == 2


def test_opaque_and_ranges_are_sent(ais: Ais, server: WireServer) -> None:
    opaque = base64.b64encode(b"hello").decode()
    spec = "{in: [{objname: audio1.wav, start: 10, length: 5, opaque: " + opaque + "}]}"
    assert get(ais, "ais://dataset", "o.tar", "--spec", spec).status == 0
    entry = {
        "objname": "audio1.wav",
        "bucket": "dataset",
        "provider": "ais",
        "opaque": opaque,
        "start": 10,
        "length": 5,
    }
    assert spec_of(server)["in"] == [entry]


# --- usage and the network ---


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ((), "expecting object names"),
        (("o.tar",), "expecting object names"),
        (("ais://dataset", "--list", "a"), 'missing "DST_ARCHIVE" argument'),
        (("ais://dataset", "--spec", "x"), 'missing "DST_ARCHIVE" argument'),
        (("--spec", "o.tar"), 'missing "DST_ARCHIVE" argument'),
        (("--list", "a,b", "o.tar"), "option '--list' requires bucket in the command line"),
        (("--list", "a", "--template", "x{1..2}"), "flags '--list' and '--template' are mutually exclusive"),
        (("ais://dataset", "--list", "a", "o.bin"), 'unknown filename extension (".bin", ".bin")'),
        (("ais://dataset/a", "ais://dst/o.tar"), "destination must be a local file"),
        (("ais://dataset", "--bogus", "x", "o.tar"), "flag provided but not defined: -bogus"),
    ],
)
def test_158_wrong_usage_is_three_lines_and_no_request(
    ais: Ais, work: Path, server: WireServer, words: tuple[str, ...], text: str
) -> None:
    done = get(ais, *words)
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith("Incorrect 'ais ml get-batch' usage: ") and text in done.err
    assert done.err.count("\n") == 3
    assert server.requests == [] and os.listdir(work) == []


def test_47_149_nobody_listens(ais: Ais, work: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        for endpoint in (place, f"http://{place}"):
            done = get(ais, "ais://dataset", "--list", "a", "o.tar", AIS_ENDPOINT=endpoint)
            assert (done.status, done.out) == (1, "")
            assert f"Error: AIStore cannot be reached at http://{place}" in done.err
            assert "AIS_ENDPOINT" in done.err
    assert os.listdir(work) == []


def test_busy_server_is_waited_for(ais: Ais, server: WireServer) -> None:
    server.busy = 1
    done = get(ais, "ais://dataset", "--list", "audio1.wav", "o.tar")
    assert done.status == 0 and done.err == "Note: waiting for cluster to start ...\n"


def test_token_is_sent(ais: Ais, server: WireServer) -> None:
    get(ais, "ais://dataset", "--list", "audio1.wav", "o.tar", AIS_AUTHN_TOKEN="secret")
    assert server.requests[0][2]["Authorization"] == "Bearer secret"


def test_46_interrupt_leaves_nothing(ais: Ais, work: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        command = [sys.executable, "-m", "moss.cli.main", *GET, "ais://b", "--list", "a", "o.tar"]
        env = {**os.environ, "AIS_ENDPOINT": f"127.0.0.1:{silent.getsockname()[1]}"}
        process = subprocess.Popen(
            command, cwd=work, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        connection, _ = silent.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(
                b"HTTP/1.1 200 OK\r\nContent-Type: multipart/mixed; boundary=b\r\nContent-Length: 1000\r\n\r\n--b\r\n"
            )
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (130, "") and "Traceback" not in err
    assert os.listdir(work) == []
