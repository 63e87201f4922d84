"""File systems of the shared node, with a bucket for each test."""

import itertools
from collections.abc import Callable, Iterator

import fsspec
import pytest

from moss.integrations.fsspec import MossFileSystem
from moss.sdk import Client
from moss.testing import NodeProcess

_numbers = itertools.count()


@pytest.fixture
def make_fs(node: NodeProcess) -> Iterator[Callable[..., MossFileSystem]]:
    """Makes a file system of the node, with options."""
    made = []

    def make(**options: object) -> MossFileSystem:
        made.append(fsspec.filesystem("ais", endpoint=node.url, skip_instance_cache=True, **options))
        return made[-1]

    yield make
    for fs in made:
        fs.store.close()


@pytest.fixture
def fs(make_fs: Callable[..., MossFileSystem]) -> MossFileSystem:
    return make_fs()


@pytest.fixture
def client(node: NodeProcess) -> Iterator[Client]:
    with Client(node.url) as client:
        yield client


@pytest.fixture
def bucket(client: Client) -> Iterator[str]:
    """The name of an empty bucket, which is gone after the test."""
    name = f"fsspec-{next(_numbers)}"
    client.bucket(name).create()
    yield name
    client.bucket(name).delete(missing_ok=True)
