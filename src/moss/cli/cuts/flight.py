"""Several transfers at a time, their results in order, and nothing left behind when the user interrupts.

Threads are daemons: a transfer that waits for a silent server must not keep the process alive after Ctrl-C.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from moss.cli.destination import Sink

__all__ = ["Flight"]

T = TypeVar("T")


class _Task(Generic[T]):
    """One transfer, and what came of it."""

    def __init__(self, run: Callable[[], T]) -> None:
        self.run = run
        self.is_done = False
        self.result: T | None = None
        self.failure: BaseException | None = None


class Flight(Generic[T]):
    """A bounded number of tasks, each in a thread. All methods but `guard`, which is for the tasks, are for
    the thread that made it.

    Leaving the `with` block while tasks still run gives them up: what they were writing is removed.

    Args:
        jobs: how many run at a time.
    """

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs
        self._changed = threading.Condition()
        self._tasks: deque[_Task[T]] = deque()  # in order, without those whose results were taken
        self._running = 0
        self._sinks: dict[int, Sink] = {}  # of threads
        self._is_abandoned = False
        self.failures: list[BaseException] = []
        """Of tasks whose turn has come, in order."""

    def start(self, run: Callable[[], T]) -> bool:
        """Start a task as soon as there is room. False, and nothing starts, when one has failed."""
        with self._changed:
            self._changed.wait_for(lambda: self._running < self._jobs or self._has_failed())
            if self._has_failed():
                return False
            self._running += 1
        task = _Task(run)
        self._tasks.append(task)
        threading.Thread(target=self._work, args=(task,), daemon=True).start()
        return True

    def finished(self) -> Iterator[T]:
        """Yield the results that have come and are next in order."""
        while self._tasks and self._tasks[0].is_done:
            task = self._tasks.popleft()
            if task.failure is not None:
                self.failures.append(task.failure)
            else:
                yield task.result  # type: ignore[misc]

    def drain(self) -> Iterator[T]:
        """Wait for all tasks and yield their results in order."""
        while self._tasks:
            with self._changed:
                self._changed.wait_for(lambda: self._tasks[0].is_done)
            yield from self.finished()

    def guard(self, make: Callable[[], Sink]) -> Sink:
        """Open a sink in a task, to be rolled back should the flight be given up.

        Raises:
            InterruptedError: it has been given up.
        """
        with self._changed:
            if self._is_abandoned:
                raise InterruptedError
            sink = self._sinks[threading.get_ident()] = make()
        return sink

    def __enter__(self) -> "Flight[T]":
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._is_abandoned = True
            for sink in reversed(self._sinks.values()):  # the first may have made the folder of the others
                sink.rollback()

    def _has_failed(self) -> bool:
        return bool(self.failures) or any(task.failure is not None for task in self._tasks)

    def _work(self, task: _Task[T]) -> None:
        try:
            task.result = task.run()
        except BaseException as error:  # told to the thread that waits for it
            task.failure = error
        with self._changed:
            self._sinks.pop(threading.get_ident(), None)
            task.is_done = True
            self._running -= 1
            self._changed.notify_all()
