"""Retry decisions. Pure: it is told what happened and when, and answers with how long to wait.

A request that may have reached the server is repeated only when repeating it is harmless.
Source: spec/python-sdk.md 4.3; `reliability.md` for "never replay what is not idempotent".
"""

from collections.abc import Callable
from typing import Any

from moss.sdk.errors import TransportError
from moss.sdk.retry_config import RetryConfig

__all__ = ["RetryState", "parse_retry_after"]

_RETRY_AFTER_S_MAX = 300.0


class RetryState:
    """What was tried for one request so far.

    Args:
        config: the policy.
        method: HTTP method.
        is_idempotent: whether sending the request twice does the same as sending it once.
        random: numbers in [0, 1).
    """

    __slots__ = ("_config", "_http_failures", "_may_repeat", "_method", "_network_failures", "_random", "attempts")

    def __init__(self, config: RetryConfig, method: str, *, is_idempotent: bool, random: Callable[[], float]) -> None:
        self._config, self._method, self._may_repeat, self._random = config, method, is_idempotent, random
        self._http_failures = self._network_failures = 0
        self.attempts: list[str] = []

    def after_status(self, status: int, retry_after: str | None, elapsed_s: float) -> float | None:
        """Seconds to wait before the next attempt after an error status, or None to give up."""
        policy = self._config.http_retry
        self.attempts.append(f"status {status} after {elapsed_s:.2f}s")
        if status not in (policy.status_forcelist or ()) or not self._may_repeat:
            return None
        if policy.allowed_methods and self._method not in policy.allowed_methods:
            return None
        total = 0 if policy.total is False else policy.total
        if total is not None and self._http_failures >= total:
            return None
        self._http_failures += 1
        wait_s = 0.0
        if self._http_failures > 1:
            wait_s = policy.backoff_factor * 2 ** (self._http_failures - 1)
            wait_s = min(wait_s, getattr(policy, "backoff_max", 120.0))
        if policy.respect_retry_after_header:
            wait_s = max(wait_s, parse_retry_after(retry_after)) if retry_after else wait_s
        return self._before_deadline(wait_s, elapsed_s)

    def after_failure(self, error: TransportError, elapsed_s: float) -> float | None:
        """Seconds to wait before the next attempt after a broken connection, or None to give up."""
        self.attempts.append(f"{type(error).__name__} after {elapsed_s:.2f}s")
        if error.was_sent and not self._may_repeat:
            return None
        attempts, wait_s_min, wait_s_max = _network_policy(self._config.network_retry)
        self._network_failures += 1
        if self._network_failures >= attempts:
            return None
        top = min(wait_s_max, 2.0**self._network_failures)
        return self._before_deadline(wait_s_min + max(0.0, top - wait_s_min) * self._random(), elapsed_s)

    def _before_deadline(self, wait_s: float, elapsed_s: float) -> float | None:
        deadline_s = self._config.deadline_s
        return None if deadline_s is not None and elapsed_s + wait_s > deadline_s else wait_s


def _network_policy(policy: Any) -> tuple[int, float, float]:
    if hasattr(policy, "attempts"):
        return policy.attempts, policy.wait_s_min, policy.wait_s_max
    attempts = getattr(getattr(policy, "stop", None), "max_attempt_number", 7)
    wait = getattr(policy, "wait", None)
    return attempts, float(getattr(wait, "min", 1.0)), float(getattr(wait, "max", 30.0))


def parse_retry_after(text: str | None) -> float:
    """Seconds of a `Retry-After` header; dates and nonsense count as 0, waits are capped at five minutes."""
    try:
        return min(max(float(text or 0), 0.0), _RETRY_AFTER_S_MAX)
    except ValueError:
        return 0.0
