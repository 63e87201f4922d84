"""Command lines on objects, run in this process against a real node, or against a scripted cluster."""

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

DATA = Path(__file__).resolve().parents[3] / "examples" / "data"


class Result(NamedTuple):
    """What a command line did."""

    status: int
    out: str
    err: str
    data: bytes


class Stream(io.TextIOWrapper):
    """A standard stream whose bytes can be looked at."""

    def __init__(self, content: bytes = b"", *, is_terminal: bool = False) -> None:
        self.raw_bytes = io.BytesIO(content)
        self._is_terminal = is_terminal
        super().__init__(self.raw_bytes, encoding="utf-8", write_through=True)

    def isatty(self) -> bool:
        return self._is_terminal


Run = Callable[..., Result]


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which `ais` runs."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def run(work: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run `ais` with arguments; what is typed is `stdin`. With `terminal` all streams are one."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TZ", "UTC")
    for name in ("XDG_CONFIG_HOME", "HF_TOKEN", "HF_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)

    def run(*words: str, stdin: str | bytes = b"", terminal: bool = False) -> Result:
        typed = stdin.encode() if isinstance(stdin, str) else stdin
        out, err = Stream(is_terminal=terminal), Stream(is_terminal=terminal)
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", Stream(typed, is_terminal=terminal))
            patch.setattr(sys, "stdout", out)
            patch.setattr(sys, "stderr", err)
            status = main(list(words))
        data = out.raw_bytes.getvalue()
        return Result(
            status, data.decode("utf-8", "replace"), err.raw_bytes.getvalue().decode("utf-8", "replace"), data
        )

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
    """An empty bucket named after the test."""
    with Client(node.url) as client:
        name = "obj-" + "".join(c if c.isalnum() else "-" for c in request.node.name.removeprefix("test_"))[:50]
        bucket = client.bucket(name).create()
        yield bucket
        bucket.delete(missing_ok=True)


@pytest.fixture
def uri(bucket: Bucket) -> str:
    return f"ais://{bucket.name}"


@pytest.fixture
def put(bucket: Bucket) -> Callable[..., None]:
    """Store objects, as in `put(name=content)` or `put({"a/b": content})`."""

    def put(objects: dict[str, bytes] | None = None, **named: bytes) -> None:
        for name, content in {**(objects or {}), **named}.items():
            bucket.object(name).get_writer().put_content(content)

    return put


@pytest.fixture
def read(bucket: Bucket) -> Callable[[str], bytes]:
    """The content of an object."""
    return lambda name: bytes(bucket.object(name).get_reader().read_all())


@pytest.fixture
def names(bucket: Bucket) -> Callable[[], list[str]]:
    """The names of the objects in the bucket."""
    return lambda: [entry.name for entry in bucket.list_all_objects()]


@pytest.fixture(scope="session")
def photos() -> dict[str, bytes]:
    """Real images by their names."""
    return {path.name: path.read_bytes() for path in sorted((DATA / "photos").glob("*.*"))[:4]}


@pytest.fixture(scope="session")
def speech() -> dict[str, bytes]:
    """Real recordings by their names."""
    return {path.name: path.read_bytes() for path in sorted((DATA / "speech").rglob("*.*"))[:4]}
