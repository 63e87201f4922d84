"""Work that goes on while its results are used."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Thread
from typing import TypeVar

__all__ = ["ahead"]

Item = TypeVar("Item")
Result = TypeVar("Result")


def ahead(work: Callable[[Item], Result], items: Iterable[Item], count: int) -> Iterator[Result]:
    """Yield `work(item)` for each item, in their order, with up to `count` calls running in threads ahead of the
    consumer.

    An error of a call is raised in its place. When the iteration is left early, calls that were not begun are dropped;
    those that run end by themselves, and keep no process from ending.

    Args:
        count: 0 works in the consumer's thread, without any ahead.
    """
    if count < 1:
        yield from map(work, items)
        return
    tasks: SimpleQueue[tuple[Future[Result], Item] | None] = SimpleQueue()
    pending: deque[Future[Result]] = deque()
    # Not an executor: its threads are waited for at the end of the process, and one may wait for a node that is gone.
    threads = [Thread(target=_serve, args=(work, tasks), name="moss-prefetch", daemon=True) for _ in range(count)]
    try:
        for thread in threads:
            thread.start()
        for item in items:
            pending.append(Future())
            tasks.put((pending[-1], item))
            if len(pending) > count:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        for future in pending:
            future.cancel()
        for _ in threads:
            tasks.put(None)


def _serve(work: Callable[[Item], Result], tasks: "SimpleQueue[tuple[Future[Result], Item] | None]") -> None:
    while (task := tasks.get()) is not None:
        future, item = task
        if not future.set_running_or_notify_cancel():
            continue
        try:
            future.set_result(work(item))
        except BaseException as error:  # it is raised again in the consumer's thread
            future.set_exception(error)
        del task, future, item  # The next wait may be long, and results are large.
