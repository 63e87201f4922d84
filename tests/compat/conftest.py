"""The same uses with the official client and with ours: what holds of the one holds of the other."""

import importlib
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from moss.testing import NodeProcess

WAIT_S = 4
"""A client's limit for a job. Clients look an eighth of it apart, so that a small limit makes a fast test."""

_MODULES = (
    "sdk",
    "sdk.errors",
    "sdk.enums",
    "sdk.types",
    "sdk.provider",
    "sdk.namespace",
    "sdk.list_object_flag",
    "sdk.archive_config",
    "sdk.blob_download_config",
    "sdk.multiobj",
    "sdk.obj.object_props",
    "sdk.obj.object_attributes",
    "sdk.dataset.dataset_config",
    "sdk.dataset.data_attribute",
    "sdk.dataset.label_attribute",
    "sdk.dsort",
    "sdk.etl",
)


@dataclass(frozen=True, slots=True)
class Library:
    """A client library by its package's name: `library.Client`, `library.ErrBckNotFound`, from whichever module."""

    root: str

    def __getattr__(self, name: str) -> Any:
        for module in _MODULES:
            try:
                found = getattr(importlib.import_module(f"{self.root}.{module}"), name, None)
            except ModuleNotFoundError:
                continue
            if found is not None:
                return found
        raise AttributeError(f"{self.root} has no {name}")

    @property
    def is_official(self) -> bool:
        return self.root == "aistore"


@pytest.fixture(params=["aistore", "moss"])
def library(request: pytest.FixtureRequest) -> Library:
    return Library(request.param)


@pytest.fixture
def client(library: Library, node: NodeProcess) -> Any:
    return library.Client(node.url)


@pytest.fixture
def make_bucket(client: Any) -> Iterator[Callable[[], Any]]:
    """Makes buckets that are gone after the test."""
    made: list[Any] = []

    def make() -> Any:
        made.append(client.bucket(f"c{uuid.uuid4().hex[:12]}").create())
        return made[-1]

    yield make
    for bucket in made:
        bucket.delete(missing_ok=True)


@pytest.fixture
def bucket(make_bucket: Callable[[], Any]) -> Any:
    return make_bucket()


@pytest.fixture
def other(make_bucket: Callable[[], Any]) -> Any:
    return make_bucket()


def put(bucket: Any, name: str, data: bytes) -> Any:
    """Stores an object and returns its handle."""
    item = bucket.object(name)
    item.get_writer().put_content(data)
    return item


def read(bucket: Any, name: str) -> bytes:
    return bytes(bucket.object(name).get_reader().read_all())


def names(bucket: Any, **options: Any) -> list[str]:
    return [entry.name for entry in bucket.list_all_objects(**options)]
