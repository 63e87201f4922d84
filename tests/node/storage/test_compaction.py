"""Dead space is reclaimed, and nobody notices."""

import shutil
import threading

import pytest

from moss.errors import SegmentGone
from moss.node.storage.objects import ObjectAttributes

KIB = 1 << 10


def fill(engine, bucket, count: int = 200) -> None:
    for future in [engine.put(bucket, f"o{n}", bytes([n % 251]) * 50 * KIB) for n in range(count)]:
        future.result()


def files(root) -> set[str]:
    return {path.name for path in root.glob("segments/*/*.tar")}


def test_dead_segments_are_deleted_and_live_objects_moved(engine, bucket, root):
    fill(engine, bucket)
    before = files(root)
    stored = engine.stats()["stored_bytes"]
    for n in range(200):
        if n % 10:
            engine.delete(bucket, f"o{n}").result()
    report = engine.compact(0.5)
    assert report.segments >= 2
    assert report.skipped == 0
    assert engine.stats()["stored_bytes"] < stored / 2
    assert len(before - files(root)) == report.segments
    for n in range(0, 200, 10):
        assert engine.read(bucket, f"o{n}") == bytes([n % 251]) * 50 * KIB
    assert len(engine.list_objects(bucket)) == 20
    assert engine.scrub().damaged == []
    assert engine.stats()["live_bytes"] <= engine.stats()["stored_bytes"]


def test_moving_keeps_everything_but_the_place(engine, bucket, open_store, root):
    attributes = ObjectAttributes(custom={"k": "v"}, version="etag")
    engine.put(bucket, "o", b"x" * 1000, attributes=attributes).result()
    engine.put(bucket, "n" * 700, b"long").result()
    engine.put(bucket, "caf\u00e9", b"pax").result()
    fill(engine, bucket, 50)
    engine.update_custom(bucket, "n" * 700, {"changed": "1"}).result()
    engine.set_shard_flag(bucket, "o", True)
    names = ["o", "n" * 700, "caf\u00e9"]
    before = [engine.head(bucket, name) for name in names]
    for n in range(50):
        engine.delete(bucket, f"o{n}").result()
    assert engine.compact(0.3).segments
    after = [engine.head(bucket, name) for name in names]
    for old, new in zip(before, after, strict=True):
        assert new.extent[:2] != old.extent[:2]
        assert new.extent[2:] == old.extent[2:]
        assert (new.version, new.custom, new.created_ns) == (old.version, old.custom, old.created_ns)
    engine.close()
    shutil.rmtree(root / "index")
    again = open_store()
    assert [again.head(bucket, name) for name in names] == after
    assert [record.name for record in again.list_objects(bucket)] == sorted(names)
    assert again.scrub().damaged == []


def test_readers_of_a_compacted_segment_go_on(engine, bucket):
    fill(engine, bucket, 50)
    extent = engine.head(bucket, "o7").extent
    held = engine.segment(extent[0])
    for n in range(50):
        if n != 7:
            engine.delete(bucket, f"o{n}").result()
    assert engine.compact(0.5).segments
    assert bytes(held.view[extent[1] : extent[1] + extent[2]]) == bytes([7]) * 50 * KIB
    with pytest.raises(SegmentGone):
        engine.segment(extent[0])
    moved = engine.locate(bucket, ["o7"])[0]
    assert moved[5] == extent[5]
    engine.verify(moved)


def test_deletions_hold_after_compaction_and_rebuild(engine, bucket, open_store, root):
    """A deletion is needed as long as the record that it hides is anywhere."""
    fill(engine, bucket, 60)
    engine.put(bucket, "keeper", b"k" * 900 * KIB).result()
    for n in range(60):
        engine.delete(bucket, f"o{n}").result()
    fill(engine, bucket, 3)
    for _ in range(4):
        engine.compact(0.1)
        expected = [record.name for record in engine.list_objects(bucket)]
        assert expected == ["keeper", "o0", "o1", "o2"]
        engine.close()
        shutil.rmtree(root / "index")
        engine = open_store()
        assert [record.name for record in engine.list_objects(bucket)] == expected


def test_compaction_comes_to_rest(engine, bucket):
    fill(engine, bucket, 100)
    for n in range(100):
        engine.delete(bucket, f"o{n}").result()
    for _ in range(10):
        if not engine.compact(0.5).segments:
            break
    assert engine.compact(0.5).segments == 0
    assert engine.stats()["stored_bytes"] < 300 * KIB


def test_copies_left_by_a_crash_before_the_segment_was_deleted(engine, bucket, open_store, root, tmp_path):
    fill(engine, bucket, 50)
    for n in range(49):
        engine.delete(bucket, f"o{n}").result()
    saved = tmp_path / "saved"
    shutil.copytree(root / "segments", saved)
    assert engine.compact(0.5).segments
    newest = engine.put(bucket, "o49", b"newest").result()
    engine.close()
    for path in saved.glob("*/*.tar"):
        target = root / "segments" / path.parent.name / path.name
        if not target.exists():
            shutil.copy(path, target)
    shutil.rmtree(root / "index")
    again = open_store()
    assert [record.name for record in again.list_objects(bucket)] == ["o49"]
    assert again.head(bucket, "o49").serial == newest.serial
    assert again.read(bucket, "o49") == b"newest"


def test_damaged_segments_are_kept(engine, bucket):
    """What cannot be read as a record cannot be moved; the payload may still be whole."""
    fill(engine, bucket, 30)
    extent = engine.head(bucket, "o11").extent
    path = engine.segment(extent[0]).path
    with open(path, "r+b") as file:
        file.seek(extent[1] - 1000)
        file.write(b"???")
    for n in range(30):
        if n != 11:
            engine.delete(bucket, f"o{n}").result()
    report = engine.compact(0.5)
    assert (report.segments, report.skipped) == (0, 1)
    assert engine.read(bucket, "o11") == bytes([11]) * 50 * KIB


def test_reading_and_writing_go_on_meanwhile(engine, bucket):
    fill(engine, bucket, 100)
    failures: list[BaseException] = []
    stop = threading.Event()

    def read() -> None:
        try:
            while not stop.is_set():
                for n in range(0, 100, 5):
                    assert engine.read(bucket, f"o{n}")[:1] in (bytes([n % 251]), b"w")
        except BaseException as error:
            failures.append(error)

    def write() -> None:
        try:
            for round_ in range(3):
                for n in range(0, 100, 5):
                    engine.put(bucket, f"o{n}", b"w" * (round_ + 1) * 30 * KIB).result()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=read), threading.Thread(target=read), threading.Thread(target=write)]
    for thread in threads:
        thread.start()
    for n in range(100):
        if n % 5:
            engine.delete(bucket, f"o{n}").result()
        if n % 20 == 0:
            engine.compact(0.2)
    threads[2].join()
    engine.compact(0.2)
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
    for n in range(0, 100, 5):
        assert engine.read(bucket, f"o{n}") == b"w" * 90 * KIB
