"""Several processes on one directory."""

import shutil
import subprocess
import sys
from contextlib import ExitStack

import pytest

from moss.errors import Conflict
from moss.naming.bucket import Bucket
from tests.node.storage import worker_process
from tests.node.storage.worker_process import OBJECTS

WORKERS = 3


def start(stack: ExitStack, root, worker: int, workers: int) -> subprocess.Popen:
    command = [sys.executable, worker_process.__file__, str(root), str(worker), str(workers)]
    child = stack.enter_context(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
    stack.callback(child.kill)
    return child


def go(child: subprocess.Popen) -> None:
    child.stdin.write("\n")
    child.stdin.flush()


@pytest.mark.slow
def test_workers_share_a_store(bucket, open_store, root):
    engine = open_store(worker=WORKERS)
    engine.create_bucket(bucket)
    with ExitStack() as stack:
        children = [start(stack, root, worker, WORKERS) for worker in range(WORKERS)]
        for child in children:
            assert child.stdout.readline() == "ready\n"
        for child in children:
            go(child)
        for child in children:
            assert child.stdout.readline() == "done\n"
        # Everybody sees everything, without being told.
        assert engine.head(bucket, "shared").version == str(WORKERS * OBJECTS)
        for worker in range(WORKERS):
            assert engine.read(Bucket(f"of-{worker}"), "o") == b"x"
            assert engine.read(bucket, f"{worker}/7") == f"{worker}-7".encode() * 5000
        before = engine.list_objects(bucket)
        assert len(before) == WORKERS * (OBJECTS - OBJECTS // 10) + 1
        # One is killed, one ends by itself; a newcomer in the place of the first repairs while the others go on.
        children[0].kill()
        go(children[1])
        children[1].wait(20)
        engine.put(bucket, "late", b"late").result()
        replacement = start(stack, root, 0, WORKERS)
        assert replacement.stdout.readline() == "ready\n"
        assert engine.list_objects(bucket, prefix="0") == [row for row in before if row.name.startswith("0")]
        replacement.kill()
        go(children[2])
        children[2].wait(20)
    engine.close()
    listing = {record.name: record.checksum_value for record in open_store().list_objects(bucket)}
    assert set(listing) == {record.name for record in before} | {"late"}


def test_index_cannot_be_rebuilt_under_others(engine, bucket, open_store, root):
    engine.put(bucket, "o", b"x").result()
    with ExitStack() as stack:
        child = start(stack, root, 1, 1)
        assert child.stdout.readline() == "ready\n"
        engine.close()
        shutil.rmtree(root / "index")
        with pytest.raises(Conflict):
            open_store()
        child.kill()
        child.wait()
        assert open_store().read(bucket, "o") == b"x"


def test_a_dead_workers_tail_is_taken_over(bucket, open_store, root, tmp_path):
    engine = open_store(worker=5)
    engine.create_bucket(bucket)
    engine.put(bucket, "o", b"first").result()
    engine.close()
    shutil.copytree(root / "index", tmp_path / "index")
    engine = open_store(worker=5)
    engine.put(bucket, "o", b"second").result()
    engine.close()
    shutil.rmtree(root / "index")
    shutil.copytree(tmp_path / "index", root / "index")
    assert open_store(worker=2).read(bucket, "o") == b"second"
