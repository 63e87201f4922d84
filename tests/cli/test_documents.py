"""The guide and the list of commands: what they show works, and is current."""

import os
import re
import subprocess
import sys
from pathlib import Path

from moss.testing import NodeProcess

PROJECT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_guide_of_the_command_line(node: NodeProcess, tmp_path: Path) -> None:
    """Its blocks run one after the other, in one shell, as a reader would type them."""
    blocks = BLOCK.findall((PROJECT / "docs" / "guide" / "command-line.md").read_text())
    script = "\n".join(f"{block}echo ==== >&1" for block in blocks).replace("/tmp/", f"{tmp_path}/")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "AIS_ENDPOINT": node.url, "HOME": str(tmp_path)}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    search, _, data, scripts, statuses, watching, own, _ = done.stdout.split("====\n")
    assert "ais bucket cp\n" in search and "ais archive bucket\n" in search
    assert "Created ML batch archive" in data and "cli-guide/speech/letters/z.wav" in data
    assert re.search(r"^\d+ objects$", scripts, re.MULTILINE) and scripts.count("speech/digits/") == 3
    assert statuses.split("\n")[:-1] == ["status 1", "status 2"]
    assert "Done" in watching and "-" * 72 in watching
    assert "speech/digits/7.wav" in own and "timeout.http_timeout\t 30s" in own
    assert 'object "ais://cli-guide/nosuch" does not exist' in done.stderr


def test_the_list_of_commands_is_current() -> None:
    command = [sys.executable, str(PROJECT / "scripts" / "cli_reference.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
