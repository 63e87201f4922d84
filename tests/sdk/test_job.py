"""Jobs: how their end is noticed, and what is said about it."""

import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from moss.sdk import Client, WaitResult
from moss.sdk.errors import AISError, JobInfoNotFound, Timeout
from moss.sdk.job_ids import JobIds
from moss.sdk.job_types import JobSnap
from moss.sdk.polling import next_wait_s
from tests.sdk.peer import Peer, Received, Reply, error_reply, json_reply

ZERO, END = "0001-01-01T00:00:00Z", "2026-03-04T05:06:08.123456789Z"


def snaps(*targets: dict) -> Reply:
    found = {}
    for number, fields in enumerate(targets):
        snap = {"id": "id1", "kind": "archive", "start-time": "2026-03-04T05:06:07Z", "end-time": ZERO}
        found[f"t{number}"] = [snap | {name.replace("_", "-"): value for name, value in fields.items()}]
        found[f"t{number}"][0]["is_idle"] = fields.get("is_idle", False)
    return json_reply(found)


RUNNING, IDLE = {}, {"is_idle": True}
FINISHED = {"end_time": END}


def running_for(seconds: float, still: Reply, done: Reply):
    """A server's side of a job that takes so long."""
    end_s = time.monotonic() + seconds

    def reply(request: Received) -> Reply:
        return done if time.monotonic() >= end_s else still

    return reply


def asked(peer: Peer) -> list[str]:
    return [r.query["what"] for r in peer.received]


def test_102_an_id_is_enough(client: Client, peer: Peer):
    status = json_reply({"uuid": "id1", "end_time": 1_772_600_767_000_000_000})
    peer.scripted = [snaps({"kind": "copy-bck"}), status]
    job = client.job("id1")
    result = job.wait()
    assert result and result.job_id == "id1" and result.end_time == datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
    assert asked(peer) == ["qryxstats", "status"] and job.job_kind == "copy-bck"


def test_102_unknown_ids(client: Client, peer: Peer):
    peer.scripted = [json_reply({"t": []}), error_reply(404, '"x-[id1]" not found')]
    with pytest.raises(JobInfoNotFound):
        client.job("id1").wait()
    with pytest.raises(AISError) as caught:
        client.job("id1").wait()
    assert caught.value.status_code == 404


@pytest.mark.parametrize(
    ("kind", "still"),
    [("lru", json_reply({"uuid": "id1", "end_time": 0})), ("archive", snaps(RUNNING)), ("resilver", snaps(RUNNING))],
)
def test_102_waiting_ends_with_the_timeout(client: Client, peer: Peer, kind: str, still: Reply):
    peer.handle = lambda request: still
    started_s = time.monotonic()
    with pytest.raises(Timeout, match="id1"):
        client.job("id1", kind).wait(timeout=0.1)
    assert 0.1 <= time.monotonic() - started_s < 5


def test_103_idle_needs_two_looks_in_a_row(client: Client, peer: Peer):
    peer.scripted = [snaps(RUNNING), snaps(IDLE), snaps(RUNNING), snaps(IDLE, RUNNING), snaps(IDLE), snaps(IDLE, IDLE)]
    result = client.job("id1", "archive").wait()
    assert result and result.end_time is None and len(peer.received) == 6


def test_103_nothing_known_yet_is_not_idle(client: Client, peer: Peer):
    peer.scripted = [json_reply({"t0": []})] * 3 + [snaps(IDLE)] * 2
    assert client.job("id1", "archive").wait() and len(peer.received) == 5


def test_103_an_abort_on_one_target_ends_the_wait(client: Client, peer: Peer):
    peer.scripted = [snaps(RUNNING, {"aborted": True, "abort_err": "user abort"})]
    result = client.job("id1", "archive").wait()
    assert not result and result.error == "user abort" and len(peer.received) == 1


def test_103_a_job_that_finished_is_done_at_the_first_look(client: Client, peer: Peer):
    peer.scripted = [snaps(FINISHED, FINISHED)]
    result = client.job("id1", "archive").wait_for_idle()
    assert result and result.end_time == datetime(2026, 3, 4, 5, 6, 8, 123456, tzinfo=UTC) and len(peer.received) == 1


