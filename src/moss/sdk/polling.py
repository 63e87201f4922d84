"""How long to wait between two looks at something that runs in the cluster. Pure."""

__all__ = ["CONFIRM_S", "next_wait_s"]

_WAIT_S_MIN = 0.002
_WAIT_S_MAX = 2.0
_SHARE = 0.25

CONFIRM_S = 0.01
"""Wait before the second look at a job that seems to be idle."""


def next_wait_s(elapsed_s: float, timeout_s: float) -> float:
    """Seconds until the next look, after `elapsed_s` seconds.

    A quarter of the time that went by: what took 50 ms is noticed 12 ms later at most, what took an hour after two
    seconds. Never past the timeout.
    """
    wait_s = min(max(elapsed_s * _SHARE, _WAIT_S_MIN), _WAIT_S_MAX)
    return min(wait_s, max(timeout_s - elapsed_s, 0.0))
