"""The 320 recorded command lines of the reference, run against a real node."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from moss.testing import NodeProcess, start_node

GROUPS = (
    "get-batch",
    "lhotse-get-batch",
    "help and completion",
    "buckets",
    "objects",
    "cluster, jobs, configuration, search",
)

EXPLAINED: dict[str, str] = {}
"""Cases in which another behaviour than `cases.py` wants is better, with the reason; docs/compatibility.md has them."""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    """A node without anything in it: some of the lines show all buckets and all jobs."""
    with start_node(tmp_path_factory.mktemp("recorded") / "data") as own:
        yield own


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("group", GROUPS)
def test_recorded_command_lines(node: NodeProcess, conformance: Path, group: str) -> None:
    """Nothing differs from the recorded behaviour, or from what `cases.py` wants instead of it."""
    program = shutil.which("ais", path=str(Path(sys.executable).parent))
    assert program, "the project is not installed beside this Python"
    ids = [re.escape(case["id"]) for case in _cases(conformance) if _group_of(case) == group]
    assert ids
    command = [sys.executable, str(conformance / "cli" / "run.py"), "compare", "--ais", program, "--endpoint", node.url]
    done = subprocess.run([*command, *ids], capture_output=True, text=True, timeout=580)
    assert f"of {len(ids)} as wanted" in done.stdout, done.stderr
    differences = re.split(r"^(?=ok |FAIL )", done.stdout.rpartition("\n")[0], flags=re.MULTILINE)
    failed = [text for text in differences if text.startswith("FAIL ") and text.split()[1] not in EXPLAINED]
    assert not failed, "\n".join(failed) + done.stderr


def test_every_recorded_case_is_in_a_group(conformance: Path) -> None:
    cases = _cases(conformance)
    assert len(cases) == 320 and {_group_of(case) for case in cases} == set(GROUPS)
    assert set(EXPLAINED) <= {case["id"] for case in cases}


def _cases(conformance: Path) -> list[dict[str, str]]:
    return json.loads((conformance / "cli" / "transcripts.json").read_text())


def _group_of(case: dict[str, str]) -> str:
    """The group without its subtitle: `get-batch: templates` is of `get-batch`."""
    return case["group"].partition(":")[0]
