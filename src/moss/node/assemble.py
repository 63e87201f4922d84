"""Builds a node from its options: the one place that picks parts, and the one that runs them.

`serve` is what `moss serve` calls. One worker runs in the calling process; with more, this process only supervises:
it binds all sockets, forks the workers, passes signals on and starts a worker again that dies.
"""

import asyncio
import contextlib
import gc
import json
import logging
import os
import resource
import secrets
import signal
import socket
import string
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from moss.errors import BackendUnavailable, InvalidRequest
from moss.naming.bucket import Provider
from moss.node.backends.http import HttpBackend
from moss.node.backends.opening import OpenedBackends, open_backends
from moss.node.clock import SystemClock
from moss.node.cluster.attached import AttachedClusters
from moss.node.config import ConfigStore
from moss.node.getbatch.cold import ColdEntries
from moss.node.getbatch.plan import Batch
from moss.node.getbatch.service import BatchService
from moss.node.jobs.downloads import Downloads
from moss.node.jobs.egress import EgressPolicy
from moss.node.jobs.registry import JobRegistry
from moss.node.metrics import Metrics
from moss.node.remote import RemoteObjects, Remotes, WriteThrough
from moss.node.remote.eviction import CacheKeeper, Limits
from moss.node.remote.store import BucketStore, parse_store
from moss.node.server.app import FaceServer
from moss.node.server.gateway import express as gateway_express
from moss.node.server.http import Face, Request
from moss.node.server.log_ring import RING
from moss.node.server.routes import gateway_routes, target_routes
from moss.node.server.target import append, multipart
from moss.node.server.target import express as target_express
from moss.node.server.target.locks import ObjectMarks
from moss.node.storage.engine import Engine, EngineOptions
from moss.node.storage.shards import ShardIndexes
from moss.wire import headers

log = logging.getLogger("moss")

DEFAULT_PORT = 51080
# Where the reference allows promotion; on most machines there is no such folder.
PROMOTE_ROOTS = ("/var/lib/ais/promote",)
_ID_LETTERS = string.ascii_letters + string.digits
# Threads that read, assemble and send; more than cores because some wait for disks.
POOL_THREADS = 32
# Uploads and appends that nobody goes on with are dropped after a day.
UNFINISHED_S_MAX = 24 * 3600.0
# Answers in flight may take so long to end after SIGTERM; then they are cut.
DRAIN_S = 10.0
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """How a node is started.

    Attributes:
        data: the data directory; made when absent.
        host, port: where the gateway face listens; port 0 takes a free one.
        target_port: where the target face listens; None takes the next port if it is free, else any free one.
        workers: processes.
        direct: the gateway answers itself instead of redirecting.
        insecure: bind to other addresses than loopback although there is no authentication.
        stall_s_max: a client that reads nothing for so many seconds is cut off.
        download_hosts: names, `*.domains`, addresses and networks that downloads, buckets of web servers (`ht://`),
            remote clusters and buckets with an endpoint of their own may be at; none by default.
        sync: acknowledged means on stable storage; False only for throw-away data.
        promote_roots: absolute folders; files below them may become objects by promotion. None of them: turned off.
        store: `s3://bucket/prefix` in which new `ais://` buckets keep their objects; "" for this node's own disk.
        endpoint_url: of an S3-compatible store; "" for what the environment says.
        cache_bytes_max: of all cached objects together; 0 leaves it to the watermarks of the disk.
    """

    data: Path
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    target_port: int | None = None
    workers: int = 1
    direct: bool = False
    insecure: bool = False
    stall_s_max: float = 120.0
    download_hosts: tuple[str, ...] = ()
    sync: bool = True
    promote_roots: tuple[str, ...] = PROMOTE_ROOTS
    store: str = ""
    endpoint_url: str = ""
    cache_bytes_max: int = 0


