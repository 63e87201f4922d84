"""The development line of Lhotse, which installs beside the released one: `shar_ptr` by ranges of bytes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from moss.sdk import Bucket
from moss.testing import NodeProcess
from tests.integrations.lhotse.conftest import SPEECH

PROGRAM = Path(__file__).with_name("next_lhotse.py")
PACKAGE = Path(sys.prefix) / "lhotse-next"
"""Where `make test` installs it."""


@pytest.mark.parametrize("first_line", ["", "import moss.compat.aistore\n"], ids=["official", "moss"])
def test_116_pointers_into_shar_files(first_line: str, node: NodeProcess, bucket: Bucket, tmp_path: Path):
    assert (PACKAGE / "lhotse").is_dir(), f"{PACKAGE} is missing: make test installs it"
    code = first_line + PROGRAM.read_text(encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", code, bucket.name, str(SPEECH / "digits"), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=100,
        env={**os.environ, "AIS_ENDPOINT": node.url, "PYTHONPATH": str(PACKAGE)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "done"
    assert ("same with Moss's loader" in done.stdout) is bool(first_line)
