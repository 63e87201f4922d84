import threading

import pytest

from moss.sdk import Client, RetryConfig
from moss.sdk.retry_config import HttpRetry, NetworkRetry
from tests.sdk.peer import Peer


@pytest.fixture
def peer():
    peer = Peer()
    yield peer
    peer.close()


@pytest.fixture
def patient() -> RetryConfig:
    """The default policy without its waits."""
    return RetryConfig(HttpRetry(backoff_factor=0.0), NetworkRetry(attempts=3, wait_s_min=0.0, wait_s_max=0.0))


@pytest.fixture
def client(peer: Peer, patient: RetryConfig):
    with Client(peer.url, retry_config=patient, timeout=10) as client:
        yield client


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch):
    """Tests say themselves which variables are set."""
    import os

    for name in list(os.environ):
        if name.startswith(("AIS_", "MOSS_")):
            monkeypatch.delenv(name)


@pytest.fixture
def no_leftover_threads():
    before = threading.active_count()
    yield
    assert threading.active_count() == before
