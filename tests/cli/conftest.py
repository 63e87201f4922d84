"""Running `ais` as a user does: a process of its own, its exit status, both streams, the files it leaves."""

import io
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.cli.wire_server import WireServer


class Result(NamedTuple):
    """What a command line did."""

    status: int
    out: str
    err: str
    data: bytes


Ais = Callable[..., Result]


@pytest.fixture(scope="session")
def shared_server() -> Iterator[WireServer]:
    server = WireServer()
    yield server
    server.close()


@pytest.fixture
def server(shared_server: WireServer) -> WireServer:
    """The server with the data of spec/cli.md 7: dataset, models, data."""
    shared_server.fault, shared_server.busy = "", 0
    shared_server.busy_code, shared_server.refuse = 503, None
    shared_server.meeting = shared_server.stall = None
    shared_server.stalled.clear()
    shared_server.requests.clear()
    shared_server.buckets = {
        "dataset": {
            "audio1.wav": b"a" * 100,
            "audio2.wav": b"b" * 200,
            "dev/x.wav": b"x" * 10,
            "dev/y.wav": b"y" * 20,
        },
        "models": {f"checkpoint-{i:03d}.pth": b"%03d" % i * 4 for i in range(1, 101)},
        "data": {"shard.tar": make_tar({"file.wav": b"f" * 50, "dir/b.txt": b"hello b\n"})},
        "#ml/ds": {"a": b"in the namespace"},
    }
    return shared_server


@pytest.fixture
def ais(server: WireServer, tmp_path: Path) -> Ais:
    """Run `ais` with arguments in a folder of its own."""
    home = tmp_path / "home"
    home.mkdir()
    work = tmp_path / "work"
    work.mkdir()

    def run(*arguments: str, stdin: str | bytes = "", **environ: str) -> Result:
        env = {"PATH": os.environ["PATH"], "HOME": str(home), "AIS_ENDPOINT": server.url, "TZ": "UTC", **environ}
        typed = stdin.encode() if isinstance(stdin, str) else stdin
        command = [sys.executable, "-c", "import sys; from moss.cli.main import main; sys.exit(main())", *arguments]
        done = subprocess.run(command, cwd=work, env=env, input=typed, capture_output=True, timeout=60)
        return Result(
            done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"), done.stdout
        )

    return run


@pytest.fixture
def work(ais: Ais, tmp_path: Path) -> Path:
    """The folder in which `ais` runs."""
    return tmp_path / "work"


def make_tar(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def members_of(path: Path) -> list[tuple[str, int]]:
    """Names and sizes of a TAR's members, compressed or not."""
    with tarfile.open(path) as tar:
        return [(member.name, member.size) for member in tar]
