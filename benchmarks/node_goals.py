"""Goals that need nodes of their own: G18 (memory under a slow reader) and G19 (one worker against two)."""

import os
import time
from contextlib import ExitStack
from functools import partial

from benchmarks import machine, sampling
from benchmarks.bench import Bench
from benchmarks.dataset import KIB, MIB, Dataset, batch_target, load
from benchmarks.rawclient import RawClient, Target
from benchmarks.results import Result
from benchmarks.servers import address, measured_node
from benchmarks.workers import Worker

SLOW_ENTRIES = 100_000
SLOW_READ_BYTES = 256 * KIB
SLOW_PAUSE_S = 0.02
CLIENTS_PER_CORE = 4


def resident_bytes(process_id: int) -> int:
    """Memory of its own that the whole process tree holds; mapped data files (page cache) are not part of it."""
    total = 0
    for process in machine.process_tree(process_id):
        status = machine.memory_status_kib(process)
        total += 1024 * (status["RssAnon"] + status["RssShmem"])
    return total


def read_slowly(target: Target, pauses: int, server_process_id: int) -> int:
    """Reads with pauses, then to the end; returns the server's largest resident size seen meanwhile."""
    client = RawClient(target.host, target.port)
    peak = 0
    try:
        connection, view = client._socket, memoryview(bytearray(SLOW_READ_BYTES))
        connection.sendall(target.request)
        received = 0
        for _ in range(pauses):
            received += connection.recv_into(view)
            peak = max(peak, resident_bytes(server_process_id))
            time.sleep(SLOW_PAUSE_S)
        while received < target.body_bytes_min:
            for _ in range(50):
                count = connection.recv_into(view)
                received += count
                if count == 0:
                    raise ConnectionError(f"the answer ended after {received} bytes")
            peak = max(peak, resident_bytes(server_process_id))
    finally:
        client.close()
    return peak


def g18(bench: Bench) -> list[Result]:
    dataset = Dataset({10 * KIB: 2_000}, shards=0)
    with measured_node(bench.folder / "g18") as node:
        load(node.url, dataset)
        host, port = address(node.url)
        warm_up = batch_target(host, port, dataset.entries(10 * KIB, 1_000), 10 * KIB)
        bench.client.call(sampling.latencies, [warm_up], 5)
        before = resident_bytes(node.process.pid)
        target = batch_target(host, port, dataset.entries(10 * KIB, SLOW_ENTRIES), 10 * KIB)
        pauses = int(8 * bench.sample_s / 0.25 / SLOW_PAUSE_S)
        peak = bench.client.call(read_slowly, target, pauses, node.process.pid)
        after = resident_bytes(node.process.pid)
    absolute = {
        "before": f"{before / MIB:.1f} MiB",
        "peak": f"{peak / MIB:.1f} MiB",
        "after": f"{after / MIB:.1f} MiB",
        "request body": f"{len(target.request) / MIB:.1f} MiB",
    }
    return [Result("G18", "10 KiB entries", (peak - before) / MIB, "MiB", 64.0, 8.0, "less", absolute)]


def _together(clients: list[Worker], targets: list[list[Target]], duration_s: float) -> float:
    """Seconds per answer of all clients together."""
    for client, own in zip(clients, targets, strict=True):
        client.start(sampling.fetch_for, own, duration_s)
    return 1 / sum(1 / client.result() for client in clients)


def g19(bench: Bench) -> list[Result]:
    """N workers, their clients and nothing else on N cores: with two cores, a client cannot have one to itself."""
    if len(os.sched_getaffinity(0)) < 2:
        return []
    count = 1000
    arms = {}
    with ExitStack() as stack:
        for workers in (1, 2):
            cores = machine.server_cores(workers)
            dataset = Dataset({10 * KIB: 2_000}, shards=0)
            node = stack.enter_context(measured_node(bench.folder / f"g19-{workers}", workers, cores))
            load(node.url, dataset)
            host, port = address(node.url)
            clients = [Worker(cores) for _ in range(CLIENTS_PER_CORE * workers)]
            for client in clients:
                stack.callback(client.close)
            batches = [dataset.entries(10 * KIB, count) for _ in range(2 * len(clients))]
            prepared = [batch_target(host, port, entries, 10 * KIB) for entries in batches]
            targets = [prepared[2 * index : 2 * index + 2] for index in range(len(clients))]
            arms[str(workers)] = partial(_together, clients, targets, 2 * bench.sample_s)
        samples = sampling.interleave(arms, bench.rounds)
    absolute = {f"{arm} worker(s)": f"{count / sampling.median(samples, arm):,.0f} entries/s" for arm in arms}
    value = sampling.ratio(samples, "1", "2")
    return [Result("G19", "10 KiB, batch 1,000", value, "×", 1.5, 1.8, absolute=absolute)]
