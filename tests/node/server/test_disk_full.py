"""A full disk, over HTTP. Reliability row 4."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("fill_disk_over_http.py")


@pytest.mark.slow
def test_reliability_04_puts_appends_and_parts_are_refused_reads_and_deletes_go_on(tmp_path: Path):
    """On a tmpfs of 64 MiB, in a mount namespace of its own (no root needed)."""
    disk = tmp_path / "disk"
    disk.mkdir()
    namespace = ["--mount"] if os.geteuid() == 0 else ["--user", "--map-root-user", "--mount"]
    script = 'mount -t tmpfs -o size=64m tmpfs "$1" && exec "$2" "$3" "$1"'
    command = ["unshare", *namespace, "sh", "-c", script, "sh", str(disk), sys.executable, str(SCRIPT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
