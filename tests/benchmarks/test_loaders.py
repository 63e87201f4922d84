"""The loaders that are measured read what they are said to read."""

from pathlib import Path

import pytest

from benchmarks import loader_goals, loaders
from benchmarks.dataset import BUCKET, object_content, object_name
from moss.sdk import Client
from moss.testing import NodeProcess, start_node

SIZE_BYTES = 10 * 1024
COUNT = 300
ARMS = [loaders.moss_loader, *(make for _, _, make, _, _ in loader_goals.ARMS)]


@pytest.fixture(scope="module")
def own_node(tmp_path_factory: pytest.TempPathFactory) -> NodeProcess:
    with start_node(tmp_path_factory.mktemp("loaders")) as node:
        bucket = Client(node.url).bucket(BUCKET).create()
        for index in range(COUNT):
            bucket.object(object_name(SIZE_BYTES, index)).put_content(object_content(SIZE_BYTES, index))
        yield node


@pytest.mark.parametrize("make", ARMS, ids=lambda make: make.__name__)
def test_every_loader_delivers_the_samples(own_node: NodeProcess, tmp_path: Path, make: object):
    files, shards = loader_goals.write_files(tmp_path, COUNT)
    assert len(shards) == 2
    case = loaders.Case(own_node.url, files, shards, SIZE_BYTES, COUNT, workers=0)
    found = {bytes(sample.numpy()) for batch in make(case) for sample in batch}  # type: ignore[operator]
    contents = [object_content(SIZE_BYTES, index) for index in range(COUNT)]
    assert found == set(contents[: 100 if make is loaders.official_map else COUNT])
    loaders.close_loaders()
    assert loaders.epoch(make, case) > 0  # type: ignore[arg-type]
    loaders.close_loaders()
