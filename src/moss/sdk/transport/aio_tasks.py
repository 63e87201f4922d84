"""Several calls at a time, as tasks of the running loop. Twin of `moss.sdk.transport.blocking_tasks`."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

__all__ = ["call_blocking", "for_each"]

Item = TypeVar("Item")
Result = TypeVar("Result")


async def for_each(work: Callable[[Item], Awaitable[Result]], items: Iterable[Item], workers: int) -> list[Result]:
    """Await `work` of each item, at most `workers` at a time. Result and errors as in the blocking twin."""
    jobs = list(items)
    pending = deque(range(len(jobs)))
    results: list[Result | None] = [None] * len(jobs)
    errors: list[Exception] = []

    async def run() -> None:
        while pending and not errors:
            index = pending.popleft()
            try:
                results[index] = await work(jobs[index])
            except Exception as error:
                errors.append(error)

    await asyncio.gather(*(run() for _ in range(max(1, min(workers, len(jobs))))))
    if errors:
        raise errors[0]
    return results  # type: ignore[return-value]


async def call_blocking(function: Callable[..., Result], *arguments: Any) -> Result:
    """Call something that reads files, without holding the loop up."""
    return await asyncio.to_thread(function, *arguments)
