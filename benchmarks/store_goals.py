"""Goals of the whole store: single objects (S1 to S3), growth and listing (S4, S5), the SDK's calls (S6 to S8)."""

import json
import os
import random
import time
from collections import deque
from functools import partial
from pathlib import Path

from benchmarks import connections, rawclient, reference, sampling, store_clients
from benchmarks.bench import Bench
from benchmarks.dataset import BUCKET, KIB, MIB, object_content
from benchmarks.rawclient import RawClient, Target
from benchmarks.results import Result
from benchmarks.servers import address, measured_node, target_url
from moss.naming.bucket import Bucket
from moss.node.storage.engine import Engine, EngineOptions

IN_FLIGHT = 64
SIZE_BYTES = 10 * KIB
DISTINCT = 1000
# A population of small objects is made by a second worker of the same store, which nobody measures.
LOADING_WORKER = 200
GROWTH_BYTES = 100
LIST_PAGE = 10_000
READ_ALL_BYTES = 1 << 30

_HEADERS = "Host: bench\r\nUser-Agent: benchmark\r\nAccept: */*\r\nAccept-Encoding: identity\r\n"


def get_request(path: str, extra: str = "") -> bytes:
    return f"GET {path} HTTP/1.1\r\n{_HEADERS}{extra}\r\n".encode()


def put_request(path: str, content: bytes, extra: str = "") -> bytes:
    head = f"PUT {path} HTTP/1.1\r\n{_HEADERS}Content-Length: {len(content)}\r\n{extra}\r\n"
    return head.encode() + content


def _arm(bench: Bench, place: tuple[str, int], requests: list[bytes]) -> "partial[float]":
    """An arm: mean seconds per answer with 64 requests in flight."""
    return partial(bench.client.call, connections.seconds_per_answer, *place, IN_FLIGHT, requests, bench.sample_s)


def _nginx_arm(bench: Bench) -> "partial[float]":
    """The same objects as files of nginx."""
    names = [f"single-{index}.bin" for index in range(DISTINCT)]
    for index, name in enumerate(names):
        (bench.nginx_root / name).write_bytes(object_content(SIZE_BYTES, index))
    return _arm(bench, ("127.0.0.1", bench.nginx_port), [get_request(f"/{name}") for name in names])


def _per_s(samples: sampling.Samples) -> dict[str, str]:
    return {name: f"{1 / sampling.median(samples, name):,.0f}/s" for name in samples}


def s1_to_s3(bench: Bench) -> list[Result]:
    """Single GETs and PUTs against nginx, in one run: S1 the owner is known, S2 through the redirect, S3 PUTs."""
    gateway, target = (bench.host, bench.port), address(target_url(bench.url))
    names = bench.dataset.names(SIZE_BYTES, min(DISTINCT, bench.dataset.object_counts[SIZE_BYTES]))
    paths = [f"/v1/objects/{BUCKET}/{name}" for name in names]
    contents = [object_content(SIZE_BYTES, -1 - index) for index in range(DISTINCT)]
    # What a target is told by the gateway that redirects to it.
    sent = "?pid=bench&utm=1"
    arms = {
        "nginx": _nginx_arm(bench),
        "owner known": _arm(bench, target, [get_request(path) for path in paths]),
        "redirected": _arm(bench, gateway, [get_request(path) for path in paths]),
        "PUT, owner known": _arm(
            bench,
            target,
            [put_request(f"/v1/objects/{BUCKET}/put/{i}{sent}", content) for i, content in enumerate(contents)],
        ),
        "PUT, redirected": _arm(
            bench,
            gateway,
            [put_request(f"/v1/objects/{BUCKET}/put/{i}", content) for i, content in enumerate(contents)],
        ),
    }
    samples = sampling.interleave(arms, bench.rounds)
    per_s = _per_s(samples)
    results = []
    for goal, arm, known in (
        ("S1", "owner known", reference.GETS_PER_S),
        ("S2", "redirected", reference.REDIRECTED_GETS_PER_S),
        ("S3", "PUT, redirected", reference.REDIRECTED_PUTS_PER_S),
        ("S3", "PUT, owner known", reference.REDIRECTED_PUTS_PER_S),
    ):
        part, known_part = sampling.ratio(samples, "nginx", arm), known / reference.NGINX_GETS_PER_S
        absolute = {"moss": per_s[arm], "nginx GET": per_s["nginx"]}
        absolute["of nginx"] = f"{part:.3f}, reference {known_part:.3f}"
        results.append(Result(goal, arm, part / known_part, "×", 1.0, 1.5, absolute=absolute))
    bench.client.call(connections.drop_pools)
    return results


def _grow(data_dir: Path, first: int, stop: int) -> None:
    """Add small objects to the store of a running node, unsynced."""
    options = EngineOptions(worker=LOADING_WORKER, sync=False, commit_puts_max=2048, compact_in_background=False)
    with Engine.open(data_dir / "store", options=options) as engine:
        pending: deque = deque()
        for index in range(first, stop):
            pending.append(engine.put(Bucket(BUCKET), growth_name(index), b"%0*d" % (GROWTH_BYTES, index)))
            if len(pending) > 4096:
                pending.popleft().result()
        for future in pending:
            future.result()


def growth_name(index: int) -> str:
    """Names that are put in no order of their own."""
    return f"{index * 7919 % 1_000_003:07d}/{index:07d}"


