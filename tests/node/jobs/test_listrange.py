"""Copying and deleting many objects while the store changes underneath. Source: spec/rest-data.md 3.10, 6.2."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from moss.errors import Aborted, BucketNotFound, ChecksumMismatch
from moss.naming.bucket import Bucket
from moss.node.clock import SystemClock
from moss.node.jobs.job import Job
from moss.node.jobs.kinds.listrange import CopyPlan, copy_objects, delete_objects
from moss.node.jobs.kinds.rechunk import RechunkPlan, rechunk_objects
from moss.node.jobs.selection import parse_selection
from moss.node.jobs.table import KINDS
from moss.node.storage.engine import Engine, EngineOptions

A, B = Bucket("a"), Bucket("b")
ALL = parse_selection({})


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    options = EngineOptions(sync=False, compact_in_background=False, segment_bytes_max=1 << 20)
    with Engine.open(tmp_path, options=options) as engine:
        engine.create_bucket(A)
        engine.create_bucket(B)
        yield engine


@pytest.fixture
def job() -> Job:
    return Job(KINDS["copy-bck"], "jobid1234", SystemClock())


def payload(n: int, size: int = 700) -> bytes:
    return Random(n).randbytes(size)


def names(engine: Engine, bucket: Bucket) -> list[str]:
    return [name for name, _ in engine.list_extents(bucket)]


def test_every_object_is_copied_while_the_store_is_compacted(engine: Engine, job: Job):
    """Segments go away between looking up and copying: what was moved is looked up again."""
    for n in range(3000):
        engine.put(A, f"o{n:04}", payload(n))
    for n in range(0, 3000, 3):
        engine.put(A, f"o{n:04}", payload(n)).result()  # leaves dead space behind
    stop = threading.Event()

    def compact() -> None:
        while not stop.is_set():
            engine.compact(0.0001)

    compactor = threading.Thread(target=compact)
    compactor.start()
    try:
        for prepend in ("", "x/", "y/"):
            copy_objects(engine, CopyPlan(A, B, ALL, prepend=prepend))(job)
    finally:
        stop.set()
        compactor.join()
    assert job.counters.local_objects == 9000
    assert job.snapshot().error == ""
    for n in range(0, 3000, 7):
        assert engine.read(B, f"y/o{n:04}") == payload(n)
    assert engine.scrub().damaged == []


def test_copies_are_of_one_version_while_objects_are_overwritten(engine: Engine, job: Job):
    for future in [engine.put(A, f"o{n}", b"%d:" % n + b"0" * 500) for n in range(200)]:
        future.result()
    stop = threading.Event()

    def overwrite() -> None:
        generation = 0
        while not stop.is_set():
            generation += 1
            for n in range(200):
                engine.put(A, f"o{n}", b"%d:" % n + b"%d" % (generation % 10) * 500)
            engine.put(A, "o0", b"0:" + b"%d" % (generation % 10) * 500).result()

    writer = threading.Thread(target=overwrite)
    writer.start()
    try:
        for _ in range(5):
            copy_objects(engine, CopyPlan(A, B, ALL))(job)
    finally:
        stop.set()
        writer.join()
    for n in range(200):
        found = engine.read(B, f"o{n}")
        mark, _, body = found.partition(b":")
        assert mark == b"%d" % n
        assert (len(body), len(set(body))) == (500, 1)


def damage(engine: Engine, name: str) -> None:
    number, offset = engine.head(A, name).extent[:2]
    with open(engine._parts.paths.segment(number), "r+b") as file:
        file.seek(offset)
        file.write(b"\xff\x00\xff\x00")


def test_a_damaged_object_ends_the_job_unless_it_is_to_go_on(engine: Engine, job: Job):
    for n in range(5):
        engine.put(A, f"o{n}", payload(n)).result()
    damage(engine, "o2")
    with pytest.raises(ChecksumMismatch):
        copy_objects(engine, CopyPlan(A, B, ALL))(job)
    copy_objects(engine, CopyPlan(A, B, ALL, continues=True))(job)
    assert names(engine, B) == ["o0", "o1", "o3", "o4"]
    assert "ais://a/o2" in job.snapshot().error


def test_a_bucket_that_goes_away_ends_the_job(engine: Engine, job: Job):
    engine.put(A, "o", b"x").result()
    engine.drop_bucket(B)
    with pytest.raises(BucketNotFound):
        copy_objects(engine, CopyPlan(A, B, ALL))(job)


def test_a_stopped_job_stops_between_windows(engine: Engine, job: Job):
    for n in range(10):
        engine.put(A, f"o{n}", b"x").result()
    job.abort("enough")
    with pytest.raises(Aborted):
        copy_objects(engine, CopyPlan(A, B, ALL))(job)
    with pytest.raises(Aborted):
        delete_objects(engine, A, ALL)(job)
    assert (len(names(engine, A)), names(engine, B)) == (10, [])


def test_synchronizing_keeps_to_the_prefix_and_its_level(engine: Engine, job: Job):
    for name in ("p/keep", "p/sub/gone", "p/gone", "q/gone"):
        engine.put(B, name, b"x").result()
    engine.put(A, "p/keep", b"x").result()
    selection = parse_selection({"template": "p/"})
    plan = CopyPlan(A, B, selection, prefix="p/", is_recursive=False, synchronizes=True)
    copy_objects(engine, plan)(job)
    assert names(engine, B) == ["p/keep", "p/sub/gone", "q/gone"]


def test_names_come_from_extensions_then_the_front(engine: Engine, job: Job):
    plan = CopyPlan(A, B, ALL, prepend="new-", extensions={"jpg": "..png", "a": "b", "b": "a"})
    given = {"x.jpg": "new-x.png", "x.y.jpg": "new-x.y.png", "jpg": "new-jpg", "d/.jpg": "new-d/.png", "x.a": "new-x.b"}
    assert {name: plan.new_name(name) for name in given} == given
    plain = CopyPlan(A, B, ALL, extensions={"jpg": "png", "a": "b", "b": "a"})
    assert plain.possible_sources("x.png") == ["x.png", "x.jpg"]
    assert plain.possible_sources("x.b") == ["x.a"]
    assert plain.possible_sources("x.jpg") == []


def test_rechunking_large_and_small_objects_keeps_their_bytes(engine: Engine, job: Job):
    sizes = {"large": 2_500_000, "small": 5000, "tiny": 10}
    payloads = {name: os.urandom(size) for name, size in sizes.items()}
    for name, data in payloads.items():
        engine.put(A, name, data).result()
    rechunk_objects(engine, RechunkPlan(A, ALL, chunk_bytes=2000, limit_bytes=1000))(job)
    assert {name: engine.read(A, name) for name in payloads} == payloads
    assert engine.head(A, "large").chunks == (1250, 2000)
    assert engine.head(A, "small").chunks == (3, 2000)
    assert engine.head(A, "tiny").chunks == (0, 0)
    assert [engine.head(A, name).version for name in payloads] == ["2", "2", "1"]
