"""All adapters of stores under the one suite of tests that they share."""

import uuid
from typing import ClassVar

import pytest

from moss.naming.bucket import Provider
from moss.node.backends.base import Backend
from moss.node.backends.opening import open_backend
from moss.node.backends.s3 import S3Backend
from moss.testing.backend import MemoryBackend
from moss.testing.backend_suite import ODD_NAMES, BackendSuite
from tests.support.azurite import Azurite, make_container
from tests.support.gcs import Gcs
from tests.support.rgw import ACCESS_KEY, SECRET_KEY, Rgw


class TestMemory(BackendSuite):
    async def open(self) -> MemoryBackend:
        return MemoryBackend()

    async def make_bucket(self, store: Backend) -> str:
        assert isinstance(store, MemoryBackend)
        store.make_bucket("bucket")
        return "bucket"


class TestS3(BackendSuite):
    service: ClassVar[Rgw]

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _service(cls, rgw: Rgw) -> None:
        cls.service = rgw

    async def open(self) -> Backend:
        return S3Backend(endpoint=self.service.url, keys=(ACCESS_KEY, SECRET_KEY), provider=self.provider)

    async def make_bucket(self, store: Backend) -> str:
        name = f"suite-{uuid.uuid4().hex[:12]}"
        self.service.client().create_bucket(Bucket=name)
        return name


class TestAzure(BackendSuite):
    provider = Provider.AZURE
    has_md5 = False
    # Its listings are XML, which has no way to write control characters; and a backslash is a slash to it.
    odd_names = tuple(name for name in ODD_NAMES if name.isprintable() and "\\" not in name)
    service: ClassVar[Azurite]

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _service(cls, azurite: Azurite) -> None:
        cls.service = azurite

    async def open(self) -> Backend:
        store = open_backend(Provider.AZURE, environ=self.service.environ)
        assert store is not None
        return store

    async def make_bucket(self, store: Backend) -> str:
        name = f"suite-{uuid.uuid4().hex[:12]}"
        await make_container(self.service, name)
        return name


class TestGcs(BackendSuite):
    provider = Provider.GCP
    service: ClassVar[Gcs]

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _service(cls, gcs: Gcs) -> None:
        cls.service = gcs

    async def open(self) -> Backend:
        store = open_backend(Provider.GCP, environ=self.service.environ)
        assert store is not None
        return store

    async def make_bucket(self, store: Backend) -> str:
        name = f"suite-{uuid.uuid4().hex[:12]}"
        self.service.make_bucket(name)
        return name
