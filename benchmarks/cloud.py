"""Stores for the goals of remote buckets, all beside the client on its core: what is measured is the node.

A store that costs next to nothing is nginx sending files under the names of S3's paths: objects are found by GET and
HEAD with ranges, ETag and date, as S3 has them. A real service is Ceph's RADOS gateway.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import machine
from benchmarks.servers import free_port, wait_for_port

BUCKET = "bench-cloud"
KEYS = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench-secret", "AWS_REGION": "us-east-1"}

NGINX_CONFIG = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    tcp_nodelay on;
    keepalive_requests 1000000;
    default_type application/octet-stream;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port} backlog=512;
        root {root};
        open_file_cache max=20000;
        location = /{bucket} {{
            default_type application/xml;
            add_header x-amz-bucket-region us-east-1;
            return 200 '<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"/>';
        }}
    }}
}}
"""


@contextmanager
def running_file_store(root: Path, folder: Path) -> Iterator[int]:
    """Serve the files of root/BUCKET as the objects of an S3 bucket; yields the port."""
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    port = free_port()
    (root / BUCKET).mkdir(parents=True, exist_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    user = "user root;" if os.getuid() == 0 else ""
    config = folder / "nginx.conf"
    config.write_text(user + NGINX_CONFIG.format(folder=folder, root=root, port=port, bucket=BUCKET))
    with subprocess.Popen([program, "-p", str(folder), "-c", str(config)], stderr=subprocess.DEVNULL) as process:
        try:
            wait_for_port(port)
            for process_id in machine.process_tree(process.pid):
                machine.pin(process_id, machine.client_cores())
            yield port
        finally:
            process.terminate()


@dataclass(frozen=True)
class Counts:
    """What went through a proxy. Sizes in bytes, requests and answers with their headers."""

    connections: int
    sent: int
    received: int


class SlowProxy:
    """The proxy between a client and a store, a process of its own."""

    def __init__(self, process: "subprocess.Popen[str]", port: int) -> None:
        self._process, self.port = process, port
        self.url = f"http://127.0.0.1:{port}"

    def _ask(self, command: str) -> str:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(f"{command}\n")
        self._process.stdin.flush()
        return self._process.stdout.readline()

    def set_delay(self, delay_s: float) -> None:
        self._ask(f"delay {delay_s}")

    def take(self) -> Counts:
        """Return what went through since this was called last."""
        return Counts(*map(int, self._ask("counts").split()))


@contextmanager
def running_proxy(upstream_port: int) -> Iterator[SlowProxy]:
    command = [sys.executable, "-m", "benchmarks.slow_proxy", str(upstream_port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            machine.pin(process.pid, machine.client_cores())
            assert process.stdout is not None
            yield SlowProxy(process, int(process.stdout.readline()))
        finally:
            process.terminate()


@contextmanager
def running_service(folder: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Run a real S3 service, whose programs have to be there; yields its URL and the keys to it.

    Raises:
        RuntimeError: it did not start.
    """
    from tests.support.rgw import running_rgw

    with running_rgw(folder) as service:
        for process_id in machine.process_tree(os.getpid()):
            if _program(process_id) in ("ceph-mon", "ceph-mgr", "ceph-osd", "radosgw"):
                machine.pin(process_id, machine.client_cores())
        keys = {name: value for name, value in service.environ.items() if name in KEYS}
        yield service.url, keys


def _program(process_id: int) -> str:
    try:
        return Path(Path(f"/proc/{process_id}/cmdline").read_bytes().split(b"\0")[0].decode()).name
    except OSError:
        return ""