@dataclass(frozen=True, slots=True)
class NodeIdentity:
    """Ids of a node's two faces; kept in the data directory, so that they outlive restarts."""

    gateway_id: str
    target_id: str


class Node:
    """The parts of one worker of a node. Handlers get it as their first argument."""

    def __init__(
        self, options: ServeOptions, identity: NodeIdentity, *, worker: int, gateway_url: str, target_url: str
    ) -> None:
        data = options.data
        self.options, self.worker = options, worker
        self.gateway_id, self.target_id = identity.gateway_id, identity.target_id
        self.gateway_name, self.target_name = f"p[{identity.gateway_id}]", f"t[{identity.target_id}]"
        self.gateway_url, self.target_url = gateway_url, target_url
        self.clock = SystemClock()
        self.pool = ThreadPoolExecutor(POOL_THREADS, thread_name_prefix="moss")
        self.engine = Engine.open(data / "store", options=EngineOptions(worker=worker, sync=options.sync))
        self.shards = ShardIndexes(self.engine)
        self.config = ConfigStore(data / "config", clock=self.clock)
        self.metrics = Metrics(data / "run", worker, clock=self.clock)
        self.jobs = JobRegistry(self.config, self.metrics, clock=self.clock)
        self.downloads = Downloads(self.jobs, self.clock, self.gateway_name)
        self.egress = EgressPolicy.parse(options.download_hosts)
        self.jobs.links.serve("metrics.series", lambda _: self.metrics.gateway_series())
        self.jobs.links.serve("log.lines", lambda _: RING.lines())
        self.jobs.links.serve("metrics.reset", lambda errors_only: self.metrics.reset(errors_only=errors_only))
        backends = open_backends(endpoint_url=options.endpoint_url)
        loop = asyncio.get_running_loop()
        if self.egress:
            backends[Provider.HTTP] = HttpBackend(self.egress)
        self.clusters = AttachedClusters(self.config, self.egress, is_open=bool(self.egress))
        self.remotes = Remotes(backends, OpenedBackends(loop, backends, self.egress.check_url), self.clusters)
        self.remote_objects = RemoteObjects(self.engine)
        self.writes = WriteThrough(self.engine, self.remotes, self.remote_objects, loop)
        self.batches = BatchService(
            engine=self.engine,
            shards=self.shards,
            config=self.config,
            metrics=self.metrics,
            jobs=self.jobs,
            clock=self.clock,
            gateway_id=self.gateway_id,
            target_name=self.target_name,
            spool_folder=data / "run",
            cold_entries=self._cold_entries,
        )
        self.bucket_store = self._make_bucket_store()
        self.cache = CacheKeeper(
            self.engine, self.remotes, self.remote_objects.shards, self._limits, self._count_evicted
        )
        if worker == 0:
            self.engine.add_chore(lambda _: self.cache.run())
        self.marks = ObjectMarks(data / "run" / "objects.lock")
        for kind in (multipart, append):
            self.engine.add_chore(partial(kind.unfinished(self).expire, UNFINISHED_S_MAX))
        self.map_version = 1
        self.is_ready = False

    def _make_bucket_store(self) -> BucketStore | None:
        if not self.options.store:
            return None
        address = parse_store(self.options.store)
        backend = self.remotes.backend(address.bucket)
        if backend is None:
            word = address.bucket.provider.display_name
            raise InvalidRequest(f"--store {self.options.store}: no {word} credentials in the environment")
        return BucketStore(address, backend)

    def _limits(self) -> Limits:
        config = self.config.cluster_config()
        return Limits(self.options.cache_bytes_max, config["space"]["highwm"], config["space"]["lowwm"])

    def _count_evicted(self, objects: int, size: int) -> None:
        self.metrics.add_many({"lru.evict.n": objects, "lru.evict.size": size})

    def _cold_entries(self, batch: Batch) -> ColdEntries | None:
        records = [self.engine.get_bucket(bucket) for bucket in batch.buckets]
        places = {number: place for number, record in enumerate(records) if (place := self.remotes.place(record))}
        if not places:
            return None
        loop = asyncio.get_running_loop()
        return ColdEntries(self.engine, self.remote_objects, batch, places, loop)

    def serves_direct(self, request: Request) -> bool:
        """Tell whether the gateway answers a data request itself instead of redirecting it."""
        return self.options.direct or request.headers.get(headers.MOSS_DIRECT) == "1"

    def close(self) -> None:
        self.writes.close()
        self.jobs.close()
        self.batches.close()
        self.pool.shutdown(wait=True, cancel_futures=True)
        self.engine.close()
        self.metrics.close()
        self.config.close()