def test_103_errors_of_a_job_that_went_on_are_not_success(client: Client, peer: Peer):
    peer.scripted = [snaps(FINISHED, {**FINISHED, "err": "disk full"})]
    assert client.job("id1", "archive").wait() == WaitResult("id1", False, "disk full", client_end())


def client_end() -> datetime:
    return datetime(2026, 3, 4, 5, 6, 8, 123456, tzinfo=UTC)


def test_one_target_is_enough_for_jobs_of_one_target(client: Client, peer: Peer):
    peer.scripted = [snaps(RUNNING, RUNNING), snaps(RUNNING, FINISHED)]
    assert client.job("id1", "blob-download").wait()
    assert asked(peer) == ["qryxstats"] * 2


def test_jobs_without_a_status_are_waited_for_at_the_targets(client: Client, peer: Peer):
    peer.scripted = [error_reply(404, "x-summary-bck[id1] does not exist"), snaps(RUNNING), snaps(FINISHED)]
    assert client.job("id1", "summary-bck").wait()
    assert asked(peer) == ["status", "qryxstats", "qryxstats"]


@pytest.mark.parametrize("kind", ["copy-bck", "archive"])
def test_104_a_short_job_is_noticed_at_once(client: Client, peer: Peer, kind: str):
    if kind == "archive":
        peer.handle = running_for(0.05, snaps(RUNNING), snaps(IDLE))
    else:
        running, done = ({"uuid": "id1", "end_time": end} for end in (0, 5))
        peer.handle = running_for(0.05, json_reply(running), json_reply(done))
    started_s = time.monotonic()
    assert client.job("id1", kind).wait()
    assert time.monotonic() - started_s < 0.5


def test_104_the_looks_become_rarer():
    assert next_wait_s(0.0, 300) == 0.002
    assert next_wait_s(1.0, 300) == 0.25
    assert next_wait_s(1000.0, 3000) == 2.0
    assert next_wait_s(299.9, 300) == pytest.approx(0.1)


def test_104_results_are_true_when_the_job_succeeded():
    assert WaitResult("x", True) and not WaitResult("x", False, "e")


def test_a_wait_leaves_no_threads(client: Client, peer: Peer):
    peer.scripted = [snaps(FINISHED)]
    before = threading.active_count()
    client.job("id1", "archive").wait(verbose=False)
    assert threading.active_count() <= before + 1  # the peer's own


def test_what_cannot_be_asked(client: Client, peer: Peer):
    with pytest.raises(ValueError, match="ID"):
        client.job(job_kind="lru").status()
    with pytest.raises(ValueError, match="id or kind"):
        client.job().abort()
    with pytest.raises(ValueError, match="one job id"):
        client.job(JobIds(["a", "b"]))
    assert peer.received == []


def test_33_ids_of_jobs(client: Client, peer: Peer):
    peer.scripted = [Reply(body=b"a,b"), Reply(body=b"a\n")]
    group = client.bucket("b").objects(obj_names=["x"])
    assert group.copy(client.bucket("c")) == ["a", "b"]
    ids = group.archive("a.tar")
    assert str(ids) == "a" and isinstance(ids, list) and client.job(ids).job_id == "a"


def test_starting_is_not_repeated_after_a_broken_connection(client: Client, peer: Peer):
    peer.scripted = [Reply(body=b"12345", cut_at=0, content_length=5)]
    with pytest.raises(Exception, match=r"cut off|closed"):
        client.job(job_kind="lru").start()
    assert len(peer.received) == 1


def test_jobs_of_a_time(client: Client, peer: Peer):
    peer.handle = lambda request: snaps(FINISHED, {"id": "other", "kind": "x", "end_time": END})
    job = client.job("id1", "archive")
    start = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
    assert [snap.id for snap in job.get_within_timeframe(start)] == ["id1"]
    assert job.get_within_timeframe(start, start + timedelta(seconds=2))
    for first, last in ((start + timedelta(seconds=1), None), (start, start + timedelta(seconds=1))):
        with pytest.raises(JobInfoNotFound):
            job.get_within_timeframe(first, last)
    assert job.get_total_time() == timedelta(seconds=1, microseconds=123456)


def test_packed_counts():
    assert JobSnap(packed=4099).unpack_glob_id() == (3, 4, 0)
    assert JobSnap(packed=(7 << 20) | 1).unpack_glob_id() == (1, 0, 7)
