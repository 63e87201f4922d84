"""Goals of buckets that lie in a cloud store, with 20 ms between node and store: R1 to R6."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks import cloud, reference, remote_clients, sampling
from benchmarks.bench import Bench
from benchmarks.cloud import SlowProxy
from benchmarks.dataset import KIB, MIB, Dataset, batch_target, label, load
from benchmarks.results import Result, rate
from benchmarks.servers import address, measured_node
from benchmarks.workers import Worker
from moss.node.remote.objects import IN_FLIGHT_MAX
from tests.support.rgw import missing_programs

DELAY_S = 0.02
COUNT = 1000
SIZE_BYTES = 10 * KIB
BYTES = COUNT * SIZE_BYTES
# What a client reads that takes one object after the other; its time is carried over to COUNT objects.
FEW = 50
SHARDS = 2
MEMBERS = 500
OBJECT_COUNTS = {SIZE_BYTES: 2_000, 100 * KIB: 500, MIB: 64}
ROUNDS = 3
SHORTEST_S = COUNT / IN_FLIGHT_MAX * DELAY_S


@dataclass
class Place:
    """A node, the store behind it and the proxy between them; the store's bucket has what the bucket "bench" has."""

    bench: Bench
    node_url: str
    store_url: str
    proxy: SlowProxy
    dataset: Dataset
    client: Worker

    @contextmanager
    def delay(self) -> Iterator[None]:
        self.proxy.set_delay(DELAY_S)
        try:
            yield
        finally:
            self.proxy.set_delay(0)

    def names(self) -> list[str]:
        return self.dataset.names(SIZE_BYTES, COUNT)


@contextmanager
def place(bench: Bench) -> Iterator[Place]:
    folder = bench.folder / "remote"
    dataset = Dataset(OBJECT_COUNTS, shards=SHARDS)
    write_files(folder / "objects" / cloud.BUCKET, dataset)
    with ExitStack() as stack:
        port = stack.enter_context(cloud.running_file_store(folder / "objects", folder / "nginx"))
        proxy = stack.enter_context(cloud.running_proxy(port))
        environ = {**cloud.KEYS, "AWS_ENDPOINT_URL": proxy.url}
        node = stack.enter_context(measured_node(folder / "data", environ=environ))
        load(node.url, dataset)
        client = Worker(may_have_children=True)
        stack.callback(client.close)
        yield Place(bench, node.url, f"http://127.0.0.1:{port}", proxy, dataset, client)


def write_files(folder: Path, dataset: Dataset) -> None:
    for name, content in dataset.contents():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def r1_to_r5(bench: Bench) -> list[Result]:
    with place(bench) as at:
        return [*_cold(at), *_warm(at), *_shards(at)]


def _cold(at: Place) -> list[Result]:
    """R1 and R3: a batch of what is not here, and other clients of the same store."""
    names, call = at.names(), at.client.call
    others = {
        "boto3, one by one": (remote_clients.boto3_sequential, FEW),
        "obstore, 64 in flight": (remote_clients.obstore_parallel, COUNT),
        f"s3torchconnector, {remote_clients.LOADER_WORKERS} workers": (remote_clients.s3torchconnector_loader, COUNT),
    }
    whole = [(name, "") for name in names]
    arms: dict[str, Callable[[], float]] = {
        "batch": partial(call, remote_clients.cold_batch, at.node_url, cloud.BUCKET, whole, BYTES)
    }
    for name, (function, count) in others.items():
        arms[name] = partial(_carried, call, function, at.proxy.url, names[:count])
    with at.delay():
        samples = sampling.interleave(arms, ROUNDS)
    call(remote_clients.close_loaders)
    batch_s = sampling.median(samples, "batch")
    absolute = {
        "batch": f"{batch_s * 1e3:,.0f} ms",
        f"{COUNT:,} ÷ {IN_FLIGHT_MAX} × {DELAY_S * 1e3:.0f} ms": f"{SHORTEST_S * 1e3:,.0f} ms",
        "the proxy itself": f"{_proxy_cost_s(at, names) * 1e6:,.0f} µs per answer",
    }
    results = [Result("R1", "10 KiB, batch 1,000", batch_s / SHORTEST_S, "×", 1.5, 1.2, "less", absolute)]
    for name in others:
        absolute = {arm: f"{COUNT / sampling.median(samples, arm):,.0f}/s" for arm in ("batch", name)}
        results.append(Result("R3", f"against {name}", sampling.ratio(samples, name, "batch"), absolute=absolute))
    return results


def _carried(
    call: Callable[..., float],
    function: Callable[..., float],
    url: str,
    names: Sequence[str],
    keys: dict[str, str] = cloud.KEYS,
) -> float:
    """Seconds for COUNT objects of a client that reads `names`."""
    return call(function, url, keys, cloud.BUCKET, names, len(names) * SIZE_BYTES) * COUNT / len(names)


