"""Several calls at a time, in threads that live no longer than the call. Twin of `moss.sdk.transport.aio_tasks`."""

from collections import deque
from collections.abc import Callable, Iterable
from threading import Thread
from typing import Any, TypeVar

__all__ = ["call_blocking", "for_each"]

Item = TypeVar("Item")
Result = TypeVar("Result")


def for_each(work: Callable[[Item], Result], items: Iterable[Item], workers: int) -> list[Result]:
    """Call `work` with each item, at most `workers` at a time.

    The calling thread is one of the workers; all have ended when this returns or raises.

    Returns:
        The results in the order of the items.

    Raises:
        The first error; what was not begun by then is not begun any more.
    """
    jobs = list(items)
    if workers <= 1 or len(jobs) <= 1:
        return [work(job) for job in jobs]
    pending = deque(range(len(jobs)))
    results: list[Result | None] = [None] * len(jobs)
    errors: list[BaseException] = []

    def run() -> None:
        while pending and not errors:
            try:
                index = pending.popleft()
            except IndexError:
                return
            try:
                results[index] = work(jobs[index])
            except BaseException as error:  # it is raised again below, by the caller's thread
                errors.append(error)

    threads = [Thread(target=run, name=f"moss-sdk-{number}") for number in range(1, min(workers, len(jobs)))]
    started: list[Thread] = []
    try:
        for thread in threads:
            thread.start()
            started.append(thread)
        run()
    except BaseException as error:
        errors.append(error)
    for thread in started:
        thread.join()
    if errors:
        raise errors[0]
    return results  # type: ignore[return-value]


def call_blocking(function: Callable[..., Result], *arguments: Any) -> Result:
    """Call something that reads files."""
    return function(*arguments)
