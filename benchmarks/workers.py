"""Client processes: each runs functions of this package on its own core and hands their results back."""

import multiprocessing
import os
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from benchmarks import machine

CALL_TIMEOUT_S = 600.0


class Worker:
    """A spawned process that runs one call at a time; `start` and `result` split a call to run several at once.

    Args:
        cores: that it runs on, with all its children; None takes the client's.
        may_have_children: functions that it runs may start processes; then it must be closed whatever happens.
    """

    def __init__(self, cores: set[int] | None = None, *, may_have_children: bool = False) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, child = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(child, cores or machine.client_cores()), daemon=not may_have_children
        )
        self._process.start()
        child.close()

    @property
    def process_id(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def start(self, function: Callable[..., Any], *arguments: Any) -> None:
        self._pipe.send((function, arguments))

    def result(self) -> Any:
        """Waits for the call that was started last. Raises what the function raised."""
        if not self._pipe.poll(CALL_TIMEOUT_S):
            raise TimeoutError("a benchmark client did not answer")
        failed, value = self._pipe.recv()
        if failed:
            raise RuntimeError(value)
        return value

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        self.start(function, *arguments)
        return self.result()

    def close(self) -> None:
        self._pipe.close()
        self._process.join(5)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def _serve(pipe: Connection, cores: set[int]) -> None:
    os.sched_setaffinity(0, cores)
    while True:
        try:
            function, arguments = pipe.recv()
        except EOFError:
            return
        try:
            pipe.send((False, function(*arguments)))
        except BaseException as failure:
            pipe.send((True, f"{type(failure).__name__}: {failure}"))
