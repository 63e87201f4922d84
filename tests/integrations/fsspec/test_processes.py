"""File systems in forked and spawned processes and in threads."""

import json
import multiprocessing
import os
import pickle
import signal
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import fsspec
import pytest
from fsspec.asyn import sync

from moss.integrations.fsspec import MossFileSystem
from moss.testing import NodeProcess


def read(fs: MossFileSystem, path: str) -> tuple[int, bytes, list[bytes]]:
    with fs.open(path) as file:
        return os.getpid(), file.read(), fs.cat_ranges([path] * 3, 0, [1, 2, 3])


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_file_system_works_in_other_processes(fs: MossFileSystem, bucket: str, method: str):
    fs.pipe(f"{bucket}/o", b"content")
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(2, context) as pool:
        answers = list(pool.map(read, [fs] * 8, [f"{bucket}/o"] * 8))
    assert all(answer[1:] == (b"content", [b"c", b"co", b"con"]) for answer in answers)
    assert os.getpid() not in {answer[0] for answer in answers}
    assert fs.cat(f"{bucket}/o") == b"content"


def test_the_very_same_object_works_after_a_fork(fs: MossFileSystem, bucket: str):
    """As in a worker of a data loader, which was forked with its data set; coroutines too."""
    fs.pipe(f"{bucket}/o", b"content")
    assert sync(fs.loop, fs._cat_file, f"{bucket}/o") == fs.cat(f"{bucket}/o")
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        signal.alarm(20)
        try:
            found = [fs.cat(f"{bucket}/o") == sync(fs.loop, fs._cat_file, f"{bucket}/o") == b"content"]
            os.write(writing, json.dumps(found).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        assert json.load(pipe) == [True]
    os.waitpid(child, 0)
    assert fs.cat(f"{bucket}/o") == b"content"


def test_threads_share_a_file_system(fs: MossFileSystem, bucket: str):
    fs.pipe({f"{bucket}/{number}": str(number).encode() for number in range(16)})

    def work(number: int) -> bool:
        return all(fs.cat(f"{bucket}/{number}") == str(number).encode() for _ in range(20))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(16)))


def test_pickles_and_json_lead_to_the_same_cluster(node: NodeProcess, bucket: str):
    fs = fsspec.filesystem("ais", endpoint=node.url, members=False)
    assert fsspec.filesystem("ais", endpoint=node.url, members=False) is fs
    for other in (pickle.loads(pickle.dumps(fs)), MossFileSystem.from_json(fs.to_json())):
        assert other == fs and other.fsid == fs.fsid and other.isdir(bucket)
