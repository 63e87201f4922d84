"""Nodes that go away while a training reads from them."""

import multiprocessing
import os
import socket
import threading
from pathlib import Path

import pytest

from moss.integrations.torch import MossLoader, MossMapDataset
from moss.sdk import Bucket, Client, RetryConfig
from moss.sdk.errors import TransportError
from moss.sdk.retry_config import HttpRetry, NetworkRetry
from moss.testing import NodeProcess, start_node
from tests.integrations.torch.conftest import DIGITS, FILES

PATIENT = RetryConfig(HttpRetry(), NetworkRetry(attempts=100, wait_s_min=0.05, wait_s_max=0.2))
HASTY = RetryConfig(HttpRetry(total=0), NetworkRetry(attempts=1))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def load(node: NodeProcess) -> None:
    Client(node.url).bucket("digits").create().put_files(DIGITS)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_node_that_is_killed_and_comes_back_in_the_middle_of_an_epoch(tmp_path: Path, workers: int):
    port = free_port()
    node = start_node(tmp_path, port=port)
    load(node)
    bucket = Client(node.url, retry_config=PATIENT).bucket("digits")
    loader = MossLoader(MossMapDataset.from_bucket(bucket), 8, shuffle=True, collate_fn=list, num_workers=workers)
    names, restart = [], threading.Thread(target=node.start)
    for number, batch in enumerate(loader):
        names += [name for name, _ in batch]
        if number == 3:
            node.kill()
            restart.start()
    restart.join()
    node.stop()
    assert sorted(names) == sorted(FILES)
    assert all(content == FILES[name] for name, content in batch)


def test_a_worker_that_is_killed_and_a_loader_that_goes_on(digits: Bucket):
    """As by a kernel that is out of memory. No sample is lost, and none comes twice."""
    dataset = MossMapDataset.from_bucket(digits)
    sequence = [[name for name, _ in batch] for batch in MossLoader(dataset, 8, shuffle=True, collate_fn=list)]
    loader = MossLoader(dataset, 8, shuffle=True, collate_fn=list, num_workers=2, prefetch_factor=1)
    used = []
    with pytest.raises(RuntimeError, match="killed by signal"):
        for batch in loader:
            used.append([name for name, _ in batch])
            if len(used) == 5:
                victim = multiprocessing.active_children()[0]
                victim.kill()
                # Its end is left for the loader to find, which torch looks for when the signal of it arrives.
                os.waitid(os.P_PID, victim.pid, os.WEXITED | os.WNOWAIT)
    assert len(used) == 5
    resumed = MossLoader(dataset, 8, shuffle=True, collate_fn=list, num_workers=2)
    resumed.load_state_dict(loader.state_dict())
    assert used + [[name for name, _ in batch] for batch in resumed] == sequence


def test_a_node_that_stays_away_is_an_error_and_the_state_goes_on(tmp_path: Path):
    with start_node(tmp_path) as node:
        load(node)
        bucket = Client(node.url, retry_config=HASTY).bucket("digits")
        dataset = MossMapDataset.from_bucket(bucket)
        # So many batches that no worker has fetched them all when the node ends.
        loader = MossLoader(dataset, 2, shuffle=True, collate_fn=list, num_workers=1)
        used = []
        node_is_gone = False
        with pytest.raises(TransportError):
            for batch in loader:
                used += [name for name, _ in batch]
                if not node_is_gone:
                    node.kill()
                    node_is_gone = True
        state = loader.state_dict()
    with start_node(tmp_path) as node:
        bucket = Client(node.url).bucket("digits")
        loader = MossLoader(MossMapDataset.from_bucket(bucket), 8, shuffle=True, collate_fn=list)
        loader.load_state_dict(state)
        used += [name for batch in loader for name, _ in batch]
    assert sorted(used) == sorted(FILES)
