"""Counters shared by all worker processes of a node: one row of 64-bit integers per worker in a mapped file."""

import mmap
import os
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from pathlib import Path

from moss.node.clock import Clock, SystemClock
from moss.node.metrics.names import COUNTERS, GATEWAY_SERIES
from moss.node.occupancy import Occupancy

_INDEX = {counter.name: number for number, counter in enumerate(COUNTERS)}
_ROW_CELLS = 128  # room for more counters without changing the file's shape
_WORKERS_MAX = 256
_BUCKETS_MAX = 1000  # series per gateway counter; the bucket used least recently goes first

# When the run began, nanoseconds of the machine's monotonic clock: a cell that no counter uses.
_START_CELL = _ROW_CELLS * _WORKERS_MAX - 1

assert len(COUNTERS) < _ROW_CELLS


class Metrics:
    """Cumulative counters of one node since its start.

    Each process adds to its own row, so no lock is shared between processes; reading sums the rows. Thread-safe.
    The counters by bucket that a gateway exports are kept per process.

    Attributes:
        directory: where run-time files live.
        worker: number of this worker process.
    """

    def __init__(self, directory: Path, worker: int = 0, *, clock: Clock | None = None) -> None:
        """Map the counters in `directory`; the first process of a run starts them at zero.

        Args:
            directory: where run-time files live.
            worker: number of this worker process, 0 to 255.
        """
        self.directory, self.worker = directory, worker
        self._occupancy = Occupancy(directory / "metrics.lock")
        path = directory / "metrics.i64"
        size = _ROW_CELLS * _WORKERS_MAX * 8
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._by_bucket: dict[str, OrderedDict[str, int]] = {name: OrderedDict() for name in GATEWAY_SERIES}
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if self._occupancy.is_first:
                os.ftruncate(fd, 0)
            os.ftruncate(fd, size)
            self._map = mmap.mmap(fd, size)
        finally:
            os.close(fd)
        self._cells = memoryview(self._map).cast("q")
        self._base = worker * _ROW_CELLS
        if self._occupancy.is_first:
            self._cells[_START_CELL] = round(self._clock.monotonic_s() * 1e9)
        self._occupancy.settle()

    def close(self) -> None:
        """Unmap the counters; calling it twice is fine."""
        self._cells.release()
        self._map.close()
        self._occupancy.close()

    def add(self, name: str, n: int = 1) -> None:
        """Add `n` to a counter. Raises KeyError for a name that is not in the table."""
        cell = self._base + _INDEX[name]
        with self._lock:
            self._cells[cell] += n

    def add_many(self, amounts: dict[str, int]) -> None:
        """Add to several counters at once, so that a reader sees them move together."""
        with self._lock:
            for name, n in amounts.items():
                self._cells[self._base + _INDEX[name]] += n

    def add_at_gateway(self, name: str, bucket: str) -> None:
        """Count one request that the gateway handled; `bucket` is the printable name."""
        series = self._by_bucket[name]
        with self._lock:
            series[bucket] = series.pop(bucket, 0) + 1
            if len(series) > _BUCKETS_MAX:
                series.popitem(last=False)

    def value(self, name: str) -> int:
        """Return one counter, summed over all workers."""
        number = _INDEX[name]
        return sum(self._cells[number::_ROW_CELLS])

    def snapshot(self) -> dict[str, int]:
        """Return all counters by internal name, summed over all workers."""
        cells = self._cells.tolist()
        return {name: sum(cells[number::_ROW_CELLS]) for name, number in _INDEX.items()}

    def gateway_series(self) -> dict[str, dict[str, int]]:
        """Return gateway counter → printable bucket name → count."""
        with self._lock:
            return {name: dict(series) for name, series in self._by_bucket.items()}

    def uptime_ns(self) -> int:
        """Return nanoseconds since the first worker opened the counters, at least one; the same for all of them."""
        return max(1, round(self._clock.monotonic_s() * 1e9) - self._cells[_START_CELL])

    def reset(self, *, errors_only: bool = False) -> None:
        """Set the counters of all workers to zero, or only those that count errors."""
        with self._lock:
            for name, number in _INDEX.items():
                if not errors_only or name.startswith("err."):
                    for cell in range(number, len(self._cells), _ROW_CELLS):
                        self._cells[cell] = 0
            if not errors_only:
                for series in self._by_bucket.values():
                    series.clear()

    def render_prometheus(
        self,
        node_id: str,
        *,
        primary_id: str = "",
        face: str = "t",
        others: Iterable[Mapping[str, Mapping[str, int]]] = (),
    ) -> bytes:
        """Return the Prometheus text exposition of a face: `t` target, `p` gateway.

        Args:
            others: the gateway series of the other worker processes.
        """
        from moss.node.metrics.exposition import render

        return render(self, node_id, primary_id=primary_id, face=face, others=others)
