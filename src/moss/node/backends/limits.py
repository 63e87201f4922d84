"""How long a store is waited for, and how often it is asked again. Pure."""

from dataclasses import dataclass

__all__ = ["PASSING_STATUSES", "Limits"]

# Answers of a store that is overloaded or hiccups: worth asking again.
PASSING_STATUSES = frozenset({408, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of all requests to one store. All times in seconds.

    Attributes:
        connect_s: until a connection is made.
        read_s: until the next bytes of an answer come.
        total_s: one answer with its body, however fast it comes.
        slow_bytes_per_s: a store that takes a body more slowly is given up.
        retries: how often a request is repeated that failed in a way that may pass.
        retry_s: no request is repeated later than so long after it was first made.
        pause_s, pause_s_max: before the first and at most before any repetition; doubled each time, with jitter.
            A longer pause that the store asks for (`Retry-After`) is kept where it fits into `retry_s`.
    """

    connect_s: float = 3.0
    read_s: float = 20.0
    total_s: float = 24 * 3600.0
    slow_bytes_per_s: int = 128 << 10
    retries: int = 4
    retry_s: float = 20.0
    pause_s: float = 0.05
    pause_s_max: float = 2.0
