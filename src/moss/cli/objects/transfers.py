"""Many transfers at the same time: a bounded number under way, one progress line, and what failed and why."""

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from threading import Event, Lock
from typing import IO, Generic, NamedTuple, TypeVar

from moss.cli.failures import Canceled, CommandError
from moss.cli.progress import Progress
from moss.errors import MossError

__all__ = ["CountedFile", "Failure", "Meter", "Outcome", "Stopped", "tolerate", "transfer_all", "with_retries"]

T = TypeVar("T")

RETRY_WAIT_S = 0.25
RETRIES_MAX = 5
_FAILURES = (CommandError, MossError, OSError)


class Stopped(Exception):
    """The command ends early, so that a transfer under way ends too."""


class Failure(NamedTuple):
    """What was not transferred, and why."""

    label: str
    reason: str


class Outcome(NamedTuple):
    """How many were transferred, their bytes, and what failed."""

    done: int
    size: int
    failures: list[Failure]


class Meter:
    """Counts what several threads transfer, and shows it.

    Args:
        progress: shows the sums.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress, self._lock = progress, Lock()
        self._bytes = self._items = 0
        self._stop = Event()

    def add(self, size: int, items: int = 0) -> None:
        """Count bytes, and items that are done; a negative size takes back what has to be sent again.

        Raises:
            Stopped: nobody wants it any more.
        """
        if self._stop.is_set():
            raise Stopped
        with self._lock:
            self._bytes += size
            self._items += items
            self._progress(self._bytes, self._items)

    @property
    def size(self) -> int:
        """Bytes so far."""
        return self._bytes

    def stop(self) -> None:
        """Let every transfer end at its next piece."""
        self._stop.set()

    def pause(self, seconds: float) -> None:
        """Wait, unless it is stopped before.

        Raises:
            Stopped: it was.
        """
        if self._stop.wait(seconds):
            raise Stopped


class CountedFile:
    """A file, or a part of one, on its way to the cluster: counts what is read, and can be read again from its start.

    Args:
        file: seekable; parts of it that are read at the same time share `lock`.
        start, size: the part, in bytes; without a size everything behind `start`.
    """

    def __init__(
        self, file: IO[bytes], meter: Meter, *, start: int = 0, size: int | None = None, lock: "Lock | None" = None
    ) -> None:
        self._file, self._meter, self._start, self._size = file, meter, start, size
        self._lock = lock or Lock()
        self._read = 0

    def read(self, size: int = -1) -> bytes:
        if self._size is not None:
            left = self._size - self._read
            size = left if size < 0 else min(size, left)
        with self._lock:
            self._file.seek(self._start + self._read)
            piece = self._file.read(size)
        self._read += len(piece)
        self._meter.add(len(piece))
        return piece

    def seek(self, offset: int) -> int:
        """Go to a byte of the part; what was counted behind it is taken back."""
        if self._read != offset:
            self._meter.add(offset - self._read)
            self._read = offset
        return offset

    def tell(self) -> int:
        return self._read

    def seekable(self) -> bool:
        return True


def transfer_all(
    items: Iterable[T],
    work: Callable[[T, Meter], int],
    *,
    label: Callable[[T], str],
    workers: int,
    goes_on: bool,
    progress: Progress,
) -> Outcome:
    """Transfer items, some at a time, in about their order.

    Args:
        items: may be endless as far as memory goes: only those under way are held.
        work: transfers one in a thread of its own, tells the meter, and returns its size in bytes.
        label: what an item is called when it fails.
        workers: how many at a time; less than one means one.
        goes_on: a failure is reported at the end and ends nothing; without it no item is begun after the first one.

    Raises:
        CommandError, MossError, OSError: the first failure, without `goes_on`.
    """
    guard = _Guard(work, Meter(progress), goes_on=goes_on)
    failures: list[Failure] = []
    done = size = 0
    pool = ThreadPoolExecutor(max(workers, 1))
    try:
        for item, future in _under_way(pool, guard, iter(items), 2 * max(workers, 1)):
            try:
                size += future.result()
            except (Stopped, *_FAILURES) as error:
                if guard.end is not None:
                    raise guard.end from None
                failures.append(Failure(label(item), reason_of(error)))
            else:
                done += 1
                guard.meter.add(0, 1)
    except BaseException:
        guard.meter.stop()
        pool.shutdown(cancel_futures=True)
        raise
    finally:
        progress.clear()
    pool.shutdown()
    return Outcome(done, size, failures)


class _Guard(Generic[T]):
    """Transfers an item, unless a failure has ended everything.

    Attributes:
        end: that failure.
    """

    def __init__(self, work: Callable[[T, Meter], int], meter: Meter, *, goes_on: bool) -> None:
        self._work, self._goes_on = work, goes_on
        self.meter = meter
        self.end: Exception | None = None

    def __call__(self, item: T) -> int:
        if self.end is not None:
            raise Stopped
        try:
            return self._work(item, self.meter)
        except _FAILURES as error:
            if self.end is None and (not self._goes_on or isinstance(error, Canceled)):
                self.end = error
            raise


def _under_way(
    pool: ThreadPoolExecutor, work: Callable[[T], int], items: Iterator[T], most: int
) -> Iterator[tuple[T, "Future[int]"]]:
    """Begin items, at most `most` at a time, and yield each with its result when it is over."""
    pending: dict[Future[int], T] = {}
    is_over = False
    while pending or not is_over:
        for item in islice(items, most - len(pending)):
            pending[pool.submit(work, item)] = item
        is_over = len(pending) < most
        for future in wait(pending, return_when=FIRST_COMPLETED).done:
            yield pending.pop(future), future


def tolerate(outcome: Outcome, action: str, what: str) -> None:
    """End a command that went on after failures with the list of what failed and why.

    Raises:
        CommandError: something failed.
    """
    if outcome.failures:
        total = outcome.done + len(outcome.failures)
        lines = [f"   {failure.label}: {failure.reason}" for failure in outcome.failures]
        raise CommandError(f"failed to {action} {len(outcome.failures)} of {total} {what}:", *lines)


def reason_of(error: Exception) -> str:
    """Why something failed, for a list of failures."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if isinstance(error, MossError):
        from moss.cli.connection import explained

        return str(explained(error, ""))
    return str(error)


def with_retries(work: Callable[[], T], retries: int, pause: Callable[[float], object] = time.sleep) -> T:
    """Do something that the network or a busy server may break, and do it again when that happens.

    Raises:
        CommandError, MossError: what the last try failed with; at once when another one would not help.
    """
    attempt = 0
    while True:
        try:
            return work()
        except (CommandError, MossError) as error:
            if attempt >= retries or not _may_pass(error):
                raise
            pause(RETRY_WAIT_S * 2**attempt)
            attempt += 1


def _may_pass(error: Exception) -> bool:
    """Whether another try may succeed: the network broke, or the server says that the failure is its own."""
    from moss.cli.transport import ServerError
    from moss.sdk.errors import APIRequestError, TransportError

    if isinstance(error, ServerError):
        return error.code >= 500
    if isinstance(error, APIRequestError):
        return error.status_code >= 500
    return isinstance(error, CommandError | TransportError)
