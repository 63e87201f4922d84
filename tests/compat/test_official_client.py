"""The official `aistore` client, unmodified, against a node: in a process that imports nothing of this project."""

import subprocess
import sys
from pathlib import Path

from moss.testing import NodeProcess, start_node

PROGRAM = Path(__file__).with_name("official_client.py")
USES = """objects: put, get, head, ranges
listings: all, prefix, pages, sizes
objects: upload in parts
objects: delete
shards: put, member of each kind
batches: .tar streaming
batches: .tgz streaming
batches: .tar.gz streaming
batches: .zip streaming
batches: .tar buffered
batches: .tgz buffered
batches: .tar.gz buffered
batches: .zip buffered
batches: names, only_obj_name, colocation, decode_as_stream
batches: raw
batches: repeated, many entries
batches: errors
done
"""


def use(node: NodeProcess, folder: Path) -> None:
    command = [sys.executable, str(PROGRAM), node.url]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    assert done.stdout.startswith(USES)


def test_the_official_client_works_unmodified(node: NodeProcess, tmp_path: Path):
    use(node, tmp_path)


def test_the_official_client_works_with_several_workers(tmp_path: Path):
    """Which share nothing but the store: uploads and jobs begin in one process and go on in another."""
    with start_node(tmp_path / "data", workers=3) as own:
        use(own, tmp_path)
