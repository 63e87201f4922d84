"""A store in a temporary directory, and ways to open it again."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from moss.naming.bucket import Bucket
from moss.node.storage.engine import Engine, EngineOptions

OpenStore = Callable[..., Engine]


@pytest.fixture
def bucket() -> Bucket:
    return Bucket("b")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def open_store(root: Path) -> Iterator[OpenStore]:
    """Opens the store; every engine is closed at the end. Options as in `EngineOptions`; nothing runs by itself."""
    engines: list[Engine] = []

    def opener(path: Path | None = None, **options: object) -> Engine:
        settings = {"sync": False, "compact_in_background": False, "segment_bytes_max": 4 << 20, **options}
        engines.append(Engine.open(path or root, options=EngineOptions(**settings)))
        return engines[-1]

    yield opener
    for engine in engines:
        engine.close()


@pytest.fixture
def engine(open_store: OpenStore, bucket: Bucket) -> Engine:
    """An open store with one empty bucket."""
    engine = open_store()
    engine.create_bucket(bucket, b"{}")
    return engine
