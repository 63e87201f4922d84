"""Jobs on objects in a store, where the store fails, changes or the disk is full. Source: spec/rest-data.md 6, 8."""

import asyncio
import hashlib
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from moss.errors import Aborted, BackendDenied, BackendUnavailable, ChecksumMismatch, OutOfSpace
from moss.naming.bucket import Bucket, Provider
from moss.node.backends.base import Page, RemoteObject, RemoteRead
from moss.node.backends.opening import OpenedBackends
from moss.node.clock import SystemClock
from moss.node.jobs.job import Job
from moss.node.jobs.kinds.listrange import CopyPlan
from moss.node.jobs.kinds.remote import PrefetchPlan, delete_remote, prefetch_objects
from moss.node.jobs.kinds.remote_copy import copy_remote
from moss.node.jobs.payloads import open_source
from moss.node.jobs.selection import Selection, parse_selection
from moss.node.jobs.stores import Stores, each
from moss.node.jobs.table import KINDS
from moss.node.remote import Place, RemoteObjects, Remotes, WriteThrough
from moss.node.remote.listing import page_of
from moss.node.storage.engine import Engine, EngineOptions
from moss.testing.backend import MemoryBackend

CLOUD, OTHER, LOCAL = Bucket("cloud", Provider.AWS), Bucket("other", Provider.AWS), Bucket("local")
ALL = parse_selection({})


class Shaky(MemoryBackend):
    """A store in memory on which the tests look.

    Attributes:
        broken: names of objects that it cannot give.
        on_get: called at each read, with the name.
        most: reads that were under way at one time.
    """

    def __init__(self) -> None:
        super().__init__()
        self.broken: set[str] = set()
        self.on_get: Callable[[str], None] = lambda name: None
        self.most = self._under_way = 0

    async def get(self, bucket: str, name: str, start: int = 0, length: int = -1, *, etag: str = "") -> RemoteRead:
        self._under_way += 1
        self.most = max(self.most, self._under_way)
        try:
            self.on_get(name)
            if name in self.broken:
                raise BackendUnavailable(f"cannot give {name}")
            return await super().get(bucket, name, start, length, etag=etag)
        finally:
            self._under_way -= 1

    def overwrite(self, bucket: str, name: str, content: bytes) -> None:
        """Write an object at once, as somebody else would."""
        about = RemoteObject(name, len(content), hashlib.md5(content).hexdigest())
        self._store(self._buckets[bucket], about, content)


