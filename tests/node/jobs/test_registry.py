"""The registry: one get-batch job a bucket, stopping, bounds, and jobs that run in threads."""

import asyncio
import threading

import pytest

from moss.errors import Aborted, JobNotActive, NotFound
from moss.naming.bucket import Bucket
from moss.node.clock import ManualClock
from moss.node.config import ConfigStore
from moss.node.jobs import JobQuery, JobRegistry, is_job_id, registry
from moss.node.metrics import Metrics

_A, _B = Bucket("a"), Bucket("b")


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def jobs(tmp_path, clock):
    config, metrics = ConfigStore(tmp_path), Metrics(tmp_path, clock=clock)
    jobs = JobRegistry(config, metrics, clock=clock)
    yield jobs
    jobs.close()
    metrics.close()
    config.close()


def test_btr_16_one_batch_job_a_path_bucket_and_one_without(jobs):
    ids = {jobs.acquire_batch_job(bucket).id for _ in range(50) for bucket in (_A, _B, None)}
    assert len(ids) == 3
    assert all(job_id.startswith("gbt-") and is_job_id(job_id) for job_id in ids)
    assert len(jobs.find(JobQuery(kind="get-batch"))) == 3


def test_job_name_has_id_and_bucket(jobs):
    job, none = jobs.acquire_batch_job(_A), jobs.acquire_batch_job(None)
    assert job.name == f"x-get-batch[{job.id}]-ais://a"
    assert none.name == f"x-get-batch[{none.id}]"
    assert job.timed_name == f"{job.name}-22:13:20.000000"


def test_idle_job_ends_after_a_minute_and_stays_visible_for_another(jobs, clock):
    job = jobs.acquire_batch_job(_A)
    job.begin_work("w1")
    clock.advance(100)
    assert jobs.acquire_batch_job(_A) is job
    job.end_work(3, 30, wid="w1")
    clock.advance(5.9)
    assert not job.snapshot().is_idle
    clock.advance(0.1)
    assert job.snapshot().is_idle
    assert job.snapshot().ended_ns == 0
    clock.advance(54)
    assert jobs.acquire_batch_job(_A) is not job
    assert jobs.get(job.id).snapshot().ended_ns == clock.now_ns()
    clock.advance(60)
    assert jobs.get(job.id) is None


def test_ended_job_takes_no_work(jobs):
    job = jobs.acquire_batch_job(_A)
    jobs.stop(JobQuery((job.id,)))
    with pytest.raises(JobNotActive, match=r'^x-moss: xid "gbt-\w+" not active$'):
        job.begin_work("w")


def test_work_is_counted_once_by_its_id(jobs):
    job = jobs.acquire_batch_job(_A)
    job.begin_work("w1")
    job.begin_work("w2")
    assert jobs.pending_batches == 2
    job.end_work(2, 20, wid="w1")
    job.end_work(2, 20, wid="w1")
    assert job.pending == 1
    assert (job.snapshot().counters.local_objects, job.snapshot().counters.local_bytes) == (2, 20)


def test_counters_of_the_target_move_with_each_served_work_item(jobs):
    job = jobs.acquire_batch_job(_A)
    for wid, amounts in {"w1": (2, 20, 1, 5, 3), "w2": (0, 0, 0, 0, 0, True)}.items():
        job.begin_work(wid)
        job.end_work(*amounts, wid=wid)
    job.begin_work("w3")
    job.end_work(wid="w3", is_served=False)
    assert job.snapshot().control_text == "reqs:2 errs:1 objs: [2 20B] files: [1 5B], bewarm:on"


def test_stop_by_kind_and_bucket_hits_that_bucket_only(jobs):
    job_a, job_b = jobs.acquire_batch_job(_A), jobs.acquire_batch_job(_B)
    jobs.stop(JobQuery(kind="get-batch", bucket=_A))
    assert job_a.aborted.is_set()
    assert not job_b.aborted.is_set()
    assert (job_a.snapshot().is_aborted, job_a.snapshot().abort_error) == (True, "user abort")
    assert jobs.acquire_batch_job(_A).id != job_a.id
    assert jobs.acquire_batch_job(_B) is job_b


def test_stop_calls_back_at_once_and_only_once(jobs):
    job = jobs.acquire_batch_job(_A)
    called = []
    job.on_abort(lambda: called.append("kept"))
    forget = job.on_abort(lambda: called.append("forgotten"))
    forget()
    jobs.stop(JobQuery((job.id,)))
    jobs.stop(JobQuery((job.id,)))
    job.on_abort(lambda: called.append("late"))
    assert called == ["kept", "late"]


def test_finished_job_does_not_become_aborted(jobs):
    job = jobs.start("lru", lambda job: None)
    assert job.wait(10)
    jobs.stop(JobQuery((job.id,)))
    assert not job.snapshot().is_aborted


def test_job_in_a_thread_is_stopped_while_it_waits(jobs):
    begun = threading.Event()

    def work(job):
        begun.set()
        assert job.aborted.wait(10)
        job.check()

    job = jobs.start("load-lom-cache", work, bucket=_A)
    assert begun.wait(10)
    jobs.stop_bucket(_A, "bucket is gone")
    assert job.snapshot().abort_error == "bucket is gone"
    with pytest.raises(Aborted):
        job.check()


def test_error_of_a_job_is_its_result(jobs):
    def work(job):
        raise NotFound("ais://a/x does not exist")

    job = jobs.start("archive", work, bucket=_A)
    assert job.wait(10)
    found = job.snapshot()
    assert (found.error, found.is_aborted, found.is_idle) == ("ais://a/x does not exist", False, True)


