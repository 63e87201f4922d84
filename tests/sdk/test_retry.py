import pytest
import urllib3

from moss.sdk.errors import ConnectFailed, ConnectionLost, ReadTimedOut
from moss.sdk.retry import RetryState, parse_retry_after
from moss.sdk.retry_config import HttpRetry, NetworkRetry, RetryConfig


def state(config=None, method="GET", is_idempotent=True, random=0.0) -> RetryState:
    return RetryState(config or RetryConfig(), method, is_idempotent=is_idempotent, random=lambda: random)


def test_temporary_statuses_are_repeated_five_times_with_the_waits_of_the_reference():
    tries = state()
    assert [tries.after_status(503, None, 0.0) for _ in range(6)] == [0.0, 6.0, 12.0, 24.0, 48.0, None]
    assert len(tries.attempts) == 6


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 416, 501])
def test_other_statuses_are_final(status):
    assert state().after_status(status, None, 0.0) is None


def test_the_server_may_ask_for_a_longer_wait():
    tries = state()
    assert tries.after_status(429, "7", 0.0) == 7.0
    assert tries.after_status(429, "1", 0.0) == 6.0


@pytest.mark.parametrize(("text", "seconds"), [("1", 1), ("1.5", 1.5), ("-3", 0), ("Wed, 21 Oct", 0), ("1e9", 300)])
def test_retry_after_is_read_with_care(text, seconds):
    assert parse_retry_after(text) == seconds


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_methods_that_change_things_are_not_repeated_after_a_status(method):
    assert state(method=method, is_idempotent=False).after_status(503, None, 0.0) is None


def test_what_may_have_arrived_is_repeated_only_when_harmless():
    for error in (ReadTimedOut("x"), ConnectionLost("x")):
        assert state(is_idempotent=False).after_failure(error, 0.0) is None
        assert state().after_failure(error, 0.0) is not None
    assert state(is_idempotent=False).after_failure(ConnectFailed("x"), 0.0) is not None


def test_broken_connections_are_tried_seven_times_with_growing_random_waits():
    tries = state(random=0.999)
    waits = [tries.after_failure(ConnectionLost("x"), 0.0) for _ in range(7)]
    assert waits[-1] is None
    assert waits[:-1] == sorted(waits[:-1]) and waits[0] >= 1.0 and waits[-2] <= 30.0


def test_no_attempt_starts_after_the_deadline():
    config = RetryConfig(deadline_s=10.0)
    tries = state(config)
    assert tries.after_status(503, None, 1.0) == 0.0
    assert tries.after_status(503, None, 5.0) is None


def test_policies_of_urllib3_and_tenacity_are_understood():
    tenacity = pytest.importorskip("tenacity")
    network = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(2), wait=tenacity.wait_random_exponential(min=0, max=5)
    )
    http = urllib3.Retry(total=1, status_forcelist=[418], backoff_factor=0)
    tries = state(RetryConfig(http_retry=http, network_retry=network))
    assert [tries.after_status(418, None, 0.0) for _ in range(2)] == [0.0, None]
    assert tries.after_status(503, None, 0.0) is None
    assert tries.after_failure(ConnectionLost("x"), 0.0) is not None
    assert tries.after_failure(ConnectionLost("x"), 0.0) is None


def test_policies_can_be_pickled():
    import pickle

    config = RetryConfig(HttpRetry(total=2), NetworkRetry(attempts=1), deadline_s=3.0)
    assert pickle.loads(pickle.dumps(config)) == config
