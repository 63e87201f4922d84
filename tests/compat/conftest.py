"""The same uses with the official client and with ours: what holds of the one holds of the other."""

import importlib
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from moss.testing import NodeProcess
from tests.support.rgw import Rgw

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


class Cloud:
    """A bucket of the S3 service, through another client of it: what is really there."""

    def __init__(self, rgw: Rgw) -> None:
        self._client, self.name = rgw.client(), f"compat-{uuid.uuid4().hex[:12]}"
        self._client.create_bucket(Bucket=self.name)

    def put(self, name: str, data: bytes, **metadata: str) -> None:
        self._client.put_object(Bucket=self.name, Key=name, Body=data, Metadata=metadata)

    def read(self, name: str) -> bytes:
        return self._client.get_object(Bucket=self.name, Key=name)["Body"].read()

    def metadata(self, name: str) -> dict[str, str]:
        return self._client.head_object(Bucket=self.name, Key=name)["Metadata"]

    def delete(self, name: str) -> None:
        self._client.delete_object(Bucket=self.name, Key=name)

    def names(self) -> list[str]:
        return [row["Key"] for row in self._client.list_objects_v2(Bucket=self.name).get("Contents", [])]


@pytest.fixture
def cloud(rgw: Rgw) -> Cloud:
    return Cloud(rgw)


@pytest.fixture
def cloud_client(library: Library, cloud_node: NodeProcess) -> Any:
    return library.Client(cloud_node.url)


@pytest.fixture
def remote(cloud_client: Any, cloud: Cloud) -> Any:
    """The same bucket as `cloud`, through a node that has never heard of it."""
    return cloud_client.bucket(cloud.name, provider="aws")


@pytest.fixture
def local(cloud_client: Any) -> Iterator[Any]:
    """A bucket of the node's own, beside `remote`."""
    made = cloud_client.bucket(f"c{uuid.uuid4().hex[:12]}").create()
    yield made
    made.delete(missing_ok=True)


def cached(bucket: Any) -> list[str]:
    """Names of what a node has itself, by its listing."""
    return [entry.name for entry in bucket.list_all_objects(props="name,cached") if entry.is_cached()]


def put(bucket: Any, name: str, data: bytes) -> Any:
    """Stores an object and returns its handle."""
    item = bucket.object(name)
    item.get_writer().put_content(data)
    return item


def read(bucket: Any, name: str) -> bytes:
    return bytes(bucket.object(name).get_reader().read_all())


def names(bucket: Any, **options: Any) -> list[str]:
    return [entry.name for entry in bucket.list_all_objects(**options)]
