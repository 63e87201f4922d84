"""Several requests at once, by threads that end with the download. Twin of `workers_aio`."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

__all__ = ["Workers"]


class Workers:
    """Runs at most `count` functions at the same time, in the order of their submission."""

    def __init__(self, count: int) -> None:
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="moss-read")

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        return self._pool.submit(function, *arguments)

    def result(self, job: Future[Any]) -> Any:
        """Wait for one; raises what it raised."""
        return job.result()

    def close(self) -> None:
        """Drop what has not begun and wait for what has."""
        self._pool.shutdown(wait=True, cancel_futures=True)
