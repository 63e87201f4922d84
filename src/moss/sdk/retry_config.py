"""How often, and after which failures, requests are sent again. The decisions are in `moss.sdk.retry`."""

from dataclasses import dataclass, field
from typing import Any

from moss.sdk.const import DEFAULT_COLD_GET_EST_BPS, DEFAULT_COLD_GET_MAX_WAIT

__all__ = ["ColdGetConf", "HttpRetry", "NetworkRetry", "RetryConfig"]

_IDEMPOTENT = frozenset({"HEAD", "GET", "OPTIONS", "DELETE", "TRACE", "PUT"})


@dataclass(frozen=True)
class HttpRetry:
    """Retries after an error status. Same attributes as `urllib3.Retry`, which is accepted in its place.

    Attributes:
        total: retries after the first attempt.
        backoff_factor: seconds; the waits are 0, 2f, 4f, 8f … up to `backoff_max`.
        status_forcelist: statuses that are temporary.
        allowed_methods: methods that may be repeated; None allows all.
        respect_retry_after_header: wait as long as the server says.
    """

    total: int = 5
    backoff_factor: float = 3.0
    backoff_max: float = 120.0
    status_forcelist: frozenset[int] = frozenset({429, 500, 502, 503, 504})
    allowed_methods: frozenset[str] | None = _IDEMPOTENT
    respect_retry_after_header: bool = True


@dataclass(frozen=True)
class NetworkRetry:
    """Retries after a failed connection; a `tenacity.Retrying` is accepted in its place.

    Attributes:
        attempts: how often a request is sent in all.
        wait_s_min, wait_s_max: ends of the random exponential waits.
    """

    attempts: int = 7
    wait_s_min: float = 1.0
    wait_s_max: float = 30.0


@dataclass
class ColdGetConf:
    """Waiting for an object that is being fetched from its cloud.

    Attributes:
        est_bandwidth_bps: bytes per second that are assumed.
        max_cold_wait: seconds.
        enable_remote_head: whether the size may be asked of the cloud.
    """

    est_bandwidth_bps: int = DEFAULT_COLD_GET_EST_BPS
    max_cold_wait: int = DEFAULT_COLD_GET_MAX_WAIT
    enable_remote_head: bool = True

    @staticmethod
    def default() -> "ColdGetConf":
        return ColdGetConf()


@dataclass
class RetryConfig:
    """The whole policy of a client. Picklable as long as its parts are.

    Attributes:
        http_retry: `HttpRetry`, or anything with its attributes, `urllib3.Retry` for one.
        network_retry: `NetworkRetry` or `tenacity.Retrying` (its number of attempts and ends of the wait are used).
        deadline_s: no attempt is started later than so many seconds after the first; None means no limit.
    """

    http_retry: Any = field(default_factory=HttpRetry)
    network_retry: Any = field(default_factory=NetworkRetry)
    cold_get_conf: ColdGetConf = field(default_factory=ColdGetConf)
    deadline_s: float | None = None

    @staticmethod
    def default() -> "RetryConfig":
        """The policy of clients that are given none. Source: spec/python-sdk.md 4.3."""
        return RetryConfig()
