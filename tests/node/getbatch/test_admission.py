"""Which batches may start."""

import pytest

from moss.errors import TooManyRequests, WorkItemNotFound
from moss.node.clock import ManualClock
from moss.node.getbatch.admission import FOLLOW_S_MAX, PENDING_MAX, PENDING_THROTTLE, Admission, WorkItem


class Desk:
    """An admission with a clock that stands still."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.expired: list[str] = []
        self.admission = Admission(self.clock.monotonic_s, lambda item: self.expired.append(item.wid))
        self._count = 0

    def item(self, client: str = "10.0.0.1") -> WorkItem:
        self._count += 1
        return WorkItem(str(self._count), client, None, None, 0, 6, self.clock.monotonic_s())

    def wait(self, client: str = "10.0.0.1") -> WorkItem:
        item = self.item(client)
        self.admission.wait(item)
        return item


def test_the_257th_request_is_refused_with_the_number_pending():
    desk = Desk()
    for _ in range(PENDING_MAX):
        desk.admission.check("10.0.0.1", lambda: "job")
        desk.wait()
    with pytest.raises(TooManyRequests, match=r"job: wid=.* rejected: pending=256") as refused:
        desk.admission.check("10.0.0.1", lambda: 'job: wid="x"')
    assert refused.value.retry_after_s == 1


def test_btr_15_a_client_that_never_follows_locks_out_only_itself():
    desk = Desk()
    for _ in range(PENDING_MAX):
        desk.wait("10.0.0.1")
    assert desk.admission.check("10.0.0.2", lambda: "job") is False


def test_btr_15_admissions_that_nobody_follows_expire_within_seconds():
    desk = Desk()
    first = desk.wait()
    desk.clock.advance(FOLLOW_S_MAX + 0.1)
    second = desk.wait()
    assert desk.admission.get(first.wid) is None
    assert desk.admission.get(second.wid) is second
    assert desk.expired == [first.wid]
    assert desk.admission.pending("10.0.0.1") == 1


def test_running_answers_of_all_clients_count_together():
    desk = Desk()
    for i in range(PENDING_MAX):
        desk.admission.start(desk.wait(f"10.0.0.{i % 7}"))
    with pytest.raises(TooManyRequests):
        desk.admission.check("10.9.9.9", lambda: "job")


def test_many_pending_requests_slow_new_ones_down_before_they_are_refused():
    desk = Desk()
    for _ in range(PENDING_THROTTLE - 1):
        desk.wait()
    assert desk.admission.check("10.0.0.1", lambda: "job") is False
    desk.wait()
    assert desk.admission.check("10.0.0.1", lambda: "job") is True


def test_a_work_item_is_served_once():
    desk = Desk()
    item = desk.wait()
    desk.admission.start(item)
    with pytest.raises(WorkItemNotFound):
        desk.admission.start(item)
    desk.admission.end(item)
    with pytest.raises(WorkItemNotFound):
        desk.admission.start(item)
    assert desk.admission.pending("10.0.0.1") == 0


def test_ending_twice_counts_once():
    desk = Desk()
    item = desk.wait()
    desk.admission.start(item)
    desk.admission.end(item)
    desk.admission.end(item)
    assert desk.admission.pending("10.0.0.1") == 0
