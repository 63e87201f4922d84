"""What the reference answered to recorded requests, compared with what a node answers."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from moss.testing import NodeProcess, start_node

COMPATIBILITY = Path(__file__).resolve().parents[2] / "docs" / "compatibility.md"
DIFF = re.compile(r"^DIFF (\S+)", re.MULTILINE)


@pytest.fixture(scope="module")
def own_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    """Recordings are of a cluster that nobody else uses."""
    with start_node(tmp_path_factory.mktemp("conformance") / "data", sync=False) as running:
        yield running


def explained() -> set[str]:
    """The steps (`case/step`) in the table of explained differences."""
    section = COMPATIBILITY.read_text().partition("## Explained differences")[2].partition("\n## ")[0]
    return set(re.findall(r"^\| `([\w-]+/[\w-]+)` \|", section, re.MULTILINE))


@pytest.mark.slow
def test_recorded_batches(own_node: NodeProcess, conformance: Path):
    """Every step is answered as recorded, as the recording's `expect` wants it, or its difference is explained."""
    probes, golden = conformance / "probes" / "getbatch.json", conformance / "golden" / "getbatch.jsonl"
    command = [sys.executable, str(conformance / "run.py"), "compare", own_node.url, str(probes)]
    done = subprocess.run(
        [*command, "--golden", str(golden), "--show"], capture_output=True, text=True, timeout=110, check=False
    )
    assert re.search(r"^\d+ steps equal, \d+ differ as meant, \d+ differ$", done.stdout, re.MULTILINE), done.stderr
    assert int(re.search(r"^(\d+) steps equal", done.stdout, re.MULTILINE)[1]) > 1000
    assert not set(DIFF.findall(done.stdout)) - explained(), done.stdout
