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
STEPS_MIN = {"getbatch": 1000, "data": 2000, "control": 700}
"""Steps that are answered as recorded, at the least."""


@pytest.fixture(scope="module")
def own_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    """Recordings are of a cluster that nobody else uses."""
    with start_node(tmp_path_factory.mktemp("conformance") / "data", sync=False) as running:
        yield running


def explained() -> set[str]:
    """The steps (`case/step`) in the table of explained differences; `case/*` is a case that is not run at all."""
    section = COMPATIBILITY.read_text().partition("## Explained differences")[2].partition("\n## ")[0]
    return set(re.findall(r"^\| `([\w-]+/(?:[\w-]+|\*))` \|", section, re.MULTILINE))


def compare(url: str, probes: str, conformance: Path) -> None:
    """Every step is answered as recorded, as the recording's `expect` wants it, or its difference is explained."""
    command = [sys.executable, str(conformance / "run.py"), "compare", url, str(conformance / f"probes/{probes}.json")]
    not_offered = "|".join(re.escape(step.removesuffix("/*")) for step in explained() if step.endswith("/*"))
    cases = f"^(?!({not_offered})$)" if not_offered else ""
    done = subprocess.run(
        [*command, "--golden", str(conformance / f"golden/{probes}.jsonl"), "--show", "--only", cases],
        capture_output=True,
        text=True,
        timeout=160,
        check=False,
    )
    counted = re.search(r"^(\d+) steps equal, \d+ differ as meant, \d+ differ$", done.stdout, re.MULTILINE)
    assert counted is not None, done.stderr
    assert int(counted[1]) > STEPS_MIN[probes]
    assert not set(DIFF.findall(done.stdout)) - explained(), done.stdout


@pytest.mark.slow
def test_recorded_batches(own_node: NodeProcess, conformance: Path):
    compare(own_node.url, "getbatch", conformance)


@pytest.mark.slow
@pytest.mark.timeout(170)
def test_recorded_data_calls(own_node: NodeProcess, conformance: Path):
    compare(own_node.url, "data", conformance)


@pytest.mark.slow
@pytest.mark.timeout(170)
def test_recorded_control_calls(own_node: NodeProcess, conformance: Path):
    compare(own_node.url, "control", conformance)
