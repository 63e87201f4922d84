"""Runs the worker processes of one node: starts them, passes signals on, starts again what dies."""

import ctypes
import os
import select
import signal
import time
from collections.abc import Callable

# A worker that dies sooner than this after its start is not started again for ever.
_SHORT_LIFE_S = 5.0
_SHORT_LIVES_MAX = 5


class Supervisor:
    """Supervises worker processes.

    Args:
        workers: how many.
        run_worker: runs one worker in the child process, given its number and a function to call when it serves.
    """

    def __init__(self, workers: int, run_worker: Callable[[int, Callable[[], None]], None]) -> None:
        self._run_worker = run_worker
        self._workers = workers
        self._pids: dict[int, int] = {}
        self._born: dict[int, float] = {}
        self._short_lives = 0
        self._is_stopping = False

    def run(self, ready: Callable[[], None]) -> int:
        """Run until SIGTERM or SIGINT and all workers have ended; return the exit status."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        # One after the other: the first opens the store and brings it up to date alone.
        if all(self._start(worker) for worker in range(self._workers)):
            ready()
        else:
            self._stop()
        status = 0
        while self._pids:
            pid, code = os.wait()
            worker = self._pids.pop(pid, None)
            if worker is None:
                continue
            if not self._is_stopping:
                status = self._revive(worker, os.waitstatus_to_exitcode(code))
            elif os.waitstatus_to_exitcode(code):
                status = 1
        return status

    def _start(self, worker: int) -> bool:
        """Fork one worker and wait until it serves; False when it does not, or the end was asked for."""
        if self._is_stopping:
            return False
        reading, writing = os.pipe()
        supervisor = os.getpid()
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                os.close(reading)
                for number in (signal.SIGTERM, signal.SIGINT):
                    signal.signal(number, signal.SIG_DFL)
                _end_with_parent(supervisor)
                self._run_worker(worker, lambda: os.write(writing, b"."))
                code = 0
            except BaseException as error:
                os.write(2, f"worker {worker}: {error}\n".encode(errors="replace"))
            finally:
                os._exit(code)
        os.close(writing)
        self._pids[pid] = worker
        self._born[worker] = time.monotonic()
        if self._is_stopping:
            # The signal came before this worker could be told.
            self._stop()
        select.select([reading], [], [])
        is_ready = os.read(reading, 1) == b"."
        os.close(reading)
        return is_ready

    def _revive(self, worker: int, code: int) -> int:
        short = time.monotonic() - self._born[worker] < _SHORT_LIFE_S
        self._short_lives = self._short_lives + 1 if short else 0
        if self._short_lives > _SHORT_LIVES_MAX:
            os.write(2, f"worker {worker} keeps dying (status {code}): stopping\n".encode())
            self._stop()
            return 1
        os.write(2, f"worker {worker} ended with status {code}: starting it again\n".encode())
        self._start(worker)
        return 0

    def _stop(self, *_: object) -> None:
        self._is_stopping = True
        for pid in list(self._pids):
            try:
                os.kill(pid, signal.SIGTERM)
            except ProcessLookupError:
                pass


def _end_with_parent(parent: int) -> None:
    """Have the kernel send SIGTERM to this worker when its supervisor is gone, however it went.

    Source: prctl(2), PR_SET_PDEATHSIG.
    """
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
    if os.getppid() != parent:  # it went before we could ask
        os.kill(os.getpid(), signal.SIGTERM)
