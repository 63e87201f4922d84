"""Command lines on buckets, run in this process against a real node, or against a scripted cluster."""

import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from moss.cli.main import main
from moss.sdk import Bucket, Client
from moss.testing import NodeProcess
from tests.sdk.peer import Peer


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class Result(NamedTuple):
    """What a command line did."""

    status: int
    out: str
    err: str


Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run `ais` with arguments; what is typed is `stdin`, and messages may go to a terminal."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("TZ", "UTC")

    def run(*words: str, stdin: str = "", on_terminal: bool = False) -> Result:
        streams = io.StringIO(stdin), io.StringIO(), Terminal() if on_terminal else io.StringIO()
        for name, stream in zip(("stdin", "stdout", "stderr"), streams, strict=True):
            monkeypatch.setattr(sys, name, stream)
        status = main(list(words))
        return Result(status, streams[1].getvalue(), streams[2].getvalue())

    return run


@pytest.fixture
def ais(run: Run, node: NodeProcess, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`ais` of a user of the real node."""
    monkeypatch.setenv("AIS_ENDPOINT", node.url)
    return run


@pytest.fixture
def peer(run: Run, monkeypatch: pytest.MonkeyPatch) -> Iterator[Peer]:
    """A cluster that answers what a test has written down; `run` talks to it."""
    peer = Peer()
    monkeypatch.setenv("AIS_ENDPOINT", peer.url)
    yield peer
    peer.close()


@pytest.fixture
def bucket(node: NodeProcess, request: pytest.FixtureRequest) -> Iterator[Bucket]:
    """A bucket named after the test, with `a.txt`, `b.txt` and `dir/c.txt` of 1, 2 and 3 bytes."""
    with Client(node.url) as client:
        name = "cli-" + "".join(c if c.isalnum() else "-" for c in request.node.name.removeprefix("test_"))[:50]
        bucket = client.bucket(name)
        bucket.create()
        for size, path in enumerate(("a.txt", "b.txt", "dir/c.txt"), 1):
            bucket.object(path).get_writer().put_content(b"x" * size)
        yield bucket
        for leftover in (bucket, client.bucket(name + "-2")):
            leftover.delete(missing_ok=True)


@pytest.fixture
def uri(bucket: Bucket) -> str:
    return f"ais://{bucket.name}"


@pytest.fixture
def names(bucket: Bucket) -> Callable[..., list[str]]:
    """The names of the objects in the bucket, or in another one."""

    def names(other: str = "") -> list[str]:
        found = Bucket(other, bucket.client) if other else bucket
        return [entry.name for entry in found.list_all_objects()]

    return names