def load_identity(data: Path) -> NodeIdentity:
    """Read, or make and keep, the ids of a node."""
    path = data / "node.json"
    if path.exists():
        return NodeIdentity(**json.loads(path.read_text()))

    def make(letter: str) -> str:
        return letter + "".join(secrets.choice(_ID_LETTERS) for _ in range(8))

    identity = NodeIdentity(make("p"), make("t"))
    draft = path.with_suffix(".tmp")
    draft.write_text(json.dumps({"gateway_id": identity.gateway_id, "target_id": identity.target_id}) + "\n")
    os.replace(draft, path)
    return identity


# -- sockets -------------------------------------------------------------------------------------------


def _bind(host: str, port: int, *, shared: bool = False) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise InvalidRequest(f"cannot listen at {host}:{port}: {error.strerror or error}") from error
    sock.setblocking(False)
    return sock


@dataclass(slots=True)
class _Ports:
    """The sockets of all workers, bound before any of them starts."""

    gateways: list[socket.socket]
    targets: list[socket.socket]
    gateway_url: str

    def target_url(self, worker: int, host: str) -> str:
        return _url(host, self.targets[worker].getsockname()[1])

    def describe(self, host: str) -> str:
        """Return the addresses of all faces as text: another text is another cluster map."""
        return " ".join((self.gateway_url, *(self.target_url(worker, host) for worker in range(len(self.targets)))))


def _url(host: str, port: int) -> str:
    shown = "127.0.0.1" if host in ("0.0.0.0", "localhost") else "[::1]" if host == "::" else host
    return f"http://[{shown}]:{port}" if ":" in shown and not shown.startswith("[") else f"http://{shown}:{port}"


def bind_ports(options: ServeOptions) -> _Ports:
    """Bind everything that the workers listen at.

    Raises:
        InvalidRequest: a port is taken, or the address is not loopback and `insecure` was not asked for.
    """
    if options.host not in _LOOPBACK and not options.insecure:
        raise InvalidRequest(
            f"refusing to listen at {options.host} without authentication: "
            "use a loopback address, or say --insecure if the network is trusted"
        )
    first = _bind(options.host, options.port, shared=options.workers > 1)
    port = first.getsockname()[1]
    gateways = [first]
    for _ in range(1, options.workers):
        gateways.append(_bind(options.host, port, shared=True))
    targets = [_bind_target(options, port + 1)]
    targets += [_bind(options.host, 0) for _ in range(1, options.workers)]
    return _Ports(gateways, targets, _url(options.host, port))


def _bind_target(options: ServeOptions, neighbor_port: int) -> socket.socket:
    if options.target_port is not None:
        return _bind(options.host, options.target_port)
    if options.port:
        with contextlib.suppress(InvalidRequest):
            return _bind(options.host, neighbor_port)
    return _bind(options.host, 0)


# -- one worker ------------------------------------------------------------------------------------------


