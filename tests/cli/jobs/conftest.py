"""Command lines on jobs, run in this process against a real node, or against a scripted cluster."""

from collections.abc import Iterator

import pytest

from tests.cli.buckets.conftest import bucket, uri  # noqa: F401 - fixtures of these tests too
from tests.cli.control_peer import ControlPeer
from tests.cli.objects.conftest import Run, ais, run, work  # noqa: F401


@pytest.fixture
def cluster(run: Run, monkeypatch: pytest.MonkeyPatch) -> Iterator[ControlPeer]:  # noqa: F811
    """A cluster of three targets that answers what a test has written down; `run` talks to it."""
    peer = ControlPeer()
    monkeypatch.setenv("AIS_ENDPOINT", peer.url)
    yield peer
    peer.close()