@dataclass
class Bench:
    """A node's parts over a store in memory, without a server."""

    engine: Engine
    backend: "Shaky"
    stores: Stores
    loop: asyncio.AbstractEventLoop

    @property
    def place(self) -> Place:
        place = self.stores.place(CLOUD)
        assert place is not None
        return place

    def do(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(10)

    def fill(self, bucket: Bucket = CLOUD, count: int = 40) -> dict[str, bytes]:
        objects = {f"o{number:03}": b"%d" % number * 100 for number in range(count)}
        for name, body in objects.items():
            self.do(self.backend.put(bucket.name, name, body, {}))
        self.backend.calls.clear()
        return objects

    def stored(self, bucket: Bucket) -> dict[str, bytes]:
        async def read() -> dict[str, bytes]:
            found = await self.backend.list(bucket.name)
            return {row.name: await (await self.backend.get(bucket.name, row.name)).read() for row in found.objects}

        return self.do(read())

    def calls(self, word: str) -> list[str]:
        return [name for call, _, name in self.backend.calls if call == word]

    def run(self, kind: str, work: Callable[[Job], None]) -> Job:
        job = Job(KINDS[kind], "jobid1234", SystemClock())
        work(job)
        return job

    def prefetch(self, selection: Selection = ALL, **options: Any) -> Job:
        plan = PrefetchPlan(self.place, selection, **options)
        return self.run("prefetch-listrange", prefetch_objects(self.stores, plan, lambda kind, work: None))


async def settle() -> None:
    """Let what was cancelled come to its end."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        await asyncio.wait(others)
    await asyncio.get_running_loop().shutdown_asyncgens()
    await asyncio.get_running_loop().shutdown_default_executor()


def open_bench(folder: Path, **options: Any) -> Iterator[Bench]:
    backend, loop = Shaky(), asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    with Engine.open(folder, options=EngineOptions(sync=False, compact_in_background=False, **options)) as engine:
        for bucket in (CLOUD, OTHER, LOCAL):
            engine.create_bucket(bucket)
            backend.make_bucket(bucket.name)
        remotes = Remotes({Provider.AWS: backend}, OpenedBackends(loop, {Provider.AWS: backend}))
        objects = RemoteObjects(engine)
        writes = WriteThrough(engine, remotes, objects, loop)
        yield Bench(engine, backend, Stores(engine, objects, writes), loop)
        writes.close()
        asyncio.run_coroutine_threadsafe(settle(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    yield from open_bench(tmp_path)


def cached(bench: Bench, bucket: Bucket = CLOUD) -> list[str]:
    return [name for name, _ in bench.engine.list_extents(bucket)]


def test_each_object_is_asked_for_once(bench: Bench):
    objects = bench.fill()
    assert bench.prefetch().counters.local_objects == 40
    assert sorted(bench.calls("get")) == cached(bench) == list(objects)
    assert bench.calls("head") == []
    bench.backend.calls.clear()
    # What changed is told by the listing.
    bench.do(bench.backend.put("cloud", "o007", b"new", {}))
    bench.prefetch(latest=True)
    assert bench.calls("get") == ["o007"]
    assert bench.calls("head") == []


def test_as_many_objects_are_under_way_as_the_job_says(bench: Bench):
    bench.fill()
    bench.prefetch(workers=1)
    assert bench.backend.most == 1
    bench.run("delete-listrange", delete_remote(bench.stores, bench.place, ALL))
    bench.fill()
    bench.prefetch(workers=8)
    assert 1 < bench.backend.most <= 8


def test_a_prefetch_that_fails_ends_with_the_cause_unless_it_is_to_go_on(bench: Bench):
    objects = bench.fill()
    bench.backend.failures.append(BackendDenied("refused"))
    with pytest.raises(BackendDenied):
        bench.prefetch()
    assert cached(bench) == []
    bench.backend.broken = {"o003"}
    with pytest.raises(BackendUnavailable, match="o003"):
        bench.prefetch()
    job = bench.prefetch(continues=True)
    assert job.snapshot().error == "cannot give o003"
    assert cached(bench) == sorted(objects.keys() - {"o003"})


def test_a_stopped_job_ends_at_once(bench: Bench):
    bench.fill()
    job = Job(KINDS["prefetch-listrange"], "jobid1234", SystemClock())
    bench.backend.on_get = lambda name: job.abort("enough") and None
    with pytest.raises(Aborted):
        prefetch_objects(bench.stores, PrefetchPlan(bench.place, ALL, workers=1), lambda kind, work: None)(job)
    assert len(bench.calls("get")) <= 1


def test_a_full_disk_ends_a_prefetch_but_not_a_copy(tmp_path: Path):
    for bench in open_bench(tmp_path, headroom_bytes=1 << 60, reserve_bytes=0):
        objects = bench.fill()
        with pytest.raises(OutOfSpace, match="no room in the cache"):
            bench.prefetch(workers=1)
        assert len(bench.calls("get")) == 1, "the next ones would be fetched for nothing"
        plan = CopyPlan(CLOUD, OTHER, ALL)
        bench.run("copy-listrange", copy_remote(bench.stores, plan))
        assert bench.stored(OTHER) == objects


def test_an_object_that_changes_while_it_is_copied_is_copied_in_one_version(bench: Bench):
    size = (4 << 20) + 5
    bench.do(bench.backend.put("cloud", "large", b"a" * size, {}))
    bench.do(bench.backend.put("cloud", "small", b"a" * 10, {}))
    seen: list[str] = []

    def change(name: str) -> None:
        seen.append(name)
        # The small one after it was listed, the large one after its first piece.
        if seen.count(name) == (1 if name == "small" else 2):
            bench.backend.overwrite("cloud", name, b"b" * (10 if name == "small" else size))

    bench.backend.on_get = change
    for destination in (OTHER, LOCAL):
        seen.clear()
        job = bench.run("copy-listrange", copy_remote(bench.stores, CopyPlan(CLOUD, destination, ALL)))
        assert job.counters.local_objects == 2
    assert bench.stored(OTHER) == {"large": b"b" * size, "small": b"b" * 10}
    assert bench.engine.read(LOCAL, "large") == b"b" * size
    assert cached(bench) == []


def test_a_damaged_object_is_not_copied(bench: Bench):
    bench.do(bench.backend.put("cloud", "o", b"right", {"ais-cksum-type": "xxhash2", "ais-cksum-val": "0" * 16}))
    for destination in (OTHER, LOCAL):
        with pytest.raises(ChecksumMismatch):
            bench.run("copy-listrange", copy_remote(bench.stores, CopyPlan(CLOUD, destination, ALL)))
    assert (bench.stored(OTHER), cached(bench, LOCAL)) == ({}, [])


def test_what_cannot_be_deleted_stays_in_the_cache(bench: Bench):
    objects = bench.fill(count=4)
    bench.prefetch()
    bench.backend.failures.extend([BackendDenied("refused")] * 4)
    names = parse_selection({"objnames": list(objects)})
    with pytest.raises(BackendDenied):
        bench.run("delete-listrange", delete_remote(bench.stores, bench.place, names, workers=1))
    assert cached(bench) == list(objects)
    job = bench.run("delete-listrange", delete_remote(bench.stores, bench.place, names, continues=True, workers=1))
    assert (job.snapshot().error, job.counters.local_objects) == ("refused", 1)
    assert len(cached(bench)) == len(bench.stored(CLOUD)) == 3


def test_objects_to_read_come_in_order_wherever_they_are(bench: Bench):
    objects = bench.fill(count=50)
    bench.prefetch(parse_selection({"template": "o{000..020..3}"}))
    bench.backend.calls.clear()
    job = Job(KINDS["archive"], "jobid1234", SystemClock())
    found = open_source(bench.stores, CLOUD, ALL, job).payloads()
    assert {row.name: b"".join(row.pieces()) for row in found} == objects
    assert len(bench.calls("get")) == 43
    chosen = parse_selection({"objnames": ["o001", "none", "o002"]})
    rows = list(open_source(bench.stores, CLOUD, chosen, job).payloads())
    assert [(row.name, row.error and row.error.message) for row in rows] == [
        ("o001", None), ("none", "s3://cloud/none does not exist"), ("o002", None),
    ]  # fmt: skip


def test_a_listing_that_does_not_get_on_is_an_error(bench: Bench):
    class Stuck(Shaky):
        async def list(self, *given: Any, **options: Any) -> Page:
            return Page([], [], "o1")

    place = replace(bench.place, backend=Stuck())
    with pytest.raises(BackendUnavailable, match="does not get on"):
        asyncio.run(page_of(place, after="o1"))


def test_each_runs_so_many_at_one_time_and_ends_with_the_first_error():
    under_way, most, done = 0, 0, []

    async def numbers() -> AsyncIterator[int]:
        for number in range(20):
            yield number

    async def work(number: int) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1
        if number == 10:
            raise BackendUnavailable("ten")
        done.append(number)

    with pytest.raises(BackendUnavailable, match="ten"):
        asyncio.run(each(numbers(), work, 4))
    assert (most, len(done) <= 13) == (4, True)
