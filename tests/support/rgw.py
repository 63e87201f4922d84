"""A real S3 service for tests: Ceph's RADOS gateway over one monitor, one manager and one OSD that keeps all in memory.

Its programs come from Debian (`INSTALL`). Starts in about 15 s.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROGRAMS = ("ceph-mon", "ceph-mgr", "ceph-osd", "radosgw", "radosgw-admin", "ceph-authtool", "monmaptool")
INSTALL = "apt-get install --no-install-recommends ceph-mon ceph-mgr ceph-osd radosgw"
ACCESS_KEY, SECRET_KEY = "moss-test-key", "moss-test-secret"
REGION = "us-east-1"
START_S_MAX = 120.0


@dataclass(frozen=True)
class Rgw:
    """A running gateway.

    Attributes:
        url: its endpoint.
        environ: what a shell would export to reach it.
    """

    url: str

    def client(self) -> Any:
        """Return a client of another make, to look at what is really in the store."""
        import boto3

        return boto3.client(
            "s3", endpoint_url=self.url, region_name=REGION, aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
        )  # fmt: skip

    @property
    def environ(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_REGION": REGION,
        }


def missing_programs() -> list[str]:
    return [name for name in PROGRAMS if shutil.which(name) is None]


@contextlib.contextmanager
def running_rgw(folder: Path) -> Iterator[Rgw]:
    """Run a gateway with one user for the length of the block.

    Raises:
        RuntimeError: a daemon does not start; with the end of its log.
    """
    cluster = _Cluster(folder)
    try:
        cluster.start()
        yield Rgw(f"http://127.0.0.1:{cluster.port}")
    finally:
        cluster.stop()


class _Cluster:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = _free_port()
        self._daemons: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        fsid, mon_port = str(uuid.uuid4()), _free_port()
        for name in ("mon", "mgr", "osd", "run"):
            (self.folder / name).mkdir(parents=True)
        mon = f"v2:127.0.0.1:{mon_port}"
        (self.folder / "ceph.conf").write_text(_config(self.folder, fsid, mon, self.port))
        self._make_keys()
        monmap, keyring = self.folder / "monmap", self.folder / "keyring"
        self._call("monmaptool", "--create", "--addv", "a", f"[{mon}]", "--fsid", fsid, str(monmap))
        self._call("ceph-mon", "--mkfs", "-i", "a", "--monmap", str(monmap), "--keyring", str(keyring))
        self._spawn("ceph-mon", "-i", "a")
        self._spawn("ceph-mgr", "-i", "x")
        self._call("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", self._osd_uuid())
        self._spawn("ceph-osd", "-i", "0")
        self._spawn("radosgw", "-n", "client.rgw.a")
        self._wait()
        self._call(
            "radosgw-admin", "user", "create", "--uid=moss", "--display-name=moss",
            f"--access-key={ACCESS_KEY}", f"--secret-key={SECRET_KEY}",
        )  # fmt: skip

    def _make_keys(self) -> None:
        keyring = str(self.folder / "keyring")
        self._call("ceph-authtool", "--create-keyring", keyring)
        for name, *caps in (
            ("mon.", "mon", "allow *"),
            ("client.admin", "mon", "allow *", "osd", "allow *", "mgr", "allow *"),
            ("mgr.x", "mon", "allow profile mgr", "osd", "allow *"),
            ("osd.0", "mon", "allow profile osd", "mgr", "allow profile osd", "osd", "allow *"),
            ("client.rgw.a", "mon", "allow rw", "osd", "allow rwx", "mgr", "allow rw"),
        ):
            pairs = [word for kind, cap in zip(caps[::2], caps[1::2], strict=True) for word in ("--cap", kind, cap)]
            self._call("ceph-authtool", keyring, "--gen-key", "-n", name, *pairs)

    def _osd_uuid(self) -> str:
        fresh = str(uuid.uuid4())
        self._call("ceph", "osd", "new", fresh, "0")
        return fresh

    def _call(self, program: str, *words: str) -> None:
        done = subprocess.run(
            [program, "-c", str(self.folder / "ceph.conf"), *words] if program not in ("ceph-authtool", "monmaptool")
            else [program, *words],
            capture_output=True, text=True, timeout=START_S_MAX,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{program} {' '.join(words)}: {done.stdout[-500:]}{done.stderr[-1500:]}")

    def _spawn(self, program: str, *words: str) -> None:
        command = [program, "-f", "-c", str(self.folder / "ceph.conf"), *words]
        with (self.folder / f"{program}.out").open("wb") as out:
            self._daemons.append(subprocess.Popen(command, stdout=out, stderr=out))

    def _wait(self) -> None:
        deadline = time.monotonic() + START_S_MAX
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=5):
                    return
            except urllib.error.HTTPError:
                return
            except OSError:
                dead = [daemon.args[0] for daemon in self._daemons if daemon.poll() is not None]
                if dead or time.monotonic() > deadline:
                    logs = "".join(
                        f"--- {path.name}\n{path.read_text(errors='replace')[-1500:]}"
                        for path in self.folder.glob("*.out")
                    )
                    raise RuntimeError(f"the S3 service did not start ({dead} ended):\n{logs}") from None
                time.sleep(0.1)

    def stop(self) -> None:
        for daemon in reversed(self._daemons):
            daemon.kill()
        for daemon in self._daemons:
            daemon.wait()


def _config(folder: Path, fsid: str, mon: str, port: int) -> str:
    user = f"setuser_match_path = {folder}" if os.geteuid() == 0 else ""
    return f"""[global]
fsid = {fsid}
mon_host = [{mon}]
keyring = {folder}/keyring
run_dir = {folder}/run
admin_socket = {folder}/run/$name.asok
pid_file = {folder}/run/$name.pid
log_file =
log_to_stderr = true
err_to_stderr = true
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pgp_num = 1
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_warn_on_pool_no_redundancy = false
mon_max_pg_per_osd = 1000
auth_allow_insecure_global_id_reclaim = false
ms_bind_ipv6 = false
public_addr = 127.0.0.1
{user}
[mon]
mon_data = {folder}/mon
[mgr]
mgr_data = {folder}/mgr
mgr_initial_modules =
[osd]
osd_data = {folder}/osd
osd_objectstore = memstore
memstore_device_bytes = 4294967296
osd_class_load_list = *
osd_class_default_list = *
[client.rgw.a]
rgw_frontends = beast endpoint=127.0.0.1:{port} tcp_nodelay=1
rgw_cache_enabled = true
rgw_enable_usage_log = false
rgw_enable_ops_log = false
rgw_run_sync_thread = false
rgw_enable_quota_threads = false
rgw_enable_gc_threads = true
rgw_gc_obj_min_wait = 5
rgw_gc_processor_period = 5
rgw_enable_lc_threads = false
rgw_data = {folder}/run
"""


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]
