"""Several requests at once, by tasks. Twin of `workers`."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

__all__ = ["Workers"]


class Workers:
    """Runs at most `count` coroutines at the same time, in the order of their submission."""

    def __init__(self, count: int) -> None:
        self._free = asyncio.Semaphore(count)
        self._jobs: set[asyncio.Task[Any]] = set()

    def submit(self, function: Callable[..., Coroutine[Any, Any, Any]], *arguments: Any) -> asyncio.Task[Any]:
        job = asyncio.create_task(self._run(function, arguments))
        self._jobs.add(job)
        job.add_done_callback(self._forget)
        return job

    def _forget(self, job: asyncio.Task[Any]) -> None:
        self._jobs.discard(job)
        if not job.cancelled():
            job.exception()  # Seen: of several that fail at once only the first is reported.

    async def _run(self, function: Callable[..., Coroutine[Any, Any, Any]], arguments: tuple[Any, ...]) -> Any:
        async with self._free:
            return await function(*arguments)

    async def result(self, job: asyncio.Task[Any]) -> Any:
        """Wait for one; raises what it raised."""
        return await job

    async def close(self) -> None:
        """Cancel the rest and wait for its end."""
        jobs = list(self._jobs)
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)
