"""Fixtures that several test folders share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from moss.testing import NodeProcess, start_node

CONFORMANCE = Path(__file__).resolve().parents[2] / "shared" / "conformance"


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    """A real node in a process of its own, shared by all tests: use bucket names of your own."""
    with start_node(tmp_path_factory.mktemp("node") / "data") as running:
        yield running
    assert not running.is_running


@pytest.fixture(scope="session")
def conformance() -> Path:
    """The folder of recorded answers; it lies beside the checkout."""
    if not CONFORMANCE.exists():
        pytest.skip(f"the recorded answers are not at {CONFORMANCE}: nothing to compare with")
    return CONFORMANCE
