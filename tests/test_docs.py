"""What the documents show works: their code blocks are run against a node, their links lead somewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from moss.testing import NodeProcess

PROJECT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted([*PROJECT.glob("*.md"), *PROJECT.glob("docs/**/*.md"), *PROJECT.glob("examples/**/*.md")])
DEFAULT_URL = "http://127.0.0.1:51080"
BLOCK = re.compile(r"^```(bash|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def run_block(language: str, code: str, node: NodeProcess, folder: Path) -> str:
    """Runs a block as a reader would, with the node's URL for the default one and a folder of its own for /tmp."""
    code = code.replace(DEFAULT_URL, node.url).replace("/tmp/", f"{folder}/")
    command = ["bash", "-euo", "pipefail", "-c", code] if language == "bash" else [sys.executable, "-c", code]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "AIS_ENDPOINT": node.url}
    done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, f"{code}\n--- said\n{done.stdout}{done.stderr}"
    return done.stdout


def test_code_blocks_of_the_readme_run_one_after_the_other(node: NodeProcess, tmp_path: Path):
    blocks = BLOCK.findall((PROJECT / "README.md").read_text())
    assert [language for language, _ in blocks] == ["bash", "python", "bash"]
    command_line, sdk, curl = [run_block(language, code, node, tmp_path) for language, code in blocks]
    assert [line.split()[-1] for line in command_line.splitlines()[-3:]] == [
        f"demo/speech/{number}.wav" for number in (7, 8, 9)
    ]
    speech = PROJECT / "examples" / "data" / "speech"
    lines = sdk.splitlines()
    assert lines[0].split()[-2:] == [str((speech / "digits" / "8.wav").stat().st_size), "ok"]
    assert lines[1].split()[-2:] == [str((speech / "letters" / "m.wav").stat().st_size), "ok"]
    assert lines[2].split()[-2:] == ["1000", "ok"]
    assert len(lines) == 4 and not lines[3].endswith(" ok")
    assert curl.split() == ["demo/speech/7.wav", "demo/letters.tar/speech/letters/z.wav"]


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
