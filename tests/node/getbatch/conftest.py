"""A store of its own for each test, with one bucket."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from moss.naming.bucket import Bucket
from moss.node.storage.engine import Engine, EngineOptions
from moss.node.storage.shards import ShardIndexes

BUCKET = Bucket("data")


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    options = EngineOptions(sync=False, compact_in_background=False, segment_bytes_max=4 << 20)
    with Engine.open(tmp_path / "store", options=options) as opened:
        opened.create_bucket(BUCKET)
        yield opened


@pytest.fixture
def shards(engine: Engine) -> ShardIndexes:
    return ShardIndexes(engine)


@pytest.fixture
def bucket() -> Bucket:
    return BUCKET
