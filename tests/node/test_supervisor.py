"""Several worker processes: one port, one store, and none left behind."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from moss.testing import NodeProcess, start_node
from tests.support.wire import Wire


def children_of(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for(condition, what: str, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        os.sched_yield()


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[NodeProcess]:
    with start_node(tmp_path / "data", workers=2, sync=False) as node:
        yield node


def test_every_worker_sees_what_any_worker_stored(pair: NodeProcess):
    wire = Wire(pair.url)
    bucket = wire.new_bucket()
    for i in range(30):
        wire.put(bucket, f"o{i}", b"%d" % i)
    for _ in range(20):
        answer = wire.batch(bucket, [f"o{i}" for i in range(30)])
        assert answer.hops == [307]
        assert [data for _, data in answer.members()] == [b"%d" % i for i in range(30)]


def test_a_worker_that_dies_is_started_again(pair: NodeProcess):
    wire = Wire(pair.url)
    bucket = wire.new_bucket()
    wire.put(bucket, "a", b"kept")
    victim = children_of(pair.pid)[0]
    os.kill(victim, signal.SIGKILL)
    wait_for(lambda: len(children_of(pair.pid)) == 2 and victim not in children_of(pair.pid), "no new worker")
    for _ in range(20):
        assert wire.batch(bucket, ["a"]).members() == [(f"{bucket}/a", b"kept")]


def test_workers_end_with_their_supervisor(pair: NodeProcess):
    workers = children_of(pair.pid)
    assert len(workers) == 2
    pair.kill()
    wait_for(lambda: not any(is_alive(pid) for pid in workers), "workers live on without their supervisor")


def run_supervisor(worker: str) -> subprocess.CompletedProcess[bytes]:
    """Run three workers; `worker` is the body of a function of `number` and `report`."""
    program = (
        "import os, signal, sys, time\n"
        "from moss.node.supervisor import Supervisor\n"
        f"def run(number, report):\n{textwrap.indent(textwrap.dedent(worker), '    ')}\n"
        "sys.exit(Supervisor(3, run).run(lambda: None))\n"
    )
    return subprocess.run([sys.executable, "-c", program], timeout=20, capture_output=True, check=False)


def test_a_signal_while_workers_start_ends_them_all():
    """The first worker is told and ends; nobody would tell those that are started afterwards."""
    ended = run_supervisor(
        """
        if number:
            signal.pause()
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        os.kill(os.getppid(), signal.SIGTERM)
        signal.sigwait([signal.SIGTERM])
        report()
        """
    )
    assert ended.returncode == 0


def test_a_worker_that_cannot_start_ends_the_node():
    ended = run_supervisor(
        """
        if number == 1:
            raise OSError("no luck")
        report()
        signal.pause()
        """
    )
    assert ended.returncode == 1
    assert b"worker 1: no luck" in ended.stderr
