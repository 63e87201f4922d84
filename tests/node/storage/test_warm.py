"""The reader for the event loop says what the engine says, or nothing."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from moss.naming.bucket import Bucket
from moss.node.storage.engine import Engine, EngineOptions
from moss.node.storage.objects import ObjectAttributes

BUCKET = Bucket("b")


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with Engine.open(tmp_path / "store", options=EngineOptions(sync=False)) as opened:
        opened.create_bucket(BUCKET, {})
        yield opened


@pytest.mark.parametrize("size", [0, 1, 511, 10_240, 200_000])
def test_record_and_payload_are_those_of_the_engine(engine: Engine, size: int):
    attributes = ObjectAttributes(custom={"colour": "blue"}, checksum_type="md5")
    engine.put(BUCKET, "x", bytes(range(256)) * (size // 256) + b"z" * (size % 256), attributes=attributes).result()
    record = engine.warm.find(BUCKET, "x")
    assert record == engine.head(BUCKET, "x")
    assert engine.warm.read(record) == engine.read(BUCKET, "x")


def test_what_is_not_there_is_none(engine: Engine):
    assert engine.warm.find(BUCKET, "x") is None
    assert engine.warm.find(Bucket("other"), "x") is None
    assert engine.warm.bucket(Bucket("other")) is None
    assert engine.warm.bucket(BUCKET) == engine.get_bucket(BUCKET)


def test_changes_are_seen_at_once(engine: Engine):
    engine.put(BUCKET, "x", b"one").result()
    assert engine.warm.read(engine.warm.find(BUCKET, "x")) == b"one"
    engine.put(BUCKET, "x", b"two").result()
    assert engine.warm.read(engine.warm.find(BUCKET, "x")) == b"two"
    engine.set_bucket_props(BUCKET, {"access": "0"})
    assert engine.warm.bucket(BUCKET).props == engine.get_bucket(BUCKET).props
    engine.delete(BUCKET, "x").result()
    assert engine.warm.find(BUCKET, "x") is None


def test_a_bucket_that_was_made_anew_is_empty(engine: Engine):
    engine.put(BUCKET, "x", b"one").result()
    assert engine.warm.find(BUCKET, "x") is not None
    engine.drop_bucket(BUCKET)
    assert engine.warm.find(BUCKET, "x") is None
    engine.create_bucket(BUCKET, {})
    assert engine.warm.find(BUCKET, "x") is None


OTHER_WORKER = """
import sys
from moss.naming.bucket import Bucket
from moss.node.storage.engine import Engine, EngineOptions
from pathlib import Path

with Engine.open(Path(sys.argv[1]), options=EngineOptions(worker=1, sync=False)) as other:
    other.create_bucket(Bucket("c"), {})
    for name in "bc":
        other.put(Bucket(name), "x", b"theirs").result()
"""


def test_changes_of_another_worker_are_seen(engine: Engine, tmp_path: Path):
    assert engine.warm.find(BUCKET, "x") is None
    subprocess.run([sys.executable, "-c", OTHER_WORKER, str(tmp_path / "store")], check=True, timeout=60)
    for bucket in (BUCKET, Bucket("c")):
        assert engine.warm.read(engine.warm.find(bucket, "x")) == b"theirs"


def test_an_object_with_blocks_and_a_long_name_are_left_to_the_engine(engine: Engine):
    engine.put(BUCKET, "large", bytes(3 << 20)).result()
    assert engine.warm.read(engine.warm.find(BUCKET, "large")) is None
    engine.put(BUCKET, "n" * 900, b"long").result()
    assert engine.warm.find(BUCKET, "n" * 900) is None


def test_damage_is_left_to_the_engine(engine: Engine, tmp_path: Path):
    engine.put(BUCKET, "x", b"precious" * 100).result()
    record = engine.warm.find(BUCKET, "x")
    for path in (tmp_path / "store" / "segments").rglob("*.tar"):
        with open(path, "r+b") as file:
            file.seek(record.extent[1])
            file.write(b"P")
    assert engine.warm.read(record) is None


def test_a_deleted_object_that_was_found_is_read_or_left_to_the_engine(engine: Engine):
    engine.put(BUCKET, "large", bytes(3 << 20)).result()
    engine.put(BUCKET, "x", b"kept").result()
    record = engine.warm.find(BUCKET, "x")
    engine.delete(BUCKET, "x").result()
    assert engine.warm.read(record) in (b"kept", None)
