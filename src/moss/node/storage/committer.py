"""Group commit: one thread takes the waiting operations, appends them with one write and one sync, and commits the
index once. Only then do their futures resolve."""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from moss.errors import MossError, OutOfSpace, StoreClosed
from moss.node.storage import derived
from moss.node.storage.index import Change, space_error
from moss.node.storage.layout import STATE_ACTIVE, STATE_SEALED, SegmentRow
from moss.node.storage.operations import Appender, Operation
from moss.node.storage.parts import Parts
from moss.node.storage.reserve import Reserve
from moss.node.storage.segments import ActiveSegment

__all__ = ["Committer"]

_GROUP_BYTES_MAX = 32 << 20
_MEASURE_INTERVAL_S = 1.0


@dataclass(slots=True)
class _Outcome:
    """What became of one operation of a group."""

    operation: Operation
    result: Any = None
    error: MossError | None = None


class _DoesNotFit(Exception):
    """Metadata that survives from replaced objects needs more room than was set aside."""

    def __init__(self, needed: int) -> None:
        self.needed = needed
        super().__init__(needed)


class Committer:
    """The only writer of one worker process.

    Args:
        active: the segment to go on with, None to begin one with the first operation.
        on_pressure: called when the disk is nearly full.
    """

    def __init__(
        self, parts: Parts, active: ActiveSegment | None, reserve: Reserve, on_pressure: Callable[[], None]
    ) -> None:
        self._parts, self._active, self._reserve, self._on_pressure = parts, active, reserve, on_pressure
        self._queue: deque[Operation] = deque()
        self._wake = threading.Condition(threading.Lock())
        self._is_closing = False
        self._group_size = self._wanted = 1  # size of the last group; how many the thread waits for
        self._had_room, self._measure_after_s, self._unmeasured_bytes = False, 0.0, 0
        self._lock = threading.Lock()  # held while the active segment changes
        self._thread = threading.Thread(target=self._run, name="moss-committer", daemon=True)
        self._thread.start()

    def submit(self, operation: Operation) -> None:
        """Queue an operation; its future resolves when it is on stable storage.

        Raises:
            StoreClosed: the store is closed.
        """
        with self._wake:
            if self._is_closing:
                raise StoreClosed("the store is closed")
            self._queue.append(operation)
            if len(self._queue) >= self._wanted:
                self._wake.notify()

    def close(self) -> None:
        """Commit what is queued, and stop."""
        with self._wake:
            self._is_closing = True
            self._wake.notify()
        self._thread.join()
        if self._active is not None:
            self._active.close()

    @property
    def active_number(self) -> int:
        """Number of the active segment, 0 if there is none."""
        return self._active.number if self._active is not None else 0

    def seal(self, number: int) -> None:
        """Seal the active segment if it is this one, so that it can be compacted."""
        with self._lock:
            if self._active is not None and self._active.number == number:
                self._seal()

    # -- the thread --

    def _run(self) -> None:
        while True:
            group = self._next_group()
            if not group:
                return
            with self._lock:
                self._commit(group)

    def _next_group(self) -> list[Operation]:
        options = self._parts.options
        with self._wake:
            while not self._queue:
                if self._is_closing:
                    return []
                self._wake.wait()
            if self._group_size > 1 and len(self._queue) < self._group_size and not self._is_closing:
                # Those who waited for the last group are about to come back: one sync for all of them.
                self._wanted = self._group_size
                self._wake.wait(options.commit_wait_s_max)
                self._wanted = 1
            group, size = [], 0
            while self._queue and len(group) < options.commit_puts_max and size < _GROUP_BYTES_MAX:
                group.append(self._queue.popleft())
                size += group[-1].record_bytes_max
            self._group_size = len(group)
            return group

    def _commit(self, group: list[Operation]) -> None:
        while group:
            batch = self._admitted(group)
            group = group[len(batch) :]
            try:
                self._commit_batch(batch)
            except Exception as error:
                self._retry_apart(batch, error)

    def _admitted(self, group: list[Operation]) -> list[Operation]:
        """Return as many operations as the active segment has room for, at least one."""
        room = self._active.room if self._active is not None else self._parts.segment_bytes
        for count, operation in enumerate(group):
            room -= operation.record_bytes_max
            if room < 0 and count:
                return group[:count]
        return group

    def _retry_apart(self, batch: list[Operation], error: Exception) -> None:
        """A group failed as a whole: find out who can be served. Deletes may use the reserve."""
        for operation in batch:
            try:
                if len(batch) == 1 and not isinstance(error, _DoesNotFit):
                    raise error
                if isinstance(error, _DoesNotFit):
                    operation.record_bytes_max = max(operation.record_bytes_max, error.needed)
                self._commit_batch([operation])
            except Exception as own:
                self._last_resort(operation, own)

    def _last_resort(self, operation: Operation, error: Exception) -> None:
        if not space_error(error) and not isinstance(error, OutOfSpace):
            operation.undo()
            operation.future.set_exception(error)
            return
        self._on_pressure()
        if not operation.needs_space and self._reserve.release():
            try:
                self._commit_batch([operation])
                return
            except Exception as own:
                error = own
        operation.undo()
        operation.future.set_exception(
            error if isinstance(error, MossError) else OutOfSpace("no space left on the node's disk")
        )

    def _commit_batch(self, batch: list[Operation]) -> None:
        active = self._require_active(sum(operation.record_bytes_max for operation in batch))
        has_room = self._has_room(active)
        change = Change(self._parts.index)
        try:
            appender = Appender(active.number, active.end)
            outcomes = [self._stage(operation, change, appender, has_room) for operation in batch]
            if appender.offset > active.end + active.room:
                raise _DoesNotFit(appender.offset - active.end)
            if appender.buffers:
                active.write(appender.buffers, sync=self._parts.options.sync)
                row = change.segment(active.number)
                assert row is not None
                row.indexed = appender.offset
            change.finish()
        except BaseException:
            # Files go back before the writer lock does: their numbers are free from then on.
            for operation in batch:
                operation.rollback()
            change.abort()
            active.discard()
            raise
        self._unmeasured_bytes += appender.offset - active.end
        active.end = appender.offset
        derived.clean_up(self._parts, change)
        if not has_room:
            self._on_pressure()
        for outcome in outcomes:
            self._resolve(outcome)

    def _has_room(self, active: ActiveSegment) -> bool:
        """Whether there is more free space than the headroom. Asking the file system takes longer than a small put."""
        now_s = time.monotonic()
        headroom = self._parts.headroom_bytes
        if not self._had_room or now_s > self._measure_after_s or self._unmeasured_bytes > headroom // 8:
            self._had_room = active.free_bytes() >= headroom
            self._measure_after_s, self._unmeasured_bytes = now_s + _MEASURE_INTERVAL_S, 0
        return self._had_room

    def _stage(self, operation: Operation, change: Change, appender: Appender, has_room: bool) -> _Outcome:
        if operation.needs_space and not has_room:
            return _Outcome(operation, error=OutOfSpace("no space left on the node's disk"))
        try:
            return _Outcome(operation, operation.stage(self._parts, change, appender))
        except MossError as error:
            return _Outcome(operation, error=error)

    @staticmethod
    def _resolve(outcome: _Outcome) -> None:
        if outcome.error is not None:
            outcome.operation.undo()
            outcome.operation.future.set_exception(outcome.error)
        else:
            outcome.operation.future.set_result(outcome.result)

    # -- the active segment --

    def _require_active(self, record_bytes: int) -> ActiveSegment:
        if self._active is not None and self._active.room < record_bytes:
            self._seal()
        if self._active is None:
            self._active = self._begin_segment(record_bytes)
        return self._active

    def _begin_segment(self, record_bytes: int) -> ActiveSegment:
        parts, options = self._parts, self._parts.options
        change = Change(parts.index)
        try:
            number = change.new_segment()
            capacity = max(parts.segment_bytes, record_bytes + 4096)
            active = ActiveSegment.create(
                number, parts.paths.segment(number), capacity=capacity, codec=parts.codec, sync=options.sync
            )
        except BaseException:
            change.abort()
            raise
        try:
            row = SegmentRow(STATE_ACTIVE, options.worker, capacity, active.end, 0, (1 << 64) - 1)
            change.set_segment(number, row)
            change.finish()
        except BaseException:
            active.close()
            active.path.unlink(missing_ok=True)
            raise
        return active

    def _seal(self) -> None:
        active, self._active = self._active, None
        assert active is not None
        size = active.seal(sync=self._parts.options.sync)
        change = Change(self._parts.index)
        row = change.segment(active.number)
        if row is not None:
            row.state, row.capacity = STATE_SEALED, size
        change.finish()
