"""Power cuts: the index one commit old, pages of the last writes missing. Reliability row 3.

What a disk may look like is made from the directory as it was: everything that was synced is there, of what was not
synced any part may be missing.
"""

import shutil
from pathlib import Path
from random import Random

import pytest

from moss.naming.bucket import Bucket
from moss.node.storage.engine import Engine

NAMES = ["a", "b", "c", "long" * 200]
PAGE = 512

State = dict[str, bytes]


def apply(state: State, operation: tuple[str, bytes | None]) -> State:
    name, data = operation
    after = {key: value for key, value in state.items() if key != name}
    return after if data is None else after | {name: data}


def random_operation(random: Random, state: State) -> tuple[str, bytes | None]:
    name = random.choice(NAMES)
    if name in state and random.random() < 0.3:
        return name, None
    return name, random.randbytes(random.choice([0, 10, 700, 5000, 20_000]))


def run(engine: Engine, bucket: Bucket, operation: tuple[str, bytes | None]) -> None:
    name, data = operation
    (engine.delete(bucket, name) if data is None else engine.put(bucket, name, data)).result()


def state_of(engine: Engine, bucket: Bucket) -> State:
    return {record.name: engine.read(bucket, record.name) for record in engine.list_objects(bucket)}


def lose_pages(path: Path, start: int, stop: int, random: Random) -> None:
    """Some pages of a stretch never reached the disk: they are zeros."""
    chance = random.choice([0.05, 0.5, 1.0])
    with open(path, "r+b") as file:
        for at in range(start // PAGE * PAGE, stop, PAGE):
            if at >= start and random.random() < chance:
                file.seek(at)
                file.write(bytes(min(PAGE, stop - at)))


@pytest.mark.parametrize("seed", range(40))
def test_acknowledged_is_there_and_the_rest_is_all_or_nothing(bucket, open_store, root, tmp_path, seed):
    random = Random(seed)
    engine = open_store()
    engine.create_bucket(bucket)
    state: State = {}
    indexes = []
    for number in range(random.randrange(1, 25)):
        indexes.append(tmp_path / f"index{number}")
        shutil.copytree(root / "index", indexes[-1])
        operation = random_operation(random, state)
        run(engine, bucket, operation)
        state = apply(state, operation)
    indexes.append(tmp_path / "index")
    shutil.copytree(root / "index", indexes[-1])
    synced = engine._committer._active.end
    possible = [state]
    for _ in range(random.randrange(5)):
        operation = random_operation(random, possible[-1])
        run(engine, bucket, operation)
        possible.append(apply(possible[-1], operation))
    written = engine._committer._active.end
    segment = engine._committer._active.path.relative_to(root)
    engine.close()

    crashed = tmp_path / "crashed"
    shutil.copytree(root, crashed, ignore=shutil.ignore_patterns("index", "*.lock"))
    shutil.copytree(random.choice(indexes[-2:]), crashed / "index", ignore=shutil.ignore_patterns("lock.mdb"))
    lose_pages(crashed / segment, synced, written, random)

    again = open_store(crashed)
    found = state_of(again, bucket)
    assert found in possible, "what was not acknowledged counts in order, or not at all"
    operation = random_operation(random, found)
    run(again, bucket, operation)
    after = apply(found, operation)
    again.close()
    if seed % 2:
        shutil.rmtree(crashed / "index")
    assert state_of(open_store(crashed), bucket) == after


@pytest.mark.parametrize("seed", range(20))
def test_index_lost_in_the_same_moment(bucket, open_store, root, seed):
    """Nothing says what was synced: names that the last writes did not touch are as they were."""
    random = Random(seed)
    engine = open_store()
    engine.create_bucket(bucket)
    state: State = {}
    for _ in range(15):
        operation = random_operation(random, state)
        run(engine, bucket, operation)
        state = apply(state, operation)
    synced = engine._committer._active.end
    possible = {name: [state.get(name)] for name in NAMES}
    for _ in range(3):
        operation = random_operation(random, {name: values[-1] for name, values in possible.items() if values[-1]})
        if operation[1] is None and possible[operation[0]][-1] is None:
            continue
        run(engine, bucket, operation)
        possible[operation[0]].append(operation[1])
    active = engine._committer._active
    path, written = active.path, active.end
    engine.close()
    lose_pages(path, synced, written, random)
    shutil.rmtree(root / "index")
    found = state_of(open_store(), bucket)
    for name in NAMES:
        assert found.get(name) in possible[name], name


def test_compaction_that_the_index_has_forgotten(engine, bucket, open_store, root, tmp_path):
    for n in range(80):
        engine.put(bucket, f"{n}", b"%d" % n * 20_000).result()
    for n in range(80):
        if n % 8:
            engine.delete(bucket, f"{n}").result()
    engine.update_custom(bucket, "8", {"k": "v"}).result()
    before = state_of(engine, bucket)
    shutil.copytree(root / "index", tmp_path / "index")
    assert engine.compact(0.3).segments
    engine.close()
    shutil.rmtree(root / "index")
    shutil.copytree(tmp_path / "index", root / "index", ignore=shutil.ignore_patterns("lock.mdb"))
    again = open_store()
    assert state_of(again, bucket) == before
    assert again.head(bucket, "8").custom == {"k": "v"}
    assert again.scrub().damaged == []
    assert again.compact(0.3).skipped == 0


def test_bucket_that_the_index_has_forgotten(engine, bucket, open_store, root, tmp_path):
    shutil.copytree(root / "index", tmp_path / "index")
    engine.create_bucket(Bucket("new"), b"props")
    engine.put(Bucket("new"), "o", b"x").result()
    engine.drop_bucket(bucket)
    engine.close()
    shutil.rmtree(root / "index")
    shutil.copytree(tmp_path / "index", root / "index", ignore=shutil.ignore_patterns("lock.mdb"))
    again = open_store()
    assert [record.bucket.name for record in again.list_buckets()] == ["new"]
    assert again.read(Bucket("new"), "o") == b"x"


def test_deleted_large_object_does_not_come_back_with_its_file(engine, bucket, open_store, root, tmp_path):
    """The deletion of a file is not durable at once: after a power cut the file may be there again."""
    extent = engine.put(bucket, "o", bytes(2 << 20)).result().extent
    engine.put(bucket, "kept", bytes(2 << 20)).result()
    path = engine.segment(extent[0]).path
    shutil.copy(path, tmp_path / "file")
    engine.delete(bucket, "o").result()
    assert not path.exists()
    engine.close()
    shutil.copy(tmp_path / "file", path)
    again = open_store()
    assert [record.name for record in again.list_objects(bucket)] == ["kept"]
    assert not path.exists()
    assert again.stats()["segments"] == 2
