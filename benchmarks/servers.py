"""The servers of a run, each on the same first core: the node, nginx, and a plain TCP sender."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks import machine
from examples.running_node import RunningNode, running_node

NGINX_CONFIG = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    tcp_nodelay on;
    sendfile_max_chunk 2m;
    keepalive_requests 1000000;
    default_type application/x-tar;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{ listen 127.0.0.1:{port}; root {root}; open_file_cache max=1000; }}
}}
"""
START_TIMEOUT_S = 15.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def running_nginx(root: Path, folder: Path) -> Iterator[int]:
    """Serves the files of root with one nginx worker on the server's core; yields its port."""
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    if os.getuid() == 0:  # nginx drops root for its worker, which must still read temporary directories of root
        user = "user root;"
    else:
        user = ""
    config = folder / "nginx.conf"
    config.write_text(user + NGINX_CONFIG.format(folder=folder, root=root, port=port))
    with subprocess.Popen([program, "-p", str(folder), "-c", str(config)], stderr=subprocess.DEVNULL) as process:
        try:
            wait_for_port(port)
            for process_id in machine.process_tree(process.pid):
                machine.pin(process_id, machine.server_cores())
            yield port
        finally:
            process.terminate()


@contextmanager
def running_sender() -> Iterator[int]:
    """A process that answers an 8-byte length with so many bytes, in `sendall` of 1 MiB; yields its port."""
    port = free_port()
    with subprocess.Popen([sys.executable, "-m", "benchmarks.tcp_sender", str(port)]) as process:
        try:
            wait_for_port(port)
            machine.pin(process.pid, machine.server_cores())
            yield port
        finally:
            process.terminate()


@contextmanager
def measured_node(
    data_dir: Path, workers: int = 1, cores: set[int] | None = None, environ: Mapping[str, str] | None = None
) -> Iterator[RunningNode]:
    """The node, all its processes on the server's core (or the given ones)."""
    wanted = ",".join(str(core) for core in sorted(cores or machine.server_cores()))
    arguments = ["--workers", str(workers)] if workers > 1 else []
    more = ["env", *(f"{name}={value}" for name, value in (environ or {}).items())]
    with running_node(data_dir, arguments=arguments, prefix=[*more, "taskset", "--cpu-list", wanted]) as node:
        yield node


def address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    assert parts.hostname is not None and parts.port is not None
    return parts.hostname, parts.port


def target_url(gateway_url: str) -> str:
    """The URL of a node's target face, read from its cluster map."""
    with urllib.request.urlopen(f"{gateway_url}/v1/daemon?what=smap", timeout=START_TIMEOUT_S) as answer:
        smap = json.load(answer)
    return next(iter(smap["tmap"].values()))["public_net"]["direct_url"]


def wait_for_port(port: int) -> None:
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(0.01)