def s4_s5(bench: Bench) -> list[Result]:
    """The cost of one GET, PUT and listed entry while the bucket grows; listing all of it."""
    counts = (1_000, 10_000, 100_000) if bench.rounds < 7 else (1_000, 100_000, 1_000_000)
    costs: dict[str, dict[int, float]] = {"GET": {}, "PUT": {}, "listed entry": {}}
    source = random.Random(4)
    folder = bench.folder / "s4"
    listed_s = 0.0
    with measured_node(folder) as node:
        place, before = address(node.url), 0
        store_clients.create_bucket(node.url, BUCKET)
        for count in counts:
            bench.client.call(_grow, folder, before, count)
            before = count
            some = [growth_name(source.randrange(count)) for _ in range(DISTINCT)]
            direct = "Moss-Direct: 1\r\n"
            gets = [get_request(f"/v1/objects/{BUCKET}/{name}", direct) for name in some]
            puts = [put_request(f"/v1/objects/{BUCKET}/{name}", b"x" * GROWTH_BYTES, direct) for name in some]
            for kind, requests in (("GET", gets), ("PUT", puts)):
                arm = _arm(bench, place, requests)
                arm()
                costs[kind][count] = min(arm() for _ in range(bench.rounds))
            # The server closes connections that idle while the bucket grows.
            bench.client.call(connections.drop_pools)
            runs = [bench.client.call(list_all, node.url, BUCKET, count) for _ in range(2)]
            listed_s = min(runs)
            costs["listed entry"][count] = listed_s / count
    least, most = counts[0], counts[-1]
    results = []
    for kind, by_count in costs.items():
        absolute = {f"{count:,} objects": f"{cost * 1e6:.1f} µs" for count, cost in by_count.items()}
        value = by_count[most] / by_count[least]
        results.append(Result("S4", kind, value, "×", 2.0, 1.3, "less", absolute))
    absolute = {"whole listing": f"{listed_s:.1f} s", "page": f"{LIST_PAGE:,} entries, names and sizes"}
    results.append(Result("S5", f"{most:,} objects", most / listed_s / 1000, "thousand entries/s", absolute=absolute))
    return results


def list_all(url: str, bucket: str, wanted: int) -> float:
    """List a bucket page by page, as JSON; seconds. The answers are looked at for their token only."""
    client, token = RawClient(*address(url)), ""
    names = 0
    started_s = time.perf_counter()
    while True:
        value = {"props": "name,size", "pagesize": LIST_PAGE, "continuation_token": token}
        body = json.dumps({"action": "list", "value": value}).encode()
        head = f"GET /v1/buckets/{bucket} HTTP/1.1\r\n{_HEADERS}Content-Type: application/json\r\n"
        request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
        page = client.fetch_body(Target(*address(url), request))
        names += page.count(b'"name":')
        token = json.loads(b"{" + page[page.index(b'"continuation_token"') :].split(b",", 1)[0].rstrip(b"}\n") + b"}")[
            "continuation_token"
        ]
        if not token:
            break
    elapsed_s = time.perf_counter() - started_s
    client.close()
    if names != wanted:
        raise rawclient.WrongAnswer(f"{names} names listed instead of {wanted}")
    return elapsed_s


def s6(bench: Bench) -> list[Result]:
    """`put_files` of many small files; each is on stable storage when it is counted."""
    count = 2_000 if bench.rounds < 7 else 20_000
    folder = bench.folder / "s6-files"
    folder.mkdir()
    for index in range(count):
        (folder / f"{index:06d}.bin").write_bytes(os.urandom(KIB))
    arms = {"nginx": _nginx_arm(bench)}
    samples = sampling.interleave(arms, 2)
    bench.client.call(connections.drop_pools)
    with measured_node(bench.folder / "s6") as node:
        seconds = bench.client.call(store_clients.put_files, node.url, "files", str(folder), count)
    per_s = count / seconds
    part = per_s * sampling.median(samples, "nginx")
    known = reference.REDIRECTED_PUTS_PER_S / reference.NGINX_GETS_PER_S
    absolute = {"files": f"{per_s:,.0f}/s", "all": f"{seconds:.1f} s", "of nginx": f"{part:.3f}, reference {known:.3f}"}
    return [Result("S6", f"{count:,} files of 1 KiB", part / known, "×", 1.0, 2.0, absolute=absolute)]


def s7(bench: Bench) -> list[Result]:
    """`read_all` of one large object against what loopback TCP can do."""
    size = READ_ALL_BYTES if bench.rounds >= 7 else READ_ALL_BYTES // 8
    with measured_node(bench.folder / "s7") as node:
        store_clients.put_large(node.url, "large", size)
        arms = {
            "read_all": partial(bench.client.call, store_clients.read_all, node.url, "large", size),
            "tcp": partial(bench.client.call, rawclient.receive_all, "127.0.0.1", bench.sender_port, size),
        }
        samples = sampling.interleave(arms, 5)
    absolute = {name: f"{size / sampling.median(samples, name) / 1e9:.2f} GB/s" for name in arms}
    value = 100 * sampling.ratio(samples, "tcp", "read_all")
    return [Result("S7", f"{size // MIB:,} MiB", value, "%", 60.0, 80.0, absolute=absolute)]


def s8(bench: Bench) -> list[Result]:
    """What a small GET costs a client: CPU time of both SDKs, beside that of bare sockets."""
    names = bench.dataset.names(KIB, 200)
    arms = {
        "ours": partial(bench.client.call, store_clients.our_gets, bench.url, BUCKET, names),
        "official": partial(bench.client.call, store_clients.official_gets, bench.url, BUCKET, names),
        "bare sockets": partial(bench.client.call, store_clients.bare_gets, bench.host, bench.port, BUCKET, names),
    }
    samples = sampling.interleave(arms, bench.rounds)
    bench.client.call(connections.drop_pools)
    absolute = {name: f"{sampling.median(samples, name) * 1e6:,.0f} µs of client CPU" for name in arms}
    value = sampling.ratio(samples, "ours", "official")
    return [Result("S8", "1 KiB, redirected, one after the other", value, "×", 1 / 3, 1 / 6, "less", absolute)]
