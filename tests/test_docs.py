"""What the documents show works: their code blocks are run against a node, their links lead somewhere."""

import os
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

import moss.sdk
from moss.testing import NodeProcess, start_node
from tests.support.nginx import Nginx
from tests.support.rgw import Rgw
from tests.support.wire import Wire

PROJECT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted([*PROJECT.glob("*.md"), *PROJECT.glob("docs/**/*.md"), *PROJECT.glob("examples/**/*.md")])
DEFAULT_URL = "http://127.0.0.1:51080"
BLOCK = re.compile(r"^```(bash|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    """A node without anything in it, as a reader has it: the documents make buckets by fixed names."""
    with start_node(tmp_path_factory.mktemp("documents")) as own:
        yield own


def run_block(language: str, code: str, node: NodeProcess, folder: Path) -> str:
    """Runs a block as a reader would, with the node's URL for the default one and a folder of its own for /tmp."""
    code = code.replace(DEFAULT_URL, node.url).replace("/tmp/", f"{folder}/")
    command = ["bash", "-euo", "pipefail", "-c", code] if language == "bash" else [sys.executable, "-c", code]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "AIS_ENDPOINT": node.url}
    done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=100)
    # pyarrow's threads may still let go of files when the interpreter has ended; all was printed by then. It happens
    # with any file system in Python: with fsspec's own for local files 7 times in 40.
    is_late = "import pyarrow" in code and done.stderr == "terminate called without an active exception\n"
    assert done.returncode == 0 or is_late, f"{code}\n--- said\n{done.stdout}{done.stderr}"
    return done.stdout


def test_code_blocks_of_the_readme_run_one_after_the_other(node: NodeProcess, tmp_path: Path):
    blocks = BLOCK.findall((PROJECT / "README.md").read_text())
    assert [language for language, _ in blocks] == ["bash", "python", "bash", "python"]
    command_line, sdk, curl, training = [run_block(language, code, node, tmp_path) for language, code in blocks]
    assert [line.split()[-1] for line in command_line.splitlines()[-3:]] == [
        f"demo/speech/{number}.wav" for number in (7, 8, 9)
    ]
    speech = PROJECT / "examples" / "data" / "speech"
    lines = sdk.splitlines()
    assert lines[0].split()[-2:] == [str((speech / "digits" / "8.wav").stat().st_size), "ok"]
    assert lines[1].split()[-2:] == [str((speech / "letters" / "m.wav").stat().st_size), "ok"]
    assert lines[2].split()[-2:] == ["1000", "ok"]
    assert len(lines) == 4 and not lines[3].endswith(" ok")
    assert training.count("speech/") == 3 and len(training.splitlines()) == 2
    assert curl.split() == ["demo/speech/7.wav", "demo/letters.tar/speech/letters/z.wav"]


@pytest.fixture
def training_data(rgw: Rgw, monkeypatch: pytest.MonkeyPatch) -> str:
    """The guide's bucket, in a real S3 service that a node finds by its environment."""
    for name, value in rgw.environ.items():
        monkeypatch.setenv(name, value)
    name, source = f"training-{uuid.uuid4().hex[:12]}", rgw.client()
    source.create_bucket(Bucket=name)
    for number in range(1, 4):
        source.put_object(Bucket=name, Key=f"d/{number}.bin", Body=bytes([number]) * number * 100_000)
    return name


def run_document(name: str, node: NodeProcess, folder: Path) -> list[str]:
    """What the blocks of a document print, run one after the other."""
    blocks = BLOCK.findall((PROJECT / "docs" / "guide" / name).read_text())
    assert blocks
    return [run_block(language, code, node, folder) for language, code in blocks]


def test_the_guide_for_a_folder_of_images(node: NodeProcess, tmp_path: Path):
    outputs = run_document("folder-of-images.md", node, tmp_path)
    count = len(list((PROJECT / "examples" / "data" / "photos").iterdir()))
    assert outputs[1].splitlines()[-1].startswith(f"{count}/{count} ")
    assert outputs[3].count("step") == 3
    assert outputs[4].split().count("images") == 4
    assert outputs[5].count(",") == 7


def test_the_guide_for_shards(node: NodeProcess, tmp_path: Path):
    outputs = run_document("webdataset-shards.md", node, tmp_path)
    assert "samples ['cls', 'wav']" in outputs[2]
    assert [line.split()[-1] for line in outputs[3].splitlines()] == ["samples"] * 2
    assert "digits" in outputs[4] and "letters" in outputs[4]
    assert "note" in outputs[6]


def test_the_guide_for_speech(node: NodeProcess, tmp_path: Path):
    outputs = run_document("lhotse.md", node, tmp_path)
    speech = PROJECT / "examples" / "data" / "speech"
    count = sum(len(list((speech / name).iterdir())) for name in ("digits", "letters"))
    assert outputs[1] == f"{count} cuts\n"
    loaded, gone, left = outputs[2].splitlines()
    assert loaded.startswith("memory ")
    assert gone == "['letters-v'] ais://speech/gone.wav" and left == "7 cuts are left"
    assert outputs[3].count("minibatch") > 3
    assert outputs[4].startswith("audio (8, ")
    assert outputs[5].startswith("[('a', ")


def test_the_tutorial_for_training(node: NodeProcess, tmp_path: Path):
    outputs = run_document("../tutorials/training.md", node, tmp_path)
    assert outputs[0].splitlines()[-1].startswith("digits-4.tar 5 shards ")
    assert outputs[1] == "200 samples; digits-3.tar/sample_123 (64,) 8\n"
    assert outputs[2] == "80 samples before, 120 after, in the order of a run without an interruption\n"