def test_errors_are_bounded_and_counted(jobs):
    done = threading.Event()

    def work(job):
        for number in range(100):
            job.add_error(f"error {number % 20}")
        done.set()

    job = jobs.start("delete-listrange", work, bucket=_A)
    assert job.wait(10)
    assert job.snapshot().error.startswith("error 0 (and ")


def test_btr_18_demand_job_is_idle_when_its_work_is_done(jobs, clock):
    release = threading.Event()
    job = jobs.start("copy-listrange", lambda job: release.wait(10), bucket=_A, source=_A, destination=_B)
    assert not job.snapshot().is_idle
    release.set()
    jobs._runners.shutdown(wait=True)
    assert (job.snapshot().is_idle, job.snapshot().ended_ns) == (True, 0)
    clock.advance(60)
    assert jobs.get(job.id).snapshot().ended_ns > 0


def test_first_known_of_several_ids_is_shown(jobs):
    job = jobs.acquire_batch_job(_A)
    other = jobs.acquire_batch_job(_B)
    assert jobs.find(JobQuery(("gbt-unknown01", other.id, job.id))) == [other]


def test_btr_16_registry_is_bounded(jobs, monkeypatch):
    monkeypatch.setattr(registry, "JOBS_MAX", 20)
    for _ in range(100):
        job = jobs.start("lru", lambda job: None)
        assert job.wait(10)
    assert len(jobs.find(JobQuery())) <= 22
    assert jobs.get(job.id) is job


def test_btr_16_active_batch_jobs_are_bounded(jobs, clock, monkeypatch):
    monkeypatch.setattr(registry, "BATCH_JOBS_ACTIVE_MAX", 10)
    busy = jobs.acquire_batch_job(Bucket("busy"))
    busy.begin_work("w")
    for number in range(40):
        clock.advance(0.1)
        jobs.acquire_batch_job(Bucket(f"b{number}"))
    active = jobs.find(JobQuery(kind="get-batch", active_only=True))
    assert len(active) == 10
    assert busy in active


@pytest.mark.parametrize(("text", "fits"), [("KbV3xQa1d", True), ("g17", True), ("!", False), ("short", False)])
def test_form_of_job_ids(text, fits):
    assert is_job_id(text) is fits


def test_workers_share_the_jobs_of_a_node(tmp_path, clock):
    config = ConfigStore(tmp_path)
    metrics = [Metrics(tmp_path, worker, clock=clock) for worker in (0, 1)]
    one, two = (JobRegistry(config, found, clock=clock) for found in metrics)
    try:
        mine, theirs = one.acquire_batch_job(_A), two.acquire_batch_job(_A)
        assert mine.id == theirs.id
        mine.begin_work("w1")
        theirs.begin_work("w2")
        mine.end_work(1, 10, wid="w1")
        theirs.end_work(2, 20, wid="w2")
        (found,) = one.snapshots(JobQuery(kind="get-batch"))
        assert (found.id, found.counters.local_objects, found.counters.local_bytes) == (mine.id, 3, 30)
        job = two.start("summary-bck", lambda job: setattr(job, "result", [1, 2]))
        assert job.wait(10)
        assert one.result(job.id) == (True, [1, 2])
        assert one.result("unknown01") is None
        one.stop(JobQuery((mine.id,)))
        assert theirs.aborted.is_set()
        assert one.snapshots(JobQuery((mine.id,)))[0].is_aborted
        assert two.acquire_batch_job(_A).id != mine.id
    finally:
        for part in (one, two, *metrics, config):
            part.close()


def test_a_frozen_sibling_holds_up_neither_the_event_loop_nor_other_buckets(tmp_path, clock):
    config = ConfigStore(tmp_path)
    metrics = [Metrics(tmp_path, worker, clock=clock) for worker in (0, 1)]
    one, two = (JobRegistry(config, found, clock=clock) for found in metrics)
    asked, release = threading.Event(), threading.Event()

    def freeze(uname: str) -> str:
        asked.set()
        release.wait(10)
        return ""

    async def ask_while_frozen() -> str:
        known = await one.batch_job(_B)
        two.links.serve("jobs.batch", freeze)
        pending = asyncio.create_task(one.batch_job(_A))
        while not asked.is_set():
            await asyncio.sleep(0)
        # The sibling has been asked and says nothing: everything else goes on.
        assert (await one.batch_job(_B)) is known
        assert one.get(known.id) is known
        assert one.start("cleanup-store", lambda job: None).wait(10)
        assert not pending.done()
        release.set()
        return (await pending).id

    try:
        made = asyncio.run(ask_while_frozen())
        assert one.acquire_batch_job(_A).id == made
    finally:
        release.set()
        for part in (one, two, *metrics, config):
            part.close()


def test_btr_18_slow_jobs_do_not_hold_up_others(jobs):
    release = threading.Event()
    slow = [jobs.start("lru", lambda job: release.wait(20)) for _ in range(16)]
    assert jobs.start("cleanup-store", lambda job: None).wait(10)
    assert all(job.is_active for job in slow)
    release.set()
    assert all(job.wait(10) for job in slow)


def test_btr_18_downloads_that_wait_for_a_host_leave_room_for_other_jobs(jobs):
    release, ended = threading.Event(), threading.Semaphore(0)

    def fetch(job):
        release.wait(20)
        ended.release()

    for _ in range(80):
        jobs.start("download", fetch)
    assert jobs.start("cleanup-store", lambda job: None).wait(10)
    release.set()
    assert all(ended.acquire(timeout=10) for _ in range(80))
