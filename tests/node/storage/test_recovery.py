"""What is left after crashes, torn writes and a lost index."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from moss.errors import ObjectNotFound
from moss.node.storage.engine import Engine, EngineOptions
from moss.node.storage.objects import ObjectAttributes
from tests.node.storage import put_forever
from tests.node.storage.put_forever import BUCKET, payload

MIB = 1 << 20


def only_segment(root: Path) -> Path:
    (path,) = root.glob("segments/*/*.tar")
    return path


def snapshot(engine: Engine, bucket) -> dict[str, tuple]:
    found = {}
    for record in engine.list_objects(bucket):
        extent = record.extent
        facts = (record.version, record.checksum_value, record.created_ns, record.custom, extent[3:])
        found[record.name] = (*facts, engine.read(bucket, record.name), engine.block_checksums(record.serial))
    return found


def fill(engine: Engine, bucket) -> None:
    """Objects of all kinds, with overwrites, deletions and changed attributes."""
    for n in range(120):
        custom = {"n": str(n)} if n % 4 == 0 else {}
        engine.put(bucket, f"o{n}", Random(n).randbytes(n * 97), attributes=ObjectAttributes(custom=custom)).result()
    for n in range(0, 120, 3):
        engine.put(bucket, f"o{n}", b"second %d" % n).result()
    for n in range(0, 120, 7):
        engine.delete(bucket, f"o{n}").result()
    for n in range(1, 120, 11):
        engine.update_custom(bucket, f"o{n}", {"changed": "\u00e9"}).result() if n % 7 else None
    engine.put(bucket, "n" * 900, b"long name").result()
    engine.put(bucket, "gone" * 200, b"long name").result()
    engine.delete(bucket, "gone" * 200).result()
    engine.put(bucket, "caf\u00e9 \udcff", b"no ustar").result()
    engine.put(bucket, "large", Random(1).randbytes(3 * MIB + 1)).result()
    engine.put(bucket, "large replaced", Random(2).randbytes(2 * MIB)).result()
    engine.put(bucket, "large replaced", b"small now").result()
    engine.put(bucket, "large deleted", Random(3).randbytes(2 * MIB)).result()
    engine.delete(bucket, "large deleted").result()
    engine.set_shard_flag(bucket, "o1", True)


@pytest.mark.parametrize("how", ["deleted", "garbage", "restart"])
def test_index_is_rebuilt_from_the_segments(engine, bucket, open_store, root, how):
    fill(engine, bucket)
    before = snapshot(engine, bucket)
    stats = engine.stats()
    engine.close()
    if how == "deleted":
        shutil.rmtree(root / "index")
    elif how == "garbage":
        (root / "index" / "data.mdb").write_bytes(Random(5).randbytes(100_000))
    again = open_store()
    assert snapshot(again, bucket) == before
    assert again.stats()["lost_records"] == 0
    assert again.stats()["live_bytes"] == stats["live_bytes"]
    # Serials and segments go on where they were.
    newest = again.put(bucket, "after", b"x").result()
    assert newest.serial > max(row[4][-1] for row in before.values())
    assert again.put(bucket, "o3", b"y").result().version == "3"


def test_index_is_rebuilt_twice_and_after_more_writes(engine, bucket, open_store, root):
    fill(engine, bucket)
    for round_ in range(3):
        engine.close()
        shutil.rmtree(root / "index")
        engine = open_store()
        engine.put(bucket, "round", b"%d" % round_).result()
        engine.delete(bucket, f"o{round_ + 1}").result()
    before = snapshot(engine, bucket)
    assert before["round"][-2] == b"2"
    engine.close()
    shutil.rmtree(root / "index")
    assert snapshot(open_store(), bucket) == before


def test_interrupted_rebuild_goes_on(engine, bucket, open_store, root):
    fill(engine, bucket)
    before = snapshot(engine, bucket)
    engine.close()
    # An index that was begun: it has tables, but the mark that says it is whole is missing.
    engine = open_store()
    with engine._changing() as change:
        change.txn.delete(b"complete", db=engine._index.meta_table)
        for number in list(engine._index.segment_rows(change.txn))[:1]:
            change.set_segment(number, None)
    engine.close()
    assert snapshot(open_store(), bucket) == before


def copy_without_index_changes(root: Path, to: Path, index_of: Path) -> None:
    """A directory as a crash leaves it: segments of now, index of before."""
    shutil.copytree(root, to, ignore=shutil.ignore_patterns("index", "*.lock"))
    shutil.copytree(index_of, to / "index", ignore=shutil.ignore_patterns("lock.mdb"))


def test_tail_that_the_index_has_not_seen_is_caught_up(engine, bucket, open_store, root, tmp_path):
    fill(engine, bucket)
    engine.close()
    shutil.copytree(root / "index", tmp_path / "old-index")
    engine = open_store()
    for n in range(120, 150):
        engine.put(bucket, f"o{n}", b"late %d" % n).result()
    engine.put(bucket, "o1", b"late").result()
    engine.delete(bucket, "o2").result()
    engine.put(bucket, "late large", Random(9).randbytes(2 * MIB)).result()
    engine.delete(bucket, "large").result()
    engine.update_custom(bucket, "o4", {"late": "1"}).result()
    before = snapshot(engine, bucket)
    engine.close()
    crashed = tmp_path / "crashed"
    copy_without_index_changes(root, crashed, tmp_path / "old-index")
    again = open_store(crashed)
    assert snapshot(again, bucket) == before
    again.close()
    shutil.rmtree(crashed / "index")
    assert snapshot(open_store(crashed), bucket) == before


def test_torn_tail_is_cut_off_at_every_length(engine, bucket, open_store, root, tmp_path):
    engine.put(bucket, "first", b"1" * 700).result()
    engine.close()
    shutil.copytree(root / "index", tmp_path / "old-index")
    engine = open_store()
    start = engine._committer._active.end
    engine.put(bucket, "first", b"2" * 3000).result()
    middle = engine._committer._active.end
    engine.put(bucket, "second", b"3" * 3000).result()
    end = engine._committer._active.end
    engine.close()
    for number, cut in enumerate([*range(start, end, 331), middle - 1, middle, middle + 1, end - 1, end]):
        crashed = tmp_path / f"crashed{number}"
        copy_without_index_changes(root, crashed, tmp_path / "old-index")
        path = only_segment(crashed)
        size = path.stat().st_size
        os.truncate(path, cut)
        os.truncate(path, size)
        again = open_store(crashed)
        # What was cut away is zeros now; a record whose end is nothing but padding is whole all the same.
        assert again.read(bucket, "first") == (b"2" * 3000 if cut >= middle - 72 else b"1" * 700), cut
        assert (again.locate(bucket, ["second"]) != [None]) == (cut >= end - 72), cut
        again.put(bucket, "third", b"after the crash").result()
        again.close()
        shutil.rmtree(crashed / "index")
        rebuilt = open_store(crashed)
        assert rebuilt.read(bucket, "third") == b"after the crash"
        assert rebuilt.read(bucket, "first") == (b"2" * 3000 if cut >= middle - 72 else b"1" * 700), cut
        rebuilt.close()
        shutil.rmtree(crashed)


def test_reordered_write_of_an_unacknowledged_group(engine, bucket, open_store, root, tmp_path):
    """After a power cut the end of a group may be on disk and its beginning not: nothing of it counts."""
    engine.put(bucket, "o", b"acknowledged").result()
    engine.close()
    shutil.copytree(root / "index", tmp_path / "old-index")
    engine = open_store()
    start = engine._committer._active.end
    engine.put(bucket, "o", b"a" * 5000).result()
    engine.put(bucket, "p", b"b" * 5000).result()
    engine.close()
    crashed = tmp_path / "crashed"
    copy_without_index_changes(root, crashed, tmp_path / "old-index")
    with open(only_segment(crashed), "r+b") as file:
        file.seek(start + 4096)
        file.write(bytes(1024))
    again = open_store(crashed)
    assert again.read(bucket, "o") == b"acknowledged"
    assert again.locate(bucket, ["p"]) == [None]


def test_an_index_that_is_ahead_of_missing_files_still_opens(engine, bucket, open_store, root):
    """The files of large objects go after the index has forgotten them; a lost commit brings the rows back."""
    engine.put(bucket, "kept", b"x").result()
    number = engine.put(bucket, "large", bytes(2 * MIB)).result().extent[0]
    path = engine.segment(number).path
    engine.close()
    path.unlink()
    again = open_store()
    assert again.read(bucket, "kept") == b"x"
    again.put(bucket, "large", b"new").result()
    assert again.read(bucket, "large") == b"new"


def test_leftover_uploads_go(engine, bucket, open_store, root):
    upload = engine.begin_upload(bucket, "o")
    upload.write(bytes(2 * MIB))
    shutil.copy(next((root / "incoming").iterdir()), root / "incoming" / "0-99-1.tar")
    (root / "incoming" / "1-99-1.tar").write_bytes(b"of another worker")
    upload.abort()
    engine.close()
    open_store()
    assert [path.name for path in (root / "incoming").iterdir()] == ["1-99-1.tar"]


@pytest.mark.slow
def test_acknowledged_objects_survive_kill_9(root, tmp_path):
    """Reliability row 2: kill the process in the middle of puts, again and again."""
    random = Random(7)
    first, acknowledged = 0, {}
    with Engine.open(root, options=EngineOptions(segment_bytes_max=8 << 20)) as engine:
        engine.create_bucket(BUCKET)
    for round_ in range(12):
        with subprocess.Popen(
            [sys.executable, put_forever.__file__, str(root), str(first)], stdout=subprocess.PIPE, text=True
        ) as child:
            for _ in range(random.randrange(20, 300)):
                line = child.stdout.readline()
                acknowledged[int(line[1:])] = line[0] == "+"
            child.kill()
            for line in child.stdout:
                if line.endswith("\n"):
                    acknowledged[int(line[1:])] = line[0] == "+"
        first = max(acknowledged) + 1000
        if round_ % 4 == 3:
            shutil.rmtree(root / "index")
        with Engine.open(root, options=EngineOptions(segment_bytes_max=8 << 20)) as engine:
            assert engine.stats()["lost_records"] == 0
            check_children_work(engine, acknowledged)


def check_children_work(engine: Engine, acknowledged: dict[int, bool]) -> None:
    for number, exists in acknowledged.items():
        if exists:
            assert engine.read(BUCKET, f"n{number}") == payload(number)
        else:
            with pytest.raises(ObjectNotFound):
                engine.head(BUCKET, f"n{number}")
    for record in engine.list_objects(BUCKET, limit=1_000_000):
        data = engine.read(BUCKET, record.name)
        if record.name.startswith("n"):
            assert data == payload(int(record.name[1:])), "half objects are never visible"