async def _run_worker(options: ServeOptions, ports: _Ports, worker: int, ready: Callable[[Node], None]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    node = Node(
        options,
        load_identity(options.data),
        worker=worker,
        gateway_url=ports.gateway_url,
        target_url=ports.target_url(worker, options.host),
    )
    node.map_version = node.config.count_map(ports.describe(options.host))
    faces = [
        FaceServer(
            node,
            face,
            routes,
            pool=node.pool,
            stall_s_max=options.stall_s_max,
            node_name=name,
            express=express,
        )
        for face, routes, name, express in (
            (Face.GATEWAY, gateway_routes(), node.gateway_name, gateway_express),
            (Face.TARGET, target_routes(), node.target_name, target_express),
        )
    ]
    try:
        await _restore_buckets(node)
        for face, sock in zip(faces, (ports.gateways[worker], ports.targets[worker]), strict=True):
            await face.start([sock])
        node.is_ready = True
        ready(node)
        await stop.wait()
        node.is_ready = False
        await _drain(faces)
    finally:
        for face in faces:
            await face.stop()
        # Threads that end now may wait for the event loop, which has to go on for that.
        await asyncio.to_thread(node.close)
        await node.remotes.close()


async def _restore_buckets(node: Node) -> None:
    """Make the buckets that the node's store knows. A store that is down must not keep from serving what is here."""
    if node.bucket_store is None:
        return
    try:
        made = await node.bucket_store.restore(node.engine)
    except BackendUnavailable as error:
        log.warning("the buckets of %s are not looked up: %s", node.bucket_store.address, error.message)
        return
    if made:
        log.info("found %d buckets in %s", len(made), node.bucket_store.address)


async def _drain(faces: list[FaceServer]) -> None:
    """Take no new connections, let answers in flight end, then cut what is left."""
    for face in faces:
        face.begin_drain()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_S):
            await asyncio.gather(*(face.idle() for face in faces))


def _run(options: ServeOptions, ports: _Ports, worker: int, ready: Callable[[Node], None]) -> None:
    # The event loop and the threads that assemble batches share the interpreter's lock: switch often, so that a
    # small request does not wait for a large one.
    sys.setswitchinterval(0.001)
    # What was made so far stays; of what requests make, hardly anything is in cycles. With the usual thresholds the
    # collector takes an eighth of the time of a cold batch, whose many tasks it looks through again and again.
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)
    main = _run_worker(options, ports, worker, ready)
    try:
        import uvloop
    except ImportError:
        asyncio.run(main)
    else:
        uvloop.run(main)


# -- the whole node ---------------------------------------------------------------------------------------


def _allow_open_files() -> None:
    """Take all open files that the system allows: segments and clients need many, and the usual limit is 1,024."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _show_warnings() -> None:
    """Write warnings to stderr unless the program has set up logging: that the log is also kept must not hide them."""
    if not logging.getLogger().handlers and logging.lastResort is not None:
        logging.getLogger("moss").addHandler(logging.lastResort)


def serve(options: ServeOptions, ready: Callable[[str, str], None] = lambda gateway_url, target_url: None) -> int:
    """Run a node until SIGTERM or SIGINT.

    Args:
        ready: called once with the URLs of both faces when requests are served.

    Returns:
        The exit status.

    Raises:
        InvalidRequest: an option cannot be satisfied.
    """
    EgressPolicy.parse(options.download_hosts)  # refused before anything is made
    _show_warnings()
    options.data.mkdir(parents=True, exist_ok=True)
    load_identity(options.data)
    _allow_open_files()
    ports = bind_ports(options)
    if options.host not in _LOOPBACK:
        log.warning("listening at %s without authentication: anyone who reaches it can read and write", options.host)
    if options.workers == 1:
        _run(options, ports, 0, lambda node: ready(node.gateway_url, node.target_url))
        return 0
    from moss.node.supervisor import Supervisor

    def run_worker(worker: int, report_ready: Callable[[], None]) -> None:
        _run(options, ports, worker, lambda node: report_ready())

    supervisor = Supervisor(options.workers, run_worker)
    return supervisor.run(lambda: ready(ports.gateway_url, ports.target_url(0, options.host)))