def test_the_guide_for_a_bucket_in_s3(training_data: str, tmp_path: Path):
    blocks = BLOCK.findall((PROJECT / "docs" / "guide" / "bucket-in-s3.md").read_text())
    with start_node(tmp_path / "data") as own:
        outputs = [
            run_block(language, code.replace("my-training-data", training_data), own, tmp_path)
            for language, code in blocks
        ]
    assert outputs[0].splitlines()[-3:] == [f"{training_data}/d/{number}.bin" for number in (1, 2, 3)]
    assert outputs[1] == "d/3.bin 300000\nd/1.bin 100000\nd/2.bin 200000\n"
    listed = [line.split() for line in outputs[2].splitlines() if line.startswith("d/")][-3:]
    assert [(row[0], row[-1]) for row in listed] == [("d/1.bin", "no"), ("d/2.bin", "no"), ("d/3.bin", "yes")]
    assert outputs[4].splitlines()[-1] == "checked"
    assert (tmp_path / "2.bin").read_bytes() == b"\2" * 200_000


def test_the_guide_for_other_clusters(node: NodeProcess, nginx: Nginx, tmp_path: Path):
    far = Wire(node.url)
    assert far.send("POST", "/v1/buckets/photos", {"action": "create-bck"}).status == 200
    for number in range(1, 4):
        far.put("photos", f"img-{number}.jpg", bytes([number]) * number * 1000)
        nginx.put(f"photos/img-{number}.jpg", bytes([number]) * number * 2000)
    blocks = BLOCK.findall((PROJECT / "docs" / "guide" / "other-clusters.md").read_text())
    urls = {"http://10.0.0.9:51080": node.url, "https://data.example.org": nginx.url}
    with start_node(tmp_path / "data", download_hosts=["127.0.0.1"]) as own:
        outputs = []
        for language, code in blocks:
            for shown, real in urls.items():
                code = code.replace(shown, real)
            outputs.append(run_block(language, code, own, tmp_path))
    reading, writing, both, web = outputs
    assert reading.splitlines()[-3:] == [f"photos/img-{number}.jpg" for number in (1, 2, 3)]
    assert '"ais://@far/results" destroyed' in writing
    assert both == "img-1.txt 5\nimg-1.jpg 1000\n"
    assert "img-3.jpg" in web and (tmp_path / "one.jpg").read_bytes() == b"\1" * 2000


def test_the_guide_for_programs_for_aistore(node: NodeProcess, tmp_path: Path):
    outputs = run_document("programs-for-aistore.md", node, tmp_path)
    assert outputs[0] == "[('hello', 5)]\n"
    assert outputs[1] == "b'hello'\n"
    assert outputs[2].startswith("404 ")


def test_the_guide_for_fsspec(node: NodeProcess, tmp_path: Path):
    tables, options, sets, stream, files, ranges, members, cleaned = run_document("fsspec.md", node, tmp_path)
    assert (tables, options, sets) == ("21\n", "200\n", "20\n")
    assert stream == "[0, 1, 2]\n"
    assert "'tables/speech'" in files and "b'RIFF'" in files and "visible, as a whole" in files
    assert ranges.startswith(f"{len(list((PROJECT / 'examples/data/speech/digits').iterdir()))} headers")
    assert members.endswith("26 members\n") and cleaned == ""


def test_the_guide_for_running_a_node(tmp_path: Path):
    with start_node(tmp_path / "data") as own:
        health, settings, jobs = run_document("running-a-node.md", own, tmp_path)
    assert '"proxy_si"' in health and "ais_" in health
    assert '"max_soft_errs":20' in settings and "must be in range" in settings
    assert "copy-of-o0" in jobs


def test_every_block_of_the_documents_is_run():
    """By one of the tests here, which know what it prints, or as an import of the reference."""
    folders = (PROJECT / "docs" / "guide", PROJECT / "docs" / "tutorials")
    tested = {"README.md", *(path.name for folder in folders for path in folder.glob("*.md"))}
    others = [path.name for path in DOCUMENTS if BLOCK.search(path.read_text()) and path.name not in tested]
    assert set(others) <= {path.name for path in (PROJECT / "docs" / "reference").glob("*.md")}


def test_the_reference_is_current():
    done = subprocess.run(
        [sys.executable, str(PROJECT / "scripts" / "reference.py"), "--check"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout


def test_the_reference_names_what_can_be_imported():
    pages = [path.read_text() for path in sorted((PROJECT / "docs" / "reference").glob("*.md"))]
    imports = [code for page in pages for language, code in BLOCK.findall(page) if language == "python"]
    assert len(imports) > 8
    done = subprocess.run([sys.executable, "-c", "\n".join(imports)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_the_reference_has_every_name_of_the_package():
    pages = "".join(path.read_text() for path in (PROJECT / "docs" / "reference").glob("*.md"))
    missing = [name for name in moss.sdk.__all__ if f"\n## {name}\n" not in pages]
    assert not missing


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(PROJECT)))
def test_links_lead_somewhere(document: Path):
    targets = [target for target in LINK.findall(document.read_text()) if "://" not in target]
    missing = [target for target in targets if not (document.parent / target).exists()]
    assert not missing


def test_every_example_file_has_its_licence_named():
    """Each folder of the example data, and each photograph by its name."""
    data = PROJECT / "examples" / "data"
    text = (data / "LICENSES.md").read_text()
    for path in data.rglob("*"):
        if path.is_file() and path.suffix != ".md":
            name = str(path.relative_to(data))
            wanted = name if name.startswith("photos/") else name.rpartition("/")[0]
            assert f"`{wanted}" in text, name


def test_make_help_lists_every_target():
    makefile = (PROJECT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    assert phony is not None
    command = ["make", "--no-print-directory", "help"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=20)
    listed = [line.split()[1] for line in done.stdout.splitlines()]
    assert sorted(listed) == sorted(phony.group(1).split())
