"""The life of work items: admission, throttling, expiry, stops; whatever happens, none is left on the books."""

import asyncio
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from moss.archive.formats import Format
from moss.errors import Aborted, BucketNotFound, TooManyRequests, WorkItemNotFound
from moss.naming.bucket import Bucket
from moss.node.clock import ManualClock
from moss.node.config import ConfigStore
from moss.node.getbatch.admission import FOLLOW_S_MAX, PENDING_MAX, PENDING_THROTTLE
from moss.node.getbatch.plan import Batch, Options
from moss.node.getbatch.service import BatchService
from moss.node.jobs.registry import JobRegistry
from moss.node.metrics import Metrics
from moss.node.storage.engine import Engine
from moss.node.storage.shards import ShardIndexes


class Desk:
    """A service with everything behind it real but the clock."""

    def __init__(self, folder: Path, engine: Engine, shards: ShardIndexes) -> None:
        self.clock, self.folder = ManualClock(), folder
        self.config, self.metrics = ConfigStore(folder), Metrics(folder, clock=self.clock)
        self.jobs = JobRegistry(self.config, self.metrics, clock=self.clock)
        self.service = BatchService(
            engine=engine,
            shards=shards,
            config=self.config,
            metrics=self.metrics,
            jobs=self.jobs,
            clock=self.clock,
            gateway_id="pGateway1",
            target_name="t[one]",
            spool_folder=folder,
        )

    def close(self) -> None:
        self.service.close()
        self.jobs.close()
        self.metrics.close()
        self.config.close()


@pytest.fixture
def desk(tmp_path: Path, engine: Engine, shards: ShardIndexes) -> Iterator[Desk]:
    made = Desk(tmp_path / "run", engine, shards)
    yield made
    made.close()


def batch_of(bucket: Bucket, *names: str, streaming: bool = True, continue_on_error: bool = False) -> Batch:
    return Batch(Options(Format.TAR, continue_on_error, False, streaming), list(names), [bucket])


class Wire:
    """Takes an answer in memory, where a writer would send it."""

    def __init__(self) -> None:
        self.body = bytearray()
        self.is_complete = False

    async def stream(self, status: int, headers: dict[str, str], source) -> None:
        try:
            for window in source:
                for buffer in window:
                    self.body += buffer
                await asyncio.sleep(0)
            self.is_complete = True
        finally:
            source.close()

    async def send_streamed(self, status: int, headers: dict[str, str], buffers) -> None:
        self.body += b"".join(buffers)
        self.is_complete = True

    @property
    def writer(self) -> "Wire":
        return self


def test_a_client_that_vanishes_while_it_is_throttled_leaves_no_work_behind(desk: Desk, bucket: Bucket):
    async def run() -> None:
        items = [
            await desk.service.admit(batch_of(bucket, "a"), b"", bucket, "10.0.0.1") for _ in range(PENDING_THROTTLE)
        ]
        throttled = asyncio.create_task(desk.service.admit(batch_of(bucket, "a"), b"", bucket, "10.0.0.1"))
        await asyncio.sleep(0)
        throttled.cancel()
        await asyncio.wait([throttled])
        assert throttled.cancelled()
        assert items[0].job.pending == PENDING_THROTTLE
        assert desk.service.admission.pending("10.0.0.1") == PENDING_THROTTLE

    asyncio.run(run())


def test_requests_that_are_throttled_together_do_not_pass_the_limit_together(desk: Desk, bucket: Bucket):
    async def run() -> None:
        asked = [desk.service.admit(batch_of(bucket, "a"), b"", bucket, "10.0.0.1") for _ in range(PENDING_MAX + 44)]
        results = await asyncio.gather(*asked, return_exceptions=True)
        refused = [result for result in results if isinstance(result, TooManyRequests)]
        assert len(refused) == 44
        assert desk.service.admission.pending("10.0.0.1") == PENDING_MAX
        assert desk.metrics.snapshot()["err.getbatch.n"] == 44

    asyncio.run(run())


def test_no_two_pending_work_items_have_one_id(desk: Desk, bucket: Bucket, monkeypatch: pytest.MonkeyPatch):
    drawn = iter(["same-0", "same-0", "same-0", "other0"])
    monkeypatch.setattr(secrets, "token_urlsafe", lambda size: next(drawn))

    async def run() -> None:
        first = await desk.service.admit(batch_of(bucket, "a"), b"", bucket, "10.0.0.1")
        desk.service.admission.start(first)
        second = await desk.service.admit(batch_of(bucket, "a"), b"", bucket, "10.0.0.1")
        assert (first.wid, second.wid) == ("pGatewa-same-", "pGatewa-other")

    asyncio.run(run())


def test_btr_15_an_expired_work_item_leaves_its_job_idle(desk: Desk, bucket: Bucket):
    async def run() -> None:
        item = await desk.service.admit(batch_of(bucket, "a"), b"", bucket, "10.0.0.1")
        desk.clock.advance(FOLLOW_S_MAX + 1)
        desk.service._expire()
        assert item.job.pending == 0
        with pytest.raises(WorkItemNotFound):
            desk.service.find(item.job.id, item.wid)
        assert desk.metrics.snapshot()["getbatch.n"] == 0

    asyncio.run(run())


def test_btr_08_a_job_stopped_between_admission_and_answer_ends_the_answer(desk: Desk, engine: Engine, bucket: Bucket):
    engine.put(bucket, "a", b"payload").result()

    async def run() -> None:
        for streaming in (True, False):
            item = await desk.service.admit(batch_of(bucket, "a", streaming=streaming), b"", bucket, "10.0.0.1")
            item.job.abort()
            with pytest.raises(Aborted, match="aborted"):
                await desk.service.serve(item, Wire())
            # The stop must not reach what the connection does next: its error answer, or its next request.
            await asyncio.sleep(0.01)
            assert desk.service.admission.pending("10.0.0.1") == 0
            assert item.job.pending == 0

    asyncio.run(run())


def test_btr_01_a_bucket_destroyed_before_its_answer_is_an_error(desk: Desk, engine: Engine, bucket: Bucket):
    engine.put(bucket, "a", b"payload").result()

    async def run() -> None:
        item = await desk.service.admit(batch_of(bucket, "a", continue_on_error=True), b"", bucket, "10.0.0.1")
        engine.drop_bucket(bucket)
        with pytest.raises(BucketNotFound):
            await desk.service.serve(item, Wire())
        assert desk.service.admission.pending("10.0.0.1") == 0
        assert desk.metrics.snapshot()["err.getbatch.n"] == 1

    asyncio.run(run())


@pytest.mark.parametrize("streaming", [True, False])
def test_a_served_work_item_is_counted_once(desk: Desk, engine: Engine, bucket: Bucket, streaming: bool):
    engine.put(bucket, "a", b"payload").result()

    async def run() -> None:
        item = await desk.service.admit(batch_of(bucket, "a", "a", streaming=streaming), b"", bucket, "10.0.0.1")
        wire = Wire()
        await desk.service.serve(item, wire)
        assert wire.is_complete
        assert wire.body.count(b"payload") == 2
        with pytest.raises(WorkItemNotFound):
            await desk.service.serve(item, Wire())
        counted = desk.metrics.snapshot()
        assert (counted["getbatch.n"], counted["getbatch.obj.n"], counted["getbatch.obj.size"]) == (1, 2, 14)

    asyncio.run(run())
