"""The recorded command lines of the reference, run against a real node."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from moss.testing import NodeProcess

# What `ais` has commands for so far, as patterns of case ids; the get-batch groups are compared as a whole.
OTHER_CASES = {
    "objects": [
        "O-put.*", "O-get.*", "O-cat", "O-rm", "O-rm-none", "O-rm-nothing", "O-show", "O-archive-ls",
    ],
    "buckets": ["B-create.*", "B-rm-.*", "B-ls.*"],
    "help": ["H-help-get-batch", "H-complete-(buckets|down)", "H-typo", "H-top-get-batch", "H-unknown"],
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("which", ["get-batch", *OTHER_CASES])
def test_recorded_command_lines(node: NodeProcess, conformance: Path, which: str) -> None:
    """Nothing differs from the recorded behaviour, or from what `cases.py` wants instead of it."""
    ids = OTHER_CASES.get(which) or _ids_of_groups(conformance, which)
    program = shutil.which("ais", path=str(Path(sys.executable).parent))
    assert program, "the project is not installed beside this Python"
    command = [sys.executable, str(conformance / "cli" / "run.py"), "compare", "--ais", program, "--endpoint", node.url]
    done = subprocess.run([*command, *ids], capture_output=True, text=True, timeout=580)
    failed = [line for line in done.stdout.splitlines() if not line.startswith("ok ")]
    assert done.returncode == 0, "\n".join(failed) + done.stderr


def _ids_of_groups(conformance: Path, prefix: str) -> list[str]:
    cases = json.loads((conformance / "cli" / "transcripts.json").read_text())
    return [re.escape(case["id"]) for case in cases if case["group"].startswith(prefix)]
