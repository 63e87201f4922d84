"""The tests that fsspec has for every file system."""

import pytest
from fsspec.tests.abstract import (
    AbstractCopyTests,
    AbstractFixtures,
    AbstractGetTests,
    AbstractOpenTests,
    AbstractPipeTests,
    AbstractPutTests,
)

from moss.integrations.fsspec import MossFileSystem


class MossFixtures(AbstractFixtures):
    @pytest.fixture
    def fs(self, make_fs) -> MossFileSystem:
        return make_fs()

    @pytest.fixture
    def fs_path(self, bucket: str) -> str:
        return bucket

    @pytest.fixture
    def supports_empty_directories(self) -> bool:
        return False


class TestCopy(AbstractCopyTests, MossFixtures):
    pass


class TestGet(AbstractGetTests, MossFixtures):
    pass


class TestPut(AbstractPutTests, MossFixtures):
    pass


class TestPipe(AbstractPipeTests, MossFixtures):
    pass


class TestOpen(AbstractOpenTests, MossFixtures):
    pass
