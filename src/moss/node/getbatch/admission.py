"""Which batches may start, and the work items that wait for their redirect to be followed.

Pending means: answers being assembled, counted for the whole target, and admissions of the *same client* whose
redirect nobody has followed yet. A client that never follows locks out nobody but itself, and what it left expires
within seconds. Pure: the clock is passed in.

Source: spec/getbatch.md 8.7; spec/better-than-the-reference.md 15.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from moss.errors import TooManyRequests, WorkItemNotFound

PENDING_MAX = 256
PENDING_THROTTLE = 96
THROTTLE_S = 0.010
# A redirect that is not followed for so long is forgotten.
FOLLOW_S_MAX = 10.0


@dataclass(slots=True)
class WorkItem:
    """One admitted request.

    Attributes:
        wid: its id.
        client: the address that asked (without port).
        job: the job that it belongs to.
        batch: what was admitted.
        body_digest: digest of the admitted request's body.
        soft_errors_max: the budget, as configured when it was admitted.
        admitted_s: clock time of the admission.
    """

    wid: str
    client: str
    job: Any
    batch: Any
    body_digest: int
    soft_errors_max: int
    admitted_s: float
    is_running: bool = False
    has_ended: bool = field(default=False)


class Admission:
    """Counts pending work items of one target. Thread-safe.

    Args:
        now: monotonic seconds.
        on_expired: called with each work item that nobody followed.
    """

    def __init__(self, now: Callable[[], float], on_expired: Callable[[WorkItem], None]) -> None:
        self._now, self._on_expired = now, on_expired
        self._waiting: OrderedDict[str, WorkItem] = OrderedDict()
        self._waiting_of: dict[str, int] = {}
        self._running: set[str] = set()
        self._lock = threading.Lock()

    def pending(self, client: str) -> int:
        """Count what stands in the way of another request of this client."""
        self.expire()
        with self._lock:
            return len(self._running) + self._waiting_of.get(client, 0)

    def check(self, client: str, describe: Callable[[], str]) -> bool:
        """Tell whether a request may start.

        Returns:
            True when it should first wait `THROTTLE_S`.

        Raises:
            TooManyRequests: too much is pending.
        """
        pending = self.pending(client)
        if pending >= PENDING_MAX:
            raise TooManyRequests(f"{describe()} rejected: pending={pending}")
        return pending >= PENDING_THROTTLE

    def wait(self, item: WorkItem) -> None:
        """Keep an admitted work item until its redirect is followed."""
        with self._lock:
            self._waiting[item.wid] = item
            self._waiting_of[item.client] = self._waiting_of.get(item.client, 0) + 1

    def is_pending(self, wid: str) -> bool:
        """Tell whether an id is in use: a new work item needs another."""
        with self._lock:
            return wid in self._waiting or wid in self._running

    def get(self, wid: str) -> WorkItem | None:
        """Return a waiting work item without starting it."""
        self.expire()
        return self._waiting.get(wid)

    def start(self, item: WorkItem) -> None:
        """Mark a work item as being served; a redirect address serves one answer.

        Raises:
            WorkItemNotFound: another request has taken it in the meantime.
        """
        with self._lock:
            if item.wid in self._waiting:
                self._remove(item)
            elif item.is_running or item.has_ended:
                raise WorkItemNotFound(f'wid="{item.wid}" is being served')
            item.is_running = True
            self._running.add(item.wid)

    def end(self, item: WorkItem) -> bool:
        """Take a work item off the books; False when it was off already."""
        with self._lock:
            if item.has_ended:
                return False
            if item.is_running:
                item.is_running = False
                self._running.discard(item.wid)
            elif item.wid in self._waiting:
                self._remove(item)
            item.has_ended = True
            return True

    def expire(self) -> None:
        """Forget the work items that nobody followed."""
        limit = self._now() - FOLLOW_S_MAX
        expired = []
        with self._lock:
            while self._waiting:
                item = next(iter(self._waiting.values()))
                if item.admitted_s > limit:
                    break
                self._remove(item)
                item.has_ended = True
                expired.append(item)
        for item in expired:
            self._on_expired(item)

    def waiting(self) -> list[WorkItem]:
        with self._lock:
            return list(self._waiting.values())

    def _remove(self, item: WorkItem) -> None:
        del self._waiting[item.wid]
        left = self._waiting_of[item.client] - 1
        if left:
            self._waiting_of[item.client] = left
        else:
            del self._waiting_of[item.client]
