"""The GetBatch service of a node: admits requests, keeps work items, serves answers, accounts for them.

The life of a work item: `admit` (gateway, phase 1) → waits for the redirect to be followed, or is served at once →
`serve` → ended, whatever happens, in one place.
"""

import asyncio
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from xxhash import xxh3_64_intdigest

from moss.errors import Aborted, JobNotActive, MossError, TooManyRequests, WorkItemNotFound
from moss.naming.bucket import Bucket
from moss.node.getbatch.admission import FOLLOW_S_MAX, THROTTLE_S, Admission, WorkItem
from moss.node.getbatch.cold import ColdEntries
from moss.node.getbatch.executor import Assembly, Buffer, Counts, Outcome
from moss.node.getbatch.plan import Batch
from moss.node.getbatch.sources import Sources
from moss.node.getbatch.spool import Spool, SpoolBudget
from moss.node.getbatch.warmup import Warmup
from moss.node.jobs.batch import BatchJob
from moss.wire import headers
from moss.wire.batch import encode_metadata, multipart_epilogue, multipart_prologue, new_boundary

# So often the admissions that wait for their client are looked through, once the first of them may be too old.
_EXPIRY_S = 1.0


class BatchService:
    """GetBatch on one node.

    Args:
        parts: the node's engine, shards, config, metrics, jobs and clock.
        gateway_id, target_name: for work item ids and error texts (`t[id]`).
        cold_entries: returns what fetches the objects of a batch that are kept elsewhere, None if none are.
        spool_folder: where large buffered answers may be kept until they are sent.
    """

    def __init__(
        self,
        *,
        engine: Any,
        shards: Any,
        config: Any,
        metrics: Any,
        jobs: Any,
        clock: Any,
        gateway_id: str,
        target_name: str,
        spool_folder: Path,
        cold_entries: Callable[[Batch], ColdEntries | None] = lambda batch: None,
    ) -> None:
        self._engine, self._shards, self._config = engine, shards, config
        self._metrics, self._jobs, self._clock = metrics, jobs, clock
        self._cold_entries = cold_entries
        self._gateway_id, self._target_name, self._spool_folder = gateway_id, target_name, spool_folder
        self._spool_budget = SpoolBudget()
        self._warmup = Warmup(config.get_batch.warmup_workers)
        self.admission = Admission(clock.monotonic_s, self._expired)
        self._expiry: asyncio.TimerHandle | None = None

    # -- phase 1 -----------------------------------------------------------------------------------

    async def admit(self, batch: Batch, body: bytes, path_bucket: Bucket | None, client: str) -> WorkItem:
        """Admit a request.

        Raises:
            TooManyRequests: too much is pending; counted as a hard error.
        """
        wid = self._new_wid()
        job = await self._begin_work(path_bucket, wid)
        item = WorkItem(
            wid=wid,
            client=client,
            job=job,
            batch=batch,
            body_digest=xxh3_64_intdigest(body),
            soft_errors_max=self._config.get_batch.max_soft_errs,
            admitted_s=self._clock.monotonic_s(),
        )
        try:
            throttle = self.admission.check(client, lambda: f'{job.name}: wid="{wid}"')
        except TooManyRequests:
            self._metrics.add("err.getbatch.n", 1)
            job.end_work(wid=wid, is_served=False)
            raise
        # On the books before anything is waited for: those who come meanwhile count it.
        self.admission.wait(item)
        if throttle:
            await self._throttle(item)
        if self._expiry is None:
            self._expiry = asyncio.get_running_loop().call_later(FOLLOW_S_MAX, self._expire)
        return item

    def _new_wid(self) -> str:
        while True:
            wid = f"{self._gateway_id[:7]}-{secrets.token_urlsafe(4)[:5]}"
            if not self.admission.is_pending(wid):
                return wid

    async def _throttle(self, item: WorkItem) -> None:
        try:
            await asyncio.sleep(THROTTLE_S)
        except asyncio.CancelledError:
            # The client is gone: nobody will come for the work item.
            if self.admission.end(item):
                item.job.end_work(wid=item.wid, is_served=False)
            raise
        self._metrics.add("getbatch.throttle.ns", int(THROTTLE_S * 1e9))

    def _expire(self) -> None:
        """Forget what nobody follows also when no other request comes: a job with work pending never becomes idle."""
        self._expiry = None
        self.admission.expire()
        if self.admission.waiting():
            self._expiry = asyncio.get_running_loop().call_later(_EXPIRY_S, self._expire)

    async def _begin_work(self, path_bucket: Bucket | None, wid: str) -> BatchJob:
        while True:
            job = await self._jobs.batch_job(path_bucket)
            try:
                job.begin_work(wid)
            except JobNotActive:
                # Its idle minute ended just now: the next one asked for is another.
                continue
            return job

    def find(self, xid: str, wid: str) -> WorkItem:
        """Find the work item that a redirect names.

        Raises:
            Aborted: its job was stopped.
            JobNotActive, WorkItemNotFound: it was served already, has expired, or never was.

        Source: spec/getbatch.md 2.4, 8.6.
        """
        job = self._jobs.get(xid)
        if not isinstance(job, BatchJob):
            raise WorkItemNotFound(f'x-moss: xid "{xid}" not active')
        if job.aborted.is_set():
            self._give_up(wid, job)
            raise Aborted(_abort_text(job))
        if job.is_over:
            raise JobNotActive(f'x-moss: xid "{xid}" not active')
        item = self.admission.get(wid)
        if item is None or item.job is not job:
            since = time.strftime("%H:%M:%S", time.gmtime(job.started_ns // 10**9))
            micros = job.started_ns // 1000 % 10**6
            raise WorkItemNotFound(f'{job.name}-{since}.{micros:06d}: wid="{wid}" (prep-rx not done?) does not exist')
        return item

    def _give_up(self, wid: str, job: BatchJob) -> None:
        """End a work item whose job was stopped before its client came."""
        item = self.admission.get(wid)
        if item is not None and item.job is job:
            self.admission.end(item)
            job.end_work(failed=True, wid=wid, error=_abort_text(job))

    # -- phase 2 -----------------------------------------------------------------------------------

    async def serve(self, item: WorkItem, request: Any) -> None:
        """Answer an admitted request.

        Raises:
            MossError: before anything was sent; afterwards the connection is broken instead.
        """
        self.admission.start(item)
        outcome = None if item.batch.options.streaming else Outcome()
        assembly: Assembly | None = None
        error = "client disconnected"
        forget = self._cancel_on_abort(item.job)
        item.job.begin_assembly(item.wid)
        try:
            assembly = Assembly(
                item.batch,
                Sources(self._engine, self._shards, item.batch, self._target_name),
                soft_errors_max=item.soft_errors_max,
                describe=lambda: f'{item.job.name}: wid="{item.wid}"',
                aborted=item.job.aborted,
                warmup=self._warmup,
                outcome=outcome,
                cold=self._cold_entries(item.batch),
            )
            await self._send(item, assembly, outcome, request)
            error = ""
        except MossError as failure:
            error = failure.message
            raise
        except asyncio.CancelledError:
            if not item.job.aborted.is_set():
                raise
            asyncio.current_task().uncancel()
            error = _abort_text(item.job)
            raise Aborted(error) from None
        finally:
            forget()
            if assembly is not None:
                assembly.close()
            self._end(item, assembly, "" if request.writer.is_complete else error)

    async def _send(self, item: WorkItem, assembly: Assembly, outcome: Outcome | None, request: Any) -> None:
        options = item.batch.options
        if outcome is None:
            answer = {"Content-Type": options.format.content_type}
            if options.report_status:
                answer[headers.MOSS_BATCH_STATUS] = "1"
            if options.report_checksum:
                answer[headers.MOSS_BATCH_CHECKSUM] = "1"
            whole = assembly.at_once()
            if whole is not None:
                self._end(item, assembly, "")
                await request.writer.send_streamed(200, answer, whole)
            else:
                await request.writer.stream(200, answer, self._until_end(item, assembly, assembly.windows()))
            return
        boundary = new_boundary()
        answer = {"Content-Type": f"multipart/mixed; boundary={boundary}"}
        buffered = self._buffered(item, assembly, outcome, boundary)
        await request.writer.stream(200, answer, self._until_end(item, assembly, buffered))

    def _until_end(self, item: WorkItem, assembly: Assembly, windows: Iterator[list[Buffer]]) -> Iterator[list[Buffer]]:
        """Pass windows on, and account for the work item before the client can see that the answer has ended."""
        yield from windows
        self._end(item, assembly, "")

    def _buffered(self, item: WorkItem, assembly: Assembly, outcome: Outcome, boundary: str) -> Iterator[list[Buffer]]:
        """Assemble everything first, then yield metadata and archive: nothing is sent of what may still fail."""
        spool = Spool(self._spool_folder, self._spool_budget)
        try:
            for window in assembly.windows():
                spool.add(window)
                yield []
            spool.seal()
            metadata = encode_metadata(item.job.id, outcome.rows(item.batch))
            yield [multipart_prologue(boundary, metadata, item.job.id)]
            yield from spool.windows()
            yield [multipart_epilogue(boundary)]
        finally:
            spool.close()

    # -- the end of a work item ----------------------------------------------------------------------

    def _end(self, item: WorkItem, assembly: Assembly | None, error: str) -> None:
        """End a work item and count what it delivered; the first call counts. From any thread."""
        if not self.admission.end(item):
            return
        counts = assembly.counts if assembly is not None else Counts()
        item.job.end_work(
            counts.objects,
            counts.object_bytes,
            counts.members,
            counts.member_bytes,
            counts.soft_errors,
            bool(error),
            wid=item.wid,
            error=error,
        )

    def _expired(self, item: WorkItem) -> None:
        item.job.end_work(wid=item.wid, is_served=False)

    @staticmethod
    def _cancel_on_abort(job: BatchJob) -> Callable[[], None]:
        """Cancel the running task when the job is stopped; returns a function that puts an end to that."""
        task, loop, ended = asyncio.current_task(), asyncio.get_running_loop(), threading.Event()

        def cancel() -> None:
            if not ended.is_set():
                task.cancel()

        # The job may be stopped from any thread.
        forget = job.on_abort(lambda: loop.call_soon_threadsafe(cancel))

        def end() -> None:
            # What is on its way already must not hit the connection's next request.
            ended.set()
            forget()

        return end

    def close(self) -> None:
        if self._expiry is not None:
            self._expiry.cancel()
        self._warmup.close()


def _abort_text(job: BatchJob) -> str:
    return f"{job.name} aborted: {job.abort_reason}"