def _proxy_cost_s(at: Place, names: Sequence[str]) -> float:
    """What one answer through the proxy costs more than one without it, where nothing is delayed."""
    arms = {
        url: partial(_carried, at.client.call, remote_clients.obstore_parallel, url, names)
        for url in (at.store_url, at.proxy.url)
    }
    samples = sampling.interleave(arms, ROUNDS)
    return (sampling.median(samples, at.proxy.url) - sampling.median(samples, at.store_url)) / COUNT


def _warm(at: Place) -> list[Result]:
    """R2 and R5: entries that came from the store some time ago against those of a bucket of the node's own."""
    results = []
    for size_bytes, count in ((SIZE_BYTES, COUNT), (SIZE_BYTES, 1), (100 * KIB, 500), (MIB, 64)):
        batches = [at.dataset.entries(size_bytes, count) for _ in range(4)]
        paths = {"local": "bench", "cached": f"{cloud.BUCKET}?provider=aws"}
        host, port = address(at.node_url)
        arms = {
            name: partial(
                at.client.call,
                sampling.fetch_for,
                [batch_target(host, port, entries, size_bytes, path=path) for entries in batches],
                at.bench.sample_s,
            )
            for name, path in paths.items()
        }
        samples = sampling.interleave(arms, at.bench.rounds)
        value = sampling.ratio(samples, "cached", "local")
        absolute = {name: rate(count, sampling.median(samples, name), size_bytes) for name in arms}
        case = f"{label(size_bytes)}, batch {count:,}"
        if (size_bytes, count) == (SIZE_BYTES, COUNT):
            results.append(Result("R2", case, value, "×", 1.2, 1.05, "less", absolute))
        results.append(Result("R5", case, value, "×", 1.1, 1.03, "less", absolute))
    at.client.call(sampling.drop_connections)
    return results


def _shards(at: Place) -> list[Result]:
    """R4: random members of shards that are not here but whose members are known."""
    call = at.client.call
    entries = [(entry["objname"], entry["archpath"]) for entry in at.dataset.member_entries(MEMBERS)]
    wanted = MEMBERS * SIZE_BYTES
    call(remote_clients.cold_batch, at.node_url, cloud.BUCKET, entries, wanted)  # finds out what members there are
    moved, seconds = [], []
    with at.delay():
        for _ in range(ROUNDS):
            call(remote_clients.evict, at.node_url, cloud.BUCKET)
            at.proxy.take()
            seconds.append(call(remote_clients.batch, at.node_url, cloud.BUCKET, entries, wanted))
            moved.append(at.proxy.take())
    received = max(counts.received for counts in moved)
    absolute = {
        "moved": f"{received / 1e6:.1f} MB",
        "members": f"{wanted / 1e6:.1f} MB",
        "shards": f"{SHARDS * 10.8:.0f} MB",
        "batch": f"{min(seconds) * 1e3:,.0f} ms",
    }
    case = f"{MEMBERS} random members of {SHARDS} shards, 10 KiB"
    return [Result("R4", case, received / wanted, "×", 1.2, 1.1, "less", absolute)]


def r6(bench: Bench) -> list[Result]:
    """R6: cold batches from a real service, whose own work takes most of the time; none where Ceph is not installed."""
    if missing_programs():
        return []
    dataset = Dataset({SIZE_BYTES: COUNT}, shards=0)
    with ExitStack() as stack:
        url, keys = stack.enter_context(cloud.running_service(bench.folder / "rgw"))
        environ = {**keys, "AWS_ENDPOINT_URL": url}
        node = stack.enter_context(measured_node(bench.folder / "r6", environ=environ))
        store = remote_clients.boto_client(url, keys)
        store.create_bucket(Bucket=cloud.BUCKET)
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda item: store.put_object(Bucket=cloud.BUCKET, Key=item[0], Body=item[1]),
                             dataset.contents()))  # fmt: skip
        names = dataset.names(SIZE_BYTES, COUNT)
        whole = [(name, "") for name in names]
        call = bench.client.call
        arms: dict[str, Callable[[], float]] = {
            "batch": partial(call, remote_clients.cold_batch, node.url, cloud.BUCKET, whole, BYTES),
            "boto3, one by one": partial(_carried, call, remote_clients.boto3_sequential, url, names[:FEW], keys),
            "obstore, 64 in flight": partial(_carried, call, remote_clients.obstore_parallel, url, names, keys),
        }
        samples = sampling.interleave(arms, ROUNDS)
    absolute = {name: f"{sampling.median(samples, name):.2f} s" for name in arms}
    part, known = sampling.ratio(samples, "boto3, one by one", "batch"), reference.REMOTE_PART_OF_GETS
    absolute["of one by one"] = f"{part:.2f}, reference {known:.2f}"
    return [Result("R6", "10 KiB, batch 1,000", part / known, "×", 1.0, 1.5, absolute=absolute)]
