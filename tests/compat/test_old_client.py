"""Programs for the SDK of 2023 work: with that SDK unmodified, and with ours (data plane, section 12)."""

import subprocess
import sys
from pathlib import Path

import pytest

from moss.testing import NodeProcess

PROGRAM = Path(__file__).with_name("old_client.py")
WHEELS = Path(sys.prefix) / "wheels"
RELEASE = "aistore-1.4.0-py3-none-any.whl"
USES = ["buckets", "objects", "listings", "shards", "groups", "jobs", "copies", "done"]
# The release wants pydantic 1 and the environment has 2, which carries the old one along.
START = """
import runpy, sys, pydantic.v1
sys.modules["pydantic"] = pydantic.v1
sys.path.insert(0, sys.argv.pop(1))
runpy.run_path(sys.argv.pop(1), run_name="__main__")
"""


@pytest.fixture(scope="session")
def release() -> Path:
    """The release as a wheel, which Python imports from as it is: beside the environment, fetched once."""
    wheel = WHEELS / RELEASE
    if not wheel.exists():
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(WHEELS)]
        subprocess.run([*command, "aistore==1.4.0"], check=True, timeout=100)
    return wheel


def run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    assert [line for line in done.stdout.splitlines() if line in USES] == USES


def test_the_old_client_works_unmodified(release: Path, node: NodeProcess, tmp_path: Path):
    start = [sys.executable, "-W", "ignore", "-c", START, str(release), str(PROGRAM)]
    run([*start, "aistore", node.url, str(tmp_path)], tmp_path)


def test_programs_for_the_old_client_work_with_ours(node: NodeProcess, tmp_path: Path):
    run([sys.executable, "-W", "ignore", str(PROGRAM), "moss", node.url, str(tmp_path)], tmp_path)
